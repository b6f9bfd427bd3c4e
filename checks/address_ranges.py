# SPDX-License-Identifier: Apache-2.0
"""Are the addresses of pods, nodes and Services kept apart?

## What it looks at
The pod ranges of the nodes (spec.podCIDRs) against each other, against every node's InternalIP and against every Service's
ClusterIPs, in both IP families.

## Why it matters
An address that belongs to two things is routed to one of them. Two nodes with one range take each other's pods' traffic; a node
or Service whose address lies in a pod range is reached until a pod gets that very address.

## What it can't see
Networks outside the cluster (a VPC, an office, a peered cluster) that overlap with it: the API does not know their ranges. Pod
ranges that an IPAM of its own hands out: spec.podCIDRs is judged only where all pods have their addresses from it.

## Sources
Kubernetes: The Kubernetes network model (addresses of pods, Services and nodes do not overlap); failure catalogue M9.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from kubectl_netdoc.api import (
    NODE,
    POD,
    SERVICE,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Node,
    Risk,
    Severity,
    Skip,
    Subject,
)
from kubectl_netdoc.words import some

Network = IPv4Network | IPv6Network
Range = tuple[Network, str]
"""A pod range and its node."""

NAMED = 20
"""Addresses that the evidence lists at most."""

SHOWN = 5
"""Addresses that a sentence names at most."""

DOUBLED = Code(
    id="ADR001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Two nodes have overlapping pod ranges",
    message="The pod ranges of {one} ({one_range}) and {other} ({other_range}) overlap: what is sent to one's pods may reach the "
    "other's",
    fix="Take {younger}, the younger of them, out of the cluster: drain it, delete the Node object, restart its kubelet. It gets "
    "a range of its own when it registers anew. Then look for what gave the range twice: a second allocator, a node restored "
    "from a backup, ranges written by hand.",
    commands=(
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,AGE:.metadata.creationTimestamp,PODS:.spec.podCIDRs",
        "kubectl get pods -A -o wide --field-selector spec.nodeName={younger}",
    ),
    rows=("M9",),
    explains=(Explains(("PNW002", "PNW003", "PNW007", "PNW009", "PNW012"), "node"), Explains(("PNW003", "PNW012"), "path")),
)
NODE_INSIDE = Code(
    id="ADR002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Nodes have addresses in another node's pod range",
    message="Addresses of other nodes lie in the pod range {range} of {name} ({count}: {shown}): what is sent to them goes to "
    "its pods",
    fix="Give pods or nodes another range. Neither can be renumbered in place: replace the nodes one by one.",
    commands=(
        "kubectl get nodes -o wide",
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDRs",
    ),
    rows=("M9",),
)
SERVICE_INSIDE = Code(
    id="ADR003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Services have addresses in a pod range",
    message="Services have addresses in the pod range {range} of {name} ({count}: {shown}): a pod that gets one can't be reached",
    fix="Separate the Service range (kube-apiserver --service-cluster-ip-range, or a ServiceCIDR) from that of the pods, then "
    "make these Services anew. Until then, cordon {name}, so that no new pod gets such an address.",
    commands=(
        "kubectl get nodes {name} -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDRs",
        "kubectl get services -A -o wide",
    ),
    rows=("M9",),
)


def analyse(facts: Facts) -> Iterator[Finding]:
    """Hold ranges and addresses against each other, where pods really have theirs from the nodes' ranges."""
    cluster = facts.cluster
    ranges = list(_ranges(cluster))
    if not ranges:
        raise Skip("no node has a pod range (spec.podCIDRs): the CNI's own IPAM gives the addresses", moot=True)
    inside, outside = _pods(cluster, ranges)
    if outside or not inside:
        why = f"{outside[0]} has an address outside of its node's" if outside else "no pod shows that its address is from there"
        raise Skip(f"the nodes' spec.podCIDRs may not be what pods get addresses from: {why}", moot=True)
    owners = _Owners(ranges)
    ages = {node.name: cluster.age(node.metadata.creation_timestamp) for node in cluster.all(NODE)}
    yield from _overlaps(ranges, ages)
    yield from _nodes(cluster, owners)
    if cluster.readable(SERVICE):
        yield from _services(cluster, owners)


def _ranges(cluster: Cluster) -> Iterator[Range]:
    """The pod ranges of all nodes but virtual ones; what is no range (nothing in the API forbids it) is left out."""
    for node in sorted(filter(_real, cluster.all(NODE)), key=lambda node: node.name):
        for text in node.spec.pod_cidrs:
            try:
                yield ip_network(text, strict=False), node.name
            except ValueError:
                continue


