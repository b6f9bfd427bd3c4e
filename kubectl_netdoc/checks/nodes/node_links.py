# SPDX-License-Identifier: Apache-2.0
"""Are the links of the pod network up on each node, with the addresses that others were told and room for what pods send?

## What it looks at
On every measured node (`--node-checks`), over rtnetlink: tunnels that most nodes have (or that the Node object tells of) and the
bridge of its pods; whether the node has the addresses that its Node object and its tunnel name; the tunnel's link address
against what flannel told the others; and the MTU of the link that the tunnel's packets leave by, against what pods send.

## Why it matters
A tunnel that is down takes its routes along. An address or a link address that changed under the network agent makes others
send to nobody. A link that has less room than pods' packets and their wrapping is where MTU black holes begin.

## What it can't see
MTUs of what lies between the nodes (mtu_mismatch measures the path). Where netdoc's own pods prove that a node is reached, its
links and addresses are taken as right, whatever they say (addresses behind NAT).

## Sources
rtnetlink(7), ip-link(8); systemd.link(5), MACAddressPolicy; flannel issue 1155; kubelet --node-ip; the overheads stand in
kubectl_netdoc/encapsulation.py; failure catalogue M1, M3, M11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    CAME_THROUGH,
    NODE,
    POD,
    Check,
    Code,
    Explains,
    Facts,
    Finding,
    Link,
    Needs,
    Risk,
    RtnetlinkReply,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    ip_families,
)
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing import ip_commands, tables
from kubectl_netdoc.routing.network import AGENTS, BROKEN, Network, plan
from kubectl_netdoc.routing.tables import Hop

MOST_LINES = 12
"""Commands of a finding at most; the rest is of the same form."""

BEHIND = ("PNW015", "POD003", "CPL007")
"""What a node shows whose agent waits for large answers of the API server that its link drops (seen with Cilium and Canal)."""

EFFECTS = (Explains(BROKEN, "path"), Explains(("PNW008",), "node"))

DOWN = Code(
    id="NLK001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A link of the pod network is down or gone",
    message="On node {name} the link {link} is {how}: pods there do not reach those on other nodes",
    fix="{way}.",
    rows=("M3", "M11"),
    explains=(*EFFECTS, Explains(("PNW005", "NRT001", "NRT003", "NRT004", "NRT005"), "node")),
)
TOO_LARGE = Code(
    id="NLK002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pods' packets and their wrapping do not fit the node's link",
    message="On {nodes} pods send up to {sent} bytes, {tunnel} adds {extra}, and {underlay} carries {mtu}: {over} too many",
    fix="Where the network between the nodes carries it, raise the MTU of {underlay} to {needed}, also in what sets it when the "
    "node starts; else set the CNI's to {fits}, and make the pods anew.",
    rows=("M1",),
    explains=(Explains(("MTU001", "MTU003", "PNW006", "PNW014"), "path"), Explains(("DTR001", "DTR002"), "node")),
)
SMALLER = Code(
    id="NLK005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's link carries less than the other nodes' do",
    message="On {nodes} {underlay} carries {mtu} bytes, on the other nodes {wide}: pods there send up to {sent}, {tunnel} adds "
    "{extra}, {over} too many; what others send in full size is lost too, answers of the API server to the agents among it",
    fix="Set the MTU of {underlay} to {wide} as on the other nodes, and where the node's network is set up, or it comes back.",
    rows=("M1",),
    explains=(
        Explains(("MTU001", "MTU003", "PNW006", "PNW014", "PNW002", "PNW003", "PTQ001"), "path", CAME_THROUGH),
        Explains(("DTR001", "DTR002", "DNL001", "DNL004", "DNL005", *BEHIND), "node", CAME_THROUGH),
    ),
)
NO_ADDRESS = Code(
    id="NLK003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node lacks the address that its pods' packets need",
    message="No link of node {name} has {ip} ({role}), and its pods are out of reach",
    fix="Give the node that address back, or have the kubelet (--node-ip) and the network agent take the one it has: {has}.",
    commands=("kubectl get node {name} -o wide", AGENTS),
    explains=EFFECTS,
)
OTHER_END = Code(
    id="NLK004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel's link address is not the one that others were told",
    message="Others are told to send to {told} on node {name}, and its {link} is {mac}: it drops what they send",
    fix="Set the link address back on the node, and its neighbours, which the kernel forgets with each change; keep systemd-udevd"
    " from changing it (MACAddressPolicy=none for this link).",
    rows=("M3",),
    explains=(*EFFECTS, Explains(("NRT004",), "node")),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name links that are down, too small, or not at the address that others were told."""
    if why := facts.beyond(Tier.NODES):
        raise Skip(f"{why}; it would look at the state, addresses and MTU of each node's tunnels and bridge", moot=True)
    replies, unseen = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "links")
    yield from unseen
    network = Network(facts, replies)
    used = _used(network)
    for node, table in network.tables.items():
        if node not in network.young and not network.any_works(node) and not table.cut:
            yield from _down(network, node, used)
            yield from _ends(network, node, used)
    yield from _sizes(network, used)


