# SPDX-License-Identifier: Apache-2.0
"""Asks the peers about the lab, healthy and broken, and writes down what each is worth: bench/verdicts/<peer>/<scene>.json."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from bench import store
from bench.peers import PEERS, SLOW
from bench.peers.judge import SHOWN, judge, key, keys
from bench.peers.peer import ABOVE_INFO, Answer, Complaint, Peer
from lab.faults.model import Fault
from lab.faults.runner import Lab, LabError

TIMES = 3
"""Healthy answers that make a baseline."""

KINDS = (
    "namespaces,pods,services,configmaps,serviceaccounts,secrets,jobs,deployments,daemonsets,networkpolicies,"
    "roles,rolebindings,clusterroles,clusterrolebindings,customresourcedefinitions"
)


class Scene(Protocol):
    """What is wanted of bench.matrix's."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def faults(self) -> tuple[Fault, ...]: ...


class Verdict(Struct, frozen=True, kw_only=True):
    """What one peer said of the lab in one state."""

    name: str
    kind: str
    peer: str
    version: str
    commit: str
    when: str
    seconds: float
    exit: int
    load: float
    right: bool
    first: bool
    wrong: int
    new: int
    by: str
    complaints: tuple[Complaint, ...]


class Healthy(Struct, frozen=True, kw_only=True):
    """What one peer says of the healthy lab. ``alarms``: complaints above info in one answer, the median."""

    peer: str
    version: str
    source: str
    command: str
    commit: str
    when: str
    seconds: float
    exit: int
    alarms: float
    infos: float
    left: tuple[str, ...]
    """Objects that the cluster has after the first answer and did not have before."""
    complaints: tuple[Complaint, ...]
    baseline: tuple[str, ...]


class Panel:
    """The peers in front of one lab."""

    def __init__(self, lab: Lab, only: Sequence[str] | None = None) -> None:
        """``only``: names of peers; else all that are not slow."""
        self.lab = lab
        known = {peer.name: peer for peer in (*PEERS, *SLOW)}
        self.wanted: list[Peer] = [known[name] for name in only] if only else list(PEERS)
        self.peers: list[Peer] = []
        self.baseline: dict[str, frozenset[str]] = {}
        self.last: dict[str, frozenset[str]] = {}

    def healthy(self, commit: str) -> None:
        """Ask about the healthy lab, a few times each; a peer that is still being built joins later."""
        for peer in self.wanted:
            if peer in self.peers or not peer.path.is_file():
                continue
            self.peers.append(peer)
            before = self._objects()
            answers = [peer.ask(self.lab.kubeconfig)]
            left = self._objects() - before
            answers += [peer.ask(self.lab.kubeconfig) for _ in range(TIMES - 1)]
            self.baseline[peer.name] = keys(answers)
            alarms = [sum(c.severity in ABOVE_INFO for c in answer.complaints) for answer in answers]
            infos = [len(answer.complaints) - loud for answer, loud in zip(answers, alarms, strict=True)]
            verdict = Healthy(
                peer=peer.name,
                version=peer.version,
                source=str(peer.source),
                command=peer.shown,
                commit=commit,
                when=store.now(),
                seconds=statistics.median(answer.seconds for answer in answers),
                exit=answers[0].exit,
                alarms=statistics.median(alarms),
                infos=statistics.median(infos),
                left=tuple(sorted(left)),
                complaints=_distinct(answers[0])[:SHOWN],
                baseline=tuple(sorted(self.baseline[peer.name])),
            )
            store.write(peer.name, "healthy", verdict)
            print(
                f"{peer.name:<16} healthy {verdict.seconds:5.1f} s  {verdict.alarms:g} complaints, left {list(left)}", flush=True
            )

    def before(self, commit: str) -> None:
        """Ask once more, right before a fault: what an earlier one has left to be said is no news of this one."""
        self.healthy(commit)
        self.last = {peer.name: keys([peer.ask(self.lab.kubeconfig)]) for peer in self.peers}

    def ask(self, scene: Scene, commit: str) -> None:
        """Ask each about the broken lab, judge and write."""
        for peer in self.peers:
            load = store.load()
            answer = peer.ask(self.lab.kubeconfig)
            judged = judge(answer, self.baseline[peer.name] | self.last.get(peer.name, frozenset()), scene.faults)
            verdict = Verdict(
                name=scene.name,
                kind=scene.kind,
                peer=peer.name,
                version=peer.version,
                commit=commit,
                when=store.now(),
                seconds=answer.seconds,
                exit=answer.exit,
                load=round(load, 1),
                **msgspec.structs.asdict(judged),
            )
            store.write(peer.name, scene.name, verdict)
            said = "right" + (" and first" if judged.first else "") if judged.right else "not named"
            print(
                f"{scene.name:<28} {peer.name:<16} {answer.seconds:5.1f} s  {said}, {judged.wrong} wrong. {judged.by}", flush=True
            )

    def run(self, scenes: Sequence[Scene], commit: str) -> int:
        """Ask about all the scenes without netdoc. A lab on which a fault could not be restored is made anew."""
        failed = 0
        for scene in scenes:
            try:
                self.lab.remake()
                self.before(commit)
                with self.lab.broken(*scene.faults):
                    self.ask(scene, commit)
            except (LabError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"{scene.name:<28} {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
        return 1 if failed else 0

    def _objects(self) -> set[str]:
        listed = json.loads(self.lab.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
        return {
            "/".join(filter(None, (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]))) for item in listed
        }


def _distinct(answer: Answer) -> tuple[Complaint, ...]:
    return tuple({key(complaint): complaint for complaint in answer.complaints}.values())
