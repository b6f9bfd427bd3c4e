# SPDX-License-Identifier: Apache-2.0
"""Which nodes have packet-filter rules or policy routes that belong to nothing known, and that no other node has?

## What it looks at
Every rule of every node's packet filter (iptables in nf_tables, the old tables, nftables in every family) outside the chains of
kube-proxy, the kubelet, known networks, runtimes and host firewalls; the policies of their chains; and the policy routes (`ip
rule`) besides the kernel's own. What one node alone has is told, and stands beside causes at that node. A rule that all nodes
have is taken for intended.

## Why it matters
A rule that somebody made by hand or a program left behind is in no object of the cluster. It is the likely cause where packets
end on that node; `packet_path` tells whether its counter rose by as many.

## What it can't see
Sets of ipset and maps: rules that use them are shown, their members are not. eBPF programs and tc filters. Of two nodes either
may be the odd one, so nothing is said.

## Sources
The makers' own sources, chain by chain: kubectl_netdoc/measurements/rule_owners.py. Failure catalogue M3, K9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Lost,
    Needs,
    NodeRules,
    NodeRulesReply,
    PolicyRoute,
    Request,
    Risk,
    Rule,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    some,
)
from kubectl_netdoc.routing import ip_commands, pod_links
from kubectl_netdoc.tracing import rule_commands

SHOWN = 6
"""Most rules that a message names and commands show."""

ENOUGH = 3
"""From so many nodes on, what one alone has is odd."""

ADDRESS = re.compile(r"\b\d+\.\d+\.\d+\.\d+(/\d+)?|\b[0-9a-f]*:[0-9a-f:]+(/\d+)?")
"""Addresses and ranges: each node has its own, so rules that differ in them alone are alike."""

POD_LINK = re.compile(rf"\b({'|'.join(('veth', *pod_links.ROUTED))})[0-9a-f_]\w*")
"""Pods' interfaces, which have names of their own on each node."""

NUMBERS = re.compile(r"\b(reqid|mark|mask|if_id) \S+")
"""Of XFRM policies: numbers that each node gives by itself."""

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
    """Read the rules of each node."""
    if cluster.tier.covers(Tier.PRIVILEGED):
        yield from (NodeRules(node) for node in cluster.hosts)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what one node alone has."""
    if why := facts.why_tier_unmeasured(Tier.PRIVILEGED):
        raise Skip(f"{why}; it would look for rules that one node alone has", not_applicable=True)
    replies: dict[str, NodeRulesReply] = {}
    for node in facts.cluster.hosts:
        reply = facts.reply(NodeRules(node))
        if isinstance(reply, NodeRulesReply) and not reply.cut:
            replies[node] = reply
        else:
            why = reply.reason if isinstance(reply, Lost) else "there are more rules than netdoc reads"
            yield Unseen(f"rules of nobody on {node}", why, expected=True)
    if len(replies) < ENOUGH:
        yield Unseen("the odd one among the nodes' rules", f"fewer than {ENOUGH} nodes told their rules")
        return
    yield from _odd(replies)


def _odd(replies: Mapping[str, NodeRulesReply]) -> Iterator[Finding]:
    items: dict[str, list[Rule | PolicyRoute]] = {node: [*reply.rules, *reply.routes] for node, reply in replies.items()}
    for node, mine in sorted(items.items()):
        others = {_alike(item) for other, theirs in items.items() if other != node for item in theirs}
        own = [item for item in mine if _alike(item) not in others]
        if own:
            words = [_words(item) for item in own]
            numbers = {"count": len(own), "shown": some(words, SHOWN, "; "), "rules": words, "nodes": [node]}
            commands = tuple(line for item in own[:SHOWN] for line in _commands(node, item))
            yield ALONE.on(Subject("Node", node), numbers, commands=tuple(dict.fromkeys(commands)))


def _alike(item: Rule | PolicyRoute) -> tuple[str, ...]:
    """Return what makes a rule the same on another node: its place and words, without addresses."""
    text = POD_LINK.sub("a pod's link", ADDRESS.sub("an address", item.text))
    if isinstance(item, PolicyRoute):
        return "route", item.family, text
    text = NUMBERS.sub("", text) if item.backend == "xfrm" else text
    return item.backend, item.family, POD_LINK.sub("a pod's link", item.table), item.chain, text


def _words(item: Rule | PolicyRoute) -> str:
    if isinstance(item, PolicyRoute):
        return f"ip rule {item.priority}: {item.text}"
    counted = f", {item.packets} packets" if item.packets >= 0 else ""
    place = item.family if item.backend in ("nft", "legacy") else item.backend
    return f"{' '.join(filter(None, (place, item.table, item.chain)))}: {item.text}{counted}"


def _commands(node: str, item: Rule | PolicyRoute) -> Iterator[str]:
    if isinstance(item, Rule):
        yield from rule_commands.showing_and_removing(node, item)
        return
    tool = "ip -6" if item.family == "IPv6" else "ip"
    yield ip_commands.on(node, f"{tool} rule show")
    yield ip_commands.on(node, f"{tool} rule del priority {item.priority}")


check = Check(
    id="foreign_rules",
    title="No node alone has rules that belong to nothing known",
    prefix="FRL",
    needs=Needs(tier=Tier.PRIVILEGED),
    codes=(ALONE,),
    plan=plan,
    analyse=analyse,
)
