# SPDX-License-Identifier: Apache-2.0
"""Paths that let nothing through: between all nodes, at one node, between two, or between two pods of one node."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    Code,
    Echo,
    EchoReply,
    Explains,
    Facts,
    Finding,
    NodePath,
    Peer,
    Risk,
    Severity,
    Subject,
    joining,
    on_node,
)
from kubectl_netdoc.checks.pod_network.pod_network.mesh import Mesh
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.probes import existing_pods
from kubectl_netdoc.probes.node_pairs import as_paths, link

CHAIN = Explains(("DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "SVR002", "SVR005", "SVR013", "SVR006"), "path")
FROM_NODE = Explains(("DSV001", "DSV002", "DSV003", "DTR001", "DTR002", "CPL007", "DNR001", "DNR005"), "node")
"""A lookup through the Service may reach a server on any node, so these effects are joined by the node, not by a path. A DNS
server on that node cannot reach the API server either."""

NO_CROSSING = Code(
    id="PNW001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No pod traffic between nodes",
    message="No pod reaches a pod on another node: {failed} of {asked} paths fail ({outcomes}). Traffic between two pods of one "
    "node {same_node}",
    fix="Look for what all nodes have in common: a firewall that blocks the tunnel (VXLAN UDP port 8472 or 4789, Geneve UDP "
    "port 6081, WireGuard UDP port 51820, IPIP IP protocol 4, BGP TCP port 179), or the network agent.",
    commands=("kubectl get daemonsets -A", "kubectl get nodes -o wide"),
    rows=("M3",),
    explains=(CHAIN,),
    tells="failure",
)
NODE_CUT_OFF = Code(
    id="PNW002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A node is cut off from the pod network",
    message="No pod traffic gets {direction} node {name}: all {failed} measured paths fail ({outcomes})",
    fix="Check node {name}: its network agent, its routes or tunnel to the pod ranges of the other nodes, and its firewall.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}", "kubectl describe node {name}"),
    rows=("M3",),
    explains=(CHAIN, FROM_NODE),
    tells="failure",
)
LINK = Code(
    id="PNW003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods on two nodes cannot reach each other",
    message="Pods on {one} and {other} cannot reach each other ({direction}: {outcomes}), while both nodes reach other nodes",
    fix="Check what lies between these two nodes only: the route or tunnel entry for the other node's pod range, or a firewall "
    "rule.",
    commands=(
        "kubectl get nodes {one} {other} -o wide",
        "kubectl get nodes {one} {other} -o custom-columns=NAME:.metadata.name,PODS:.spec.podCIDR",
    ),
    rows=("M3",),
    explains=(CHAIN, FROM_NODE),
    tells="failure",
)
NO_UDP = Code(
    id="PNW004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="UDP does not pass between two nodes, TCP does",
    message="Between pods on {one} and {other} TCP passes but UDP does not ({outcomes}), so DNS and QUIC between them fail",
    fix="Look for a firewall rule or network policy that blocks UDP between the pod ranges of these nodes.",
    commands=("kubectl get nodes {one} {other} -o wide",),
    rows=("M3",),
    explains=(Explains(("DNL001", "DNL002", "DNL003", "DNL005", "DNL007"), "path"),),
    tells="failure",
)
NO_TCP = Code(
    id="PNW016",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="TCP does not pass between nodes, UDP does",
    message="Between pods {between}, UDP passes and TCP does not: on {failed} of {asked} paths every connection is silent, while "
    "datagrams are answered",
    fix="Look for a firewall rule or a network policy that blocks TCP between the pod ranges{tunnel}.",
    commands=("kubectl get nodes -o wide", on_node("{first}", "ip -detail link show"), on_node("{first}", "nft list ruleset")),
    rows=("M2",),
    explains=(CHAIN, FROM_NODE),
    tells="failure",
)
OFFLOAD = (
    ". If there is none, the sender computes wrong checksums of TCP in {name}, as network cards and hypervisors do whose driver "
    "claims to compute them for packets in a tunnel. Try it without on one node: ethtool -K DEVICE tx-udp_tnl-segmentation off "
    "tx-udp_tnl-csum-segmentation off for the card, and tx-checksum-ip-generic off for the tunnel"
)
"""What else drops TCP alone (projectcalico/calico#9433, flannel-io/flannel#2388, cilium/cilium#21801)."""

SAME_NODE = Code(
    id="PNW005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Pods on one node cannot reach each other",
    message="Two pods on node {name} cannot reach each other: {outcomes}",
    fix="On {name}, check the bridge or links of the pods, the iptables FORWARD chain and the br_netfilter module, and read the "
    "log of the network agent.",
    commands=(
        on_node("{name}", "ip -brief link show"),
        on_node("{name}", "iptables -S"),
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
    ),
    rows=("K13",),
    tells="failure",
)
NEWCOMERS = Code(
    id="PNW015",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods on a node have no network",
    message="A new pod on {name} has no network: nothing reaches it and it reaches nothing, not even pods on its node ({failed} "
    "paths fail: {outcomes}). Pods that existed before still answer ({older_pods})",
    fix="The network agent on {name} does not set up new pods: it hangs, lags behind or is not there. Keep new pods off the "
    "node. {again}",
    commands=("kubectl cordon {name}", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    rows=("M11",),
    explains=(CHAIN, FROM_NODE, Explains(("SVR002", "DNL001", "DNL002", "DNL005", "PNW005"), "node")),
    tells="failure",
)


def within_nodes(facts: Facts, mesh: Mesh) -> dict[str, list[str]]:
    """Return for each node with two debug pods the outcomes of failed connections between them; an empty list means they work."""
    found: dict[str, list[str]] = {}
    for node in sorted(mesh.usable.keys() - joining(facts.cluster)):
        reply = facts.reply(Echo(node, Peer(node, twin=True)))
        if isinstance(reply, EchoReply):
            found[node] = [] if any(s.who for s in reply.samples) else sorted({str(s.outcome) for s in reply.samples})
    return found


def failed_paths(facts: Facts, mesh: Mesh, same: dict[str, list[str]]) -> Iterator[Finding]:
    """Report the failed paths: all of them as one finding, else whole nodes, else pairs of nodes."""
    few = len(mesh.usable) < 3 <= len(facts.cluster.vantages)  # one link is not the network
    if mesh.bad and mesh.bad - mesh.only_udp == mesh.replies.keys() and not few:
        works = "works" if same and not any(same.values()) else "was not seen to work"
        evidence = mesh.evidence(mesh.bad)
        yield NO_CROSSING.on(Subject("Cluster", "pod network"), evidence, asked=len(mesh.replies), same_node=works)
        return
    left = mesh.bad - mesh.only_udp
    for node in sorted(mesh.usable):
        into = {pair for pair in mesh.replies if pair[1] == node}
        out = {pair for pair in mesh.replies if pair[0] == node}
        for direction, paths in (("into or out of", into | out), ("into", into), ("out of", out)):
            if len(paths) > 1 and paths <= mesh.bad and paths & left and (direction != "into or out of" or len(paths) > 2):
                older = existing_pods.reached(facts, node) if direction == "into or out of" else []
                numbers = mesh.evidence(paths) | {"nodes": [node], "direction": direction, "older_pods": older}
                numbers["paths"] = [*as_paths(paths), *([NodePath(node, node)] if older else [])]
                yield _newcomers(facts, node, numbers) if older else NODE_CUT_OFF.on(Subject("Node", node), numbers)
                left -= paths
    for one, other in sorted({tuple(sorted(pair)) for pair in left}):
        paths = left & {(one, other), (other, one)}
        measured = mesh.replies.keys() & {(one, other), (other, one)}
        direction = "in both directions" if len(paths) == len(measured) > 1 else f"from {next(iter(paths))[0]}"
        yield LINK.on(link(one, other), mesh.evidence(paths), nodes=[one, other], one=one, other=other, direction=direction)


def _newcomers(facts: Facts, node: str, numbers: dict[str, object]) -> Finding:
    again = agent_again.on(facts.cluster, node)
    return NEWCOMERS.on(Subject("Node", node), numbers, commands=(*NEWCOMERS.commands, *again.commands), again=again.words)


def without_udp(mesh: Mesh) -> Iterator[Finding]:
    """Report pairs of nodes between which TCP passes and UDP does not."""
    for one, other in sorted({tuple(sorted(pair)) for pair in mesh.no_udp.keys() - mesh.bad}):
        replies = {pair: mesh.no_udp[pair] for pair in ((one, other), (other, one)) if pair in mesh.no_udp}
        outcomes = sorted({str(sample.outcome) for reply in replies.values() for sample in reply.samples})
        paths = as_paths(replies)
        yield NO_UDP.on(link(one, other), one=one, other=other, outcomes=outcomes, paths=paths)


def without_tcp(facts: Facts, mesh: Mesh) -> Iterator[Finding]:
    """Report where UDP passes and TCP does not: between all nodes, else at whole nodes, else between pairs of nodes."""
    if not mesh.only_udp:
        return
    used = encapsulation.of(facts.cluster)
    tunnel = OFFLOAD.format(name=used.name) if used in (encapsulation.VXLAN, encapsulation.GENEVE) else ""
    left = set(mesh.only_udp)
    links = sorted({tuple(sorted(pair)) for pair in left})
    places = [
        (Subject("Cluster", "pod network"), "on any two nodes", set(mesh.replies)),
        *(
            (Subject("Node", at), f"on {at} and on other nodes", {p for p in mesh.replies if at in p})
            for at in sorted(mesh.usable)
        ),
        *((link(*ends), f"on {' and '.join(ends)}", mesh.replies.keys() & {ends, ends[::-1]}) for ends in links),
    ]
    for subject, between, paths in places:
        lost = paths & mesh.only_udp
        if lost & left and ((lost == paths and len(paths) > 2) or subject.kind == "NodePair"):
            ends = {node for pair in lost for node in pair}
            own = [subject.name] if subject.kind == "Node" else sorted(ends)
            numbers = mesh.evidence(lost) | {"asked": len(paths), "nodes": own}
            yield NO_TCP.on(subject, numbers, between=between, first=min(lost)[0], tunnel=tunnel)
            left -= lost


CODES = (
    NO_CROSSING,
    NODE_CUT_OFF,
    LINK,
    NO_UDP,
    NO_TCP,
    SAME_NODE,
    NEWCOMERS,
)
