# SPDX-License-Identifier: Apache-2.0
"""The load that netdoc causes: its limits, and the load of a run.

Every datagram and connection waits for its turn in the agent, so the limits hold whatever is requested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sized

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Lost, Peer, ResolvConfNameserver
from kubectl_netdoc.measurements.bench import Bench
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Echo
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, ResolvConf
from kubectl_netdoc.measurements.node import OF_A_NODE
from kubectl_netdoc.measurements.over_time import OverTime, Place
from kubectl_netdoc.measurements.path import Burst, PathMtu
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.measurements.trace import Trace

PER_NODE = 500.0
"""Most datagrams and connections per second from a node, as many as a quiet application has."""

PER_TARGET = 2000.0
"""The same from all nodes together to one address and port: a tenth of what one CoreDNS serves (some 20,000 queries a second)."""

PER_TARGET_AND_NODE = 200.0
"""The same from one node to one address and port."""

MTU_DATAGRAMS = 16
"""Datagrams to measure a path MTU if the whole MTU is carried; up to 100 if it has to be narrowed down."""


class Load(Struct, frozen=True):
    """The load of a run: all datagrams and connections, and the target with most of them and their number.

    The limits, in datagrams and connections per second: from a node, to one target, and from a node to one target.
    """

    total: int = 0
    most: int = 0
    target: str = ""
    per_node: float = 0.0
    per_target: float = 0.0
    per_target_and_node: float = 0.0


def spacing(nodes: Sized) -> float:
    """Return the seconds between two connections or datagrams from one node to one target."""
    return max(1 / PER_TARGET_AND_NODE, len(nodes) / PER_TARGET)


def of(requests: Iterable[Request], nameserver: str = "the nameserver of resolv.conf") -> Load:
    """Return the most load that requests can cause. ``nameserver``: the address of the pods' nameserver."""
    counted = Counter[str]()
    for request in requests:
        if isinstance(request, OverTime):
            for place in request.places:
                counted[_of_place(place)] += _looks(request, place)
        else:
            counted[_target(request, nameserver)] += _begun(request)
    counted.pop("", None)
    target, most = max(counted.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    return Load(sum(counted.values()), most, target, PER_NODE, PER_TARGET, PER_TARGET_AND_NODE)


def sent(replies: Mapping[Request, Reply]) -> Load:
    """Return the load that was really caused, with the nameserver's address if it is known."""
    asked = [request for request, reply in replies.items() if not (isinstance(reply, Lost) and not reply.sent)]
    symbolic = (
        str(Address(reply.server))
        for request, reply in replies.items()
        if isinstance(request, DnsLookup) and isinstance(request.server, ResolvConfNameserver)
        if isinstance(reply, DnsReply) and reply.server
    )
    known = next(symbolic, "")
    return of(asked, known) if known else of(asked)


def in_words(load: Load) -> str:
    """Return the line about the load of a run and its limits."""
    most = f"; most to one: {load.target} with {load.most:,}" if load.most else ""
    return (
        f"load: {load.total:,} datagrams and connections in all, at most {load.per_node:,.0f}/s from a node, "
        f"{load.per_target_and_node:,.0f}/s from it to one target and {load.per_target:,.0f}/s to one target from all{most}"
    )


def _begun(request: Request) -> int:
    if isinstance(request, DnsLookup):
        return request.samples * (2 if request.parallel else 1)
    if isinstance(request, (Burst, Trace)):
        return request.count
    if isinstance(request, PathMtu):
        return MTU_DATAGRAMS
    return request.samples if isinstance(request, Echo) else 1


def _looks(request: OverTime, place: Place) -> int:
    """Return the connections to one place: the looks, and to netdoc's own the idle ones, those at once and the large answers."""
    own = 0 if isinstance(place, Address) else 4 + 2 * request.together + 2
    return int(request.seconds / request.every) + own


def _of_place(place: Place) -> str:
    if isinstance(place, Address):
        return str(place)
    return f"netdoc's pod on {place.node}" if isinstance(place, Peer) else "netdoc's own Service"


def _target(request: Request, nameserver: str) -> str:
    """Return the target of a request as text; "" if it has none, or counts its load itself (the canary, a benchmark)."""
    if isinstance(request, (Canary, Bench, ResolvConf, OverTime, *OF_A_NODE)):
        return ""
    to = request.server if isinstance(request, DnsLookup) else request.to
    return nameserver if isinstance(to, ResolvConfNameserver) else _of_place(to)
