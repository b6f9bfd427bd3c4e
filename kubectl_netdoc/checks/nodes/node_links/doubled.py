# SPDX-License-Identifier: Apache-2.0
"""Addresses of other nodes, and of pods elsewhere, that a node has on a link of its own; MAC addresses of two nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from msgspec import Struct

from kubectl_netdoc.api import (
    CAME_THROUGH,
    NODE,
    POD,
    Code,
    Explains,
    Facts,
    Finding,
    Neighbour,
    ObjectRef,
    Risk,
    RtnetlinkReply,
    Severity,
    Subject,
    in_any,
    ip_range,
    joined,
    on_node,
)
from kubectl_netdoc.probes.node_pairs import as_paths, both_ways
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.network import BROKEN, KUBELET

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


SAME_MAC = Code(
    id="NLK007",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Two nodes have the same MAC address on one network",
    message="Nodes {one} and {other} have the same MAC address {mac} on the network {network} ({seen}): frames for one of them "
    "reach the other, by chance",
    fix="Give one of them another MAC address: of a virtual machine in its definition, as copies of a machine keep it; on the "
    "node where something sets it there (systemd.link, a cloned bond or bridge).",
    commands=(on_node("{one}", "ip link show"), on_node("{other}", "ip link show"), "kubectl get nodes -o wide"),
    rows=("M8",),
    explains=(
        Explains((*BROKEN, "NRT001", "NRT002", "NRT003", "NRT004", "NRT005", "NRT006"), "path"),
        Explains(("DNL001", "DNL005", "DNL007", "DSV001", "SVR001", "SVR005", "SVR006", "PEG001", "PEG002", *KUBELET), "node"),
    ),
)

ONE_FOR_ALL = frozenset({"ipvlan"})
"""Kinds of links that share the MAC address of the link that they are made on, by design (ip-link(8))."""

KNOWN = frozenset({"reachable", "stale", "delay", "probe", "permanent"})
"""States of neighbours whose MAC address answered at some time."""


class Seen(Struct, frozen=True):
    """A node's MAC address on a network, and who says so."""

    node: str
    mac: str
    network: str
    by: str


def doubled_macs(facts: Facts, replies: Mapping[str, RtnetlinkReply]) -> Iterator[Finding]:
    """Report pairs of nodes with one MAC address on a network that both are on, by their own links, or else by a neighbour.

    Whoever sends to one of them may reach the other, so all paths to and from both are bad.
    """
    measured = {vantage.node for vantage in facts.vantages}
    inner = {ip: ref.node for ip, ref in _owners(facts).items() if ref.kind == "Node"}
    found: dict[tuple[str, str], dict[str, Seen]] = {}
    for seen in (*_own(inner, replies), *_by_neighbours(inner, replies)):
        found.setdefault((seen.mac, seen.network), {}).setdefault(seen.node, seen)
    for (mac, network), seens in sorted(found.items()):
        for one, other in combinations(sorted(seens), 2):
            by = dict.fromkeys((seens[one].by, seens[other].by))
            words = {"one": one, "other": other, "mac": mac, "network": network, "seen": joined(list(by)), "nodes": [one, other]}
            paths = as_paths(both_ways((end, node) for end in (one, other) for node in {one, other, *measured} - {end}))
            yield SAME_MAC.on(Subject("NodePair", f"{one}--{other}"), words, paths=paths)


def _own(inner: Mapping[str, str], replies: Mapping[str, RtnetlinkReply]) -> Iterator[Seen]:
    """Yield what nodes that were read say of the link with their InternalIP."""
    for name, reply in replies.items():
        for link, address in ((each, address) for each in reply.links for address in each.addresses):
            if inner.get(address.partition("/")[0]) == name and link.mac and link.kind not in ONE_FOR_ALL:
                yield Seen(name, link.mac, str(ip_range(address)), f"by its own {link.name}")


def _by_neighbours(inner: Mapping[str, str], replies: Mapping[str, RtnetlinkReply]) -> Iterator[Seen]:
    """Yield what nodes know of neighbours that were not read; where all on a link have one MAC address, that is a router's."""
    for name, reply in sorted(replies.items()):
        near: dict[str, list[Neighbour]] = {}
        for each in reply.neighbours:
            if each.mac and each.state in KNOWN:
                near.setdefault(each.dev, []).append(each)
        for link in reply.links:
            there = near.get(link.name, [])
            networks = [str(ip_range(address)) for address in link.addresses]
            for each in there if len({other.mac for other in there}) > 1 else ():
                node = inner.get(each.ip, "")
                own = [network for network in networks if in_any(each.ip, (network,))] if node and node not in replies else ()
                if own:
                    yield Seen(node, each.mac, own[0], f"by the neighbours of {name}")


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


CODES = (DOUBLED, SAME_MAC)
