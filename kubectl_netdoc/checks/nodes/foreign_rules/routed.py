# SPDX-License-Identifier: Apache-2.0
"""Routes that refuse packets, neighbours by hand and addresses on links, of one node alone, which no other check tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import NODE, SERVICE, Cluster, KernelRoute, Link, RtnetlinkReply, counted, ip_range
from kubectl_netdoc.checks.nodes.foreign_rules.items import Item, alike
from kubectl_netdoc.routing import ip_commands, pod_links
from kubectl_netdoc.routing.tables import TUNNELS

MAIN, KERNEL = 254, 2
"""The routing table main, and the protocol of routes that the kernel made itself (rtnetlink(7))."""

OF_SERVICES = frozenset({"kube-ipvs0", "nodelocaldns"})
"""Links that have the addresses of Services by design: kube-proxy's in ipvs mode, and NodeLocal DNSCache's."""


def known(cluster: Cluster) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the addresses of nodes and Services, and the ranges of pods."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    services = cluster.all(SERVICE) if cluster.readable(SERVICE) else ()
    own = {each.address for node in nodes for each in node.status.addresses}
    own |= {ip for one in services for ip in (*one.spec.cluster_ips, *one.spec.external_ips)}
    own |= {each.ip for one in services for each in one.status.load_balancer.ingress}
    return frozenset(own), tuple(to for node in nodes for to in node.spec.pod_cidrs)


def refusing(node: str, tables: RtnetlinkReply, ranges: tuple[str, ...]) -> Iterator[Item]:
    """Yield the routes of table main that refuse packets to others than pods: `node_routes` tells of those."""
    for route in tables.routes:
        if route.type == "unicast" or route.table != MAIN or route.protocol == KERNEL or _covers(route, ranges):
            continue
        tool = ip_commands.ip(route.to)
        commands = (
            ip_commands.on(node, f"{tool} route show type {route.type}"),
            ip_commands.on(node, f"{tool} route del {route.type} {route.to}"),
        )
        yield Item(("refusing", tool, route.type, str(route.protocol)), f"ip route: {route.type} {route.to}", commands)


def by_hand(node: str, tables: RtnetlinkReply) -> Iterator[Item]:
    """Yield the neighbours whose hardware address was not learned but set; tunnels' and pods' own links have such by design."""
    tunnels = {link.name for link in tables.links if link.kind in TUNNELS}
    for each in tables.neighbours:
        if each.state != "permanent" or each.dev in tunnels or not each.mac:
            continue
        tool = ip_commands.ip(each.ip)
        commands = (
            ip_commands.on(node, f"{tool} neigh show {each.ip}"),
            ip_commands.on(node, f"{tool} neigh del {each.ip} dev {each.dev}"),
        )
        words = f"ip neigh: {each.ip} has the hardware address {each.mac} on {each.dev} by an entry made by hand (permanent)"
        yield Item(("neighbour", tool, alike(each.dev)), words, commands)


def _covers(route: KernelRoute, ranges: tuple[str, ...]) -> bool:
    to = ip_range(route.to)
    return any(to.version == other.version and to.overlaps(other) for other in (ip_range(each) for each in ranges))


def more_addresses(tables: Mapping[str, RtnetlinkReply], own: frozenset[str], enough: int) -> Iterator[tuple[str, Item]]:
    """Yield the one node that has more IPv4 addresses on a link than the others, who have equally many on theirs of that name.

    `node_links` tells of those that belong to other nodes or pods.
    """
    links: dict[str, dict[str, Link]] = {}
    for node, reply in tables.items():
        for link in reply.links:
            if link.name not in OF_SERVICES and not pod_links.of_a_pod(link):
                links.setdefault(link.name, {})[node] = link
    for name, found in links.items():
        rest = {node: _ipv4(link, own) for node, link in found.items()}
        counts = {node: len(addresses) for node, addresses in rest.items()}
        most = max(counts, key=lambda node: counts[node])
        others = {count for node, count in counts.items() if node != most}
        if len(counts) < enough or len(others) != 1 or counts[most] in others:
            continue
        if counts[most] > min(others):
            yield most, _address(most, name, rest[most], counts[most] - others.pop())


def _ipv4(link: Link, own: frozenset[str]) -> list[str]:
    """Return the IPv4 addresses of a link that the API gives neither to a node nor to a Service."""
    return [address for address in link.addresses if ":" not in address and address.partition("/")[0] not in own]


def _address(node: str, link: str, extra: list[str], more: int) -> Item:
    commands = (
        ip_commands.on(node, f"ip address show dev {link}"),
        *(ip_commands.on(node, f"ip address del {address} dev {link}") for address in (extra if len(extra) == more else ())),
    )
    what = counted(more, "IPv4 address", "IPv4 addresses")
    return Item(("address", link), f"{what} more on {link} than elsewhere ({', '.join(extra)})", commands)