def _used(network: Network) -> set[str]:
    """Tunnels that most nodes have up and that routes to other nodes' pods go by, or that eBPF uses beside such a route."""
    ways = {way.route.dev for way in network.ways.values() if way.hop in (Hop.PEER, Hop.DEVICE)}
    counted = Counter(link.name for table in network.tables.values() for link in table.tunnels if link.up)
    return {name for name, count in counted.items() if 2 * count > len(network.tables) and tables.EBPF.get(name, name) in ways}


def _down(network: Network, node: str, used: set[str]) -> Iterator[Finding]:
    links = network.tables[node].links
    bridges = {link.name for link in network.bridges(node)}
    for name in sorted(used | _written(network, node) | bridges):
        link = links.get(name)
        if link is None or not link.up:
            gone = f"Delete the pod of the network's agent on {node}: the next one makes the link anew"
            way, lines = _up(network, node, link) if link else (gone, ())
            how = "down" if link else "not there"
            numbers = {"link": name, "how": how, "way": way, "paths": network.around(node)}
            yield DOWN.on(Subject("Node", node), numbers, try_=(*lines, AGENTS))


def _up(network: Network, node: str, link: Link) -> tuple[str, tuple[str, ...]]:
    """How a link is brought up, and given back what went with it."""
    up = ip_commands.on(node, f"ip link set {link.name} up")
    if link.kind == "bridge":
        return "Bring it up on the node", (up,)
    family = next((family for name, family in FLANNEL if link.name.startswith(f"{name}.")), "")
    lines = (up, *(_neighbours(network, node, link, family, routed=True) if family else ()))
    if 1 < len(lines) <= MOST_LINES:
        return "Bring it up on the node, and give it the routes and entries back that went with it", lines
    return f"Bring it up, then delete the pod of the network's agent on {node}: the next one sets the routes that it lost", (up,)


def _written(network: Network, node: str) -> set[str]:
    """The tunnels that a Node object tells of."""
    found = network.nodes.get(node)
    ends = ((name, tables.flannel(found, family)) for name, family in FLANNEL) if found else ()
    return {f"{name}.{end.vni}" for name, end in ends if end.mac}


FLANNEL = (("flannel", ip_families.IPV4), ("flannel-v6", ip_families.IPV6))
"""What flannel calls its VXLAN, before the VNI."""


class _Size(Struct, frozen=True):
    """What pods send, and the links it leaves by."""

    tunnel: str
    underlay: str
    sent: int
    extra: int
    mtu: int


def _sizes(network: Network, used: set[str]) -> Iterator[Finding]:
    """One finding for all nodes that have the same numbers."""
    found: dict[_Size, list[str]] = {}
    for node in sorted(network.tables):
        for size in _sent(network, node, used | _written(network, node)):
            if size.sent + size.extra > size.mtu:
                found.setdefault(size, []).append(node)
    for size, nodes in found.items():
        needed = size.sent + size.extra
        numbers = {"sent": size.sent, "extra": size.extra, "mtu": size.mtu, "over": needed - size.mtu, "needed": needed}
        names = {"tunnel": size.tunnel, "underlay": size.underlay, "fits": size.mtu - size.extra, "nodes": nodes}
        paths = sorted({path for node in nodes for path in network.around(node)})
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", f"links of {len(nodes)} nodes")
        wide = _elsewhere(network, nodes, size.underlay)
        small = wide > size.mtu and 2 * len(nodes) < len(network.tables)
        code, mtu, more = (SMALLER, wide, ()) if small else (TOO_LARGE, needed, encapsulation.OTHERS)
        # what no other node's link carries, the network between them may not either
        raised = nodes[:MOST_LINES] if mtu <= wide else ()
        lines = tuple(ip_commands.on(node, f"ip link set {size.underlay} mtu {mtu}") for node in raised)
        yield code.on(subject, numbers | names | {"wide": wide}, try_=(*lines, *more), paths=paths)


