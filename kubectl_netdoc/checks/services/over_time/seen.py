# SPDX-License-Identifier: Apache-2.0
"""What is looked at over time from each node, and what was seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    Address,
    Cluster,
    Look,
    OverTime,
    OwnService,
    Peer,
    Place,
    PlaceOverTime,
    Subject,
    evenly,
)
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.service_targets import targets

PEERS = 2
"""Other nodes whose pods each debug pod looks at: those that follow it on a ring."""

MOST_ADDRESSES = 24
"""ClusterIPs and endpoints that each debug pod looks at, a connection a second each."""


HOLDING = 4.0
"""Seconds from the start of each half in which a debug pod holds many connections at once, to one place after the other."""


class Seen(Struct, frozen=True):
    """What a node's debug pod saw of a place."""

    node: str
    place: Place
    what: PlaceOverTime

    @property
    def pair(self) -> node_pairs.Pair | None:
        """The path between two nodes; None for a Service or an address."""
        return (self.node, self.place.node) if isinstance(self.place, Peer) else None

    @property
    def alone(self) -> tuple[Look, ...]:
        """The looks while the debug pod held no other connections: where a client may have only so many, those keep looks out."""
        half = OverTime("", ()).seconds / 2
        return tuple(look for look in self.what.looks if look.at % half >= HOLDING)


def plan(cluster: Cluster) -> Iterator[OverTime]:
    """Look from each node, where the user asked for it."""
    if cluster.selection.thorough:
        yield from requests(cluster, cluster.vantages).values()


def requests(cluster: Cluster, nodes: Iterable[str]) -> dict[str, OverTime]:
    """Return the request of each of these nodes."""
    known = tuple(addresses(cluster))
    return {node: OverTime(node, (*map(Peer, _following(cluster, node)), OwnService(), *known)) for node in nodes}


def _following(cluster: Cluster, node: str) -> list[str]:
    """Return the nodes after one on a ring of all."""
    names = [name for name in cluster.vantages if name]
    start = names.index(node) if node in names else 0
    return [names[(start + step) % len(names)] for step in range(1, min(PEERS + 1, len(names)))]


def addresses(cluster: Cluster) -> dict[Address, Subject]:
    """Return the addresses of Services and of their endpoints that are looked at, and whose they are."""
    if not cluster.readable(ENDPOINT_SLICE):
        return {}
    found: dict[Address, Subject] = {}
    for target in targets(cluster):
        found |= {ip: Subject.of("Service", target.service) for ip in target.cluster_ips}
        own = [end for end in target.endpoints if end.pod and not end.pod_missing]
        found |= {end.address: Subject("Pod", end.pod, target.service.namespace) for end in own}
    return {address: found[address] for address in evenly(list(found), MOST_ADDRESSES)}


def pairs(seen: Iterable[Seen]) -> set[node_pairs.Pair]:
    """Return the paths among these."""
    return {each.pair for each in seen if each.pair}
