# SPDX-License-Identifier: Apache-2.0
"""Paths that lose datagrams again and again."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import CAME_THROUGH, Code, Explains, Finding, Risk, Severity, Subject
from kubectl_netdoc.checks.pod_network.path_quality.bursts import Bursts, totals
from kubectl_netdoc.probes import node_pairs

DNS = ("DNL001", "DNL002", "DNL003", "DNL004", "DNL005", "DNL007", "DSV001", "DSV002", "DSV003", "DTR001", "DTR002")
SEEN = (*DNS, "SVR002", "SVR005", "SVR013", "SVR006")
EFFECTS = (*SEEN, "PNW003", "PNW004", "PNW006", "PNW012", "PNW014", "PNW016")

LOST = (
    "Between {between}, {lost} of {sent} small datagrams were lost, in both rounds (the worst path is {worst}). "
    "Between pods on the same node {same_node}"
)

LOSSY = Code(
    id="PTQ001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets between two nodes are lost again and again",
    message=LOST,
    fix="Check the links between these nodes: errors and drops of the interfaces, a full queue, a rate limit or firewall rule, "
    "a duplex or cabling fault, or two hosts with the same address.",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M3", "M6"),
    explains=(Explains((*EFFECTS, "PTQ003"), "path", CAME_THROUGH), Explains((*EFFECTS, "PTQ003"), "node", CAME_THROUGH)),
    tells="failure",
)
LOSSY_NODE = Code(
    id="PTQ004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="All paths of a node lose packets again and again",
    message=LOST,
    fix="Check the node that all these paths share: errors and drops of its interfaces, a full queue, a rate limit or firewall "
    "rule, and its CPU load. If every node is affected, check the network between them.",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M3", "M6"),
    # Connections through a Service may end on this node from any other one, so its loss is seen from everywhere.
    explains=(Explains((*EFFECTS, "PTQ003"), "path", CAME_THROUGH), Explains(SEEN, "cluster", CAME_THROUGH)),
    tells="failure",
)
ON_NODE = Code(
    id="PTQ002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets between pods on one node are lost again and again",
    message="Between two pods on node {name}, {lost} of {sent} small datagrams were lost, in both rounds",
    fix="Check the node itself: its CPU load, softirq drops, connection tracking, and the bridge or CNI plugin.",
    commands=("kubectl describe node {name}", "kubectl top node {name}"),
    explains=(Explains(("PTQ001", "PTQ003", "PTQ004", *EFFECTS), "node", CAME_THROUGH),),
    tells="failure",
)


LARGE = Code(
    id="PTQ005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Large packets between two nodes are lost again and again, small ones are not",
    message="Between {between}, {lost} of {sent} datagrams of about {size} bytes were lost, in both rounds, and {lost_small} of "
    "{sent_small} small ones. Others of the same size arrived, so this is loss and not a limit of the MTU",
    fix="Check the links between these nodes for what strikes large packets: errors of the interfaces (CRC), a rate limit that "
    "counts bytes, a full queue, or a firewall rule with a length. Do not change an MTU: it fits.",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality mtu_mismatch --show info"),
    rows=("M3", "M6"),
    explains=(
        Explains(("PNW006", "PNW014", "DTR002", "SVR002", "SVR006", "DNL005"), "path", CAME_THROUGH),
        Explains(("PNW006", "PNW014", "SVR002", "SVR006", "DNL005"), "node", CAME_THROUGH),
        # Large answers of a DNS server on such a node are lost on their way to every other one.
        Explains(("DTR001", "DTR002"), "cluster", CAME_THROUGH),
    ),
    tells="failure",
)


def losses(bursts: Bursts) -> Iterator[Finding]:
    """Report nodes and paths that lose datagrams in both rounds."""
    for node, rounds in bursts.same.items():
        if node_pairs.lossy(rounds):
            yield ON_NODE.on(Subject("Node", node), totals(rounds), nodes=[node])
    same = sorted({"datagrams were lost too" if node_pairs.lossy(rounds) else "none was lost" for rounds in bursts.same.values()})
    for place in node_pairs.locate(bursts.lossy(), bursts.across):
        lost = [each for pair in place.paths for each in bursts.across[pair]]
        worst = max(place.paths, key=lambda pair: (sum(each.lost for each in bursts.across[pair]), pair))
        more = {"worst": node_pairs.as_paths([worst])[0], "same_node": ", ".join(same) or "nothing was measured"}
        code = LOSSY if place.subject.kind == "NodePair" else LOSSY_NODE
        yield code.on(place.subject, place.evidence() | totals(lost) | more)
    yield from _large(bursts)


def _large(bursts: Bursts) -> Iterator[Finding]:
    """Report paths that lose large datagrams, and neither lose nor delay small ones."""
    for place in node_pairs.locate(bursts.large.keys() - bursts.lossy(), bursts.across):
        replies = [bursts.large[pair] for pair in place.paths]
        tried = [each for reply in replies for each in reply.large]
        small = totals(each for pair in place.paths for each in bursts.across[pair])
        numbers = {
            "sent": sum(sent for sent, _ in tried),
            "lost": sum(sent - came for sent, came in tried),
            "size": max(reply.own for reply in replies),
            "sent_small": small["sent"],
            "lost_small": small["lost"],
        }
        yield LARGE.on(place.subject, place.evidence() | numbers)


CODES = (
    LOSSY,
    LOSSY_NODE,
    ON_NODE,
    LARGE,
)
