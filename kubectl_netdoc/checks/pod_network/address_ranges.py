# SPDX-License-Identifier: Apache-2.0
"""Are the addresses of pods, nodes and Services kept apart?

## What it looks at
The pod ranges of the nodes (spec.podCIDRs) against each other, against every node's InternalIP and against every Service's
ClusterIPs, in both IP families; the first InternalIP of each ready node, and the address that flannel or Calico has told of it,
against those of the others; Calico's IPPools against the nodes' InternalIPs.

## Why it matters
An address that belongs to two things is routed to one of them. Two nodes with one range take each other's pods' traffic; a node
or Service whose address lies in a pod range is reached until a pod gets that very address. Where nodes have one address between
them (the NAT interface that Vagrant and VirtualBox give each machine), tunnels to the others end on the node itself.

## What it can't see
Networks outside the cluster (a VPC, an office, a peered cluster) that overlap with it: the API does not know their ranges. Pod
ranges that an IPAM of its own hands out, Calico's apart: spec.podCIDRs is judged only where all pods have their addresses from it
and the network, where netdoc knows it, takes them from there.

## Sources
Kubernetes: The Kubernetes network model (addresses of pods, Services and nodes do not overlap); Calico: IP pools (allowedUses,
natOutgoing), IP reservations; flannel: Documentation/troubleshooting.md (Vagrant); failure catalogue M9.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    CALICO_POOL,
    CALICO_RESERVATION,
    DAEMON_SET,
    NETWORK_KINDS,
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
    NodePath,
    ObjectRef,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    ip_families,
    some,
)
from kubectl_netdoc.cni.agents import inside
from kubectl_netdoc.cni.base import yes

Network = IPv4Network | IPv6Network
Range = tuple[Network, str]
"""A pod range and its node."""

NAMED = 20
"""Addresses that the evidence lists at most."""

SHOWN = 5
"""Addresses that a sentence names at most."""

ADDRESSES = (
    'kubectl get nodes -o custom-columns=\'NAME:.metadata.name,INTERNAL:.status.addresses[?(@.type=="InternalIP")].address,'
    "FLANNEL:.metadata.annotations.flannel\\.alpha\\.coreos\\.com/public-ip,"
    "CALICO:.metadata.annotations.projectcalico\\.org/IPv4Address'"
)
WITHOUT_PATHS = ("PNW001", "PNW002", "PNW003", "PNW007", "PNW012", "NRT001", "NRT003", "NRT004", "NRT005", "DNL001", "SVR001")
"""What nodes show whose packets to each other end on themselves."""

DOUBLED = Code(
    id="ADR001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Nodes have overlapping pod ranges",
    message="The pod ranges of {count} nodes overlap ({shown}): what is sent to one's pods may reach another's",
    fix="Take the younger one ({younger}) out of the cluster, of several all but the oldest, one by one: drain it, delete the "
    "Node object, restart its kubelet. It gets a range of its own when it registers anew. First look for what gave the range "
    "twice: a second allocator, a node restored from a backup, ranges written by hand or set alike in each kubelet.",
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
SHARED = Code(
    id="ADR004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Nodes share an address",
    message="{count} nodes have the same {what} {ip} ({shown}): what one of them sends to another's ends on itself",
    fix="Have each node tell an address that the others reach it at: the kubelet's --node-ip for the Node, flanneld's --iface or "
    "Calico's IP_AUTODETECTION_METHOD for the tunnels; then restart the kubelet and the network's agent there. Machines of "
    "Vagrant and VirtualBox all have the same address on their first (NAT) interface.",
    commands=("kubectl get nodes -o wide", ADDRESSES),
    rows=("M9",),
    explains=(Explains(WITHOUT_PATHS, "node"), Explains(WITHOUT_PATHS, "path")),
)
POOL_OVER_NODES = Code(
    id="ADR005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Nodes have addresses in a pool of Calico's",
    message="Addresses of nodes lie in Calico's pool {name} {range} ({count}: {shown}): pods may get a node's address, and what "
    "pods send to nodes is not translated as it is to others outside",
    fix="Move the pods to a pool apart from the nodes' network: make an IPPool with another range, disable {name}, then make the "
    "pods anew, one after the other. Until then, keep these addresses from being given out with an IPReservation.",
    commands=(
        "kubectl get ippools.crd.projectcalico.org {name} -o yaml",
        "kubectl get nodes -o wide",
        "kubectl get ipreservations.crd.projectcalico.org",
    ),
    rows=("M9",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Hold nodes' own addresses against each other and Calico's pools; ranges, where pods really have theirs from them."""
    cluster = facts.cluster
    found = cni.recognise(cluster)
    yield from _shared(cluster)
    if any(each.name == "Calico" and each.primary and not each.traits.node_ranges for each in found):
        yield from _pools(cluster)
    if not cluster.readable(DAEMON_SET):
        yield Unseen("the nodes' pod ranges", "DaemonSets can't be read, and those tell where the network takes addresses from")
        return
    own = [each for each in found if each.primary]
    if own and not any(each.traits.node_ranges for each in own):
        raise Skip(f"{own[0].name} has an IPAM of its own: pods have no addresses from the nodes' spec.podCIDRs", moot=True)
    yield from _of_nodes(cluster)