def _elsewhere(network: Network, nodes: list[str], link: str) -> int:
    """What a link of that name carries on the other nodes, at least; 0 where none has one."""
    others = [table.links[link].mtu for name, table in network.tables.items() if name not in nodes and link in table.links]
    return min(others, default=0)


def _sent(network: Network, node: str, used: set[str]) -> Iterator[_Size]:
    """For each tunnel in use, the largest packet that pods put into it and the link that it leaves by.

    Cilium's pods have links of the underlay's size, and routes that hold them to less, as the node's own do.
    """
    table = network.tables[node]
    routes = [way.route for (one, _, _), way in network.ways.items() if one == node and way.route.mtu]
    pods = [link.mtu for link in table.links.values() if link.kind == "veth" and not _numbered(link)]
    default = table.lookup("0.0.0.0/0") or table.lookup("::/0")
    for link in table.tunnels:
        under = table.links.get(table.addresses.get(link.local, "") or (default.dev if default else ""))
        if pods and under and under.mtu and link.name in used and link.kind in encapsulation.BY_LINK:
            extra = encapsulation.BY_LINK[link.kind].overhead(ip_families.of(link.local))
            held = [route.mtu for route in routes if route.dev == tables.EBPF.get(link.name, link.name)]
            yield _Size(link.name, under.name, min(link.mtu, max(pods), *held), extra, under.mtu)


def _numbered(link: Link) -> bool:
    """Whether a link has an address of more than its own segment: then it is no pod's."""
    return any(not address.startswith("fe80:") for address in link.addresses)


def _ends(network: Network, name: str, used: set[str]) -> Iterator[Finding]:
    """Addresses of a node and of its tunnel that others were told and that it does not have."""
    node, table = network.nodes.get(name), network.tables[name]
    if node is None:
        return
    paths, names = network.around(name), used | _written(network, name)
    roles = {link.local: f"what {link.name} sends from" for link in table.tunnels if link.local and link.name in names}
    if network.any_works(name) is False:
        notes = node.metadata.annotations
        roles |= {each.address: "its InternalIP" for each in node.status.addresses if each.type == "InternalIP"}
        roles |= {ip: "where flannel told others to send" for ip in (notes.flannel_ip, notes.flannel_ip6) if ip}
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
            yield OTHER_END.on(Subject("Node", name), numbers, try_=(*lines[:MOST_LINES], AGENTS))


def _neighbours(network: Network, name: str, link: Link, family: str, *, routed: bool = False) -> Iterator[str]:
    """The lines for the other nodes' ends; ``routed``: and for the routes to them."""
    for other, node in sorted(network.nodes.items()):
        ranges = [to for to in node.spec.pod_cidrs if ip_families.of(to) == family]
        if other != name and ranges:
            macs, via = network.macs(other, link, family), tables.first(ranges[0])
            if routed and macs:
                line = f"{ip_commands.ip(via)} route replace {ranges[0]} via {via} dev {link.name} onlink"
                yield ip_commands.on(name, line)
            yield from ip_commands.tunnel_lines(name, link.name, via, macs, network.outer(other, family))


check = Check(
    id="node_links",
    title="Nodes' tunnels are up, fit their links and are where others were told",
    prefix="NLK",
    needs=Needs(kinds=(NODE,), hints=(POD,), tier=Tier.NODES),
    codes=(DOWN, TOO_LARGE, NO_ADDRESS, OTHER_END, SMALLER),
    plan=plan,
    analyse=analyse,
)
