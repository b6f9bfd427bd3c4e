# SPDX-License-Identifier: Apache-2.0
"""Where each node should send what comes for a Service, by EndpointSlices, and where its rules send it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.measurements.base import Address, Lost, Outcome
from kubectl_netdoc.measurements.connect import ECHO_PORTS, HttpReply
from kubectl_netdoc.measurements.node import ServiceRules, ServiceRulesReply, ServiceTable
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, SERVICE
from kubectl_netdoc.records.services import Endpoint, EndpointSlice, Service, ServicePort

NOT_FOR_KUBE_PROXY = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
"""Labels with which kube-proxy ignores a Service and its slices."""

TABLES = ("iptables", "legacy", "nftables")
"""Where rules may be: iptables by way of nf_tables, the old iptables tables, and nftables mode's own table."""

EMPTY = ServiceTable()


class Way(Struct, frozen=True):
    """What a node's rules have to do with one address of a Service port ("tcp 10.96.0.1:80", or of a node port "tcp *:30080").

    ``may``: the endpoints that they may lead to, ready or not. ``must``: those that they must; with ``any_of``, one of them at
    least, since hints decide which. ``local``: where policy is Local, those that only their own node must have, by node.
    """

    address: str
    service: str
    may: frozenset[str]
    must: frozenset[str]
    any_of: bool = False
    local: dict[str, frozenset[str]] | None = None

    def wanted(self, node: str) -> frozenset[str]:
        """Return the endpoints that a node must have, or any of them."""
        return self.must if self.local is None else self.local.get(node, frozenset())

    def lacks(self, node: str, held: frozenset[str]) -> frozenset[str]:
        """Return the endpoints that a node must have and has not."""
        wanted = self.wanted(node)
        return frozenset() if self.any_of and wanted & held else wanted - held


class ExpectedRules:
    """The ways of all Services that kube-proxy writes rules for and whose endpoints are settled, by address."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ways: dict[str, Way] = {}
        self.endpoints = frozenset(text for item in cluster.all(ENDPOINT_SLICE) for text in _all_ends(item))
        """All endpoints of all slices, with their protocols."""
        for service in cluster.all(SERVICE):
            if _proxied(service) and cluster.age(service.metadata.creation_timestamp) > kube_proxy.SETTLED:
                slices = [item for item in cluster.slices_of(service) if not _ignored(item)]
                if not any(_recent(cluster, item) for item in slices):
                    self.ways |= {way.address: way for port in service.spec.ports for way in _ways(service, port, slices)}


def _ways(service: Service, port: ServicePort, slices: list[EndpointSlice]) -> Iterator[Way]:
    """Yield what must be done with the ClusterIPs and the node port of a Service port."""
    spec = service.spec
    name, protocol = f"{service.namespace}/{service.name}", port.protocol.lower()
    for ip in spec.cluster_ips or (spec.cluster_ip,):
        ends = list(_ends(slices, port, ip_families.of(ip)))
        yield _way(f"{protocol} {Address(ip, port.port)}", name, ends, local=spec.internal_traffic_policy == "Local")
    if port.node_port:
        ends = list(_ends(slices, port))
        yield _way(f"{protocol} *:{port.node_port}", name, ends, local=spec.external_traffic_policy == "Local")


def _way(address: str, service: str, ends: list[tuple[str, Endpoint]], *, local: bool) -> Way:
    ready = [(text, end) for text, end in ends if end.conditions.ready]
    hinted = any(end.hints.for_zones or end.hints.for_nodes for _, end in ready)  # the node's zone decides which of them it has
    near: dict[str, frozenset[str]] | None = None
    if local:
        near = {}
        for text, end in ready:
            near[end.node_name] = near.get(end.node_name, frozenset()) | {text}
    may, must = frozenset(text for text, _ in ends), frozenset(text for text, _ in ready)
    return Way(address, service, may, must, any_of=hinted and not local, local=near)


def _ends(slices: list[EndpointSlice], port: ServicePort, family: str = "") -> Iterator[tuple[str, Endpoint]]:
    """Yield the endpoints of a Service port as rules name them, of one family or all; a port without a number is none."""
    for item in slices:
        numbers = [each.port for each in item.numbered if (each.name, each.protocol) == (port.name, port.protocol)]
        if numbers and item.address_type in (family or item.address_type,):
            yield from ((str(Address(address, numbers[0])), end) for end in item.endpoints for address in end.addresses[:1])


def _all_ends(item: EndpointSlice) -> Iterator[str]:
    for port in item.numbered:
        yield from (f"{port.protocol.lower()} {Address(ip, port.port)}" for end in item.endpoints for ip in end.addresses[:1])


def _proxied(service: Service) -> bool:
    """Whether kube-proxy writes rules for a Service."""
    spec = service.spec
    return (
        bool(spec.cluster_ip)
        and not service.headless
        and spec.type != "ExternalName"
        and service.metadata.deletion_timestamp is None
        and not any(label in service.metadata.labels for label in NOT_FOR_KUBE_PROXY)
    )


def _ignored(item: EndpointSlice) -> bool:
    return item.address_type == "FQDN" or any(label in item.metadata.labels for label in NOT_FOR_KUBE_PROXY)


def _recent(cluster: Cluster, item: EndpointSlice) -> bool:
    return min(cluster.age(item.metadata.creation_timestamp), cluster.age(item.changed)) < kube_proxy.SETTLED


def read(facts: Facts) -> list[NodeRules]:
    """Return the rules of each node that can be judged: those of a kube-proxy that runs, or that has left some."""
    cluster = facts.cluster
    proxies, expected = kube_proxy.pods(cluster), ExpectedRules(cluster)
    embedded = {node.name for node in cluster.all(NODE) if kube_proxy.embedded(node)}
    found = []
    for node in cluster.hosts:
        reply = facts.reply(ServiceRules(node))
        if isinstance(reply, ServiceRulesReply) and not unread(reply):
            rules = NodeRules(facts, expected, node, reply)
            runs = any(map(kube_proxy.is_running, proxies.get(node, ()))) or node in embedded
            if rules.mode != "ipvs" and (runs or rules.any):
                found.append(rules)
    return found


def mode(facts: Facts, node: str) -> str:
    """Return the mode that a node's kube-proxy tells; nothing where it does not."""
    reply = facts.reply(kube_proxy.mode_of(facts.cluster, node))
    return reply.lines[0] if isinstance(reply, HttpReply) and reply.lines else ""


