# SPDX-License-Identifier: Apache-2.0
"""Do the nodes' routes and tunnels lead to each other's pods?

## What it looks at
On every measured node (`--node-checks`), over rtnetlink: the main routing table, neighbours and the forwarding database. They
are held against the Node objects: the pod ranges, and for flannel (Canal and K3s too) the tunnels' ends that it writes there.
Calico's blocks are told by what the nodes' tables agree on; so is what any other network's nodes have for each other. What
netdoc's own pods prove to work is no fault.

## Why it matters
A network agent can be Running and Ready while a route or a tunnel's entry is missing, drops, or leads elsewhere: pods on two
nodes can't reach each other, and restarting the agent does not always bring the entry back. The exact line does.

## What it can't see
Policy routing (other tables and rules), and what eBPF sends past the tables: of Cilium, and of networks that route in the cloud,
nothing is expected. Nodes without a pod of the nodes tier are judged as destinations only. Firewalls.

## Sources
ip-route(8), ip-neighbour(8), bridge(8), rtnetlink(7); flannel, pkg/backend/vxlan (an on-link route by the range's first address,
a permanent neighbour, a forwarding entry); failure catalogue M1, M3, M11.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    NODE,
    POD,
    Check,
    Code,
    Explains,
    Facts,
    Finding,
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
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.probes.node_pairs import NETWORK, Pair, as_paths, both_ways
from kubectl_netdoc.routing import ip_commands, tables
from kubectl_netdoc.routing.network import AGENTS, BROKEN, Network, plan
from kubectl_netdoc.routing.tables import Hop, Way

MOST_LINES = 12
"""Commands of a finding at most; the rest is of the same form."""

EFFECTS = (Explains(BROKEN, "path"), Explains(("PNW007", "PNW008"), "node"))
"""A node that passes on what is not for its pods may put its own address on it (flannel's masquerading)."""

MISSING = Code(
    id="NRT001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route to another node's pods is missing",
    message="{on} has no route to the pods of {peers} ({ranges}): packets for them go {words}",
    fix="Add it: {lines}. Restarting the network agent does not always bring it back.",
    rows=("M3", "M11"),
    explains=EFFECTS,
)
REFUSED = Code(
    id="NRT002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route drops what is for another node's pods",
    message="{on} drops packets for the pods of {peers} ({ranges}): they go {words}",
    fix="Put the right route in its place: {lines}. Find out who made the other one.",
    rows=("M3",),
    explains=EFFECTS,
)
ASTRAY = Code(
    id="NRT003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A route to another node's pods leads elsewhere",
    message="{on} sends packets for the pods of {peers} ({ranges}) elsewhere: {words}",
    fix="Put the right route in its place: {lines}.",
    rows=("M3",),
    explains=EFFECTS,
)
NO_NEIGHBOUR = Code(
    id="NRT004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel does not know the other node's end",
    message="{on} does not know the tunnel's end on {peers} ({ranges}): {words}",
    fix="Put the entries right: {lines}. Restarting the network agent does not always do that.",
    rows=("M3",),
    explains=EFFECTS,
)
NO_FORWARDING = Code(
    id="NRT005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A tunnel sends to the wrong address, or to none",
    message="{on} does not send through the tunnel to {peers} ({ranges}): {words}",
    fix="Put the entries right: {lines}. Restarting the network agent does not always do that.",
    rows=("M3",),
    explains=EFFECTS,
)
DETOUR = Code(
    id="NRT006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Packets for a node's pods take a detour",
    message="{on} sends packets for the pods of {peers} ({ranges}) by way of another node: {words}",
    fix="Put the right route in its place: {lines}. As it is, it works for as long as that other node does.",
    rows=("M3",),
    explains=(Explains(("PTQ003", "MTU001"), "path"), Explains(("PNW007",), "node")),
)
MEASURED = Code(
    id="NRT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Routes between nodes as read",
    message="{good} of {asked} ways to the ranges of other nodes' pods lead there; {unjudged} are not judged; tunnels: {links}",
    fix="Nothing to mend: this is what the nodes' tables say.",
)


class Flaw(Struct, frozen=True):
    """What is wrong on one node with the way to another's range, and the lines that mend it."""

    code: Code
    range: str
    words: str
    lines: tuple[str, ...]
    at: str = ""
    """The node that is to be mended, where it is not the one that sends."""


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name what is wrong with the way from each node to each other node's pods."""
    if why := facts.beyond(Tier.NODES):
        raise Skip(f"{why}; it would compare each node's routes and tunnels with what leads to the others' pods", moot=True)
    replies, unseen = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "routes and tunnels")
    yield from unseen
    network = Network(facts, replies)
    if network.young:
        why = "joined less than 2 minutes ago: routes to and from new nodes are on their way"
        yield Unseen(f"routes of {', '.join(network.young[:8])}", why)
    for node, table in network.tables.items():
        if table.cut:
            yield Unseen(f"a part of the tables of node {node}", "there is more in them than netdoc takes")
    flaws: dict[Pair, Flaw] = {}
    for (one, other, to), way in network.ways.items():
        if (
            flaw := _route(network, one, other, to, way)
            or _tunnel(network, one, other, to, way)
            or _outer(network, one, other, to)
        ):
            flaws.setdefault((one, other), flaw)
    flaws = _followed(network, flaws)
    for code in (MISSING, REFUSED, ASTRAY, NO_NEIGHBOUR, NO_FORWARDING, DETOUR):
        yield from _placed(network, code, {pair: flaw for pair, flaw in flaws.items() if flaw.code is code})
    if network.tables:
        yield _measured(network, flaws)


