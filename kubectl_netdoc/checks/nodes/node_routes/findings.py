# SPDX-License-Identifier: Apache-2.0
"""One finding for the flaws of many pairs of nodes: on all nodes, to one node, or on one node."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import itemgetter

from kubectl_netdoc.api import Code, Finding, Risk, Severity, Subject
from kubectl_netdoc.checks.nodes.node_routes.flaws import ASTRAY, MISSING, RouteFlaw
from kubectl_netdoc.probes.node_pairs import NETWORK, Pair, as_paths, both_ways
from kubectl_netdoc.routing.network import AGENTS, ClusterRoutes
from kubectl_netdoc.routing.tables import NextHop

MOST_LINES = 12
"""A finding prints at most this many commands; the rest would be alike."""
SHOWN = 200
"""Routes that the evidence lists at most."""

MEASURED = Code(
    id="NRT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Routes between nodes, as read",
    message="{good} of {asked} routes to the pod ranges of other nodes lead there; {unjudged} are not judged; tunnels: {links}",
    fix="Nothing to fix: this is what the routing tables of the nodes say.",
)


def by_place(network: ClusterRoutes, code: Code, flaws: dict[Pair, RouteFlaw]) -> Iterator[Finding]:
    """Report flaws of one kind: as one finding for all nodes, for a node that all others miss, else for each node to fix."""
    left = dict(flaws)
    measured = network.tables.keys() & network.nodes.keys()
    if flaws and len(measured) > 2 and _every_pair(network) == len(flaws):
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


def _every_pair(network: ClusterRoutes) -> int:
    """Return how many pairs of nodes have a route that was looked for."""
    return sum(len({other for other, _ in ways}) for ways in network.ways.values())


def _finding(network: ClusterRoutes, code: Code, subject: Subject, on: str, flaws: dict[Pair, RouteFlaw]) -> Finding:
    lines = list(dict.fromkeys(line for flaw in flaws.values() for line in flaw.lines))[:MOST_LINES]
    shown = "run the commands below, each on the node that it names" if lines else "netdoc cannot tell what it should be"
    session = network.bgp_commands.get(subject.name, "") if code in (MISSING, ASTRAY) else ""
    if session:
        shown = f"the nodes exchange routes by BGP, so check the BGP sessions first; until they are back, {shown}"
    numbers = {
        "on": on,
        "peers": sorted({other for _, other in flaws}),
        "ranges": sorted({flaw.range for flaw in flaws.values()}),
        "words": "; ".join(dict.fromkeys(flaw.words for flaw in flaws.values())),
        "lines": shown,
        "paths": as_paths(both_ways(flaws)),
    }
    agents = () if subject == NETWORK else (AGENTS,)
    return code.on(subject, numbers, commands=(*filter(None, (session,)), *lines, *agents))


def measured(network: ClusterRoutes, flaws: dict[Pair, RouteFlaw]) -> Finding:
    """Return the finding with all routes as read."""
    every = [(one, *to, way) for one, ways in network.ways.items() for to, way in ways.items()]
    good = sum(way.hop is NextHop.PEER and way.node == other for _, other, _, way in every)
    bad = sum((one, other) in flaws for one, other, _, _ in every)
    links = sorted({f"{link.name} ({link.kind})" for table in network.tables.values() for link in table.tunnels})
    shown = heapq.nsmallest(SHOWN, every, key=itemgetter(0, 1, 2))
    rows = [f"{one} -> {other} {to}: {way.words}" for one, other, to, way in shown]
    numbers = {"good": good, "asked": network.asked, "unjudged": max(0, network.asked - good - bad)}
    return MEASURED.on(Subject("Cluster", "routes"), numbers, links=links or ["none"], ways=rows)


CODES = (MEASURED,)
