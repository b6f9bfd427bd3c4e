# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the route or the tunnel from one node to another node's pods, and the commands that fix it."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.api import Code, Explains, Risk, Severity, ip_families
from kubectl_netdoc.probes.node_pairs import Pair
from kubectl_netdoc.routing import ip_commands, tables
from kubectl_netdoc.routing.network import BROKEN, ClusterRoutes
from kubectl_netdoc.routing.tables import NextHop, RangeRoute

EFFECTS = (Explains(BROKEN, "path"), Explains(("PNW007", "PNW008"), "node"))
"""A node that forwards packets for other nodes' pods may replace their source address by its own (flannel masquerades)."""

MISSING = Code(
    id="NRT001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route to another node's pods is missing",
    message="{on} has no route to the pods of {peers} ({ranges}): packets to them go {words}",
    fix="Add the route: {lines}. Restarting the network agent does not always restore it.",
    rows=("M3", "M11"),
    explains=EFFECTS,
)
REFUSED = Code(
    id="NRT002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route drops packets to another node's pods",
    message="{on} drops packets to the pods of {peers} ({ranges}): they go {words}",
    fix="Replace it with the right route: {lines}. Find out who added the wrong one.",
    rows=("M3",),
    explains=EFFECTS,
)
ASTRAY = Code(
    id="NRT003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route to another node's pods leads to the wrong place",
    message="{on} sends packets to the pods of {peers} ({ranges}) to the wrong place: {words}",
    fix="Replace it with the right route: {lines}.",
    rows=("M3",),
    explains=EFFECTS,
)
NO_NEIGHBOUR = Code(
    id="NRT004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel has no neighbour entry for another node",
    message="{on} does not know the tunnel end of {peers} ({ranges}): {words}",
    fix="Correct the neighbour entries: {lines}. Restarting the network agent does not always do it.",
    rows=("M3",),
    explains=EFFECTS,
)
NO_FORWARDING = Code(
    id="NRT005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel sends packets to the wrong node address, or to none",
    message="{on} does not send packets through the tunnel to {peers} ({ranges}): {words}",
    fix="Correct the forwarding entries: {lines}. Restarting the network agent does not always do it.",
    rows=("M3",),
    explains=EFFECTS,
)
DETOUR = Code(
    id="NRT006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Packets to a node's pods take a detour",
    message="{on} sends packets to the pods of {peers} ({ranges}) through another node: {words}",
    fix="Replace it with the direct route: {lines}. The detour works only as long as that other node does.",
    rows=("M3",),
    explains=(Explains(("PTQ003", "MTU001"), "path"), Explains(("PNW007",), "node")),
)


class RouteFlaw(Struct, frozen=True):
    """What is wrong on one node with the route to another node's pod range, and the commands that fix it."""

    code: Code
    range: str
    words: str
    lines: tuple[str, ...]
    at: str = ""
    """The node to fix, if it is not the one that sends."""


def at_their_origin(network: ClusterRoutes, flaws: dict[Pair, RouteFlaw]) -> dict[Pair, RouteFlaw]:
    """Move flaws to the node they come from: BGP spreads a bad route, so a node that sends through another is wrong with it."""
    found = {}
    for (one, other), flaw in flaws.items():
        by = network.ways[one][other, flaw.range]
        led = flaws.get((by.node, other)) if by.hop is NextHop.PEER and by.node not in (one, other) else None
        if led and led.range == flaw.range and flaw.code is ASTRAY:
            flaw = RouteFlaw(led.code, flaw.range, f"{led.words} on {by.node}, through which {one} sends too", led.lines, by.node)
        found[one, other] = flaw
    return found


def first(network: ClusterRoutes, one: str, other: str, to: str, way: RangeRoute) -> RouteFlaw | None:
    """Return the first flaw on the way from one node to a pod range of another; None if it is right or cannot be judged."""
    right = way.hop is NextHop.PEER and way.node == other
    if right and not network.tables[one].refusing:  # so it is for nearly all of very many pairs
        return _tunnel(network, one, other, to, way)
    return _route(network, one, other, to, way) or _tunnel(network, one, other, to, way) or _outer(network, one, other, to)


def _route(network: ClusterRoutes, one: str, other: str, to: str, way: RangeRoute) -> RouteFlaw | None:
    """Return what is wrong with the route; None if it is right, or if it is unknown what it should be."""
    routed = network.known_from_flannel(one, other, ip_families.of(to)) or network.usual_hop is NextHop.PEER
    works = network.pods_connected(one, other, ip_families.of(to))
    part = network.tables[one].refused_within(to) if network.by_node and routed and not works else None
    if part:
        line = ip_commands.on(one, f"{ip_commands.ip(to)} route del {part.type} {part.to}")
        return RouteFlaw(REFUSED, to, f"into the route {part.type} {part.to}", (line,))
    code = _wrong(network, one, other, to, way)
    return RouteFlaw(code, to, way.words, _route_lines(network, one, other, to)) if code else None


