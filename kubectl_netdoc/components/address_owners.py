# SPDX-License-Identifier: Apache-2.0
"""Who has an IP address: a Service, a pod, a node; or, where the cluster shows that, nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from kubectl_netdoc.core.cluster import Cluster, Listing
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.formats.addresses import IPRange, IPv4Network, IPv6Network, ip_address, ip_network, is_address
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NODE, POD, SERVICE
from kubectl_netdoc.records.services import Service

EXAMPLES = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
"""Ranges for examples in documents, which nobody has on any network (RFC 5737, RFC 3849)."""

OWN = 2
"""First addresses of a node's pod range that are the node's own: that of the range (flannel.1) and of its bridge (host-local)."""

WIDEST = {4: 12, 6: 108}
"""Shortest prefix of a range of ClusterIPs: kubeadm's default, 10.96.0.0/12, and the longest range of IPv6 that the API server
takes (--service-cluster-ip-range: at most 20 bits)."""

NARROWEST = {4: 24, 6: 120}
"""What the range of ClusterIPs has at least: 256 addresses."""

KINDS: tuple[Kind[Any], ...] = (NODE, POD, SERVICE)


def addresses_of(service: Service) -> tuple[str, ...]:
    """Return the addresses at which a Service takes connections: its ClusterIPs, external IPs and load balancers' IPs."""
    own = service.spec.cluster_ips or (service.spec.cluster_ip,)
    balancers = (each.ip for each in service.status.load_balancer.ingress)
    return tuple(ip for ip in (*own, *service.spec.external_ips, *balancers) if is_address(ip))


class AddressOwners:
    """Who has an address in this cluster, as far as Services, pods and nodes could be read."""

    def __init__(self, cluster: Cluster) -> None:
        services = cluster.all(SERVICE) if cluster.readable(SERVICE) else ()
        pods = cluster.all(POD) if cluster.readable(POD) else ()
        self.nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
        self.services = {ip: service for service in services for ip in addresses_of(service)}
        self.pods = {ip: pod for pod in pods if not (pod.finished or pod.spec.host_network) for ip in pod.ips}
        self.hosts = {each.address: node for node in self.nodes for each in node.status.addresses if is_address(each.address)}
        lists = [cluster.listing(kind) for kind in KINDS]
        seen = all(isinstance(each, Listing) and not each.undecodable for each in lists)
        self.live = cluster.origin != "manifests"
        self.whole = seen and self.live and not cluster.scope.namespaces
        """Whether every Service, pod and node was read, so that an address in their ranges that is not there is nobody's."""

    def owner(self, ip: str) -> ObjectRef | None:
        """Return the Service, pod or node that has an address; None if none of them has, or that was not read."""
        for kind, found in (("Service", self.services), ("Pod", self.pods), ("Node", self.hosts)):
            if ip in found:
                return ObjectRef.to(kind, found[ip])
        return None

    def vacant(self, ip: str) -> str:
        """Return why nobody has an address, as a clause whose subject is the address; "" if somebody has or may have it.

        Manifests may have addresses that only stand for others.
        """
        if not self.live or not is_address(ip) or self.owner(ip):
            return ""
        address = ip_address(ip)
        if address.is_unspecified or address.is_multicast:
            return "is not the address of any host"
        if found := next((net for net in EXAMPLES if address in net), None):
            used = any(ip_address(other) in found for other in (*self.hosts, *self.pods, *self.services))
            return "" if used else f"is in {found}, a range for examples in documents, which nobody has"
        for network, node in self.pod_ranges if self.whole else ():
            if address in network:
                own = int(address) - int(network.network_address) < OWN
                return "" if own else f"is in the pod range {network} of node {node}, and no pod has it"
        for network in self._service_ranges if self.whole else ():
            if address in network:
                return f"is in {network}, the range of the ClusterIPs, and no Service has it"
        return ""

    @cached_property
    def pod_ranges(self) -> list[tuple[IPRange, str]]:
        """The nodes' pod ranges, each with its node; none unless pods have their addresses from them."""
        ranges = [(ip_network(text), node.name) for node in self.nodes for text in node.spec.pod_cidrs]
        by_node: dict[str, list[IPRange]] = {}
        for network, name in ranges:
            by_node.setdefault(name, []).append(network)
        placed = [_inside(ip, by_node[pod.spec.node_name]) for ip, pod in self.pods.items() if pod.spec.node_name in by_node]
        return ranges if placed and all(placed) else []

    @cached_property
    def _service_ranges(self) -> list[IPRange]:
        """The range of ClusterIPs of each IP version, as far as the Services show it: the smallest that has all of them."""
        mine = {ip for each in self.services.values() for ip in (*each.spec.cluster_ips, each.spec.cluster_ip)}
        found = [_common(same, version) for version in (4, 6) if (same := list(_of_version(mine, version)))]
        others = [ip_address(ip) for ip in (*self.hosts, *self.pods)]
        return [network for network in found if network and not any(other in network for other in others)]


def _inside(ip: str, networks: Iterable[IPRange]) -> bool:
    return any(ip_address(ip) in network for network in networks)


def _of_version(texts: Iterable[str], version: int) -> Iterator[int]:
    return (int(address) for address in map(ip_address, filter(is_address, texts)) if address.version == version)


def _common(every: list[int], version: int) -> IPRange | None:
    """Return the smallest range that has these addresses; None where it is wider than one range of ClusterIPs is."""
    bits = 32 if version == 4 else 128
    prefix = min(NARROWEST[version], bits - (min(every) ^ max(every)).bit_length())
    if prefix < WIDEST[version]:
        return None
    network: IPRange = (IPv4Network if version == 4 else IPv6Network)((min(every), prefix), strict=False)
    return network
