# SPDX-License-Identifier: Apache-2.0
"""Does each pod have an address of its own, inside its node's range, with room for more?

## What it looks at
The addresses of running pods: whether two pods have the same one. Where the network takes addresses from the node's range
(spec.podCIDRs) also whether each is inside that range, and how much of the range is in use compared with the pods that the node
may run.

## Why it matters
Traffic to an address that two pods have reaches only one of them. To an address outside the node's range other nodes have no
route; a second CNI configuration on a node causes that. When a range is used up, new pods stay in ContainerCreating.

## What it can't see
Addresses that dead containers still hold (they are in files on the node). The ranges of networks with an IPAM of their own
(Calico's pools, Cilium, the clouds): there only duplicate addresses are looked for. Networks that netdoc does not know may assign
one address twice by design, so they are not judged.

## Sources
Kubernetes: The Kubernetes network model. host-local IPAM. Failure catalogue M7, M8 and M9. k8s-netinspect warns from 90 % on.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Code,
    Explains,
    Facts,
    Finding,
    IPRange,
    Needs,
    Node,
    ObjectRef,
    Pod,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    Unseen,
    ip_address,
    ip_network,
    on_node,
    some,
)

NEARLY = Threshold(
    name="used_percent",
    default=90.0,
    unit="% of a node's range",
    source="k8s-netinspect warns from there on (POD-005)",
    most=100,
)

TAKEN = {4: 3, 6: 1}
"""Addresses of a range that no pod gets, by IP version: network, gateway and, for IPv4, broadcast address."""

SANDBOX = "PodReadyToStartContainers"
"""The condition that says whether a pod has its sandbox and addresses (KEP-3085)."""

NAMED = 5
"""A sentence names at most this many pods."""

BY_IP = "kubectl get pods -A -o wide --field-selector status.podIP={ip}"
"""The API server finds pods by their first address alone (pkg/registry/core/pod, ToSelectableFields)."""

ALL_IPS = (
    "kubectl get pods -A -o custom-columns='NAMESPACE:.metadata.namespace,NAME:.metadata.name,NODE:.spec.nodeName,"
    "ADDRESSES:.status.podIPs[*].ip'"
)
DELETE = "kubectl -n {namespace} delete pod {name}"
"""For a pod that its controller recreates."""

REPLACE = "kubectl -n {namespace} get pod {name} -o yaml | kubectl replace --force -f -"
"""For a pod that no controller would recreate."""

DOUBLED = Code(
    id="PAD001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Several pods have the same address",
    message="{count} running pods have the address {ip} ({shown}): traffic to it reaches only one of them",
    fix="Recreate {younger}, so that it gets another address; {oldest} had this one first. Recreate that pod too once you can "
    "spare it: its address may be marked as free by then and be assigned again. Then find out what lost track: files removed by "
    "hand on the node (/var/lib/cni/networks), a restored backup, or two networks that assign from one range.",
    commands=(BY_IP,),
    rows=("M7", "M8"),
    explains=(Explains(("PNW009",), "cluster"), Explains(("SVR005", "SVR013", "DSV001", "DSV002"), "node")),
)
OUTSIDE = Code(
    id="PAD002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pods have addresses outside their node's range",
    message="{count} pods on node {name} have addresses outside its range {ranges} ({shown}), so other nodes have no route to "
    "them",
    fix="Either a second CNI configuration on {name} sorts before the right one in /etc/cni/net.d, or the node's range was "
    "changed. Remove what is wrong, then delete these pods so that they get new addresses.",
    commands=(
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
        "kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}",
        on_node("{name}", "ls -l /etc/cni/net.d"),
    ),
    rows=("M8",),
    explains=(
        Explains(("PNW011", "PNW002", "PNW003", "PNW007", "PNW008", "MTU001", "MTU002", "MTU010"), "node"),
        Explains(("SVR002", "SVR005", "SVR013", "SVH001"), "node"),
    ),
)
NEARLY_USED = Code(
    id="PAD003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's pod range is almost used up",
    message="{used} of {usable} addresses of {range} on node {name} are in use, and the node may run {pods} pods",
    fix="Limit the pods of the node to the addresses it has (kubelet maxPods), or give nodes a larger range "
    "(kube-controller-manager --node-cidr-mask-size); a node gets its range when it joins.",
    commands=(
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
        "kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}{{.status.allocatable.pods}}",
    ),
    rows=("M7",),
    explains=(Explains(("NOD004",), "node"),),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report duplicate addresses, then, if pods get theirs from the nodes' ranges, those outside and ranges almost used up."""
    cluster = facts.cluster
    primary = [found for found in cni.recognise(cluster) if found.primary]
    if not primary:
        raise Skip("netdoc does not know this pod network, which may assign addresses in any way", not_applicable=True)
    nodes = {node.name: node for node in cluster.all(NODE)}
    up = {name for name, node in nodes.items() if _ready(node) and not _virtual(node)}
    pods = [pod for pod in cluster.all(POD) if pod.spec.node_name in up and _counts(pod)]
    yield from _doubled(pods)
    if len(primary) == 1 and primary[0].traits.node_ranges:
        yield from _outside(pods, nodes)
        there: defaultdict[str, list[Pod]] = defaultdict(list)
        for pod in cluster.all(POD):
            if not pod.finished:
                there[pod.spec.node_name].append(pod)
        for node in nodes.values():
            yield from _used(node, there[node.name], facts.threshold(NEARLY) / 100)


