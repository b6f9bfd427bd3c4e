# SPDX-License-Identifier: Apache-2.0
"""The promises of the network model: no NAT between pods, one address per pod, and from the node's own range."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    NODE,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    NodePath,
    Outcome,
    Risk,
    Severity,
    Subject,
    Unseen,
    Vantage,
    in_any,
    on_node,
)
from kubectl_netdoc.checks.pod_network.pod_network.mesh import Mesh
from kubectl_netdoc.checks.pod_network.pod_network.paths import CHAIN

NAT = Code(
    id="PNW007",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The source address of pod-to-pod traffic is translated",
    message="Other pods see {source} instead of {own}, the address of a pod on {nodes}: source NAT between pods, so network "
    "policies and logs see the wrong address",
    fix="Exempt the pod ranges from masquerading on {name}. A rule of the CNI, of ip-masq-agent or of the host adds it.",
    commands=(
        on_node("{name}", "iptables -t nat -S"),
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDR",
    ),
)
PROBES = Code(
    id="PNW008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node cannot reach its own pods",
    message="The kubelet on {name} cannot reach netdoc's pod on the same node ({ip}), while pods on other nodes can: readiness "
    "probes fail",
    fix="Check the route from the node to its own pods, and host firewalls or policies that do not allow traffic from the node "
    "itself.",
    commands=("kubectl describe node {name}", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    tells="failure",
)
DOUBLED = Code(
    id="PNW009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Two pods have the same address",
    message="Pods on {nodes} have the same address {ip}: traffic to it reaches only one of them",
    fix="The address was assigned twice. Compare the pod ranges of the nodes, and look for left-over CNI configuration on these "
    "nodes.",
    commands=(
        "kubectl get nodes -o custom-columns='NAME:.metadata.name,PODS:.spec.podCIDRs'",
        "kubectl get pods -A -o wide --field-selector status.podIP={ip}",
    ),
    rows=("M8",),
    explains=(Explains(("PNW002", "PNW003", "PNW007", "PNW008"), "node"),),
)
FOREIGN_RANGE = Code(
    id="PNW011",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods get addresses from the wrong range",
    message="A new pod on {name} got {ip}, which is outside the node's range {ranges}. New pods on all other nodes are inside "
    "theirs",
    fix="Another CNI configuration sorts before the right one in /etc/cni/net.d on {name}. Remove it, then recreate the pods "
    "that were created since it appeared.",
    commands=(
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
        "kubectl get nodes -o wide",
    ),
    rows=("M8",),
    explains=(
        Explains(("PNW002", "PNW003", "PNW007", "PNW008", "PNW015", "SVH001", "MTU001", "MTU002", "MTU010"), "node"),
        Explains(("PNW003", "MTU001"), "path"),
        CHAIN,
    ),
)


def broken_promises(mesh: Mesh) -> Iterator[Finding]:
    """Report NAT between pods, addresses that two pods have, and nodes that cannot reach their own pods."""
    seen: dict[str, list[str]] = {}
    for node, vantage in mesh.usable.items():
        seen.setdefault(vantage.ip, []).append(node)
        sources = {s.source for pair, reply in mesh.replies.items() if pair[0] == node for s in reply.samples if s.source}
        foreign = sorted(source for source in sources - {vantage.ip} if (":" in source) == (":" in vantage.ip))
        if vantage.ip and foreign:
            yield NAT.on(Subject("Node", node), nodes=[node], source=foreign[0], own=vantage.ip)
        if vantage.probed is False and _reached(mesh, vantage):
            yield PROBES.on(Subject("Node", node), ip=vantage.ip, nodes=[node])
    for ip, nodes in seen.items():
        if ip and len(nodes) > 1:
            yield DOUBLED.on(Subject("Cluster", "pod network"), ip=ip, nodes=nodes)


def foreign_ranges(facts: Facts, mesh: Mesh) -> Iterator[Finding | Unseen]:
    """Report a new pod outside its node's pod range, if new pods on all other nodes are inside theirs (design §6).

    A network known to assign addresses from ranges of its own is left out: its pods may be inside by chance.
    """
    if not facts.cluster.readable(NODE) or _own_ranges(facts.cluster):
        return
    ranges = {n.name: n.spec.pod_cidrs for n in facts.cluster.all(NODE) if n.spec.pod_cidrs}
    judged = {node: v.ip for node, v in mesh.usable.items() if v.ip and node in ranges}
    outside = [node for node, ip in judged.items() if not in_any(ip, ranges[node])]
    if 0 < len(outside) < len(judged) and len(outside) == 1:
        node = outside[0]
        if facts.cluster.unreadable(DAEMON_SET):
            why = "DaemonSets can't be read, so it is not known whether the network uses ranges of its own"
            yield Unseen(f"{judged[node]} of a new pod on {node}, outside {', '.join(ranges[node])}", why, expected=True)
            return
        paths = sorted(NodePath(a, b) for a, b in mesh.replies if node in (a, b))
        yield FOREIGN_RANGE.on(Subject("Node", node), ip=judged[node], ranges=ranges[node], nodes=[node], paths=paths)


def _own_ranges(cluster: Cluster) -> bool:
    """Tell whether the network assigns addresses from other ranges than the nodes', or whether that is not known."""
    if not cluster.readable(DAEMON_SET):
        return True
    primary = [found for found in cni.recognise(cluster) if found.primary]
    return bool(primary) and not any(found.traits.node_ranges for found in primary)


def _reached(mesh: Mesh, vantage: Vantage) -> bool:
    to = [reply for pair, reply in mesh.replies.items() if pair[1] == vantage.node]
    return any(s.who and s.outcome is Outcome.OK for reply in to for s in reply.samples)


CODES = (
    NAT,
    PROBES,
    DOUBLED,
    FOREIGN_RANGE,
)
