# SPDX-License-Identifier: Apache-2.0
"""The hops of a trace: its sightings put together by place and brought into order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome
from kubectl_netdoc.measurements.trace import Sighting, TraceReply, Tunnel

ARRIVED = frozenset({Outcome.OK, Outcome.REFUSED})
"""Outcomes of packets that somebody has answered."""


class Hop(Struct, frozen=True):
    """One place of the way, an interface and a direction, with the packets that were seen there.

    ``source``, ``to``: the addresses at this place. The answering side has its port; the asking side, which has another one for
    each packet, has 0. ``us``: microseconds since the packet's first sighting on this node, the median. ``macs``: where the
    frames were sent to. ``ttl``: the lowest. ``corrupt``: the packets with a wrong checksum.
    """

    node: str
    dev: str
    out: bool
    tunnels: tuple[Tunnel, ...]
    source: Address
    to: Address
    packets: frozenset[int]
    us: float
    ttl: int
    macs: frozenset[str] = frozenset()
    corrupt: frozenset[int] = frozenset()

    @property
    def way(self) -> str:
        """The addresses and tunnels in words."""
        tunnels = "".join(f" in {each.kind} {each.source} -> {each.to}" for each in self.tunnels)
        return f"{named(self.source)} -> {named(self.to)}{tunnels}"

    @property
    def place(self) -> str:
        """The place in words."""
        return f"{self.dev} of {self.node}, {'leaving' if self.out else 'coming in'}"


def named(end: Address) -> str:
    """Return an address with its port, or alone where the port does not matter."""
    return str(end) if end.port else end.ip


class Way(Struct, frozen=True):
    """The hops of one direction in their order, and which packets took part in it."""

    hops: tuple[Hop, ...] = ()

    def of(self, packets: Iterable[int]) -> tuple[Hop, ...]:
        """Return the hops at which at least one of these packets was seen."""
        wanted = frozenset(packets)
        return tuple(hop for hop in self.hops if hop.packets & wanted)

    def last(self, packet: int) -> Hop | None:
        """Return the last hop of a packet."""
        return next((hop for hop in reversed(self.hops) if packet in hop.packets), None)


def lost(reply: TraceReply) -> frozenset[int]:
    """Return the numbers of the packets that nobody answered."""
    return frozenset(number for number, packet in enumerate(reply.sent) if packet.outcome not in ARRIVED)


def ways(reply: TraceReply, first: str) -> tuple[Way, Way]:
    """Return the ways of the packets and of their answers. ``first``: the node they were sent from."""
    packets = [one for one in reply.sightings if one.what != "ICMP"]
    out = [one for one in packets if not one.answer]
    back = [one for one in packets if one.answer]
    return _way(out, _nodes(out, first)), _way(back, _nodes(back, "", first))


def _nodes(seen: list[Sighting], first: str, last: str = "") -> list[str]:
    """Return the nodes in the order in which packets pass them: each router lowers the TTL."""
    highest: dict[str, int] = {}
    for one in seen:
        highest[one.node] = max(highest.get(one.node, 0), one.ttl)
    return sorted(highest, key=lambda node: (node != first, node == last, -highest[node], node))


def _way(seen: list[Sighting], nodes: list[str]) -> Way:
    begun: dict[tuple[str, int], int] = {}
    for one in seen:
        begun[one.node, one.packet] = min(begun.get((one.node, one.packet), one.us), one.us)
    groups: defaultdict[tuple[str, str, bool, tuple[Tunnel, ...], Address, Address], list[Sighting]] = defaultdict(list)
    for one in seen:
        source, to = (one.source, Address(one.to.ip, 0)) if one.answer else (Address(one.source.ip, 0), one.to)
        groups[one.node, one.dev, one.out, one.tunnels, source, to].append(one)
    hops = [
        Hop(
            *key,
            packets=frozenset(one.packet for one in group),
            us=float(median(one.us - begun[one.node, one.packet] for one in group)),
            ttl=min(one.ttl for one in group),
            macs=frozenset(one.mac for one in group),
            corrupt=frozenset(one.packet for one in group if one.bad_checksum),
        )
        for key, group in groups.items()
    ]
    # The sort is stable: of what the kernel stamped at one time, the tap got first what came first.
    return Way(tuple(sorted(hops, key=lambda hop: (nodes.index(hop.node), hop.us))))
