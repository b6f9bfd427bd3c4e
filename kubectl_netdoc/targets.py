"""What to connect to behind each Service, for the checks that measure Services."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.records import POD, Service, ServicePort
from kubectl_netdoc.requests import Address, Connect, Echo, Peer

MOST_ENDPOINTS = 4
"""Endpoints of a Service port that each node connects to at most."""

MOST_PORTS = 60
"""Service ports that are measured at most: with their endpoints some 300 connects a node, 16 at a time."""


PROOFS = 3
"""Tries of a path between two debug pods: a single lost packet does not break it."""


def proof(node: str, other: str) -> Echo:
    """The small request along a path between two nodes; checks that need it share it, so that it is measured once."""
    return Echo(node, Peer(other), samples=PROOFS)


class Endpoint(Struct, frozen=True):
    """One backend of a Service port. ``lenient``: refusing is no fault (host network, or nobody's pod)."""

    address: Address
    pod: str
    node: str
    lenient: bool


class Target(Struct, frozen=True):
    """A Service port with its ClusterIP (None where headless) and its ready endpoints."""

    service: Service
    port: ServicePort
    cluster_ip: Address | None
    endpoints: tuple[Endpoint, ...]

    @property
    def name(self) -> str:
        """Namespace, name and port."""
        return f"{self.service.namespace}/{self.service.name}:{self.port.port}"

    def through_ip(self, node: str) -> Connect | None:
        """The connect to the ClusterIP from a node; None where there is none, or a Local policy leaves the node out."""
        local = self.service.spec.internal_traffic_policy == "Local"
        if self.cluster_ip is None or (local and node not in {endpoint.node for endpoint in self.endpoints}):
            return None
        return Connect(node, self.cluster_ip)

    def direct(self, node: str) -> list[tuple[Endpoint, Connect]]:
        """The connects to each endpoint from a node."""
        return [(endpoint, Connect(node, endpoint.address)) for endpoint in self.endpoints]


def targets(cluster: Cluster) -> list[Target]:
    """Return the TCP ports of Services in scope that have ready endpoints, at most ``MOST_PORTS``, evenly sampled."""
    found = [target for service in cluster.services() for target in _of(cluster, service)]
    step = max(1, -(-len(found) // MOST_PORTS))
    return found[::step]


def _of(cluster: Cluster, service: Service) -> Iterator[Target]:
    spec = service.spec
    if spec.type == "ExternalName" or service.metadata.deletion_timestamp is not None:
        return
    ip = spec.cluster_ip
    for port in spec.ports:
        endpoints = tuple(_endpoints(cluster, service, port)) if port.protocol == "TCP" else ()
        if endpoints:
            headless = service.headless or not ip
            yield Target(service, port, None if headless else Address(ip, port.port), endpoints[:MOST_ENDPOINTS])


def _endpoints(cluster: Cluster, service: Service, port: ServicePort) -> Iterator[Endpoint]:
    for item in cluster.slices_of(service):
        numbers = [p.port for p in item.ports if p.name == port.name and p.protocol == port.protocol and p.port]
        for endpoint in item.endpoints:
            if not (numbers and endpoint.addresses and endpoint.conditions.ready):
                continue
            reference = endpoint.target_ref
            name = reference.name if reference and reference.kind == "Pod" else ""
            pod = cluster.get(POD, service.namespace, name) if name and cluster.readable(POD) else None
            lenient = not name or (pod is not None and pod.spec.host_network)
            yield Endpoint(Address(endpoint.addresses[0], numbers[0]), name, endpoint.node_name, lenient)
