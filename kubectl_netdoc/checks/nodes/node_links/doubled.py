# SPDX-License-Identifier: Apache-2.0
"""Addresses of other nodes, and of pods elsewhere, that a node has on a link of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    CAME_THROUGH,
    NODE,
    POD,
    Code,
    Explains,
    Facts,
    Finding,
    ObjectRef,
    Risk,
    RtnetlinkReply,
    Severity,
    Subject,
)
from kubectl_netdoc.probes.node_pairs import as_paths, both_ways
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.network import BROKEN

DOUBLED = Code(
    id="NLK006",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node has an address that belongs to another node or to a pod elsewhere",
    message="Link {link} of node {name} has the address {ip}, which is that of {whose}: whatever {name} and its pods send there "
    "stays on {name}",
    fix="Take the address off {link}, also in the configuration that is applied when the node boots. If {name} shall have it, "
    "give {whose} another one.",
    rows=("M8",),
    explains=(
        Explains((*BROKEN, "NRT001", "NRT002", "NRT003", "NRT004", "NRT005", "NRT006"), "path", CAME_THROUGH),
        Explains(("SVR007", "DSV001", "DSV002", "POD001"), "subject"),
        Explains(("NLK003",), "cluster"),
    ),
)


def doubled_addresses(facts: Facts, replies: Mapping[str, RtnetlinkReply]) -> Iterator[Finding]:
    """Report addresses that a node has although the API gives them to another node that is Ready, or to a pod on another node."""
    known = _owners(facts)
    for name, reply in sorted(replies.items()):
        for link, address in ((each.name, address) for each in reply.links for address in each.addresses):
            ip = address.partition("/")[0]
            whose = known.get(ip)
            if whose is None or whose.node == name:
                continue
            label = f"node {whose.name}" if whose.kind == "Node" else f"pod {whose.namespace}/{whose.name} on node {whose.node}"
            line = ip_commands.on(name, f"{ip_commands.ip(ip)} address del {address} dev {link}")
            words = {"link": link, "ip": ip, "whose": label, "paths": as_paths(both_ways([(name, whose.node)])), "nodes": [name]}
            yield DOUBLED.on(Subject("Node", name), words, commands=(line,), objects=[whose])


def _owners(facts: Facts) -> dict[str, ObjectRef]:
    """Return by address whose it is: InternalIPs of nodes that are Ready, and addresses of ready pods off the host network."""
    found: dict[str, ObjectRef] = {}
    for pod in facts.cluster.all(POD) if facts.cluster.readable(POD) else ():
        if not (pod.spec.host_network or pod.finished or pod.terminating) and pod.ready:
            found |= {ip: ObjectRef.to("Pod", pod, node=pod.spec.node_name) for ip in pod.ips}
    shared: set[str] = set()
    for node in facts.cluster.all(NODE):
        ready = node.condition("Ready")
        for each in node.status.addresses if ready is None or ready.status == "True" else ():
            if each.type == "InternalIP":
                shared |= {each.address} if each.address in found else set()
                found[each.address] = ObjectRef("Node", node.name, node=node.name)
    return {ip: whose for ip, whose in found.items() if ip not in shared}


CODES = (DOUBLED,)
