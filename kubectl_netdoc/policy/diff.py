# SPDX-License-Identifier: Apache-2.0
"""What a new or changed policy opens and closes, before it is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.formats.addresses import IPAddress
from kubectl_netdoc.policy.connections import Connection, Connections, Place, Range, concerns, connections
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import NONE, Ports
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.records.base import Kind, Object
from kubectl_netdoc.records.kinds import (
    ADMIN_POLICIES,
    ANTREA_POLICIES,
    CALICO_POLICIES,
    CILIUM_POLICIES,
    NETWORK_POLICY,
    POLICIES,
)

EVALUATED: tuple[Kind[Any], ...] = (NETWORK_POLICY, *ADMIN_POLICIES, *CALICO_POLICIES, *CILIUM_POLICIES, *ANTREA_POLICIES)
"""The kinds whose change can be judged. OVN's own are only listed."""

ALL: tuple[Kind[Any], ...] = POLICIES

New = Mapping[str, tuple[Object, ...]]
"""The new and changed policies, by the name of their kind."""


class PolicyDiff(Struct, frozen=True):
    """The connections that are allowed only after the change or only before it, and what could not be evaluated."""

    opened: tuple[Connection, ...]
    closed: tuple[Connection, ...]
    policies: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()

    def within(self, namespaces: tuple[str, ...]) -> PolicyDiff:
        """Return the part about workloads of these namespaces; everything if none is given."""
        return replace(
            self,
            opened=tuple(c for c in self.opened if concerns(c, namespaces)),
            closed=tuple(c for c in self.closed if concerns(c, namespaces)),
        )


def with_policies(cluster: Cluster, new: New) -> tuple[Cluster, tuple[str, ...]]:
    """Return the cluster with the policies of ``new`` instead of those of the same name, and the changes as text."""
    listings = dict(cluster.index.listings)
    words = []
    for kind in ALL:
        coming = {(item.namespace, item.name): item for item in new.get(kind.name, ())}
        if not coming:
            continue
        there = {(item.namespace, item.name): item for item in cluster.all(kind)} if cluster.readable(kind) else {}
        for (namespace, name), item in coming.items():
            before = there.get((namespace, name))
            words.append(f"{PolicyRef(kind.name, namespace, name)}: {_change(kind, before, item)}")
        lost = getattr(cluster.listing(kind), "undecodable", ())
        listings[kind.name] = Listing(tuple({**there, **coming}.values()), lost)
    return cluster.with_listings(listings), tuple(words)


def _change(kind: Kind[Any], before: Any, after: Any) -> str:
    if kind not in EVALUATED:
        return "not evaluated"
    return "new" if before is None else "unchanged" if before.spec == after.spec else "changed"


def compare(cluster: Cluster, new: New) -> PolicyDiff:
    """Return which connections the policies of ``new`` open and close. Raises ``KindUnavailable``."""
    after, words = with_policies(cluster, new)
    old, later = connections(Engine(cluster)), connections(Engine(after))
    cuts = _cuts((old, later))
    was, will = _table(old, cuts), _table(later, cuts)
    opened = tuple(_less(will, was))
    return PolicyDiff(opened, tuple(_less(was, will)), words, tuple(dict.fromkeys((*old.incomplete, *later.incomplete))))


Table = dict[tuple[Place, Place], Ports]


def _less(one: Table, other: Table) -> Iterable[Connection]:
    for pair, ports in one.items():
        if more := ports - other.get(pair, NONE):
            yield Connection(*pair, more)


def _cuts(several: Iterable[Connections]) -> list[tuple[int, IPAddress]]:
    """Return where ranges of either begin, so that both are split at the same addresses."""
    found = {(place.first.version, place.first) for each in several for place in _ranges(each)}
    return sorted(found, key=lambda pair: (pair[0], int(pair[1])))


def _ranges(found: Connections) -> Iterable[Range]:
    return (place for c in found.allowed for place in (c.source, c.destination) if isinstance(place, Range))


def _table(found: Connections, cuts: list[tuple[int, IPAddress]]) -> Table:
    return {
        (source, destination): connection.ports
        for connection in found.allowed
        for source in _cut(connection.source, cuts)
        for destination in _cut(connection.destination, cuts)
    }


def _cut(place: Place, cuts: list[tuple[int, IPAddress]]) -> Iterable[Place]:
    if not isinstance(place, Range):
        return [place]
    version = place.first.version
    starts = [start for family, start in cuts if family == version and int(place.first) < int(start) <= int(place.last)]
    make = type(place.first)
    edges = [int(place.first), *map(int, starts), int(place.last) + 1]
    return [Range(make(low), make(high - 1)) for low, high in pairwise(edges)]
