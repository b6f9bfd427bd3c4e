# SPDX-License-Identifier: Apache-2.0
"""The path of a connection: pods and nodes of both ends, the Service, the DNS servers, and the features that it uses."""

from __future__ import annotations

from functools import cached_property
from itertools import product

from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core import ip_families as families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.reachability.explanation import MOST_ENDS, Question
from kubectl_netdoc.reachability.named_end import NamedEnd
from kubectl_netdoc.reachability.topics import Feature
from kubectl_netdoc.records.kinds import COREFILE, ENDPOINT_SLICE, POD, SERVICE
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service

Leg = tuple[End, End]
"""One pod of the source and one pod of the destination."""

Key = tuple[str, str, str]
"""An object: kind, namespace, name."""

OWN_RESOLVER, NODES_RESOLVER, CLUSTER_DNS = "a resolver of its own", "its node's resolver", "cluster DNS"


def resolver(named_end: NamedEnd) -> str:
    """Return the resolver of a named end's pods (kubelet, GetPodDNS); if they differ, cluster DNS if one of them uses it."""
    if not named_end.ends or all(end.pod_class is None for end in named_end.ends):
        return NODES_RESOLVER
    asked = {_asked(spec.dns_policy, spec.host_network) for spec in named_end.specs} or {CLUSTER_DNS}
    return CLUSTER_DNS if CLUSTER_DNS in asked else asked.pop()


def _asked(policy: str, host_network: bool) -> str:
    if policy == "None":
        return OWN_RESOLVER
    if policy == "Default" or (policy in ("", "ClusterFirst") and host_network):
        return NODES_RESOLVER
    return CLUSTER_DNS