def _real(node: Node) -> bool:
    """Whether its pods run on the node: those of virtual nodes have addresses from elsewhere."""
    return "virtual" not in node.unfit


class _Owners:
    """Whose range an address lies in, without going through all ranges: by the length of their prefixes."""

    def __init__(self, ranges: list[Range]) -> None:
        self.by_prefix: dict[tuple[int, int], dict[int, list[Range]]] = {}
        for network, node in ranges:
            same = self.by_prefix.setdefault((network.version, network.max_prefixlen - network.prefixlen), {})
            same.setdefault(int(network.network_address) >> network.max_prefixlen - network.prefixlen, []).append((network, node))

    def of(self, text: str) -> list[Range]:
        """Return the ranges that an address lies in; none of what is no address ("None" of a headless Service)."""
        try:
            address = ip_address(text)
        except ValueError:
            return []
        fitting = [
            found.get(int(address) >> bits, []) for (version, bits), found in self.by_prefix.items() if version == address.version
        ]
        return [each for some in fitting for each in some]


def _pods(cluster: Cluster, ranges: list[Range]) -> tuple[int, list[str]]:
    """Return how many pods have all their addresses from their own node's ranges, and which do not."""
    owners, nodes = _Owners(ranges), {node.name for node in cluster.all(NODE) if _real(node)}
    inside, outside = 0, []
    for pod in cluster.all(POD):
        if pod.spec.host_network or pod.finished or not pod.ips or pod.spec.node_name not in nodes:
            continue
        if all(pod.spec.node_name in {node for _, node in owners.of(ip)} for ip in pod.ips):
            inside += 1
        else:
            outside.append(f"pod {pod.namespace}/{pod.name}")
    return inside, sorted(outside)


def _overlaps(ranges: list[Range], ages: dict[str, timedelta]) -> Iterator[Finding]:
    """Every two ranges of different nodes that overlap: sorted, a range can only overlap those that begin before its end."""
    ordered = sorted(ranges, key=lambda each: (each[0].version, int(each[0].network_address), each[1]))
    for number, (network, node) in enumerate(ordered):
        for other, owner in ordered[number + 1 :]:
            if not network.overlaps(other):
                break
            if owner != node:
                one, two = sorted([(node, str(network)), (owner, str(other))])
                paths = [f"{a} -> {b}" for a, b in ((node, owner), (owner, node))]
                names = {"one": one[0], "one_range": one[1], "other": two[0], "other_range": two[1]}
                names["younger"] = min(one[0], two[0], key=lambda name: ages[name])
                yield DOUBLED.on(Subject("NodePair", f"{one[0]}--{two[0]}"), names, nodes=[one[0], two[0]], paths=paths)


def _nodes(cluster: Cluster, owners: _Owners) -> Iterator[Finding]:
    """Nodes in the ranges of other nodes: what is in its own range is sent to that node anyhow (GKE's IPv6 is made so)."""
    found: dict[Range, list[str]] = {}
    for node in cluster.all(NODE):
        for ip in (each.address for each in node.status.addresses if each.type == "InternalIP"):
            for each in owners.of(ip):
                if each[1] != node.name:
                    found.setdefault(each, []).append(f"{node.name} {ip}")
    for (network, owner), nodes in found.items():
        yield NODE_INSIDE.on(
            Subject("Node", owner),
            range=str(network),
            count=len(nodes),
            inside=sorted(nodes)[:NAMED],
            shown=some(sorted(nodes), SHOWN),
        )


def _services(cluster: Cluster, owners: _Owners) -> Iterator[Finding]:
    found: dict[Range, list[str]] = {}
    for service in cluster.all(SERVICE):
        for ip in service.spec.cluster_ips or (service.spec.cluster_ip,):
            for each in owners.of(ip):
                found.setdefault(each, []).append(f"{service.namespace}/{service.name} {ip}")
    for (network, node), services in found.items():
        numbers = {"range": str(network), "count": len(services), "shown": some(sorted(services), SHOWN)}
        yield SERVICE_INSIDE.on(Subject("Node", node), numbers, services=sorted(services)[:NAMED])


check = Check(
    id="address_ranges",
    title="Addresses of pods, nodes and Services are kept apart",
    prefix="ADR",
    needs=Needs(kinds=(NODE, POD), optional=(SERVICE,)),
    codes=(DOUBLED, NODE_INSIDE, SERVICE_INSIDE),
    analyse=analyse,
)
