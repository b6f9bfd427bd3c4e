"""How much netdoc puts on a network: what bounds it, and what a run came to.

Everything that begins (a datagram, a connection) waits for its turn in the agent, so the bounds hold whatever is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sized

from msgspec import Struct

from kubectl_netdoc.requests import (
    Address,
    Burst,
    Canary,
    DnsLookup,
    Echo,
    OwnService,
    PathMtu,
    Peer,
    Request,
    ResolvConf,
    ResolvConfNameserver,
)

PER_NODE = 500.0
"""Datagrams and connections that a node begins in a second at most; the figure of a quiet application."""

PER_TARGET = 2000.0
"""The same to one address and port from all nodes together: a tenth of what one CoreDNS serves (some 20,000 queries a second)."""

PER_TARGET_AND_NODE = 200.0
"""The same from one node."""

MTU_DATAGRAMS = 4
"""Datagrams that a path MTU takes where the whole MTU is carried; up to 100 where it has to be narrowed down."""


class Load(Struct, frozen=True, omit_defaults=True):
    """What a plan comes to: datagrams and connections in all, and the target that gets most of them, with its share."""

    total: int = 0
    most: int = 0
    target: str = ""


def spacing(nodes: Sized) -> float:
    """Return the seconds between two beginnings of one node to one target."""
    return max(1 / PER_TARGET_AND_NODE, len(nodes) / PER_TARGET)


def of(requests: Iterable[Request]) -> Load:
    """Return what requests come to, each asked for as often as it says at most."""
    counted = Counter[str]()
    for request in requests:
        counted[_target(request)] += _begun(request)
    counted.pop("", None)
    target, most = max(counted.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    return Load(sum(counted.values()), most, target)


def _begun(request: Request) -> int:
    if isinstance(request, DnsLookup):
        return request.samples * (2 if request.parallel else 1)
    if isinstance(request, Burst):
        return request.count
    if isinstance(request, PathMtu):
        return MTU_DATAGRAMS
    return request.samples if isinstance(request, Echo) else 1


def _target(request: Request) -> str:
    """Name what a request goes to; nothing where it goes nowhere, or counts itself (the canary)."""
    if isinstance(request, (Canary, ResolvConf)):
        return ""
    to = request.server if isinstance(request, DnsLookup) else request.to
    if isinstance(to, Address):
        return str(to)
    if isinstance(to, ResolvConfNameserver):
        return "the nameserver of resolv.conf"
    if isinstance(to, Peer):
        return f"netdoc's pod on {to.node}"
    assert isinstance(to, OwnService)
    return "netdoc's own Service"
