# SPDX-License-Identifier: Apache-2.0
"""All connections that the policies allow, between workloads and to and from the outside."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core.cluster import matches
from kubectl_netdoc.formats.addresses import IPAddress, IPRange, ip_network, summarize_address_range
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.verdict import End, Reading
from kubectl_netdoc.policy.workloads import WorkloadPeer, WorkloadRef, peers
from kubectl_netdoc.records.gateway_api import LISTENER_SETS, Route
from kubectl_netdoc.records.kinds import GATEWAY, INGRESS, ROUTES, SERVICE
from kubectl_netdoc.records.services import Service

EVERYWHERE = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}

GATES = frozenset(kind.name for kind in (GATEWAY, *LISTENER_SETS))
"""The kinds by which routes let in what comes from outside."""


class Range(Struct, frozen=True):
    """Addresses outside, ``first`` to ``last``, both included."""

    first: IPAddress
    last: IPAddress

    def networks(self) -> Iterator[IPRange]:
        """Yield the CIDRs that make up the range."""
        return summarize_address_range(self.first, self.last)

    def __str__(self) -> str:
        networks = list(self.networks())
        return str(networks[0]) if len(networks) == 1 else f"{self.first}-{self.last}"


Place = WorkloadRef | Range


class Connection(Struct, frozen=True):
    """A connection that is allowed from one place to another."""

    source: Place
    destination: Place
    ports: Ports


class Exposure(Struct, frozen=True):
    """What exposes a workload: a Service, an Ingress or a route, and how that is reached."""

    workload: WorkloadRef
    kind: str
    namespace: str
    name: str
    by: str
    ports: tuple[str, ...] = ()


class Connections(Struct, frozen=True):
    """Every allowed connection between different peers; their ranges of addresses are disjoint.

    ``depends``: further connections that some CNIs allow, because their ipBlock matches pods' addresses.
    ``incomplete``: policies that are not evaluated.
    """

    allowed: tuple[Connection, ...]
    exposed: tuple[Exposure, ...] = ()
    depends: tuple[Connection, ...] = ()
    incomplete: tuple[str, ...] = ()
    peers: tuple[WorkloadPeer, ...] = ()

    def within(self, namespaces: tuple[str, ...]) -> Connections:
        """Return the connections of workloads of these namespaces; all if none is given."""
        return replace(
            self,
            allowed=tuple(c for c in self.allowed if concerns(c, namespaces)),
            exposed=tuple(e for e in self.exposed if not namespaces or e.workload.namespace in namespaces),
            depends=tuple(c for c in self.depends if concerns(c, namespaces)),
            peers=tuple(peer for peer in self.peers if not namespaces or peer.ref.namespace in namespaces),
        )


def concerns(connection: Connection, namespaces: tuple[str, ...]) -> bool:
    """Tell whether one of the ends is a workload of these namespaces; always where none is given."""
    ends = (connection.source, connection.destination)
    return not namespaces or any(isinstance(end, WorkloadRef) and end.namespace in namespaces for end in ends)


def connections(engine: Engine) -> Connections:
    """Return what is allowed between all workloads, and between them and the outside.

    ipBlock is read as the API describes it, for addresses outside the cluster. Connections from a node to its own pods, which
    are always allowed, and connections of a workload with itself are left out.
    """
    found = peers(engine)
    table = _Table(engine, found)
    between = [Connection(a.ref, b.ref, p) for a in found for b in found if a.ref != b.ref and (p := table.between(a, b))]
    depends = tuple(_by_address(engine, found, table))
    outside = table.outside(found)
    return Connections(
        (*between, *outside), tuple(exposures(engine, found)), depends, tuple(engine.incomplete_at_all), tuple(found)
    )


class _Table:
    """Verdicts by pair of classes, so that equal pods are judged once."""

    def __init__(self, engine: Engine, found: Iterable[WorkloadPeer]) -> None:
        self.engine = engine
        self._known: dict[tuple[End, End], Ports] = {}
        self._ranges = list(elementary(engine))
        # Addresses of pods matter only to the ``networks`` of cluster-wide policies.
        self._ends = {peer.ref: list(self.addressed(peer)) if engine.has_networks else _bare(peer) for peer in found}

    def between(self, source: WorkloadPeer, destination: WorkloadPeer) -> Ports:
        """Return what is allowed from any pod of one workload to any pod of another."""
        found = ports.NONE
        for pair in product(self._ends[source.ref], self._ends[destination.ref]):
            if pair not in self._known:
                egress, ingress = self.engine.sides(*pair, ports.ALL, Reading(_version(pair[1]), blocks_match_pods=False))
                self._known[pair] = egress.allowed & ingress.allowed
            found |= self._known[pair]
            if found is ports.ALL:
                break
        return found

    def addressed(self, peer: WorkloadPeer) -> Iterator[End]:
        """Yield an end for each class and range of addresses of the peer's pods; policies don't distinguish more."""
        if not peer.pods:
            yield from _bare(peer)
        starts = [(first.version, int(first)) for first, _ in self._ranges]
        seen = set()
        for end in map(self.engine.pod, peer.pods):
            if not end.addresses:
                yield replace(end, label="", pod=("", ""), node="")
            for address in end.addresses[:1]:
                index = bisect_right(starts, (address.version, int(address))) - 1
                if (end.pod_class, index) not in seen:
                    seen.add((end.pod_class, index))
                    yield End("", end.pod_class, addresses=(self._ranges[index][0],))

    def outside(self, found: list[WorkloadPeer]) -> Iterator[Connection]:
        """Yield all connections from and to ranges of addresses; neighbouring ranges with the same connections are merged."""
        runs: list[tuple[Range, tuple[Ports, ...]]] = []
        for first, last in self._ranges:
            row = tuple(self._with(peer, first, incoming) for peer in found for incoming in (True, False))
            if runs and runs[-1][1] == row and runs[-1][0].first.version == first.version:
                runs[-1] = (Range(runs[-1][0].first, last), row)
            else:
                runs.append((Range(first, last), row))
        for number, peer in enumerate(found):
            for outside, row in runs:
                if row[2 * number]:
                    yield Connection(outside, peer.ref, row[2 * number])
            for outside, row in runs:
                if row[2 * number + 1]:
                    yield Connection(peer.ref, outside, row[2 * number + 1])

    def _with(self, peer: WorkloadPeer, address: IPAddress, incoming: bool) -> Ports:
        outside = End(str(address), addresses=(address,))
        reading = Reading(address.version, blocks_match_pods=False)
        found = ports.NONE
        for end in peer.ends:
            source, destination = (outside, end) if incoming else (end, outside)
            egress, ingress = self.engine.sides(source, destination, ports.ALL, reading)
            found |= egress.allowed & ingress.allowed
        return found


def _bare(peer: WorkloadPeer) -> list[End]:
    return [replace(end, label="") for end in peer.ends]


def _version(end: End) -> int:
    return end.addresses[0].version if end.addresses else 4


def joined(found: Iterable[Connection]) -> Iterator[Connection]:
    """Yield the connections with neighbouring ranges of the same peer and ports as one."""
    last: Connection | None = None
    for one in found:
        more = _joined(last, one) if last else None
        if more is None and last is not None:
            yield last
        last = more or one
    if last is not None:
        yield last


def _joined(a: Connection, b: Connection) -> Connection | None:
    if a.ports != b.ports:
        return None
    if a.destination == b.destination and (source := _one_range(a.source, b.source)):
        return Connection(source, b.destination, b.ports)
    if a.source == b.source and (destination := _one_range(a.destination, b.destination)):
        return Connection(b.source, destination, b.ports)
    return None


def _one_range(a: Place, b: Place) -> Range | None:
    both = isinstance(a, Range) and isinstance(b, Range)
    if both and a.last.version == b.first.version and int(a.last) + 1 == int(b.first):  # type: ignore[union-attr]
        return Range(a.first, b.last)  # type: ignore[union-attr]
    return None


def elementary(engine: Engine) -> Iterator[tuple[IPAddress, IPAddress]]:
    """Yield the ranges of addresses that policies don't distinguish, ascending; IPv6 only if the cluster or a policy uses it."""
    rules = [rule for policy in engine.policies for rule in policy.rules]
    blocks = {block for rule in rules for peers in (rule.peers, rule.own) if peers for block in peers.ranges}
    networks = {network for block in blocks for network in (block.network, *block.without)}
    for version, whole in EVERYWHERE.items():
        mine = [network for network in networks if network.version == version]
        if version == 6 and not mine and not engine.dual_stack:
            continue
        end = int(whole.broadcast_address) + 1
        starts = {int(whole.network_address)}
        for network in mine:
            starts |= {int(network.network_address), int(network.broadcast_address) + 1}
        ordered = sorted(starts - {end})
        make = type(whole.network_address)
        for start, following in zip(ordered, [*ordered[1:], end], strict=True):
            yield make(start), make(following - 1)


