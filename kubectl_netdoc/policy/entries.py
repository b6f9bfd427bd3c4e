# SPDX-License-Identifier: Apache-2.0
"""Who has to get in for the cluster to work, and whom policies keep out: controllers of Ingresses and Gateways, API servers,
Prometheus, and the clients of load balancers.

A refusal is certain where it is one however the API is read. Traffic of nodes may come with the address of a tunnel, so it is
only refused where no address may get in. Of clients that are not known that is all that is known of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from kubectl_netdoc.components import api_extensions, gateway_pods, ingress_backends, ingress_controllers, metrics_scrapes
from kubectl_netdoc.components.service_backends import target_numbers
from kubectl_netdoc.components.service_mesh import Meshes
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, PolicyRef, PolicyTier, Rule
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.records.gateway_api import Route
from kubectl_netdoc.records.kinds import INGRESS, POD, ROUTES, SERVICE
from kubectl_netdoc.records.metrics_scrapes import POD_MONITOR, SERVICE_MONITOR, ScrapedPort
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service


class Gate(StrEnum):
    """What somebody comes in by."""

    ROUTE = "route"
    CALL = "call of the API server"
    IGNORED = "call of the API server whose failure is ignored"
    LOAD_BALANCER = "load balancer"
    NODE_PORT = "node port"
    SCRAPE = "scrape of metrics"


class Client(Struct, frozen=True):
    """Who comes in: its ends, all of which may come; none if they are not known."""

    name: str
    ends: tuple[End, ...] = ()
    pod: ObjectRef | None = None

    @property
    def host(self) -> bool:
        """Tell whether some of it comes from nodes."""
        return any(end.host for end in self.ends)


class Behind(Protocol):
    """The pods that somebody has to reach, of which object they are, and on which ports they listen for that."""

    @property
    def ref(self) -> ObjectRef:
        """The object."""

    def pods(self, cluster: Cluster) -> list[Pod]:
        """Return them."""

    def numbers(self, pod: Pod) -> Iterator[tuple[str, int]]:
        """Yield protocol and number of each of these ports of a pod."""

    @property
    def asked(self) -> str:
        """How `kubectl netdoc why` is told of them."""


class OfService(Struct, frozen=True):
    """The pods of a Service, by some of its ports: their numbers or names."""

    ref: ObjectRef
    service: Service
    by_port: frozenset[int | str]

    def pods(self, cluster: Cluster) -> list[Pod]:
        """Return the pods that its selector matches."""
        return cluster.pods_of(self.service)

    def numbers(self, pod: Pod) -> Iterator[tuple[str, int]]:
        """Yield the targets of its ports."""
        for port in self.service.spec.ports:
            if self.by_port & {port.port, port.name}:
                yield from ((port.protocol, number) for number in target_numbers(port, (pod.spec,)))

    @property
    def asked(self) -> str:
        """The Service with a port."""
        return f"{self.ref}:{min(map(str, self.by_port))}"


class OfMonitor(Struct, frozen=True):
    """The pods of a PodMonitor."""

    ref: ObjectRef
    chosen: tuple[Pod, ...]
    endpoints: tuple[ScrapedPort, ...]

    def pods(self, cluster: Cluster) -> list[Pod]:
        """Return the pods that it selects."""
        return list(self.chosen)

    def numbers(self, pod: Pod) -> Iterator[tuple[str, int]]:
        """Yield the ports that it names."""
        yield from (("TCP", number) for number in sorted(metrics_scrapes.ports_of(pod, self.endpoints)))

    @property
    def asked(self) -> str:
        """The first pod with such a port."""
        return next(f"{pod.namespace}/{pod.name}:{number}" for pod in self.chosen for _, number in self.numbers(pod))


class Entry(Struct, frozen=True):
    """Somebody who has to reach pods. ``by``: the object that says so."""

    gate: Gate
    by: ObjectRef
    client: Client
    behind: Behind


class KeptOut(Struct, frozen=True):
    """An entry that policies close, of a class of pods: which policies, at which end, and on which ports.

    ``doubt``: why networks may let it in all the same; "" if none does.
    """

    entry: Entry
    pod: ObjectRef
    node: str
    ports: Ports
    direction: Direction
    by: tuple[PolicyRef, ...]
    doubt: str = ""


Closed = tuple[Direction, tuple[PolicyRef, ...], str]
"""Whose policies keep everybody out (the pods' ingress, or the clients' egress), which ones, and the doubt."""

UNKNOWN = "who comes in by it is not known"
MAYBE_NEAR = "nodes always reach their own pods"
ADDRESSES = "some addresses may get in, and with which one a node's traffic comes depends on the network"
MESH = {"TCP": (15008, 4143)}
"""The ports on which proxies of a mesh take connections in place of the pod's own: ztunnel's HBONE (istio/ztunnel,
ARCHITECTURE.md), Linkerd's inbound proxy (linkerd2, charts/partials, inbound port)."""


