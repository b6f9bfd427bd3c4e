# SPDX-License-Identifier: Apache-2.0
"""One mutation after the other on one lab: apply, ask the oracle, ask netdoc, judge, undo, prove that all is as before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench import netdoc, store
from bench.campaign import inventory as inventories
from bench.campaign.draw import draw
from bench.campaign.judge import ALARM, Judgement, causes, judge
from bench.campaign.mutation import ALWAYS, LOAD, PERIODIC, THIRD, Mutation, Refused
from bench.campaign.oracle import Oracle, Reading, told
from bench.netdoc import ROOT
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.report import text as report_text
from lab.faults.runner import Lab, LabError

HERE = Path(__file__).parent
LONG = 22.0
"""Seconds that the oracle looks where a mutation comes and goes: two of its periods."""

BROKEN, WHOLE = 3.0, 7.0
"""Seconds of a mutation that comes every ten seconds."""

CALM = 60.0
"""Seconds in which a lab is as before, once a mutation is undone."""

MAKERS = ("DaemonSet", "ReplicaSet", "StatefulSet")
"""Owners that make a pod anew once it is deleted."""

FLAGS = {"privileged": ("--privileged",), "default": ()}
REFUSALS = 20


class Asked(Struct, frozen=True, kw_only=True):
    """What netdoc said with one set of flags."""

    judgement: Judgement
    seconds: float
    """From start to exit; the first cause is printed at the end."""
    lines: int = 0
    """Lines of the text report from the first command of the top cause to its end, which is what a terminal shows."""
    error: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """One file of ``bench/verdicts/campaign``."""

    seed: int
    number: int
    refused: int
    """Draws of this number that the kernel or the API server did not take."""
    network: str
    commit: str
    when: str
    mutation: Mutation
    symptoms: tuple[str, ...]
    """What the oracle saw; empty: the mutation is benign."""
    asked: dict[str, Asked]
    """By set of flags; nothing where there were enough of its kind, symptomatic or benign, already."""
    undone: str = ""
    """What was not as before once it was undone, so that the lab was made anew."""
    load: float = 0.0


class Campaign:
    """Runs mutations on one lab."""

    def __init__(self, lab: Lab, seed: int, enough: int | None = None) -> None:
        """Apply the campaign's own workload and read the healthy lab. ``enough``: ask about so many of a kind and no more."""
        self.lab, self.seed, self.enough = lab, seed, enough
        self.folder = store.VERDICTS / "campaign" / str(seed)
        self.network = lab.network()
        self.state = lab.kubeconfig.with_suffix(".campaign")
        self.layers = {path.stem: path.parent.name for path in (ROOT / "kubectl_netdoc" / "checks").glob("*/*")}
        self.judged = Counter(bool(verdict.symptoms) for verdict in read(self.folder) if verdict.asked)
        """How many were judged, symptomatic and benign."""
        self.settle()

    def has_enough(self, *kinds: bool) -> bool:
        """Whether there are enough of each kind (symptomatic, benign)."""
        return self.enough is not None and all(self.judged[kind] >= self.enough for kind in kinds)

    def settle(self) -> None:
        """Bring the lab to the state that every mutation starts from, and write that state down."""
        self.lab.remake()
        if (left := self.state / "undo.json").exists():
            self._undo(json.loads(left.read_text()))
        self.lab.kubectl("apply", "-f", str(HERE / "workload.yaml"))
        if self.network in ("canal", "cilium"):
            self.lab.kubectl("apply", "-f", str(HERE / "policies.yaml"))
        for space, what in (
            ("campaign", "ds/prober"),
            ("market", "deploy/cart"),
            ("market", "deploy/pay"),
            ("market", "sts/queue"),
        ):
            self.lab.kubectl("-n", space, "rollout", "status", what, "--timeout=120s")
        self.lab.grow()
        self.inventory = inventories.read(self.lab)
        self.oracle = Oracle(self.lab, self.inventory)
        self.before = self._healthy()
        self.nodes = inventories.state(self.lab, self.inventory.nodes)
        self.written = inventories.written(self.lab)

    def leave(self) -> None:
        """Take the campaign's own workload away."""
        self.lab.kubectl("delete", "-f", str(HERE / "workload.yaml"), "--ignore-not-found", "--wait=false")

    def _healthy(self) -> Reading:
        end = time.monotonic() + CALM
        while True:
            reading = self.oracle.read()
            bad = {key: tries[0][0] for key, tries in reading.outcomes.items() if tries[0][0] and not key.startswith("cart ")}
            if not bad:
                return reading
            if time.monotonic() > end:
                raise LabError(f"the lab is not healthy: {told(bad)}")
            time.sleep(2)

    def path(self, number: int) -> Path:
        """Where a verdict is."""
        return self.folder / f"{number:03}.json"

    def run(self, number: int) -> Verdict:
        """Go the whole way for one number."""
        self.inventory = inventories.read(self.lab)
        refused = 0
        while True:
            mutation = draw(self.seed, number, self.inventory, refused)
            try:
                with self.applied(mutation):
                    verdict = self._judged(number, refused, mutation)
                break
            except Refused as error:
                refused += 1
                print(f"      not taken: {mutation.what[:150]}: {error}", flush=True)
                if refused > REFUSALS:
                    raise
        self._renew_pods()
        if wrong := self.differences():
            verdict = msgspec.structs.replace(verdict, undone=wrong)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.path(number).exists():
            self.path(number).write_bytes(msgspec.json.format(msgspec.json.encode(verdict), indent=1) + b"\n")
            self.judged[bool(verdict.symptoms)] += bool(verdict.asked)
        if wrong:
            print(f"      the lab is made anew: {wrong[:300]}", flush=True)
            self.anew()
        return verdict

    def anew(self) -> None:
        """Remove the lab, make it again and start over."""
        lab = str(ROOT / "lab" / "lab")
        for verb in ("down", "up"):
            subprocess.run(
                [lab, verb, self.lab.name],
                env=os.environ | {"NETWORK": self.network},
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.settle()

    @contextmanager
    def applied(self, mutation: Mutation) -> Iterator[None]:
        """Have a mutation inside the ``with``; it is always undone."""
        self.state.mkdir(exist_ok=True)
        (self.state / "undo.json").write_text(json.dumps(mutation.undo))  # for the next run, should this one be killed
        stop = threading.Event()
        comes = threading.Thread(target=self._comes_and_goes, args=(mutation, stop))
        try:
            self.lab.shell(*mutation.apply, state=self.state)
        except LabError as error:
            self._undo(mutation.undo)
            raise Refused(str(error).splitlines()[-1][:200]) from None
        try:
            if mutation.timing == PERIODIC:
                comes.start()
            time.sleep(mutation.settle)
            yield
        finally:
            stop.set()
            if comes.ident:
                comes.join()
            self._undo(mutation.undo)

    def _undo(self, lines: Sequence[str]) -> None:
        """Run what undoes a mutation, each line whatever became of the one before."""
        self.lab.shell(*(f"{{ {line}\n}} || true" for line in lines), state=self.state, check=False)
        shutil.rmtree(self.state)

    def _comes_and_goes(self, mutation: Mutation, stop: threading.Event) -> None:
        there = True
        while not stop.wait(BROKEN if there else WHOLE):
            self.lab.shell(*(mutation.undo if there else mutation.apply), state=self.state, check=False)
            there = not there
        if not there:  # it is there whenever it is undone
            self.lab.shell(*mutation.apply, state=self.state, check=False)

    def _judged(self, number: int, refused: int, mutation: Mutation) -> Verdict:
        timings = {part.timing for part in (mutation.parts or (mutation,))}
        seconds = LONG if PERIODIC in timings else 6.0 if timings & {THIRD, LOAD} else 0.0
        symptoms = self.oracle.differs(self.before, seconds)
        load = store.load()
        asked = {} if self.has_enough(bool(symptoms)) else {name: self._ask(number, name) for name in FLAGS}
        if not symptoms and any(judge(mutation, said.report, False, self.layers).verdict == ALARM for said in asked.values()):
            symptoms = self.oracle.differs(self.before, seconds)  # some effects come late: a neighbour's entry ages
        return Verdict(
            seed=self.seed,
            number=number,
            refused=refused,
            network=self.network,
            commit=netdoc.commit(),
            when=store.now(),
            mutation=mutation,
            symptoms=tuple(told(symptoms)),
            load=round(load, 1),
            asked={
                name: Asked(
                    judgement=judge(mutation, said.report, bool(symptoms), self.layers),
                    seconds=round(said.seconds, 1),
                    lines=lines(said.report),
                    error=said.errors.strip()[-300:],
                )
                for name, said in asked.items()
            },
        )

    def _ask(self, number: int, name: str) -> netdoc.Said:
        """Run netdoc with a set of flags, and keep the whole report."""
        try:
            said = netdoc.check(self.lab, *FLAGS[name])
        except subprocess.TimeoutExpired:
            said = netdoc.Said(None, store.DEADLINE, 0, "did not end")
        netdoc.keep(f"campaign-{self.seed}/{number:03}-{name}", said.report)
        return said

    def _pods(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = json.loads(self.lab.kubectl("get", "pods", "-A", "-o", "json"))["items"]
        except (LabError, ValueError):
            return []  # the differences tell
        return found

    def _renew_pods(self) -> None:
        """Have pods made anew in which a container ended: for an hour each of them is a trouble of a mutation that is undone."""
        for item in self._pods():
            meta, states = item["metadata"], item["status"].get("containerStatuses", [])
            made = any(owner["kind"] in MAKERS for owner in meta.get("ownerReferences", []))
            if made and any(state["restartCount"] for state in states):
                self.lab.shell(f"kubectl -n {meta['namespace']} delete pod {meta['name']} --wait", check=False)

    def differences(self) -> str:
        """Say what is not as before within `CALM` seconds; nothing where all is."""
        end = time.monotonic() + CALM
        while True:
            found = [f"{key}: {said}" for key, said in self.oracle.differs(self.before).items()]
            now = inventories.state(self.lab, self.inventory.nodes)
            written = inventories.written(self.lab)
            found += [f"{item['metadata']['name']} is not ready" for item in self._pods() if not _ready(item)]
            found += [name for name in sorted(written | self.written) if written.get(name) != self.written.get(name)]
            found += [f"{node}: {sign} {line}" for node, lines in now.items() for sign, line in _lines(self.nodes[node], lines)]
            if not found:
                return ""
            if time.monotonic() > end:
                return "; ".join(found[:8])
            time.sleep(1)


def _ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready, or one of the oracle's that is on its way out."""
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
    return ready or "campaign-start" in pod["metadata"].get("labels", {})


def read(folder: Path) -> list[Verdict]:
    """Return the verdicts of a seed."""
    return [msgspec.json.decode(path.read_bytes(), type=Verdict) for path in sorted(folder.glob("*.json"))]


def _lines(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from (("-", line) for line in sorted(set(before) - set(after)))
    yield from (("+", line) for line in sorted(set(after) - set(before)))


def lines(report: dict[str, Any] | None) -> int:
    """Count the lines from the report's end up to the top cause's first command (all where there is none)."""
    if report is None:
        return 1
    shown = report_text.render(msgspec.convert(report, Report)).splitlines()[::-1]
    commands: list[str] = next((cause["commands"] for cause in causes(report)), [])
    return next((number for number, line in enumerate(shown, 1) if commands and commands[0][:40] in line), len(shown))


def summary(verdict: Verdict) -> str:
    """Say a verdict in a line."""
    kind = "SYMPTOM" if verdict.symptoms else "benign "
    said = (
        "  ".join(f"{name}: {asked.judgement.verdict} ({asked.seconds:.0f} s)" for name, asked in verdict.asked.items())
        or "not asked"
    )
    timing = "" if verdict.mutation.timing == ALWAYS else f" [{verdict.mutation.timing}]"
    return f"{verdict.number:3} {kind} {said}  {verdict.mutation.what[:160]}{timing}"
