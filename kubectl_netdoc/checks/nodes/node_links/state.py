# SPDX-License-Identifier: Apache-2.0
"""Links that are down, and addresses that other nodes send to and this node does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kubectl_netdoc.api import Code, Explains, Finding, Link, Risk, Severity, Subject, ip_families
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.cni.agent_again import Again
from kubectl_netdoc.routing import ip_commands, tables
from kubectl_netdoc.routing.network import AGENTS, BROKEN, KUBELET, ClusterRoutes
from kubectl_netdoc.routing.tables import NextHop

MOST_LINES = 12
"""A finding prints at most this many commands; the rest would be alike."""

BEHIND = ("PNW015", "POD003", "CPL007")
"""What follows if a node's agent waits for large answers of the API server that its link drops (seen with Cilium and Canal)."""

EFFECTS = (Explains(BROKEN, "path"), Explains(("PNW008",), "node"))

DOWN = Code(
    id="NLK001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A link of the pod network is down or missing",
    message="On node {name} the link {link} is {how}, so pods there cannot reach pods on other nodes",
    fix="{way}",
    rows=("M3", "M11"),
    explains=(*EFFECTS, Explains(("PNW005", "NRT001", "NRT003", "NRT004", "NRT005"), "node")),
)
NO_ADDRESS = Code(
    id="NLK003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node does not have an address that its pods' traffic needs",
    message="No link of node {name} has {ip} ({role}), so its pods cannot be reached",
    fix="Give the node that address again, or make the kubelet (--node-ip) and the network agent use the one it has: {has}.",
    commands=("kubectl get node {name} -o wide", AGENTS),
    explains=(*EFFECTS, Explains(KUBELET, "node")),
)
OTHER_END = Code(
    id="NLK004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel has another MAC address than other nodes expect",
    message="Other nodes send to MAC address {told} on node {name}, but {link} has {mac} and drops these frames",
    fix="Set the MAC address of the link back, then restore the neighbour entries, which the kernel removes with each change. "
    "Keep systemd-udevd from changing it (MACAddressPolicy=none for this link).",
    rows=("M3",),
    explains=(*EFFECTS, Explains(("NRT004",), "node")),
)


def tunnels_in_use(network: ClusterRoutes) -> set[str]:
    """Return tunnels that are up on most nodes and carry routes to other nodes' pods, or that eBPF uses instead."""
    ways = {
        way.route.dev for routes in network.ways.values() for way in routes.values() if way.hop in (NextHop.PEER, NextHop.DEVICE)
    }
    counted = Counter(link.name for table in network.tables.values() for link in table.tunnels if link.up)
    return {name for name, count in counted.items() if 2 * count > len(network.tables) and tables.EBPF.get(name, name) in ways}


def links_down(network: ClusterRoutes, node: str, used: set[str]) -> Iterator[Finding]:
    """Report tunnels and pod bridges of a node that are down or missing."""
    links = network.tables[node].links
    bridges = {link.name for link in network.bridges(node)}
    for name in sorted(used | announced_tunnels(network, node) | bridges):
        link = links.get(name)
        if link is None or not link.up:
            again = agent_again.on(network.cluster, node)
            gone = f"The network agent creates the link when it starts. {again.words}", again.commands
            way, lines = _up(network, node, link, again) if link else gone
            how = "down" if link else "missing"
            numbers = {"link": name, "how": how, "way": way, "paths": network.paths_of(node)}
            yield DOWN.on(Subject("Node", node), numbers, commands=(*lines, AGENTS))


def _up(network: ClusterRoutes, node: str, link: Link, again: Again) -> tuple[str, tuple[str, ...]]:
    """Return how to bring a link up and restore what disappeared with it: in words, and the commands."""
    up = ip_commands.on(node, f"ip link set {link.name} up")
    if link.kind == "bridge":
        return "Bring it up on the node.", (up,)
    family = next((family for name, family in FLANNEL if link.name.startswith(f"{name}.")), "")
    lines = (up, *(_neighbours(network, node, link, family, routed=True) if family else ()))
    if 1 < len(lines) <= MOST_LINES:
        return "Bring it up on the node, and restore the routes and entries that disappeared with it.", lines
    way = f"Bring it up. The network agent restores the routes that disappeared with it when it starts. {again.words}"
    return way, (up, *again.commands)


def announced_tunnels(network: ClusterRoutes, node: str) -> set[str]:
    """Return the tunnels that a Node object's annotations name."""
    found = network.nodes.get(node)
    ends = ((name, tables.flannel(found, family)) for name, family in FLANNEL) if found else ()
    return {f"{name}.{end.vni}" for name, end in ends if end.mac}


FLANNEL = (("flannel", ip_families.IPV4), ("flannel-v6", ip_families.IPV6))
"""The names of flannel's VXLAN links, before the VNI."""


def wrong_addresses(network: ClusterRoutes, name: str, used: set[str]) -> Iterator[Finding]:
    """Report addresses that other nodes send to and that the node or its tunnel does not have."""
    node, table = network.nodes.get(name), network.tables[name]
    if node is None:
        return
    paths, names = network.paths_of(name), used | announced_tunnels(network, name)
    roles = {link.local: f"the source address of {link.name}" for link in table.tunnels if link.local and link.name in names}
    if network.any_pods_connected(name) is False:
        notes = node.metadata.annotations
        roles |= {each.address: "its InternalIP" for each in node.status.addresses if each.type == "InternalIP"}
        roles |= {ip: "flannel's public-ip annotation" for ip in (notes.flannel_ip, notes.flannel_ip6) if ip}
    lacking = {ip: role for ip, role in roles.items() if ip not in table.addresses}
    if lacking:
        has = sorted(ip for ip, dev in table.addresses.items() if dev != "lo" and not ip.startswith("fe80:"))
        words = {"ip": sorted(lacking), "role": "; ".join(dict.fromkeys(lacking.values())), "has": has or ["none"]}
        yield NO_ADDRESS.on(Subject("Node", name), words, paths=paths)
    for link, family in FLANNEL:
        told = tables.flannel(node, family)
        own = table.links.get(f"{link}.{told.vni}")
        if told.mac and own and own.mac and own.mac != told.mac:
            lines = (ip_commands.on(name, f"ip link set {own.name} address {told.mac}"), *_neighbours(network, name, own, family))
            numbers = {"told": told.mac, "link": own.name, "mac": own.mac, "paths": paths}
            yield OTHER_END.on(Subject("Node", name), numbers, commands=(*lines[:MOST_LINES], AGENTS))


def _neighbours(network: ClusterRoutes, name: str, link: Link, family: str, *, routed: bool = False) -> Iterator[str]:
    """Yield commands that restore the entries for the other nodes' tunnel ends; ``routed``: and the routes to them."""
    for other, node in sorted(network.nodes.items()):
        ranges = [to for to in node.spec.pod_cidrs if ip_families.of(to) == family]
        if other != name and ranges:
            macs, via = network.macs(other, link, family), tables.first(ranges[0])
            if routed and macs:
                line = f"{ip_commands.ip(via)} route replace {ranges[0]} via {via} dev {link.name} onlink"
                yield ip_commands.on(name, line)
            yield from ip_commands.tunnel_lines(name, link.name, via, macs, network.tunnel_addresses(other, family))


CODES = (
    DOWN,
    NO_ADDRESS,
    OTHER_END,
)
