# SPDX-License-Identifier: Apache-2.0
"""When a peer is right: the one rule for all of them, more generous than netdoc's own.

A complaint counts where the tool does not make it on the healthy lab as well (the generated ends of pods' names and all numbers
aside). A peer is right on a fault where such a complaint, of whatever kind, names something that the fault's file expects a
finding on: by namespace and name, or by kind and name; the node where that is a node, either one where it is a pair of nodes,
any part of DNS where it is one; or what `accept.yaml` takes for the fault besides. netdoc has to name the codes too, and all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml
from msgspec import Struct

from bench.peers.peer import ABOVE_INFO, RANKS, Answer, Complaint
from lab.faults.model import Fault, Subject

SHOWN = 20
ACCEPT: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "accept.yaml").read_text())
DNS = ("coredns", "kube-dns")
_HASH = "[bcdfghjklmnpqrstvwxz2456789]"
_MADE = re.compile(rf"(-{_HASH}{{6,10}})?-{_HASH}{{5}}(?![\w.-])|-{_HASH}{{8,10}}(?![\w.-])")
"""The ends that controllers give to the names of pods, ReplicaSets and EndpointSlices; none has a vowel."""


class Judged(Struct, frozen=True, kw_only=True):
    """What an answer is worth on one fault; ``wrong`` counts new complaints above info that name something else."""

    right: bool
    first: bool
    wrong: int
    new: int
    by: str = ""
    """The complaint that made it right, the first one."""

    complaints: tuple[Complaint, ...] = ()
    """The first new ones, by the tool's own severity."""


def key(complaint: Complaint) -> str:
    """What a complaint is, the same for the pod that takes another's place."""
    return f"{complaint.check} {re.sub(r'[0-9]+', '#', _plain(f'{complaint.subject} {complaint.message}'))}"


def _plain(text: str) -> str:
    return _MADE.sub("-*", text)


def keys(answers: Iterable[Answer]) -> frozenset[str]:
    """Return what several answers complain of, all in all: a baseline."""
    return frozenset(key(complaint) for answer in answers for complaint in answer.complaints)


def judge(answer: Answer, baseline: frozenset[str], faults: Sequence[Fault]) -> Judged:
    """Judge an answer by the files of the faults that the lab had (none, or ones that expect nothing: a healthy lab)."""
    fresh: dict[str, Complaint] = {}
    for complaint in answer.complaints:
        if key(complaint) not in baseline:
            fresh.setdefault(key(complaint), complaint)
    ranked = sorted(fresh.values(), key=lambda complaint: RANKS.index(complaint.severity))
    meant = [fault for fault in faults if fault.expect]
    hits = [[complaint for complaint in ranked if names(complaint, fault)] for fault in meant]
    named = {id(complaint) for hit in hits for complaint in hit}
    right = all(hits) if meant else not any(complaint.severity in ABOVE_INFO for complaint in ranked)
    return Judged(
        right=right,
        first=bool(ranked and id(ranked[0]) in named) if meant else right,
        wrong=sum(id(complaint) not in named and complaint.severity in ABOVE_INFO for complaint in ranked),
        new=len(ranked),
        by=f"{hits[0][0].check} {hits[0][0].subject}: {hits[0][0].message}"[:200] if hits and hits[0] else "",
        complaints=tuple(ranked[:SHOWN]),
    )


def names(complaint: Complaint, fault: Fault) -> bool:
    """Whether it names a subject that the fault's file expects, or something that is taken for it."""
    text = _plain(f"{complaint.subject} {complaint.message}")
    patterns = [pattern for expected in fault.expect for pattern in _patterns(expected.subject)]
    patterns += [_start(name) for name in ACCEPT.get(fault.name, ())]
    return any(re.search(pattern, text, re.I) for pattern in patterns)


def _patterns(subject: Subject) -> Iterator[str]:
    if subject.node:
        yield _start(subject.node)
    if subject.kind in ("Node", "NodePair"):
        yield from map(_start, subject.name.split("--"))
    elif subject.kind in ("Address", "APIServer"):
        yield _start(subject.name.rsplit(":", 1)[0])
    elif subject.namespace == "kube-system" and subject.name.startswith(DNS):
        yield from map(_start, DNS)
    elif subject.kind != "Cluster":
        name = rf"{_glob(subject.name)}(-\*)?(?![\w.-])"
        yield rf"(?<![\w.-]){re.escape(subject.namespace)}/{name}"
        yield rf"\b{subject.kind}(s|es)?[ /:'\"]+([\w.-]+/)?{name}"


def _start(name: str) -> str:
    """A word that begins with the name: a pod's begins with its owner's."""
    return rf"(?<![\w.-]){_glob(name)}(?!\w)"


def _glob(name: str) -> str:
    return r"\S*".join(re.escape(part) for part in name.split("*"))
