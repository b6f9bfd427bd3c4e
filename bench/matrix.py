# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: what netdoc, and its peers, say of each fault of the lab, written down one file a fault.

    python -m bench.matrix [--name CLUSTER] [--peers|--only-peers] [NAME…]

NAME: faults, pairs and healthy variants; all of them without one. For each: healthy → inject → symptom proven without netdoc →
check → judge → apply the printed fix → check again → restore → healthy again. ``bench/verdicts/netdoc`` has the current verdict
of each, ``bench/verdicts/first`` the first one that was ever written down, which is never written again. ``bench.score`` counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import netdoc, store
from bench.peers.panel import Panel
from kubectl_netdoc.remediation import commands
from lab.faults.model import Fault, on, pairs, variants
from lab.faults.runner import Lab, LabError, Leaked, all_faults
from lab.faults.verdict import ABOVE_INFO, judge, subject

GONE = 30.0
"""Seconds that the API server is given to delete a namespace with all that is in it."""

CALM, BUSY = 90.0, 0.85
"""Seconds that other work on the machine is given to end, and the share of the CPUs' time below which it has: a lab that nobody
asks takes 0.1 to 0.3 of two."""

COMMAND_DEADLINE = 90.0
MENDED = 120.0
"""Seconds for a fix to take effect: the kubelet kills a stopped process after 30, kube-proxy's rules follow."""


class Fix(Struct, frozen=True):
    """What became of the printed fix. ``state``: mended, not mended, nothing to run, by hand, not applied."""

    state: str
    commands: tuple[str, ...] = ()
    why: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What one run of netdoc said of the lab in one state."""

    name: str
    kind: str
    """``fault``, ``pair`` or ``healthy``."""
    commit: str
    when: str
    seconds: float
    right: bool
    missing: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    first: bool = True
    load: float = 0.0
    """The machine's load average when the run began, in tasks a CPU."""
    left: int = 0
    """Objects of netdoc's in the cluster once the run has ended."""
    fix: Fix = Fix("nothing to run")
    after: tuple[str, ...] = ()
    """What was said above info once the fault was restored: a false alarm each."""
    after_seconds: float = 0.0