def _wrong(network: ClusterRoutes, one: str, other: str, to: str, way: RangeRoute) -> Code | None:
    """Return the code for a route that does not lead to the other node, as far as it is known that it should."""
    told, works = (
        network.known_from_flannel(one, other, ip_families.of(to)),
        network.pods_connected(one, other, ip_families.of(to)),
    )
    if way.hop is NextHop.PEER and way.node == other:
        return None
    if works:
        return DETOUR if told and way.hop is NextHop.PEER else None
    if way.hop is NextHop.REFUSED:
        return REFUSED if told or network.usual_hop is NextHop.PEER or works is False else None
    if not told and network.usual_hop not in (NextHop.PEER, NextHop.DEVICE):
        return None
    if way.hop in (NextHop.NONE, NextHop.FAR):
        return None if network.tables[one].cut else MISSING
    return ASTRAY if told or (network.usual_hop is NextHop.PEER and (way.hop is NextHop.PEER or works is False)) else None


def _tunnel(network: ClusterRoutes, one: str, other: str, to: str, way: RangeRoute) -> RouteFlaw | None:
    """Return what is wrong with the neighbour and forwarding entries that a VXLAN needs for the route's gateway."""
    table, via, family = network.tables[one], way.route.via, ip_families.of(to)
    link = table.links.get(way.route.dev)
    if way.node != other or link is None or link.kind != "vxlan" or table.cut:
        return None
    macs, ends = network.macs(other, link, family), network.tunnel_addresses(other, ip_families.of(link.local or to))
    neighbour = table.neighbour(link.name, via)
    code, words = NO_FORWARDING, ""
    if neighbour is None:  # networks that set none learn them
        code, words = NO_NEIGHBOUR, f"{via} on {link.name} has no entry" if network.agent_sets_neighbours(link.name) else ""
    elif macs and neighbour.mac not in macs:
        code, words = NO_NEIGHBOUR, f"{via} on {link.name} is {neighbour.mac}, not {macs[0]}"
    elif not (sent := {entry.to for entry in table.forwarding(link.name, neighbour.mac)}):
        words = f"{neighbour.mac} has no forwarding entry on {link.name}"
    elif "" not in sent and ends and sent.isdisjoint(ends):
        words = f"{neighbour.mac} on {link.name} is sent to {', '.join(sorted(sent))}, not {ends[0]}"
    if not words or network.pods_connected(one, other, family):
        return None
    return RouteFlaw(code, to, words, ip_commands.tunnel_lines(one, link.name, via, macs, ends))


def _outer(network: ClusterRoutes, one: str, other: str, to: str) -> RouteFlaw | None:
    """Return a route that drops packets to the other node itself, and thereby the tunnel's outer packets."""
    if network.pods_connected(one, other, ip_families.of(to)):
        return None
    for ip in (each.address for each in network.nodes[other].status.addresses if each.type == "InternalIP"):
        way = tables.range_route(network.tables[one], f"{ip}/{128 if ':' in ip else 32}", network.owner)
        if way.hop is NextHop.REFUSED:
            line = ip_commands.on(one, f"{ip_commands.ip(ip)} route del {way.route.type} {way.route.to}")
            return RouteFlaw(REFUSED, to, f"{way.words}, which covers the address {ip} of {other} itself", (line,))
    return None


def _route_lines(network: ClusterRoutes, one: str, other: str, to: str) -> tuple[str, ...]:
    """Return the commands that make the route: as flannel makes it, else as another node has it."""
    family = ip_families.of(to)
    end = tables.flannel(network.nodes[other], family)
    if end.mac:
        vni = tables.flannel(network.nodes[one], family).vni or end.vni
        dev = f"flannel-v6.{vni}" if family == ip_families.IPV6 else f"flannel.{vni}"
        via = tables.first(to)
        line = ip_commands.on(one, f"{ip_commands.ip(to)} route replace {to} via {via} dev {dev} onlink")
        return (line, *ip_commands.tunnel_lines(one, dev, via, [end.mac], network.tunnel_addresses(other, family)))
    known = (ways[other, to] for ways in network.ways.values() if (other, to) in ways)
    others = next((way.route for way in known if way.node == other), None)
    peers = (way.route for (whose, _), way in network.ways[one].items() if way.hop is NextHop.PEER and way.node == whose)
    form = next(peers, others)
    via = others.via if others else next(iter(network.tunnel_addresses(other, family)), "")
    if not via or form is None or not form.dev:
        return ()
    line = f"{ip_commands.ip(to)} route replace {to} via {via} dev {form.dev}{' onlink' if form.on_link else ''}"
    return (ip_commands.on(one, line),)


CODES = (
    MISSING,
    REFUSED,
    ASTRAY,
    NO_NEIGHBOUR,
    NO_FORWARDING,
    DETOUR,
)
