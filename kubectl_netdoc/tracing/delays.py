# SPDX-License-Identifier: Apache-2.0
"""Where the packets of a trace waited: between two interfaces of one node, whose kernel stamped both, or between two nodes."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median

from msgspec import Struct

from kubectl_netdoc.measurements.trace import Sighting, TraceReply
from kubectl_netdoc.tracing.crossings import Crossing, crossings
from kubectl_netdoc.tracing.hops import Way

LONG_MS = 50.0
"""Milliseconds between two interfaces of a node that are no kernel's own: 0.1 ms are usual, 10 ms a busy CPU."""

FAR_MS = 100.0
"""Milliseconds from a node to another and back that no cluster is meant for: etcd's heartbeat (etcd.io, Tuning, defaults)."""


class Delay(Struct, frozen=True):
    """Milliseconds (the median) that packets spent on a node between two places. ``answer``: on the way back."""

    node: str
    before: str
    after: str
    ms: float
    answer: bool


def longest(reply: TraceReply) -> Delay | None:
    """Return the longest wait on a node, if it is long; None if no packet waited."""
    gaps: defaultdict[tuple[str, str, str, bool], list[float]] = defaultdict(list)
    for node, seen in _by_node_and_packet(reply).items():
        for one, other in pairwise(seen):
            if one.answer == other.answer:
                gaps[node[0], _place(one), _place(other), one.answer].append((other.us - one.us) / 1000)
    found = [Delay(at, one, other, round(median(each), 1), back) for (at, one, other, back), each in gaps.items()]
    worst = max(found, key=lambda delay: delay.ms, default=None)
    return worst if worst and worst.ms > LONG_MS else None


def far(reply: TraceReply, there: Way) -> Crossing | None:
    """Return the longest way between two nodes, if it is long. ``there``: the hops of the packets."""
    worst = max(crossings(reply, there), key=lambda crossing: crossing.both, default=None)
    return worst if worst and worst.both > FAR_MS * 1000 else None


def _by_node_and_packet(reply: TraceReply) -> dict[tuple[str, int], list[Sighting]]:
    found: defaultdict[tuple[str, int], list[Sighting]] = defaultdict(list)
    for one in reply.sightings:
        if one.what != "ICMP":
            found[one.node, one.packet].append(one)
    return {key: sorted(seen, key=lambda one: one.us) for key, seen in found.items()}


def _place(one: Sighting) -> str:
    return f"{one.dev} ({'out' if one.out else 'in'})"
