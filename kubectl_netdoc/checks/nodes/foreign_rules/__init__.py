# SPDX-License-Identifier: Apache-2.0
"""Which nodes have rules, policies or queues that belong to nothing known, and that no other node has?

## What it looks at
Every rule of every node's packet filter (iptables in nf_tables, the old tables, nftables in every family) outside the chains of
kube-proxy, the kubelet, known networks, runtimes and host firewalls, with the members of the sets (nftables, ipset) that it uses;
the policies of their chains; the filters of traffic control (`tc`), the queueing disciplines below a link's own one and those of
pods' links; the XFRM policies; the policy routes (`ip rule`) besides the kernel's own, with the routes that they lead to; the
routes that refuse packets; the neighbours whose hardware address was set by hand; and the IPv4 addresses of links that are no
node's and no Service's. What one node alone has is told, and stands beside causes at that node; where a failure there has no
other explanation, a few such rules are named as the likely cause. What all nodes have is taken for intended, but for a set in
which one node alone has other members.

## Why it matters
A rule that somebody made by hand or a program left behind is in no object of the cluster. It is the likely cause where packets
end on that node; `packet_path` tells whether its counter rose by as many.

## What it can't see
What eBPF programs do: those that tc has are told by name, those of tcx, XDP and cgroups are not. Filters of the classes of a
queueing discipline. Of a set more than 50 members, and more than 50 sets. Queues as a link's root: `node_network` compares those
but for pods' links. An address that a program moves from node to node on purpose (kube-vip for the API server) is told of its
node. Of two nodes either may be the odd one, so nothing is said.

## Sources
The makers' own sources, one by one: kubectl_netdoc/measurements/rule_owners.py. Failure catalogue M3, K9.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    SERVICE,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Lost,
    Needs,
    NodeRules,
    NodeRulesReply,
    Request,
    Risk,
    RtnetlinkReply,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    some,
)
from kubectl_netdoc.checks.nodes.foreign_rules import routed
from kubectl_netdoc.checks.nodes.foreign_rules.items import Item, Node, odd_sets
from kubectl_netdoc.probes import node_readings

SHOWN = 6
"""Most rules that a message names and commands show."""

ENOUGH = 3
"""From so many nodes on, what one alone has is odd."""

ALONE = Code(
    id="FRL001",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="One node has rules that belong to nothing known",
    message="Node {name} alone has rules that belong to nothing netdoc knows ({count}): {shown}",
    fix="Find out who made them. If nobody needs them, remove them: the commands show each and remove it.",
    rows=("M3",),
    odd=True,
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read the rules of each node, and its routing tables."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        for node in cluster.hosts:
            yield from (NodeRules(node), node_readings.tables(node))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what one node alone has."""
    if why := facts.why_tier_unmeasured(Tier.PRIVILEGED):
        raise Skip(f"{why}; it would look for rules that one node alone has", not_applicable=True)
    nodes: dict[str, Node] = {}
    for name in facts.cluster.hosts:
        reply, tables = facts.reply(NodeRules(name)), facts.reply(node_readings.tables(name))
        if isinstance(reply, NodeRulesReply) and not reply.cut:
            nodes[name] = Node(name, reply, tables if isinstance(tables, RtnetlinkReply) else None)
        else:
            why = reply.reason if isinstance(reply, Lost) else "there are more rules than netdoc reads"
            yield Unseen(f"rules of nobody on {name}", why, expected=True)
    if len(nodes) < ENOUGH:
        yield Unseen("the odd one among the nodes' rules", f"fewer than {ENOUGH} nodes told their rules")
        return
    yield from _odd(nodes, *routed.known(facts.cluster))


def _odd(nodes: dict[str, Node], addresses: frozenset[str], ranges: tuple[str, ...]) -> Iterator[Finding]:
    tables = {name: node.tables for name, node in nodes.items() if node.tables is not None}
    items: dict[str, list[Item]] = {name: list(node.items()) for name, node in nodes.items()}
    for name, reply in tables.items():
        items[name] += (*routed.refusing(name, reply, ranges), *routed.by_hand(name, reply))
    compared: dict[str, list[Item]] = {}
    for name, item in (*odd_sets(nodes, ENOUGH), *routed.more_addresses(tables, addresses, ENOUGH)):
        compared.setdefault(name, []).append(item)
    for name, mine in sorted(items.items()):
        others = {item.like for other, theirs in items.items() if other != name for item in theirs}
        own = [item for item in mine if item.like not in others] + compared.get(name, [])
        if own:
            words = [item.words for item in own]
            suspects = [item.words for item in own if item.suspect]
            numbers = {
                "count": len(own),
                "shown": some(words, SHOWN, "; "),
                "rules": words,
                "suspects": suspects,
                "nodes": [name],
            }
            commands = tuple(line for item in own[:SHOWN] for line in item.commands)
            yield ALONE.on(Subject("Node", name), numbers, commands=tuple(dict.fromkeys(commands)))


check = Check(
    id="foreign_rules",
    title="No node alone has rules that belong to nothing known",
    prefix="FRL",
    needs=Needs(hints=(NODE, SERVICE), tier=Tier.PRIVILEGED),
    codes=(ALONE,),
    plan=plan,
    analyse=analyse,
)
