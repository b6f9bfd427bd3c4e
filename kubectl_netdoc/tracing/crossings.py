# SPDX-License-Identifier: Apache-2.0
"""How long packets took from one node to the next, as far as the packets relate the clocks of both to each other.

A packet that leaves at 0 by one clock and comes in at t by the other took t minus the difference of the clocks, and its answer
took its own time plus that difference. No way takes less than nothing, so the fastest packet of each way bounds the difference
from above and from below (the idea of RFC 5905, section 8); what lies between the bounds can't be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from msgspec import Struct

from kubectl_netdoc.measurements.trace import TraceReply
from kubectl_netdoc.tracing.hops import Way


class Crossing(Struct, frozen=True):
    """The way between two nodes, in microseconds (medians): ``both`` ways; ``there`` and ``back``, the least and the most."""

    one: str
    other: str
    both: float
    there: tuple[float, float]
    back: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"{self.one} to {self.other}: {span(self.there)}, back: {span(self.back)}, both together: {self.both / 1000:.2f} ms"
        )


def span(us: tuple[float, float]) -> str:
    """Return the least and the most of a time in words."""
    least, most = (f"{each / 1000:.2f}" for each in us)
    return f"{least} ms" if least == most else f"{least} to {most} ms"


def crossings(reply: TraceReply, there: Way) -> Iterator[Crossing]:
    """Yield the ways from node to node of the packets that went and came back. ``there``: the hops of the packets."""
    at = _moments(reply)
    for one, other in pairwise(dict.fromkeys(hop.node for hop in there.hops)):
        found: list[tuple[int, int]] = []
        for packet in range(len(reply.sent)):
            left, came = at.get((one, packet, False)), at.get((other, packet, False))
            answered, back = at.get((other, packet, True)), at.get((one, packet, True))
            if left and came and answered and back:
                found.append((came[0] - left[1], back[0] - answered[1]))
        crossing = _crossing(one, other, found)
        if crossing is not None:
            yield crossing


def _moments(reply: TraceReply) -> dict[tuple[str, int, bool], tuple[int, int]]:
    """Return when each packet, or its answer, was seen on each node first and last."""
    at: dict[tuple[str, int, bool], tuple[int, int]] = {}
    for seen in reply.sightings:
        if seen.what != "ICMP":
            key = (seen.node, seen.packet, seen.answer)
            least, most = at.get(key, (seen.us, seen.us))
            at[key] = (min(least, seen.us), max(most, seen.us))
    return at


def _crossing(one: str, other: str, found: list[tuple[int, int]]) -> Crossing | None:
    """Return a crossing from the time there plus the clocks' difference, and the time back minus it, of each packet."""
    if not found:
        return None
    most = min(there for there, _ in found)
    least = max(-back for _, back in found)
    if least > most:
        return None  # a clock was set meanwhile
    there, back = median(there for there, _ in found), median(back for _, back in found)
    both = median(there + back for there, back in found)
    return Crossing(one, other, float(both), (there - most, there - least), (back + least, back + most))
