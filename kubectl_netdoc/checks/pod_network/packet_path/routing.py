# SPDX-License-Identifier: Apache-2.0
"""Packets that end by a node's routes, neighbours, addresses, queues or hop limits."""

from __future__ import annotations

from kubectl_netdoc.api import Code, Finding, Risk, Severity, on_node
from kubectl_netdoc.checks.pod_network.packet_path import rules
from kubectl_netdoc.checks.pod_network.packet_path.traced import SYMPTOMS, Traced
from kubectl_netdoc.tracing.taken import Taker
from kubectl_netdoc.tracing.verdict import Ending

HERE = "On node {name}, the {what} from {source} to {target} end after {after} ({lost} of {sent}): "
RULES = on_node("{name}", "ip rule show")

REVERSE_PATH = Code(
    id="TRC003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The reverse-path filter of a node takes the packets",
    message=HERE + "{words}",
    fix="The node's own route back to {back} leads by another interface than the one they came in by. Mend that route, or set "
    "the filter to loose (2).{mend}",
    commands=(on_node("{name}", "ip route get {back}"), on_node("{name}", "sysctl -a -r rp_filter")),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)
NO_ROUTE = Code(
    id="TRC004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The routes of a node do not take the packets on",
    message=HERE + "{words}",
    fix="Look at the policy routes first, then at the table that they lead to, and whether the interface forwards.{mend}",
    commands=(RULES, on_node("{name}", "ip route get {to} from {back} iif {dev}"), on_node("{name}", "ip route show table all")),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)
NO_NEIGHBOUR = Code(
    id="TRC005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The next hop has no hardware address, or a wrong one",
    message=HERE + "{words}",
    fix="Find out who made the entry, or why {via} does not answer on {dev}.{mend}",
    commands=(on_node("{name}", "ip neigh show {via}"), on_node("{name}", "ip -d link show {dev}")),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)
LOOP = Code(
    id="TRC012",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Packets run in a circle or have too few hops left",
    message=HERE + "{words}",
    fix="Compare the routes to {to} on the nodes that the hops name; one of them leads back, or a rule lowers the hop limit.",
    commands=(on_node("{name}", "ip route get {to}"),),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)
OWN_ADDRESS = Code(
    id="TRC015",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node takes another's address for its own",
    message=HERE + "{words}",
    fix="Remove the address from {name}, after a look at who put it there.{mend}",
    commands=(on_node("{name}", "ip -brief address show to {to}"),),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)
BY_COUNTER = Code(
    id="TRC016",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A queue or table of a node drops the packets",
    message=HERE + "{words}",
    fix="Look at what the counter belongs to: a queue (tc), the table of connections (sysctl net.netfilter), the CPUs' backlog, "
    "or an XFRM policy (ip xfrm policy).",
    commands=(on_node("{name}", "tc -s qdisc show"), on_node("{name}", "nstat -az")),
    rows=("M3",),
    explains=SYMPTOMS,
    tells="place",
)
PORT = Code(
    id="TRC017",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The link of a pod does not take the packets",
    message=HERE + "{words}",
    fix="Set the link up and its bridge port to forwarding, or delete the pod that it belongs to, which gets a new one.{mend}",
    commands=(on_node("{name}", "bridge -d link show"), on_node("{name}", "ip -brief link show")),
    rows=("M5",),
    explains=SYMPTOMS,
    tells="place",
)

BY_TAKER = {
    Taker.REVERSE_PATH: REVERSE_PATH,
    Taker.ROUTE: NO_ROUTE,
    Taker.NEIGHBOUR: NO_NEIGHBOUR,
    Taker.MAC: NO_NEIGHBOUR,
    Taker.TTL: LOOP,
    Taker.OWN_ADDRESS: OWN_ADDRESS,
    Taker.QUEUE: BY_COUNTER,
    Taker.CONNTRACK: BY_COUNTER,
    Taker.COUNTER: BY_COUNTER,
    Taker.PORT: PORT,
}


def finding(traced: Traced) -> Finding | None:
    """Return the finding where something of the node's own, other than a rule, ended the packets."""
    verdict, taken = traced.verdict, traced.verdict.taken
    code = BY_TAKER.get(taken.kind) if taken else None
    if code is None or taken is None or verdict.ending in (Ending.UNTRANSLATED, Ending.ANSWER_FOREIGN):
        return None
    last = verdict.last
    names = {
        "words": taken.words,
        "to": last.to.ip if last else traced.reply.to.ip,
        "back": last.source.ip if last else "",
        "dev": taken.dev or (last.dev if last else ""),
        "via": taken.via,
    }
    commands = rules.removing(traced)[0] if taken.rule else traced.lines() or code.commands
    return code.on(traced.on_node, traced.evidence() | names, commands=commands)


CODES = (REVERSE_PATH, NO_ROUTE, NO_NEIGHBOUR, LOOP, OWN_ADDRESS, BY_COUNTER, PORT)