def _followed(network: Network, flaws: dict[Pair, Flaw]) -> dict[Pair, Flaw]:
    """A node that sends by way of another whose own way is wrong follows it, as BGP tells bad routes on: that one is to mend."""
    found = {}
    for (one, other), flaw in flaws.items():
        by = network.ways[one, other, flaw.range]
        led = flaws.get((by.node, other)) if by.hop is Hop.PEER and by.node not in (one, other) else None
        if led and led.range == flaw.range and flaw.code is ASTRAY:
            flaw = Flaw(led.code, flaw.range, f"{led.words} on {by.node}, where {one} sends its own too", led.lines, by.node)
        found[one, other] = flaw
    return found


def _route(network: Network, one: str, other: str, to: str, way: Way) -> Flaw | None:
    """What is wrong with the route; nothing where it can't be told what it should be."""
    family = ip_families.of(to)
    told, works = network.told(one, other, family), network.works(one, other, family)
    routed = told or network.usual is Hop.PEER
    part = network.tables[one].refused_within(to) if network.by_node and routed and not works else None
    if part:
        return Flaw(
            REFUSED,
            to,
            f"into the route {part.type} {part.to}",
            (ip_commands.on(one, f"{ip_commands.ip(to)} route del {part.type} {part.to}"),),
        )
    if way.hop is Hop.PEER and way.node == other:
        return None
    lines = _route_lines(network, one, other, to)
    if works:
        return Flaw(DETOUR, to, way.words, lines) if told and way.hop is Hop.PEER else None
    if way.hop is Hop.REFUSED:
        return Flaw(REFUSED, to, way.words, lines) if routed or works is False else None
    if not routed and network.usual is not Hop.DEVICE:
        return None
    if way.hop in (Hop.NONE, Hop.FAR):
        return None if network.tables[one].cut else Flaw(MISSING, to, way.words, lines)
    if told or (network.usual is Hop.PEER and (way.hop is Hop.PEER or works is False)):
        return Flaw(ASTRAY, to, way.words, lines)
    return None


def _tunnel(network: Network, one: str, other: str, to: str, way: Way) -> Flaw | None:
    """What is wrong with the neighbour and the forwarding entry that the route's gateway needs in a VXLAN."""
    table, link, via = network.tables[one], network.tables[one].links.get(way.route.dev), way.route.via
    if way.node != other or link is None or link.kind != "vxlan" or table.cut or network.works(one, other, ip_families.of(to)):
        return None
    macs, ends = network.macs(other, link, ip_families.of(to)), network.outer(other, ip_families.of(link.local or to))
    neighbour = table.neighbour(link.name, via)
    lines = ip_commands.tunnel_lines(one, link.name, via, macs, ends)
    if neighbour is None:  # where none is set by hand, they are learnt
        return Flaw(NO_NEIGHBOUR, to, f"{via} on {link.name} has no entry", lines) if network.sets(link.name) else None
    if macs and neighbour.mac not in macs:
        return Flaw(NO_NEIGHBOUR, to, f"{via} on {link.name} is {neighbour.mac}, not {macs[0]}", lines)
    sent = {entry.to for entry in table.forwarding(link.name, neighbour.mac)}
    if not sent:
        return Flaw(NO_FORWARDING, to, f"{neighbour.mac} has no forwarding entry on {link.name}", lines)
    if "" not in sent and ends and not sent & set(ends):
        return Flaw(
            NO_FORWARDING, to, f"{neighbour.mac} on {link.name} is sent to {', '.join(sorted(sent))}, not {ends[0]}", lines
        )
    return None


def _outer(network: Network, one: str, other: str, to: str) -> Flaw | None:
    """A route that drops what is for the other node itself, whatever wraps it."""
    if network.works(one, other, ip_families.of(to)):
        return None
    for ip in (each.address for each in network.nodes[other].status.addresses if each.type == "InternalIP"):
        way = tables.way(network.tables[one], f"{ip}/{128 if ':' in ip else 32}", network.owner)
        if way.hop is Hop.REFUSED:
            line = ip_commands.on(one, f"{ip_commands.ip(ip)} route del {way.route.type} {way.route.to}")
            return Flaw(REFUSED, to, f"{way.words}, which takes the address {ip} of {other} itself", (line,))
    return None