class ConnectionPath(Struct, frozen=True, dict=True):
    """The path of a question's connection. ``asked``: the ports on the destination's pods."""

    engine: Engine
    question: Question
    asked: Ports

    @property
    def cluster(self) -> Cluster:
        """The cluster of the connection."""
        return self.engine.cluster

    @property
    def source(self) -> NamedEnd:
        """The source of the connection."""
        return self.question.source

    @property
    def destination(self) -> NamedEnd:
        """The destination of the connection."""
        return self.question.destination

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """Each pod of the source with each pod of the destination that it can be sent to; with an empty end if there is none.

        With internalTrafficPolicy: Local a Service address leads only to pods on the source's node.
        """
        both = product(self.source.ends[:MOST_ENDS], self.destination.ends[:MOST_ENDS] or (End(self.destination.text),))
        return tuple((a, b) for a, b in both if not self.local or a.node == b.node or not (a.node and b.node))

    @property
    def local(self) -> bool:
        """Tell whether the Service leads only to pods on the source's own node."""
        service = self.destination.service
        return service is not None and self.translated and service.spec.internal_traffic_policy == "Local"

    @property
    def inside(self) -> bool:
        """Tell whether the source is in the cluster."""
        return any(end.pod_class is not None or end.node for end in self.source.ends)

    @property
    def translated(self) -> bool:
        """Tell whether the source's node translates a Service address."""
        service = self.destination.service
        return self.inside and service is not None and not service.headless and not self.destination.outside

    @property
    def named(self) -> bool:
        """Tell whether a name has to be resolved: the given one, or that of the Service."""
        named_end = self.destination
        return bool(named_end.by_name or named_end.outside) or (named_end.service is not None and not named_end.by_address)

    @cached_property
    def asks(self) -> bool:
        """Tell whether cluster DNS has to resolve the name."""
        return self.named and resolver(self.source) == CLUSTER_DNS

    @cached_property
    def dns(self) -> Service | None:
        """The Service of cluster DNS."""
        return cluster_dns.service(self.cluster) if self.cluster.readable(SERVICE) else None

    @cached_property
    def dns_nodes(self) -> frozenset[str]:
        """The nodes of the DNS pods."""
        pods = cluster_dns.pods(self.cluster, self.dns) if self.dns and self.cluster.readable(POD) else []
        return frozenset(pod.spec.node_name for pod in pods)

    @cached_property
    def dns_ready(self) -> bool:
        """Tell whether a DNS server is ready for UDP queries."""
        known = self.dns is not None and self.cluster.readable(ENDPOINT_SLICE)
        return known and self.dns is not None and bool(cluster_dns.endpoints(self.cluster, self.dns))

    @cached_property
    def entry(self) -> Service | None:
        """The Service whose load balancer or node port is the entry to the cluster, for a source outside or a node's address."""
        service = self.destination.service
        if service is not None:
            return None if self.inside else service
        ports = {end.node for end in self.destination.ends if end.node and end.pod_class is None} and self.question.port
        if not ports or not self.cluster.readable(SERVICE):
            return None
        asked = (ports, self.question.protocol)
        every = ((item, port) for item in self.cluster.all(SERVICE) for port in item.spec.ports)
        return next((item for item, port in every if (str(port.node_port), port.protocol) == asked), None)

    @cached_property
    def services(self) -> frozenset[tuple[str, str]]:
        """The Services on the path, as (namespace, name)."""
        found = (self.destination.service, self.entry)
        led = ((item.namespace, item.name) for item in found if item is not None)
        return frozenset((*led, *self.destination.aliases))

    @cached_property
    def uses(self) -> frozenset[Feature]:
        """The features that the connection uses."""
        service, outside = self.destination.service, self.destination.outside
        many = bool(outside) or (service is not None and service.headless)
        held = {
            Feature.ANY: True,
            Feature.NAME: self.asks,
            Feature.OUTSIDE: self.asks and bool(outside),
            Feature.LARGE_ANSWER: self.asks and many,
            Feature.SERVICE: self.translated,
            Feature.AFFINITY: service is not None and self.translated and service.spec.session_affinity == "ClientIP",
            Feature.UDP: self.translated and self.question.protocol == "UDP",
            Feature.ENTRY: self.entry is not None,
            Feature.ITSELF: self.translated and any(a.pod == b.pod != ("", "") for a, b in self.legs),
            Feature.API: ("default", "kubernetes") in self.services,
        }
        return frozenset(use for use, is_made in held.items() if is_made)

    @cached_property
    def objects(self) -> dict[Key, str]:
        """The objects on the path, and the hop that each belongs to."""
        found = self._dns_objects() if self.asks else {}
        for named_end, hop in ((self.source, "source"), (self.destination, "endpoints")):
            found |= {(ref.kind, ref.namespace, ref.name): hop for ref in named_end.owners}
            found |= {("Pod", *end.pod): hop for end in named_end.ends if end.pod != ("", "")}
        found |= {("Service", *name): "endpoints" for name in self.services}
        if self.destination.service is not None and self.cluster.readable(ENDPOINT_SLICE):
            slices = self.cluster.slices_of(self.destination.service)
            found |= {("EndpointSlice", item.namespace, item.name): "endpoints" for item in slices}
        return found

    def _dns_objects(self) -> dict[Key, str]:
        found: dict[Key, str] = {}
        if self.dns is None:
            return found
        found["Service", self.dns.namespace, self.dns.name] = "name"
        pods: list[Pod] = cluster_dns.pods(self.cluster, self.dns) if self.cluster.readable(POD) else []
        found |= {("Pod", pod.namespace, pod.name): "name" for pod in pods}
        configs = self.cluster.all(COREFILE) if self.cluster.readable(COREFILE) else ()
        return found | {("ConfigMap", item.namespace, item.name): "name" for item in configs}

    @cached_property
    def addresses(self) -> frozenset[str]:
        """The addresses of both ends and of the Service."""
        service = self.destination.service
        own = {str(address) for a, b in self.legs for end in (a, b) for address in end.addresses}
        return frozenset(own | set(service.spec.cluster_ips or (service.spec.cluster_ip,) if service else ()))

    @cached_property
    def ports(self) -> frozenset[int]:
        """The port numbers of the connection, of the Service and on its pods; none if every port is meant."""
        port, led = self.question.port, [item for item in (self.destination.service, self.entry) if item is not None]
        numbers = {low for _, low, high in self.asked.ranges() if low == high}
        if any(low != high for _, low, high in self.asked.ranges()):
            return frozenset()
        entries = [entry for item in led for entry in item.spec.ports]
        meant = [entry for entry in entries if not port or port in (str(entry.port), entry.name, str(entry.node_port))]
        found = {number for entry in meant for number in (entry.port, entry.node_port)}
        health = {self.entry.spec.health_check_node_port} if self.entry else set()
        return frozenset(filter(None, numbers | found | health | ({int(port)} if port.isdigit() else set())))

    @cached_property
    def ip_families(self) -> frozenset[str]:
        """The IP families of the destination's addresses; none if they are not known."""
        return frozenset(families.of(str(address)) for _, b in self.legs for address in b.addresses)
