# SPDX-License-Identifier: Apache-2.0
"""The nodes' pod ranges: against each other, against the nodes' addresses and the Services' ClusterIPs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    NODE,
    POD,
    SERVICE,
    Cluster,
    Code,
    Explains,
    Finding,
    IPRange,
    NodePath,
    ObjectRef,
    Risk,
    Severity,
    Skip,
    Subject,
    ip_address,
    ip_network,
    some,
)
from kubectl_netdoc.checks.pod_network.address_ranges.node_addresses import NAMED, SHOWN, runs_its_pods

Range = tuple[IPRange, str]
"""A pod range and its node."""

DOUBLED = Code(
    id="ADR001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Nodes have overlapping pod ranges",
    message="The pod ranges of {count} nodes overlap ({shown}), so traffic to pods on one of them may reach pods on another",
    fix="Remove the newer node ({younger}) from the cluster (if there are several, all but the oldest, one at a time): drain "
    "it, delete its Node object and restart its kubelet. It gets a range of its own when it registers again. Before that, find "
    "out why the range was assigned twice: a second allocator, a node restored from a backup, or ranges set by hand or in each "
    "kubelet's configuration.",
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
    message="{count} addresses of other nodes are inside the pod range {range} of {name} ({shown}), so traffic to them goes to "
    "pods on {name}",
    fix="Use a different range for pods or for nodes. Neither can be changed in place: replace the nodes one by one.",
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
    message="{count} Services have addresses inside the pod range {range} of {name} ({shown}): a pod that gets such an address "
    "cannot be reached",
    fix="Separate the Service range (kube-apiserver --service-cluster-ip-range, or a ServiceCIDR) from the pod range, then "
    "recreate these Services. Until then, cordon {name} so that no new pod gets such an address.",
    commands=(
        "kubectl get nodes {name} -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDRs",
        "kubectl get services -A -o wide",
    ),
    rows=("M9",),
)


def overlapping_ranges(cluster: Cluster) -> Iterator[Finding]:
    """Report overlapping ranges and addresses inside them, if pods really get their addresses from the nodes' ranges."""
    ranges = list(_ranges(cluster))
    if not ranges:
        raise Skip(
            "no node has a pod range (spec.podCIDRs): the CNI plugin assigns addresses with an IPAM of its own",
            not_applicable=True,
        )
    inside, outside = _pods(cluster, ranges)
    if outside or not inside:
        why = f"{outside[0]} has an address outside its node's range" if outside else "no pod has an address from them"
        raise Skip(f"pods may not get their addresses from the nodes' spec.podCIDRs: {why}", not_applicable=True)
    owners = _Owners(ranges)
    ages = {node.name: cluster.age(node.metadata.creation_timestamp) for node in cluster.all(NODE)}
    yield from _overlaps(ranges, ages)
    yield from _nodes(cluster, owners)
    if cluster.readable(SERVICE):
        yield from _services(cluster, owners)


def _ranges(cluster: Cluster) -> Iterator[Range]:
    """Yield the pod ranges of all nodes except virtual ones. Invalid ranges, which the API accepts, are left out."""
    for node in sorted(filter(runs_its_pods, cluster.all(NODE)), key=lambda node: node.name):
        for text in node.spec.pod_cidrs:
            try:
                yield ip_network(text), node.name
            except ValueError:
                continue


class _Owners:
    """Finds the ranges that contain an address without going through all of them: by the length of their prefixes."""

    def __init__(self, ranges: list[Range]) -> None:
        self.by_prefix: dict[tuple[int, int], dict[int, list[Range]]] = {}
        for network, node in ranges:
            same = self.by_prefix.setdefault((network.version, network.max_prefixlen - network.prefixlen), {})
            same.setdefault(int(network.network_address) >> network.max_prefixlen - network.prefixlen, []).append((network, node))

    def of(self, text: str) -> list[Range]:
        """Return the ranges that contain an address; none for what is no address (a headless Service has "None")."""
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
    owners, nodes = _Owners(ranges), {node.name for node in cluster.all(NODE) if runs_its_pods(node)}
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
    """Report groups of overlapping ranges. Sorted, the widest comes first, and a range is either inside it or begins after it."""
    ordered = sorted(ranges, key=lambda each: (each[0].version, int(each[0].network_address), each[0].prefixlen, each[1]))
    group: list[Range] = []
    for each in ordered:
        if group and not each[0].overlaps(group[0][0]):
            yield from _doubled(group, ages)
            group = []
        group.append(each)
    yield from _doubled(group, ages)


def _doubled(group: list[Range], ages: dict[str, timedelta]) -> Iterator[Finding]:
    """Report ranges of several nodes of which one contains all the others."""
    held = {node: str(network) for network, node in reversed(group)}
    if len(held) < 2:
        return
    nodes = sorted(held)
    subject = Subject("NodePair", "--".join(nodes)) if len(nodes) == 2 else Subject("Cluster", f"pod range {group[0][0]}")
    numbers = {"count": len(nodes), "shown": some([f"{node} {held[node]}" for node in nodes], SHOWN)}
    paths = [NodePath(one, other) for one in nodes for other in nodes if one != other] if len(nodes) <= NAMED else []
    yield DOUBLED.on(subject, numbers, younger=min(nodes, key=lambda name: ages[name]), nodes=nodes, paths=paths)


def _nodes(cluster: Cluster, owners: _Owners) -> Iterator[Finding]:
    """Nodes in the ranges of other nodes: what is in its own range is sent to that node anyhow (GKE's IPv6 is made so)."""
    found: dict[Range, list[ObjectRef]] = {}
    for node in cluster.all(NODE):
        for ip in (each.address for each in node.status.addresses if each.type == "InternalIP"):
            for each in owners.of(ip):
                if each[1] != node.name:
                    found.setdefault(each, []).append(ObjectRef.to("Node", node, address=ip))
    for (network, owner), nodes in found.items():
        yield NODE_INSIDE.on(
            Subject("Node", owner),
            range=str(network),
            count=len(nodes),
            inside=sorted(nodes)[:NAMED],
            shown=some(sorted(nodes), SHOWN),
        )


def _services(cluster: Cluster, owners: _Owners) -> Iterator[Finding]:
    found: dict[Range, list[ObjectRef]] = {}
    for service in cluster.all(SERVICE):
        for ip in service.spec.cluster_ips or (service.spec.cluster_ip,):
            for each in owners.of(ip):
                found.setdefault(each, []).append(ObjectRef.to("Service", service, address=ip))
    for (network, node), services in found.items():
        numbers = {"range": str(network), "count": len(services), "shown": some(sorted(services), SHOWN)}
        yield SERVICE_INSIDE.on(Subject("Node", node), numbers, services=sorted(services)[:NAMED])


CODES = (
    DOUBLED,
    NODE_INSIDE,
    SERVICE_INSIDE,
)
