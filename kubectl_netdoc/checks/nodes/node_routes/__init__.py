# SPDX-License-Identifier: Apache-2.0
"""Do the nodes' routes and tunnels lead to each other's pods?

## What it looks at
On every measured node (`--node-checks`), over rtnetlink: the main routing table, the neighbour entries and the forwarding
database. They are compared with the Node objects: the pod ranges and, for flannel (also in Canal and K3s), the tunnel ends that
it writes there. For Calico's blocks and other networks, with what the routing tables of most nodes agree on. Paths that netdoc's
own pods prove to work are not reported.

## Why it matters
A network agent can be Running and Ready while a route or tunnel entry is missing, drops packets or leads to the wrong place. Pods
on two nodes then can't reach each other, and restarting the agent does not always restore the entry. The exact command does.

## What it can't see
Policy routing (other tables and rules), and what eBPF sends past the routing tables: nothing is expected of Cilium and of
networks that route in the cloud. Nodes without a debug pod of the nodes tier are judged as destinations only. Firewalls.

## Sources
ip-route(8), ip-neighbour(8), bridge(8), rtnetlink(7); flannel, pkg/backend/vxlan (an on-link route through the first address of
the range, a permanent neighbour, a forwarding entry). Failure catalogue M1, M3, M11.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import JOINING, NODE, POD, Check, Facts, Finding, Needs, RtnetlinkReply, Skip, Tier, Unseen
from kubectl_netdoc.checks.nodes.node_routes import findings, flaws
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.probes.node_pairs import Pair
from kubectl_netdoc.routing.network import cluster_routes, plan


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what is wrong with the routes from each node to the pods of each other node."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(f"{why}; with it, each node's routes and tunnels to the other nodes' pods are checked", not_applicable=True)
    _, unseen = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "routes and tunnels")
    yield from unseen
    network = cluster_routes(facts)
    if network.joining:
        minutes = int(JOINING.total_seconds() // 60)
        why = f"joined less than {minutes} minutes ago: routes to and from new nodes may not be there yet"
        yield Unseen(f"routes of {', '.join(network.joining[:8])}", why)
    for node, table in network.tables.items():
        if table.cut:
            yield Unseen(f"a part of the tables of node {node}", "the tables are larger than netdoc reads")
    found: dict[Pair, flaws.RouteFlaw] = {}
    for one, ways in network.ways.items():
        for (other, to), way in ways.items():
            if flaw := flaws.first(network, one, other, to, way):
                found.setdefault((one, other), flaw)
    found = flaws.at_their_origin(network, found)
    for code in flaws.CODES:
        yield from findings.by_place(network, code, {pair: flaw for pair, flaw in found.items() if flaw.code is code})
    if network.tables:
        yield findings.measured(network, found)


check = Check(
    id="node_routes",
    title="Nodes' routes and tunnels lead to each other's pods",
    prefix="NRT",
    needs=Needs(kinds=(NODE,), hints=(POD,), tier=Tier.NODES),
    codes=(
        *flaws.CODES,
        *findings.CODES,
    ),
    plan=plan,
    analyse=analyse,
)
