# SPDX-License-Identifier: Apache-2.0
"""Links that are too small for what pods send through the tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import CAME_THROUGH, Code, Explains, Finding, Link, Risk, Severity, Subject, ip_families
from kubectl_netdoc.checks.nodes.node_links.state import BEHIND, MOST_LINES, announced_tunnels
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.routing import ip_commands, tables
from kubectl_netdoc.routing.network import ClusterRoutes

TOO_LARGE = Code(
    id="NLK002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Pod packets plus encapsulation are too large for the node's link",
    message="On {nodes}, pods send packets of up to {sent} bytes and {tunnel} adds {extra}, but {underlay} carries {mtu}: "
    "{over} bytes too many",
    fix="If the network between the nodes carries it, raise the MTU of {underlay} to {needed}, also in the configuration that "
    "is applied when the node boots. Otherwise set the MTU of the CNI to {fits} and recreate the pods.",
    rows=("M1",),
    explains=(Explains(("MTU001", "MTU003", "PNW006", "PNW014"), "path"), Explains(("DTR001", "DTR002"), "node")),
)
SMALLER = Code(
    id="NLK005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The link of a node has a smaller MTU than on other nodes",
    message="On {nodes}, {underlay} carries {mtu} bytes, on the other nodes {wide}. Pods there send up to {sent} bytes and "
    "{tunnel} adds {extra}: {over} bytes too many. Full-size packets from other nodes are lost too, among them answers of the "
    "API server to the agents",
    fix="Set the MTU of {underlay} to {wide} as on the other nodes, also in the configuration that is applied when the node "
    "boots.",
    rows=("M1",),
    explains=(
        Explains(("MTU001", "MTU003", "PNW006", "PNW014", "PNW002", "PNW003", "PTQ001"), "path", CAME_THROUGH),
        Explains(("DTR001", "DTR002", "DNL001", "DNL004", "DNL005", *BEHIND), "node", CAME_THROUGH),
    ),
)


class _Size(Struct, frozen=True):
    """The largest packet that pods send into a tunnel, and the link that it leaves by."""

    tunnel: str
    underlay: str
    sent: int
    extra: int
    mtu: int


def too_small(network: ClusterRoutes, used: set[str]) -> Iterator[Finding]:
    """Report tunnels whose packets do not fit their link; nodes with the same numbers are one finding."""
    found: dict[_Size, list[str]] = {}
    for node in sorted(network.tables):
        for size in _sent(network, node, used | announced_tunnels(network, node)):
            if size.sent + size.extra > size.mtu:
                found.setdefault(size, []).append(node)
    for size, nodes in found.items():
        needed = size.sent + size.extra
        numbers = {"sent": size.sent, "extra": size.extra, "mtu": size.mtu, "over": needed - size.mtu, "needed": needed}
        names = {"tunnel": size.tunnel, "underlay": size.underlay, "fits": size.mtu - size.extra, "nodes": nodes}
        paths = sorted({path for node in nodes for path in network.paths_of(node)})
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", f"links of {len(nodes)} nodes")
        wide = _elsewhere(network, nodes, size.underlay)
        small = wide > size.mtu and 2 * len(nodes) < len(network.tables)
        code, mtu, more = (SMALLER, wide, ()) if small else (TOO_LARGE, needed, encapsulation.OTHERS)
        # if no other node's link carries it, the network between them may not either
        raised = nodes[:MOST_LINES] if mtu <= wide else ()
        lines = tuple(ip_commands.on(node, f"ip link set {size.underlay} mtu {mtu}") for node in raised)
        yield code.on(subject, numbers | names | {"wide": wide}, commands=(*lines, *more), paths=paths)


def _elsewhere(network: ClusterRoutes, nodes: list[str], link: str) -> int:
    """Return the smallest MTU of a link of that name on the other nodes; 0 if none has one."""
    others = [table.links[link].mtu for name, table in network.tables.items() if name not in nodes and link in table.links]
    return min(others, default=0)


def _sent(network: ClusterRoutes, node: str, used: set[str]) -> Iterator[_Size]:
    """Yield for each tunnel in use the largest packet that pods send into it, and the link that it leaves by.

    Pods of Cilium have links with the MTU of the underlay, and routes that limit them to less, as the node itself has.
    """
    table = network.tables[node]
    routes = [way.route for way in network.ways.get(node, {}).values() if way.route.mtu]
    pods = [link.mtu for link in table.links.values() if link.kind == "veth" and not _numbered(link)]
    default = table.lookup("0.0.0.0/0") or table.lookup("::/0")
    for link in table.tunnels:
        under = table.links.get(table.addresses.get(link.local, "") or (default.dev if default else ""))
        if pods and under and under.mtu and link.name in used and link.kind in encapsulation.BY_LINK:
            extra = encapsulation.BY_LINK[link.kind].overhead(ip_families.of(link.local))
            held = [route.mtu for route in routes if route.dev == tables.EBPF.get(link.name, link.name)]
            yield _Size(link.name, under.name, min(link.mtu, max(pods), *held), extra, under.mtu)


def _numbered(link: Link) -> bool:
    """Tell whether a link has more than a link-local address: then it does not lead to a pod."""
    return any(not address.startswith("fe80:") for address in link.addresses)


CODES = (
    TOO_LARGE,
    SMALLER,
)