def _route_lines(network: Network, one: str, other: str, to: str) -> tuple[str, ...]:
    """The lines that make the way: as flannel makes it, else as another node has it."""
    family = ip_families.of(to)
    end = tables.flannel(network.nodes[other], family)
    if end.mac:
        vni = tables.flannel(network.nodes[one], family).vni or end.vni
        dev = f"flannel-v6.{vni}" if family == ip_families.IPV6 else f"flannel.{vni}"
        via = tables.first(to)
        line = ip_commands.on(one, f"{ip_commands.ip(to)} route replace {to} via {via} dev {dev} onlink")
        return (line, *ip_commands.tunnel_lines(one, dev, via, [end.mac], network.outer(other, family)))
    others = [way.route for (_, at, range_), way in network.ways.items() if (at, range_) == (other, to) and way.node == other]
    own = [way.route for (at, whose, _), way in network.ways.items() if at == one and way.hop is Hop.PEER and way.node == whose]
    via = others[0].via if others else next(iter(network.outer(other, family)), "")
    form = (own or others)[:1]
    if not via or not form or not form[0].dev:
        return ()
    return (
        ip_commands.on(
            one, f"{ip_commands.ip(to)} route replace {to} via {via} dev {form[0].dev}{' onlink' if form[0].on_link else ''}"
        ),
    )


def _placed(network: Network, code: Code, flaws: dict[Pair, Flaw]) -> Iterator[Finding]:
    """One finding for all nodes, or for a node that all others have wrong, else one for each node that has others wrong."""
    left = dict(flaws)
    measured = network.tables.keys() & network.nodes.keys()
    if flaws and len(measured) > 2 and {(one, other) for one, other, _ in network.ways} == flaws.keys():
        yield _finding(network, code, NETWORK, "Every node", flaws)
        return
    for other in sorted({other for _, other in flaws}):
        to_it = {pair: flaw for pair, flaw in sorted(left.items()) if pair[1] == other}
        alone = all(sum(one == pair[0] for pair in flaws) == 1 for one, _ in to_it)
        alone = alone and not any(flaw.at for flaw in to_it.values())
        if len(to_it) > 1 and {one for one, _ in to_it} == measured - {other} and alone:
            yield _finding(network, code, Subject("Node", other), "Every other node", to_it)
            left = {pair: flaw for pair, flaw in left.items() if pair not in to_it}
    for one in sorted({flaw.at or pair[0] for pair, flaw in left.items()}):
        own = {pair: flaw for pair, flaw in sorted(left.items()) if (flaw.at or pair[0]) == one}
        yield _finding(network, code, Subject("Node", one), f"Node {one}", own)


def _finding(network: Network, code: Code, subject: Subject, on: str, flaws: dict[Pair, Flaw]) -> Finding:
    lines = list(dict.fromkeys(line for flaw in flaws.values() for line in flaw.lines))[:MOST_LINES]
    shown = "the commands here do it, each on the node that it names" if lines else "what it should be can't be told from here"
    session = network.sessions.get(subject.name, "") if code in (MISSING, ASTRAY) else ""
    if session:
        shown = f"routes come by BGP here, so look at the sessions first; until they are back, {shown}"
    numbers = {
        "on": on,
        "peers": sorted({other for _, other in flaws}),
        "ranges": sorted({flaw.range for flaw in flaws.values()}),
        "words": "; ".join(dict.fromkeys(flaw.words for flaw in flaws.values())),
        "lines": shown,
        "paths": as_paths(both_ways(flaws)),
    }
    agents = () if subject == NETWORK else (AGENTS,)
    return code.on(subject, numbers, try_=(*filter(None, (session,)), *lines, *agents))


def _measured(network: Network, flaws: dict[Pair, Flaw]) -> Finding:
    good = sum(way.hop is Hop.PEER and way.node == other for (_, other, _), way in network.ways.items())
    bad = sum((one, other) in flaws for one, other, _ in network.ways)
    links = sorted({f"{link.name} ({link.kind})" for table in network.tables.values() for link in table.tunnels})
    rows = [f"{one} -> {other} {to}: {network.ways[one, other, to].words}" for one, other, to in sorted(network.ways)]
    numbers = {"good": good, "asked": len(network.ways), "unjudged": max(0, len(network.ways) - good - bad)}
    return MEASURED.on(Subject("Cluster", "routes"), numbers, links=links or ["none"], ways=rows[:200])


check = Check(
    id="node_routes",
    title="Nodes' routes and tunnels lead to each other's pods",
    prefix="NRT",
    needs=Needs(kinds=(NODE,), hints=(POD,), tier=Tier.NODES),
    codes=(MISSING, REFUSED, ASTRAY, NO_NEIGHBOUR, NO_FORWARDING, DETOUR, MEASURED),
    plan=plan,
    analyse=analyse,
)
