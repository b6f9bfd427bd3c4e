# SPDX-License-Identifier: Apache-2.0
"""The ClusterIPs and endpoints of Services that are connected to, and netdoc's own Service, shared by all checks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.core.once import once
from kubectl_netdoc.measurements.base import Address, OwnService, Peer
from kubectl_netdoc.measurements.connect import Connect, Echo
from kubectl_netdoc.measurements.statistics import evenly
from kubectl_netdoc.probes.node_pairs import peers
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.records.services import Endpoint, Service, ServicePort

CONTROLLER = "endpointslice-controller.k8s.io"
"""The value of endpointslice.kubernetes.io/managed-by in the slices of Services with a selector."""

MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"
"""The same in slices that mirror an Endpoints object."""

MOST_ENDPOINTS = 4
"""Endpoints of a Service port that each node connects to at most, in each family."""

MOST_PORTS = 60
"""Service ports that are measured at most: with their endpoints some 300 connections a node, 16 at a time."""

PROOFS = 3
"""Tries of a path between two debug pods: a single lost packet does not break it."""

PATIENCE = 2.0
"""Seconds for a try: one whose first SYN gets lost succeeds after 1 s (RFC 6298, 2.1), and must not look like a dead path."""

TRIES = 6
"""Connections to netdoc's own Service for each pod behind it: one of N random backends is missed by chance in 1 of 400."""

MOST_TRIES = 60
"""Connections to netdoc's own Service at most."""

SYNC = 5.0
"""Seconds for a new Service to work everywhere: kube-proxy syncs at most once a second, and 2.7 s were measured in all."""

SLOW_SYNC = 15.0
"""The same where kube-proxy syncs at most every 10 s: GKE starts it so (--iptables-min-sync-period=10s in kubernetes/kubernetes,
cluster/gce/gci/configure-helper.sh). GKE's kubelets are known by their version."""


@once
def sync(cluster: Cluster) -> float:
    """Return the seconds that a new Service is given to work everywhere."""
    gke = any("-gke." in node.status.node_info.kubelet_version for node in cluster.all(NODE))
    return SLOW_SYNC if gke else SYNC


def proof(node: str, other: str) -> Echo:
    """Return the request that proves a path between two nodes; checks share it, so that it is measured once."""
    return Echo(node, Peer(other), samples=PROOFS, timeout=PATIENCE)


def proofs(cluster: Cluster, node: str) -> list[Echo]:
    """Return the requests that prove a node's paths to the debug pods of all others, or of its neighbours among many."""
    return [proof(node, other) for other in peers(cluster).get(node, ())]


def twin(node: str) -> Echo:
    """Return the request that proves the path between two debug pods of one node; nodes with one pod don't reply."""
    return Echo(node, Peer(node, twin=True))


def own(cluster: Cluster, node: str) -> Echo:
    """Return the request to netdoc's own Service that proves kube-proxy's work: often enough to meet every pod behind it."""
    return Echo(node, OwnService(), samples=min(MOST_TRIES, TRIES * (len(cluster.vantages) + 1)), wait=sync(cluster))


class Behind(StrEnum):
    """What an endpoint is. What is no pod of the pod network may be silent or refuse without a fault of the cluster."""

    POD = "a pod"
    HOST = "a process on a host"
    OUTSIDE = "an address outside the cluster"
    ELSEWHERE = "a pod of another cluster, or of none"
    UNNAMED = "a pod that its EndpointSlice does not name"
    UNKNOWN = "not known"


class TargetEndpoint(Struct, frozen=True):
    """One backend of a Service port.

    ``pod_missing``: its slice names a pod that does not exist. ``slice``: the name of its EndpointSlice.
    """

    address: Address
    pod: str
    node: str
    behind: Behind = Behind.POD
    pod_missing: bool = False
    slice: str = ""

    @property
    def may_refuse(self) -> bool:
        """Whether it is no pod of the pod network, or may be none."""
        return self.behind is not Behind.POD