def entries(engine: Engine) -> Iterator[Entry]:
    """Yield everybody who has to get in, as far as the lists could be read."""
    cluster = engine.cluster
    if cluster.readable(SERVICE):
        yield from _ingresses(engine)
        yield from _routes(engine)
        yield from _calls(engine)
        yield from _exposed(cluster)
        yield from _scrapes(engine)


def _client(engine: Engine, name: str, pods: Iterable[Pod]) -> Client:
    found = list(pods)
    return Client(name, tuple(map(engine.pod, found)), ObjectRef.to("Pod", found[0]) if found else None)


def _ingresses(engine: Engine) -> Iterator[Entry]:
    cluster = engine.cluster
    if not (cluster.readable(INGRESS) and cluster.readable(POD)):
        return
    known: dict[str, Client] = {}
    for classed in ingress_controllers.ingresses(cluster):
        name = classed.controller.name if classed.controller else f"the controller of class {classed.cls or 'none'}"
        if name not in known:
            pods = ingress_controllers.serving_pods(cluster, classed.controller) if classed.controller else []
            known[name] = _client(engine, name, pods)
        by = ObjectRef.to(INGRESS.name, classed.ingress)
        for each in ingress_backends.of_ingress(classed.ingress):
            port = each.port_name or each.number
            yield from _entry(cluster, Gate.ROUTE, by, known[name], each.namespace, each.service, port)


def _routes(engine: Engine) -> Iterator[Entry]:
    cluster = engine.cluster
    for kind in ROUTES if cluster.readable(POD) else ():
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            client = _client(engine, _parents(route), gateway_pods.of_route(cluster, route))
            for rule in route.spec.rules:
                for reference in rule.backend_refs:
                    if reference.service and reference.weight:
                        where = reference.namespace or route.namespace
                        by = ObjectRef.to(kind.name, route)
                        yield from _entry(cluster, Gate.ROUTE, by, client, where, reference.name, reference.port)


def _parents(route: Route) -> str:
    named = (parent.parent(route.namespace) for parent in route.spec.parent_refs)
    return ", ".join(f"{kind} {namespace}/{name}" for kind, namespace, name in named)


def _calls(engine: Engine) -> Iterator[Entry]:
    cluster = engine.cluster
    client: Client | None = None
    for caller in api_extensions.callers(cluster):
        called = caller.called.service
        if called:
            client = client or _client(engine, "the API server", api_extensions.calling_pods(cluster))
            gate = Gate.CALL if caller.strict and not caller.idle else Gate.IGNORED
            by = ObjectRef(caller.subject.kind, caller.subject.name)
            yield from _entry(cluster, gate, by, client, called.namespace, called.name, called.port)


def _exposed(cluster: Cluster) -> Iterator[Entry]:
    for service in cluster.services():
        gate = {"LoadBalancer": Gate.LOAD_BALANCER, "NodePort": Gate.NODE_PORT}.get(service.spec.type)
        if gate:
            by = ObjectRef.to(SERVICE.name, service)
            for port in service.spec.ports:
                yield Entry(gate, by, Client(f"clients of its {gate}"), OfService(by, service, frozenset({port.port})))


def _scrapes(engine: Engine) -> Iterator[Entry]:
    pods = metrics_scrapes.prometheus_pods(engine.cluster)
    client = _client(engine, "Prometheus", pods)
    for monitor, service, numbers in metrics_scrapes.scraped_services(engine.cluster) if pods else ():
        behind = OfService(ObjectRef.to(SERVICE.name, service), service, numbers)
        yield Entry(Gate.SCRAPE, ObjectRef.to(SERVICE_MONITOR.name, monitor), client, behind)
    for selecting, chosen in metrics_scrapes.scraped_pods(engine.cluster) if pods else ():
        by = ObjectRef.to(POD_MONITOR.name, selecting)
        yield Entry(Gate.SCRAPE, by, client, OfMonitor(by, chosen, selecting.spec.pod_metrics_endpoints))


