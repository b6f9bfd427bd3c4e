# SPDX-License-Identifier: Apache-2.0
"""Connections that break when they are idle, and how many are answered at once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

from kubectl_netdoc.api import Code, Explains, Finding, Outcome, OverTime, OwnService, Risk, Severity, Subject, on_node
from kubectl_netdoc.checks.services.over_time.seen import Seen, pairs
from kubectl_netdoc.probes import node_pairs

IDLE = f"{OverTime('', ()).idle:g}"
"""Seconds that a connection was idle."""

ENDS = 2
"""Nodes of a single path: what is to be looked at may be on either."""

ALIKE = 2
"""Connections by which two rounds may differ that met the same limit."""

WATCHES = Explains(("DNR001", "DNR005"), "node")
"""What servers show that learn of changes by a connection that is idle as long as nothing changes: a watch of the API."""

BREAKS = Code(
    id="OVT003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Connections break when they are idle",
    message="{what}, {broken} connections were idle for {idle} s, and using them again {outcomes} each time, while new "
    "connections worked at the same moment",
    fix="Look for what forgets idle connections on {first} and on the other end's node: nf_conntrack_tcp_timeout_established (by "
    "default 432000 s) together with rules that drop packets of state INVALID, or a firewall between the nodes. Until it is "
    "mended, applications need TCP keepalives that are shorter.",
    commands=(
        on_node("{first}", "sysctl net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_tcp_loose"),
        on_node("{first}", "iptables -S"),
    ),
    rows=("K1",),
    explains=(WATCHES,),
    tells="failure",
)
LIMIT = Code(
    id="OVT004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Only so many connections at once are answered",
    message="{what}, of {asked} connections held at once {came} were answered in one round and {came_again} in another, while "
    "single connections work",
    fix="Look for a limit of connections for each client on {first} and on the other end's node: a rule with connlimit, a limit "
    "of new connections, or a connection tracking table that is nearly full.",
    commands=(on_node("{first}", "iptables -S"), on_node("{first}", "nft list ruleset")),
    rows=("K1",),
    tells="failure",
)


def analyse(seen: list[Seen], limiting: Container[str]) -> Iterator[Finding]:
    """Report for both codes the paths, then the nodes from which only netdoc's own Service shows it.

    ``limiting``: nodes whose debug pods met a limit.
    """
    yield from _located(BREAKS, seen, list(filter(breaks, seen)), _idle)
    met = [each for each in seen if each.node in limiting and limited(each)]
    yield from _located(LIMIT, seen, met, _limit)


def breaks(seen: Seen) -> bool:
    """Whether each idle connection broke, and a new one beside it worked."""
    uses = seen.what.idle
    return len(uses) > 1 and all(use.outcome is not Outcome.OK and use.fresh is Outcome.OK for use in uses)


def limited(seen: Seen) -> bool:
    """Whether about the same number of connections at once was answered in both rounds, and not all of them.

    Single connections must work: otherwise they are lost for another reason.
    """
    rounds, looks = seen.what.together, seen.alone
    well = 10 * sum(look.outcome is Outcome.OK for look in looks) >= 9 * len(looks) > 0
    came = [answered for asked, answered in rounds if 0 < answered < asked]
    return well and len(came) > 1 and max(came) - min(came) <= ALIKE


def _located(
    code: Code, seen: list[Seen], struck: list[Seen], numbers: Callable[[list[Seen]], dict[str, object]]
) -> Iterator[Finding]:
    by_pair = {each.pair: each for each in struck if each.pair}
    for place in node_pairs.locate(pairs(struck), pairs(seen)):
        rows = [by_pair[pair] for pair in place.paths]
        names = place.evidence() | numbers(rows) | {"what": f"Between {place.between}", "first": place.nodes[0]}
        both = tuple(line.replace("{first}", "{other}") for line in code.commands) if len(place.nodes) == ENDS else ()
        yield code.on(place.subject, names, commands=(*code.commands, *both), other=place.nodes[-1])
    told = {node for pair in by_pair if pair for node in pair}
    for each in struck:
        if isinstance(each.place, OwnService) and each.node not in told:
            names = {"what": f"From {each.node} through netdoc's own Service", "first": each.node, "nodes": [each.node]}
            yield code.on(Subject("Node", each.node), names | numbers([each]))


def _idle(rows: list[Seen]) -> dict[str, object]:
    uses = [use for each in rows for use in each.what.idle]
    return {"idle": IDLE, "broken": len(uses), "outcomes": sorted({use.outcome for use in uses})}


def _limit(rows: list[Seen]) -> dict[str, object]:
    least = min(rows, key=lambda each: each.what.together[0][1])
    (asked, came), (_, again) = least.what.together
    return {"asked": asked, "came": came, "came_again": again}


CODES = (BREAKS, LIMIT)
