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
    Risk,
    Severity,
    Skip,
    Subject,
)

Network = IPv4Network | IPv6Network
Range = tuple[Network, str]
"""A pod range and its node."""

NAMED = 20
"""Addresses that a finding lists at most."""

DOUBLED = Code(
    id="ADR001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Two nodes have overlapping pod ranges",
    message="The pod ranges of {one} ({one_range}) and {other} ({other_range}) overlap: other nodes send both to one of them",
    fix="Take the younger node out of the cluster and let it register anew, for a range of its own; then look for what "
    "gave the range twice: a second allocator, a node restored from a backup, ranges written by hand.",
    commands=(
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,AGE:.metadata.creationTimestamp,PODS:.spec.podCIDRs",
        "kubectl get pods -A -o wide --field-selector spec.nodeName={other}",
    ),
    rows=("M9",),
    explains=(Explains(("PNW002", "PNW003", "PNW007", "PNW009", "PNW012"), "node"), Explains(("PNW003", "PNW012"), "path")),
)
NODE_INSIDE = Code(
    id="ADR002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Nodes have addresses in another node's pod range",
    message="{count} nodes have addresses in the pod range {range} of {name} ({inside}): what goes to them goes to its pods",
    fix="Give pods or nodes another range: neither can be renumbered in place, so nodes are replaced one by one.",
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
    message="{count} Services have addresses in the pod range {range} of {name} ({services}): a pod with one can't be reached",
    fix="Separate the Service range (kube-apiserver --service-cluster-ip-range, or a ServiceCIDR) from that of the pods.",
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
    yield from _overlaps(ranges)
    yield from _nodes(cluster, owners)
    if cluster.readable(SERVICE):
        yield from _services(cluster, owners)


def _ranges(cluster: Cluster) -> Iterator[Range]:
    """The pod ranges of all nodes; what is no range (nothing in the API forbids it) is left out."""
    for node in sorted(cluster.all(NODE), key=lambda node: node.name):
        for text in node.spec.pod_cidrs:
            try:
                yield ip_network(text, strict=False), node.name
            except ValueError:
                continue


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
    owners, nodes = _Owners(ranges), {node.name for node in cluster.all(NODE)}
    inside, outside = 0, []
    for pod in cluster.all(POD):
        if pod.spec.host_network or pod.finished or not pod.ips or pod.spec.node_name not in nodes:
            continue
        if all(pod.spec.node_name in {node for _, node in owners.of(ip)} for ip in pod.ips):
            inside += 1
        else:
            outside.append(f"pod {pod.namespace}/{pod.name}")
    return inside, sorted(outside)


def _overlaps(ranges: list[Range]) -> Iterator[Finding]:
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
        yield NODE_INSIDE.on(Subject("Node", owner), range=str(network), count=len(nodes), inside=sorted(nodes)[:NAMED])


def _services(cluster: Cluster, owners: _Owners) -> Iterator[Finding]:
    found: dict[Range, list[str]] = {}
    for service in cluster.all(SERVICE):
        for ip in service.spec.cluster_ips or (service.spec.cluster_ip,):
            for each in owners.of(ip):
                found.setdefault(each, []).append(f"{service.namespace}/{service.name} {ip}")
    for (network, node), services in found.items():
        shown = sorted(services)[:NAMED]
        yield SERVICE_INSIDE.on(Subject("Node", node), range=str(network), count=len(services), services=shown)


check = Check(
    id="address_ranges",
    title="Addresses of pods, nodes and Services are kept apart",
    prefix="ADR",
    needs=Needs(kinds=(NODE, POD), optional=(SERVICE,)),
    codes=(DOUBLED, NODE_INSIDE, SERVICE_INSIDE),
    analyse=analyse,
)