def _by_address(engine: Engine, found: list[WorkloadPeer], table: _Table) -> Iterator[Connection]:
    """Yield what is also allowed if ipBlock matches pods by their addresses."""
    if not engine.has_blocks:
        return
    ends = {peer.ref: list(table.addressed(peer)) for peer in found}
    known: dict[tuple[End, End], Ports] = {}
    for a in found:
        for b in found:
            if a.ref == b.ref or table.between(a, b) == ports.ALL:
                continue
            more = ports.NONE
            for pair in product(ends[a.ref], ends[b.ref]):
                if pair not in known:
                    sides = engine.sides(*pair, ports.ALL, Reading(_version(pair[1])))
                    known[pair] = sides[0].allowed & sides[1].allowed
                more |= known[pair]
            if more := more - table.between(a, b):
                yield Connection(a.ref, b.ref, more)


def exposures(engine: Engine, found: Iterable[WorkloadPeer]) -> Iterator[Exposure]:
    """Yield the Services that select a workload, and the Ingresses and Gateway routes that lead to one of them."""
    cluster = engine.cluster
    if not cluster.readable(SERVICE):
        return
    by_service: dict[tuple[str, str], list[WorkloadRef]] = {}
    found = list(found)
    for service in cluster.all(SERVICE):
        for peer in found:
            if peer.ref.namespace == service.namespace and any(matches(service.spec.selector, labels) for labels in peer.labels):
                by_service.setdefault((service.namespace, service.name), []).append(peer.ref)
                yield Exposure(peer.ref, "Service", service.namespace, service.name, _reach(service), _service_ports(service))
    for ingress in cluster.all(INGRESS) if cluster.readable(INGRESS) else ():
        for name, hosts in ingress.services().items():
            for ref in by_service.get((ingress.namespace, name), ()):
                yield Exposure(ref, "Ingress", ingress.namespace, ingress.name, f"{', '.join(hosts)} by Service {name}")
    for kind in ROUTES:
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            for (namespace, name), hosts in route.services().items():
                by = f"{', '.join(hosts)} of {_gateways(route)} by Service {name}"
                for ref in by_service.get((namespace, name), ()):
                    yield Exposure(ref, kind.name, route.namespace, route.name, by)


def _gateways(route: Route) -> str:
    parents = [parent.parent(route.namespace) for parent in route.spec.parent_refs]
    return ", ".join(f"{kind} {namespace}/{name}" for kind, namespace, name in parents if kind in GATES) or "no Gateway"


def _reach(service: Service) -> str:
    if service.headless:
        return "headless"
    addresses = [entry.ip or entry.hostname for entry in service.status.load_balancer.ingress]
    return " ".join([service.spec.type, *addresses])


def _service_ports(service: Service) -> tuple[str, ...]:
    return tuple(f"{p.protocol} {p.port}" + (f" (NodePort {p.node_port})" if p.node_port else "") for p in service.spec.ports)
