# SPDX-License-Identifier: Apache-2.0
"""The endpoints that each node should have rules for, by EndpointSlices, and those that it has rules for."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.measurements.connect import ECHO_PORTS, HttpReply
from kubectl_netdoc.measurements.node import ServiceRulesReply
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, SERVICE
from kubectl_netdoc.records.services import EndpointSlice, Service

NOT_FOR_KUBE_PROXY = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
"""Labels with which kube-proxy ignores a Service and its slices."""

TABLES = ("iptables", "legacy", "nftables")
"""Where rules may be: iptables by way of nf_tables, the old iptables tables, and nftables mode's own table."""


class ExpectedRules:
    """Endpoints as rules name them ("tcp 10.0.0.1:80"), from all EndpointSlices.

    ``allowed``: those that some node may have. ``everywhere``: those that every node must have, with their Services.
    ``local``: those that one node must have besides, by node.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.allowed = {text for item in cluster.all(ENDPOINT_SLICE) for text, *_ in _endpoints(item)}
        self.everywhere: dict[str, set[str]] = {}
        self.local: dict[str, dict[str, set[str]]] = {}
        for service in cluster.all(SERVICE):
            if _proxied(service) and cluster.age(service.metadata.creation_timestamp) > kube_proxy.SETTLED:
                self._add(service, cluster.slices_of(service))

    def _add(self, service: Service, slices: list[EndpointSlice]) -> None:
        ends = [end for item in slices for end in item.endpoints]
        if any(end.hints.for_zones or end.hints.for_nodes for end in ends):  # the node's zone decides which of them it has
            return
        if any(_recent(self.cluster, item) for item in slices):
            return
        ports = {(port.name, port.protocol) for port in service.spec.ports}
        families = {ip_families.of(ip) for ip in service.spec.cluster_ips or (service.spec.cluster_ip,)}
        name = f"{service.namespace}/{service.name}"
        for item in slices:
            if item.address_type not in families or any(label in item.metadata.labels for label in NOT_FOR_KUBE_PROXY):
                continue
            for text, port, ready, node in _endpoints(item):
                if ready and port in ports:
                    local = service.spec.internal_traffic_policy == "Local"
                    where = self.local.setdefault(node, {}) if local else self.everywhere
                    where.setdefault(text, set()).add(name)

    def of(self, node: str) -> dict[str, set[str]]:
        """The endpoints that a node must have rules for, with their Services."""
        return self.everywhere | self.local.get(node, {})


def _endpoints(item: EndpointSlice) -> Iterator[tuple[str, tuple[str, str], bool, str]]:
    """Each endpoint as rules name it, its port (name, protocol), whether it is ready, and its node."""
    for end in item.endpoints:
        for port in item.ports:
            for address in end.addresses[:1]:
                text = f"{port.protocol.lower()} {Address(address, port.port)}"
                yield text, (port.name, port.protocol), end.conditions.ready, end.node_name


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


def _recent(cluster: Cluster, item: EndpointSlice) -> bool:
    return min(cluster.age(item.metadata.creation_timestamp), cluster.age(item.changed)) < kube_proxy.SETTLED


class NodeRules:
    """The endpoints in a node's rules.

    ``sets``: by table; ``table``: the one that kube-proxy writes there, as far as can be told (not where two are ``tied``).
    ``missing``: endpoints that the node must have there and has not; ``extra``: those that are in no EndpointSlice;
    ``own``: those of netdoc's own Service, in any table.
    """

    def __init__(self, facts: Facts, expected: ExpectedRules, node: str, reply: ServiceRulesReply) -> None:
        self.node = node
        self.sets = {table: {text for text in getattr(reply, table) if not _netdocs(text)} for table in TABLES}
        mode = facts.reply(kube_proxy.mode_of(facts.cluster, node))
        self.mode = mode.lines[0] if isinstance(mode, HttpReply) and mode.lines else ""
        candidates = {"nftables": ("nftables",), "iptables": ("iptables", "legacy")}.get(self.mode, TABLES)
        self.table = max(candidates, key=lambda table: len(self.sets[table] & expected.allowed))
        self.tied = len(self.sets["iptables"] & expected.allowed) == len(self.sets["legacy"] & expected.allowed)
        self.own = {text for table in TABLES for text in getattr(reply, table) if _netdocs(text)}
        held = self.sets[self.table]
        self.must = expected.of(node)
        self.missing = set(self.must) - held
        self.extra = held - expected.allowed if not expected.cluster.scope.namespaces else set()

    @property
    def held(self) -> set[str]:
        """The endpoints that it has rules for, those of netdoc's own Service among them."""
        return self.sets[self.table] | self.own

    @property
    def correct(self) -> bool:
        """Whether the node has the rules that it should have, and no others."""
        return not (self.missing or self.extra)


def _netdocs(text: str) -> bool:
    """Whether an endpoint is an echo server of netdoc's, of this run or of another one."""
    return int(text.rpartition(":")[2]) in ECHO_PORTS