def _ready(node: Node) -> bool:
    condition = node.condition("Ready")
    return condition is not None and condition.status == "True"


def _counts(pod: Pod) -> bool:
    """A running pod that has its sandbox, on a node that is ready: an address is told for longer than it is kept.

    When a node restarts, its pods are Running with the addresses that they had, until each has its new sandbox. Virtual nodes'
    pods run elsewhere.
    """
    if pod.spec.host_network or pod.terminating or pod.status.phase != "Running":
        return False
    sandbox = pod.condition(SANDBOX)
    return (sandbox is None or sandbox.status == "True") and bool(pod.ips)


def _virtual(node: Node) -> bool:
    return "virtual" in node.unsupported


def _ranges(node: Node) -> list[IPRange]:
    """A node's pod ranges; what is none (nothing in the API forbids it) is left out."""
    ranges = []
    for text in node.spec.pod_cidrs:
        try:
            ranges.append(ip_network(text))
        except ValueError:
            continue
    return ranges


def _doubled(pods: list[Pod]) -> Iterator[Finding]:
    owners: defaultdict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        for ip in set(pod.ips):
            owners[ip].append(pod)
    for ip, several in sorted(owners.items()):
        if len(several) > 1:
            names = sorted(ObjectRef.to("Pod", pod, node=pod.spec.node_name) for pod in several)
            nodes = sorted({pod.spec.node_name for pod in several})
            numbers = {"ip": ip, "count": len(names), "shown": some(names, NAMED), "pods": names, "nodes": nodes}
            oldest, *younger = sorted(several, key=_birth)
            look = BY_IP if all(pod.ips[0] == ip for pod in several) else ALL_IPS
            numbers |= {"oldest": f"{oldest.namespace}/{oldest.name}", "younger": [f"{p.namespace}/{p.name}" for p in younger]}
            yield DOUBLED.on(Subject("Address", ip), numbers, commands=(look, *filter(None, map(_anew, younger))))


def _birth(pod: Pod) -> tuple[bool, float, str, str]:
    """Return the sort key of a pod by age, oldest first; unknown age last."""
    made = pod.metadata.creation_timestamp
    return made is None, made.timestamp() if made else 0.0, pod.namespace, pod.name


def _anew(pod: Pod) -> str:
    """Return the command that recreates a pod; "" for a static pod, which the kubelet makes from a file."""
    owners = pod.metadata.owner_references
    if any(owner.kind == "Node" for owner in owners):
        return ""
    names = {"namespace": shlex.quote(pod.namespace), "name": shlex.quote(pod.name)}
    return (DELETE if owners else REPLACE).format(**names)


def _outside(pods: list[Pod], nodes: dict[str, Node]) -> Iterator[Finding | Unseen]:
    """Report pods outside their node's range. If most are, the network does not use these ranges and nothing is judged."""
    found: defaultdict[str, list[ObjectRef]] = defaultdict(list)
    judged = 0
    ranges = {name: _ranges(node) for name, node in nodes.items()}
    for pod in pods:
        own = ranges[pod.spec.node_name]
        mine = [ip_address(ip) for ip in pod.ips if ip_address(ip).version in {each.version for each in own}]
        judged += bool(mine)
        if not all(any(ip in each for each in own) for ip in mine):
            found[pod.spec.node_name].append(ObjectRef.to("Pod", pod, address=", ".join(map(str, mine))))
    if 2 * sum(map(len, found.values())) > judged:
        yield Unseen("addresses against the nodes' ranges", "most pods have addresses from other ranges")
        return
    for name, names in sorted(found.items()):
        numbers = {"count": len(names), "ranges": list(nodes[name].spec.pod_cidrs), "shown": some(sorted(names), NAMED)}
        yield OUTSIDE.on(Subject("Node", name), numbers, nodes=[name], pods=sorted(names))


def _used(node: Node, on_it: list[Pod], nearly: float) -> Iterator[Finding]:
    """Report ranges that are almost used up by the pods on a node that may run more pods than it has addresses."""
    allowed = int(node.status.allocatable.pods) if node.status.allocatable.pods.isdecimal() else 0
    for network in _ranges(node):
        usable = network.num_addresses - TAKEN[network.version]
        if allowed <= usable or usable < 1 or _virtual(node):
            continue
        mine = [pod for pod in on_it if not pod.spec.host_network]
        if allowed - (len(on_it) - len(mine)) <= usable:  # the others of the pods it may run have no address from there
            continue
        used = sum(any(ip_address(ip) in network for ip in pod.ips) for pod in mine)
        if used >= nearly * usable:
            yield NEARLY_USED.on(
                Subject("Node", node.name), used=used, usable=usable, range=str(network), pods=allowed, nodes=[node.name]
            )


check = Check(
    id="pod_addresses",
    title="Each pod has an address of its own, where it should be from",
    prefix="PAD",
    needs=Needs(kinds=(NODE, POD, DAEMON_SET), hints=NETWORK_KINDS),
    codes=(DOUBLED, OUTSIDE, NEARLY_USED),
    analyse=analyse,
    thresholds=(NEARLY,),
)