class Scene(Struct, frozen=True):
    """One state of the lab: faults at once, or a healthy variant."""

    name: str
    kind: str
    faults: tuple[Fault, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """What ``check`` is to be told besides."""
        return tuple(dict.fromkeys(flag for fault in self.faults for flag in fault.flags))


def scenes(lab: str = "netdoc") -> Iterator[Scene]:
    """All there are, as they are on a lab of that name."""
    yield from (Scene(fault.name, "fault", (on(fault, lab),)) for fault in all_faults() if fault.expect)
    yield from (Scene(pair.name, "pair", tuple(on(fault, lab) for fault in pair.faults)) for pair in pairs())
    yield from (Scene(variant.name, "healthy", (variant,)) for variant in variants())


class Runner:
    """Runs the matrix on one lab."""

    def __init__(self, lab: Lab, panel: Panel | None = None) -> None:
        self.lab = lab
        self.panel = panel

    def check(self, *args: str) -> tuple[dict[str, Any], float]:
        """Return the report of one run of `kubectl netdoc check`, and the seconds that it took."""
        said = netdoc.check(self.lab, *args)
        if said.report is None:
            raise LabError(f"netdoc ended with {said.code}: {said.errors}")
        return said.report, said.seconds

    def left(self) -> int:
        """Count objects of netdoc's that are still there half a minute after the run has ended."""
        deadline = time.monotonic() + GONE
        while (count := self._left()) and time.monotonic() < deadline:
            time.sleep(1)
        return count

    def _left(self) -> int:
        listed = self.lab.kubectl(
            "get",
            "namespaces,pods,services,networkpolicies",
            "-A",
            "-l",
            "app.kubernetes.io/managed-by=kubectl-netdoc",
            "-o",
            "json",
        )
        return len(json.loads(listed)["items"])

    def run(self, scene: Scene) -> Verdict:
        """Go the whole way for one scene."""
        fix = Fix("nothing to run")
        load = store.load()
        if self.panel:
            self.panel.before(netdoc.commit())
        try:
            with self.lab.broken(*scene.faults):
                report, seconds = self.check(*scene.flags)
                netdoc.keep(scene.name, report)
                left = self.left()
                if self.panel:
                    self.panel.ask(scene, netdoc.commit())
                judged = judge(report, scene.faults)
                if scene.kind != "healthy":
                    fix = self.fix(report, scene)
        except Leaked as error:
            if fix.state not in ("mended", "not mended"):
                raise
            print(f"after the fix of {scene.name} the lab is made anew: {error}", flush=True)
            self.mend()
        after, after_seconds = self.check(*scene.flags)
        return Verdict(
            name=scene.name,
            kind=scene.kind,
            commit=netdoc.commit(),
            when=store.now(),
            seconds=round(seconds, 1),
            load=round(load, 1),
            right=judged.right,
            **vars(judged),
            left=left,
            fix=fix,
            after=tuple(f"{f['code']} {subject(f['subject'])}" for f in after["findings"] if f["severity"] in ABOVE_INFO),
            after_seconds=round(after_seconds, 1),
        )

    def mend(self) -> None:
        """Have the lab made anew where a fault could not be restored: the next verdict is not to suffer from it."""
        self.lab.remake()
        self.lab.grow()

    @staticmethod
    def calm() -> None:
        """Wait, for some minutes at most, until the machine has no more to do than its CPUs can: else netdoc measures that."""
        deadline = time.monotonic() + CALM
        while store.busy() > BUSY and time.monotonic() < deadline:
            time.sleep(1)

    def fix(self, report: dict[str, Any], scene: Scene) -> Fix:
        """Apply what the causes' commands change, in the order in which they are printed, and look again."""
        if why := "; ".join(fault.not_applied for fault in scene.faults if fault.not_applied):
            return Fix("not applied", why=why)
        true = {fault.cause for fault in scene.faults}
        named = [
            f
            for f in report["findings"]
            if f["code"] in true and not f["explained_by"] and any(map(commands.changes, f["commands"]))
        ]
        meant = {f["code"] for f in named}  # of two faults, the one whose cause names what to look at is not to go away
        lines = [
            (line, argv) for f in named for line, argv in zip(f["commands"], f["argv"], strict=True) if commands.changes(line)
        ]
        shown = tuple(dict.fromkeys(line for line, _ in lines))
        if not lines:
            return Fix("nothing to run")
        if any(" edit " in line for line in shown):
            return Fix("by hand", shown)
        try:
            for argv in dict.fromkeys(tuple(argv) for _, argv in lines):
                self.paste(argv)
        except LabError as error:
            return Fix("not mended", shown, str(error))
        finally:
            self.sweep()
        checks = {f["check"] for f in named}
        deadline = time.monotonic() + MENDED
        while True:
            again, _ = self.check(*checks, *scene.flags)
            still = {f["code"] for f in again["findings"] if f["severity"] in ABOVE_INFO} & meant
            if not still:
                return Fix("mended", shown)
            if time.monotonic() > deadline:
                return Fix("not mended", shown, f"{', '.join(sorted(still))} was still there after {MENDED:g} s")

    def paste(self, argv: Sequence[str]) -> None:
        """Run a printed command. The lab can't pull busybox, and nobody sits at its terminal: nothing else is changed."""
        told = [word.replace("--image=busybox", f"--image={netdoc.IMAGE}") for word in argv if word != "-it"]
        if told[1:2] == ["debug"]:
            told[2:2] = ["-i"]
        try:
            done = subprocess.run(
                told,
                env=netdoc.environment(self.lab),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_DEADLINE,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(told)} did not end in {COMMAND_DEADLINE:g} s") from None
        if done.returncode:
            raise LabError(f"{' '.join(told)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")

    def sweep(self) -> None:
        """Delete the pods that `kubectl debug` leaves."""
        pods = self.lab.kubectl("-n", "default", "get", "pods", "-o", "name").split()
        if ours := [pod for pod in pods if pod.startswith("pod/node-debugger-")]:
            self.lab.kubectl("-n", "default", "delete", "--wait", "--grace-period=1", *ours)


def write(verdict: Verdict) -> None:
    """Write the current verdict, and the first one where there is none."""
    store.write("netdoc", verdict.name, verdict)
    if not store.has("first", verdict.name):
        store.write("first", verdict.name, verdict)


def line(verdict: Verdict) -> str:
    """Say a verdict in one line."""
    said = "right" if verdict.right else f"WRONG: missing {verdict.missing}, unnamed {verdict.unnamed}, wrong {verdict.wrong}"
    why = f" ({verdict.fix.why})" if verdict.fix.why else ""
    after = f", afterwards {', '.join(verdict.after)}" if verdict.after else ""
    return f"{verdict.name:<28} {verdict.seconds:5.1f} s  {said}, fix: {verdict.fix.state}{why}{after}"


def main(args: list[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.matrix", description="Run the fault matrix.")
    parser.add_argument("scene", nargs="*")
    parser.add_argument("--name", default="netdoc", help="the cluster's name")
    parser.add_argument("--kubeconfig", type=Path, help="the path that lab/lab printed")
    parser.add_argument("--peers", action="store_true", help="ask the peers too (bench/peers)")
    parser.add_argument("--only-peers", action="store_true", help="ask the peers and not netdoc, and apply no fix")
    parser.add_argument("--peer", action="append", help="only these peers, also one that is slow")
    options = parser.parse_args(args)
    known = {scene.name: scene for scene in scenes(options.name)}
    if unknown := set(options.scene) - known.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    lab = netdoc.open_lab(options.name, options.kubeconfig)
    panel = Panel(lab, options.peer) if options.peers or options.only_peers else None
    if panel:
        panel.healthy(netdoc.commit())
    runner = Runner(lab, panel)
    if options.only_peers and panel:
        return panel.run([known[name] for name in options.scene or known], netdoc.commit())
    failed = 0
    for name in options.scene or known:
        if why := next(filter(None, map(lab.lacks, known[name].faults)), ""):
            print(f"{name:<28} not run: {why}", flush=True)
            continue
        runner.mend()
        runner.calm()
        try:
            verdict = runner.run(known[name])
        except (LabError, subprocess.TimeoutExpired, ValueError) as error:
            failed += 1
            print(f"{name:<28} could not be judged: {type(error).__name__}: {error}", flush=True)
            continue
        write(verdict)
        print(line(verdict), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