def _entry(
    cluster: Cluster, gate: Gate, by: ObjectRef, client: Client, namespace: str, name: str, port: int | str
) -> Iterator[Entry]:
    service = cluster.get(SERVICE, namespace, name)
    if service is not None and service.spec.type != "ExternalName":
        yield Entry(gate, by, client, OfService(ObjectRef.to(SERVICE.name, service), service, frozenset({port})))


class Doorkeeper:
    """Judges entries, each class of pods once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.meshes = Meshes(engine.cluster)

    def kept_out(self, entry: Entry) -> Iterator[KeptOut]:
        """Yield the classes of pods behind an entry that policies keep all of its client from."""
        seen: set[PodClass] = set()
        for pod in entry.behind.pods(self.engine.cluster):
            known = self.engine.class_of(pod)
            if known in seen or pod.finished or pod.terminating:
                continue
            asked = ports.NONE
            for protocol, number in entry.behind.numbers(pod):
                asked |= ports.of(protocol, number)
            if not asked:
                continue
            seen.add(known)
            for closed in self._judge(entry, self.engine.pod(pod), asked):
                yield KeptOut(entry, ObjectRef.to("Pod", pod), pod.spec.node_name, asked, *closed)

    def _judge(self, entry: Entry, end: End, asked: Ports) -> Iterator[Closed]:
        """Yield each end whose policies keep everybody out; nothing if somebody gets in."""
        client = entry.client
        selected = any(self.engine.selecting(end, Direction.INGRESS))
        if not (selected or any(self.engine.selecting(one, Direction.EGRESS) for one in client.ends)) or self._mesh(end):
            return
        if not client.ends:
            yield from self._nobody(entry, end, asked)
            return
        family = end.addresses[0].version if end.addresses else 4
        verdicts = [self.engine.verdict(one, end, asked, family) for one in dict.fromkeys(client.ends)]
        doubts = dict.fromkeys(doubt for verdict in verdicts for doubt in (*verdict.depends, *verdict.incomplete))
        if client.host and any(_of_addresses(rule) for rule in self._letting_in(end, asked)):
            doubts[ADDRESSES] = None
        for direction in Direction:
            sides = [verdict.ingress if direction is Direction.INGRESS else verdict.egress for verdict in verdicts]
            if not any(side.allowed for side in sides):
                by = dict.fromkeys(ref for side in sides for ref in side.by)
                yield direction, tuple(by), ", ".join(doubts)

    def _mesh(self, end: End) -> bool:
        """Tell whether a mesh may carry it: its proxy takes connections on ports of its own, which are asked for in its place."""
        pod = self.engine.cluster.get(POD, *end.pod)
        if pod is None or not self.meshes.proxy(pod):
            return False
        instead = ports.NONE
        for protocol, numbers in MESH.items():
            for number in numbers:
                instead |= ports.of(protocol, number)
        return any(self._letting_in(end, instead))

    def _nobody(self, entry: Entry, end: End, asked: Ports) -> Iterator[Closed]:
        """Judge an entry of clients that are not known: they are kept out where nobody at all may get in."""
        if not self.engine.isolated(_class(end), Direction.INGRESS) or any(self._letting_in(end, asked)):
            return
        doubts = [*self.engine.incomplete(end, end)]
        if entry.gate is not Gate.LOAD_BALANCER:
            doubts.append(f"{UNKNOWN}, and {MAYBE_NEAR}")
        every = self.engine.selecting(end, Direction.INGRESS)
        isolating = (policy.ref for policy in every if policy.tier is PolicyTier.NAMESPACE)
        yield Direction.INGRESS, tuple(isolating), ", ".join(doubts)

    def _letting_in(self, end: End, asked: Ports) -> Iterator[Rule]:
        """Yield the rules that let somebody in on one of these ports."""
        for policy in self.engine.selecting(end, Direction.INGRESS):
            for rule in policy.of(Direction.INGRESS):
                if rule.action is not Action.DENY and rule.ports.on(end.pod_class) & asked:
                    yield rule


def _class(end: End) -> PodClass:
    assert end.pod_class is not None  # ends of pods have one
    return end.pod_class


def _of_addresses(rule: Rule) -> bool:
    peers = rule.peers
    return bool(peers.everyone or peers.blocks or peers.networks or peers.nodes or peers.unresolved)