class Target(Struct, frozen=True):
    """A Service port with its ClusterIPs (none where headless) and its ready endpoints, in the families that pods have.

    ``whole``: these are all that it has.
    """

    service: Service
    port: ServicePort
    cluster_ips: tuple[Address, ...]
    endpoints: tuple[TargetEndpoint, ...]
    whole: bool = True

    @property
    def name(self) -> str:
        """Namespace, name and port."""
        return str(self.ref)

    @property
    def ref(self) -> ObjectRef:
        """The Service with this port, as evidence points at it."""
        return ObjectRef.to("Service", self.service, self.port.port)

    def through(self, node: str) -> list[Connect]:
        """The connections to the ClusterIPs from a node; none where a Local policy leaves the node out.

        A ClusterIP of a family without a ready endpoint is left out: the slices show that it can't work.
        """
        local = self.service.spec.internal_traffic_policy == "Local"
        near = [endpoint for endpoint in self.endpoints if not local or endpoint.node == node]
        alive = {ip_families.of(endpoint.address.ip) for endpoint in near}
        return [Connect(node, ip) for ip in self.cluster_ips if ip_families.of(ip.ip) in alive]

    def direct(self, node: str) -> list[tuple[TargetEndpoint, Connect]]:
        """The connections to each endpoint from a node."""
        return [(endpoint, Connect(node, endpoint.address)) for endpoint in self.endpoints]


def targets(cluster: Cluster) -> list[Target]:
    """Return the TCP ports of Services in scope that have ready endpoints, at most ``MOST_PORTS``, evenly sampled."""
    return evenly(all_targets(cluster), MOST_PORTS)


def may_reject(cluster: Cluster) -> bool:
    """Whether a policy may have refused a connection; where engines only drop, a refusal comes from the target.

    kube-router rejects (its REJECT rules, in k3s too). A policy may have where no engine, or an unknown one, is seen.
    """
    engines = [found.traits.policy for found in cni.recognise(cluster)]
    return any(engine.rejects for engine in engines) or not any(engine.drops for engine in engines)


@once
def all_targets(cluster: Cluster) -> tuple[Target, ...]:
    """Return the TCP ports of all Services in scope that have ready endpoints."""
    known = ip_families.of_pods(cluster)
    return tuple(target for service in cluster.services() for target in _of(cluster, service, known))


def _of(cluster: Cluster, service: Service, known: tuple[str, ...]) -> Iterator[Target]:
    spec = service.spec
    if spec.type == "ExternalName" or service.metadata.deletion_timestamp is not None:
        return
    ips = () if service.headless else spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    for port in spec.ports:
        found = list(_endpoints(cluster, service, port)) if port.protocol == "TCP" else []
        mine = known or tuple(dict.fromkeys(ip_families.of(endpoint.address.ip) for endpoint in found))[:1]
        kept = [e for family in mine for e in [e for e in found if ip_families.of(e.address.ip) == family][:MOST_ENDPOINTS]]
        if kept:
            addresses = tuple(Address(ip, port.port) for ip in ips if ip_families.of(ip) in mine)
            yield Target(service, port, addresses, tuple(kept), whole=len(kept) == len(found))


def _endpoints(cluster: Cluster, service: Service, port: ServicePort) -> Iterator[TargetEndpoint]:
    pods = cluster.readable(POD)
    for item in cluster.slices_of(service):
        numbers = [p.port for p in item.numbered if p.name == port.name and p.protocol == port.protocol]
        for endpoint in item.endpoints:
            if not (numbers and endpoint.addresses and endpoint.conditions.ready) or item.address_type == "FQDN":
                continue
            reference = endpoint.target_ref
            name = reference.name if reference and reference.kind == "Pod" else ""
            pod = cluster.get(POD, service.namespace, name) if name and pods else None
            pod_missing = bool(name) and pods and pod is None and item.managed_by == CONTROLLER
            if pod is not None or pod_missing:
                behind = Behind.HOST if pod and pod.spec.host_network else Behind.POD
            else:
                behind = _without_a_pod(cluster, endpoint, name)
            address = Address(endpoint.addresses[0], numbers[0])
            yield TargetEndpoint(address, name, endpoint.node_name, behind, pod_missing, item.name)


def _without_a_pod(cluster: Cluster, endpoint: Endpoint, name: str) -> Behind:
    """Return what an endpoint is of which no pod is known: by the nodes' addresses, and those of pods where they can be read."""
    own, ip = _node_addresses(cluster), endpoint.addresses[0]
    if any(ip in addresses for addresses in own.values()):
        return Behind.HOST
    if not cluster.readable(POD):
        return Behind.POD if name and own.get(endpoint.node_name) else Behind.UNKNOWN
    if name:
        return Behind.ELSEWHERE  # what others write may point to the pods of another cluster
    if any(ip in pod.ips for pod in cluster.all(POD)):
        return Behind.UNNAMED
    return Behind.OUTSIDE if own else Behind.UNKNOWN


@once
def _node_addresses(cluster: Cluster) -> dict[str, frozenset[str]]:
    """Each node's own addresses, by which processes on hosts are known."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    return {node.name: frozenset(address.address for address in node.status.addresses) for node in nodes}