def _shared(cluster: Cluster) -> Iterator[Finding]:
    """Addresses that several nodes at work tell as the one they are reached at; of a node that is gone another may have it."""
    owners: dict[tuple[str, str], list[str]] = {}
    for node in filter(_at_work, cluster.all(NODE)):
        for what, ip in _told(node):
            owners.setdefault((ip, what), []).append(node.name)
    said: dict[str, tuple[list[str], list[str]]] = {}
    for (ip, what), names in owners.items():
        if len(names) > 1:
            whats, nodes = said.setdefault(ip, ([], []))
            whats.append(what)
            nodes += (name for name in names if name not in nodes)
    for ip, (whats, nodes) in sorted(said.items()):
        paths = [NodePath(one, other) for one in nodes for other in nodes if one != other] if len(nodes) <= NAMED else []
        numbers = {"ip": ip, "what": " and ".join(whats), "count": len(nodes), "shown": some(sorted(nodes), SHOWN)}
        yield SHARED.on(Subject("Address", ip), numbers, nodes=sorted(nodes), paths=paths)


def _at_work(node: Node) -> bool:
    ready = node.condition("Ready")
    return _real(node) and ready is not None and ready.status == "True"


def _told(node: Node) -> Iterator[tuple[str, str]]:
    """The addresses at which other nodes reach a node: its first InternalIP of each family (a cloud's controller may list more,
    of bridges and of what moves between nodes), and what the network has told of it.
    """
    own = [each.address for each in node.status.addresses if each.type == "InternalIP"]
    first = {ip_families.of(ip): ip for ip in reversed(own)}
    yield from (("InternalIP", ip) for ip in first.values())
    notes = node.metadata.annotations
    flannel, calico = (notes.flannel_ip, notes.flannel_ip6), (notes.calico_address, notes.calico_address6)
    yield from (("flannel public-ip", ip) for ip in flannel if ip)
    yield from (("Calico node address", text.partition("/")[0]) for text in calico if text)


def _pools(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Pools that pods get addresses from and that hold addresses of nodes, those apart that are kept from being given out."""
    if cluster.unread(CALICO_RESERVATION):
        yield Unseen("Calico's pools against the nodes' addresses", "its IPReservations can't be read")
        return
    reservations = cluster.all(CALICO_RESERVATION) if cluster.readable(CALICO_RESERVATION) else ()
    kept = [cidr for each in reservations for cidr in each.settings.get("reservedCIDRs", "").split(",")]
    nodes = [(node.name, each.address) for node in filter(_real, cluster.all(NODE)) for each in node.status.addresses]
    for pool in cluster.all(CALICO_POOL) if cluster.readable(CALICO_POOL) else ():
        uses, cidr = pool.settings.get("allowedUses", ""), pool.settings.get("cidr", "")
        if yes(pool.settings.get("disabled", "")) or (uses and "Workload" not in uses.split(",")):
            continue
        within = [
            ObjectRef("Node", name, address=ip)
            for name, ip in nodes
            if inside(ip, (cidr,)) and not any(inside(ip, (each,)) for each in kept)
        ]
        if within:
            numbers = {"range": cidr, "count": len(within), "shown": some(sorted(within), SHOWN)}
            yield POOL_OVER_NODES.on(Subject("IPPool", pool.name), numbers, inside=sorted(within)[:NAMED])


def _of_nodes(cluster: Cluster) -> Iterator[Finding]:
    """Hold ranges and addresses against each other, where pods really have theirs from the nodes' ranges."""
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
    """Each range with all those inside it: sorted, the widest comes first, and a range either lies in it or begins after it."""
    ordered = sorted(ranges, key=lambda each: (each[0].version, int(each[0].network_address), each[0].prefixlen, each[1]))
    group: list[Range] = []
    for each in ordered:
        if group and not each[0].overlaps(group[0][0]):
            yield from _doubled(group, ages)
            group = []
        group.append(each)
    yield from _doubled(group, ages)


def _doubled(group: list[Range], ages: dict[str, timedelta]) -> Iterator[Finding]:
    """The finding about ranges of several nodes of which one holds all others."""
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


check = Check(
    id="address_ranges",
    title="Addresses of pods, nodes and Services are kept apart",
    prefix="ADR",
    needs=Needs(kinds=(NODE, POD), optional=(SERVICE,), hints=(DAEMON_SET, CALICO_RESERVATION, *NETWORK_KINDS)),
    codes=(DOUBLED, NODE_INSIDE, SERVICE_INSIDE, SHARED, POOL_OVER_NODES),
    analyse=analyse,
)