def unread(reply: Reply) -> str:
    """Return why a node's rules were not read; nothing where they were."""
    if isinstance(reply, Lost):
        return reply.reason
    if not isinstance(reply, ServiceRulesReply) or reply.outcome is not Outcome.OK:
        return "the kernel refused"
    if reply.tables is None:
        return "this bundle was made by an older netdoc, which did not read which Service a rule is for"
    return "there are more rules than netdoc reads" if reply.cut else ""


class NodeRules:
    """Where a node's rules send what comes for Services, and what of that is not as it must be.

    ``tables``: by ``TABLES``; ``table``: the one that kube-proxy writes there, as far as can be told, not where two are ``tied``.
    ``missing``, ``extra``: by the address of a Service port, the endpoints that its rules must lead to and do not, and those that
    they lead to and no EndpointSlice of the Service has. ``unclear``: addresses whose rules have a form not known to netdoc.
    ``own``: the endpoints of netdoc's own Services, of any run.
    """

    def __init__(self, facts: Facts, expected: ExpectedRules, node: str, reply: ServiceRulesReply) -> None:
        self.node, self.expected = node, expected
        self.tables = {table: (reply.tables or {}).get(table, EMPTY) for table in TABLES}
        self.mode = mode(facts, node)
        ends = {table: found.endpoints for table, found in self.tables.items()}
        known = {table: len(texts & expected.endpoints) for table, texts in ends.items()}
        candidates = {"nftables": ("nftables",), "iptables": ("iptables", "legacy")}.get(self.mode, TABLES)
        self.table = max(candidates, key=lambda table: known[table])
        self.tied = known["iptables"] == known["legacy"]
        self.own = frozenset(text for texts in ends.values() for text in texts if _netdocs(text))
        self.rules = self.tables[self.table]
        self.unclear = set(expected.ways) if self.rules.unknown else set(self.rules.unclear) & expected.ways.keys()
        self.missing: dict[str, frozenset[str]] = {}
        self.extra: dict[str, frozenset[str]] = {}
        for address, way in expected.ways.items():
            if address not in self.unclear:
                held = self.held(address)
                self.missing |= {address: lacking} if (lacking := way.lacks(node, held)) else {}
                self.extra |= {address: more} if (more := held - way.may) else {}

    @property
    def any(self) -> bool:
        """Whether there are rules for Services anywhere, those of netdoc's own aside."""
        return any(self.count(table) or self.tables[table].refused for table in TABLES)

    def count(self, table: str) -> int:
        """Return the number of endpoints in a table, without netdoc's own."""
        return sum(not _netdocs(text) for text in self.tables[table].endpoints)

    def held(self, address: str) -> frozenset[str]:
        """Return the endpoints to which the rules lead what comes for an address."""
        return frozenset(self.rules.to.get(address, ()))

    def must(self) -> dict[str, Way]:
        """Return the ways that need some endpoint on this node."""
        return {address: way for address, way in self.expected.ways.items() if way.wanted(self.node)}

    @property
    def correct(self) -> bool:
        """Whether the node has the rules that it should have, and no others."""
        return not (self.missing or self.extra or self.unclear)

    def has(self, endpoints: Iterable[str], address: str = "") -> bool | None:
        """Return whether the rules lead from an address to these endpoints ("tcp 10.0.0.1:80"); None where that is unclear.

        Without an address: whether any rule leads there.
        """
        if self.rules.unknown or address in self.rules.unclear:
            return None
        every = self.rules.endpoints | self.own
        held = {f"{address.partition(' ')[0]} {end}" for end in self.held(address)} if address in self.rules.to else every
        return set(endpoints) <= held


def _netdocs(text: str) -> bool:
    """Whether an endpoint is an echo server of netdoc's, of this run or of another one."""
    return int(text.rpartition(":")[2]) in ECHO_PORTS
