# SPDX-License-Identifier: Apache-2.0
"""Packets that a rule takes or rewrites: of a packet filter, of traffic control, an XFRM policy."""

from __future__ import annotations

from kubectl_netdoc.api import Code, Finding, Risk, Severity, TapReading, on_node
from kubectl_netdoc.checks.pod_network.packet_path.traced import SYMPTOMS, Traced
from kubectl_netdoc.tracing import rule_commands
from kubectl_netdoc.tracing.hops import named as named_end
from kubectl_netdoc.tracing.rules import named
from kubectl_netdoc.tracing.taken import Taker
from kubectl_netdoc.tracing.verdict import Ending

TAKEN = Code(
    id="TRC001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A rule on a node takes the packets",
    message="On node {name}, {rule} takes the {what} from {source} to {target}: of {sent} sent, {lost} were seen last at "
    "{after}, and {counter} rose by {moved} in that time",
    fix="Find out who made the rule, for it may come back. {removal}",
    rows=("M3",),
    explains=SYMPTOMS,
)
SUSPECT = Code(
    id="TRC002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A rule that belongs to nothing known may take the packets",
    message="On node {name}, the {what} from {source} to {target} were seen last at {after} ({lost} of {sent}). One rule there "
    "can take packets, belongs to nothing that netdoc knows, and has no counter: {rule}",
    fix="Look whether the rule matches these packets, and find out who made it. {removal}",
    rows=("M3",),
    explains=SYMPTOMS,
)
REWRITTEN = Code(
    id="TRC009",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A rule on a node rewrites the packets wrongly",
    message="On node {name}, the packets from {source} to {target} are rewritten to another destination ({to}): {rule}",
    fix="Find out who made the rule, for it may come back. {removal}",
    rows=("M3", "K9"),
    explains=SYMPTOMS,
)
ELSEWHERE = Code(
    id="TRC023",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Packets to a Service go to an address that is none of its endpoints",
    message="On node {name}, the packets from {source} to {target} are rewritten to {to}, which is none of its endpoints; by "
    "what, no counter of a rule shows",
    fix="Compare kube-proxy's rules on {name} with the EndpointSlices, as the first command does. If they are right, look for a "
    "rule before them that translates the same packets.",
    commands=("kubectl netdoc check service_rules --privileged", on_node("{name}", "nft list ruleset")),
    rows=("M3", "K9"),
    explains=SYMPTOMS,
    tells="place",
)
UNTRANSLATED = Code(
    id="TRC018",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A rule on a node keeps packets from being translated",
    message="On node {name}, the {what} from {source} to {target} go on as {way}, untranslated ({lost} of {sent}, last seen at "
    "{after}): {rule} lets them by, and its counter rose by {moved} in that time",
    fix="Find out who made the rule, for it may come back. {removal}",
    rows=("M3", "K9"),
    explains=SYMPTOMS,
)


def finding(traced: Traced) -> Finding | None:
    """Return the finding where a rule took or rewrote the packets."""
    verdict, taken = traced.verdict, traced.verdict.taken
    if verdict.ending is Ending.REWRITTEN:
        to = named_end(verdict.last.to) if verdict.last else ""
        return _of(REWRITTEN, traced, to=to) if verdict.rule else ELSEWHERE.on(traced.on_node, traced.evidence() | {"to": to})
    if taken is not None and taken.rule is not None and verdict.ending in (Ending.UNTRANSLATED, Ending.ANSWER_FOREIGN):
        return _of(UNTRANSLATED, traced, moved=taken.moved, way=verdict.last.way if verdict.last else "")
    if (
        taken is None
        or taken.kind not in (Taker.RULE, Taker.SUSPECT)
        or verdict.ending not in (Ending.TAKEN, Ending.ANSWER_TAKEN, Ending.NEVER_LEFT)
    ):
        return None
    return _of(SUSPECT if taken.kind is Taker.SUSPECT else TAKEN, traced, moved=taken.moved, counter=taken.counter)


def _of(code: Code, traced: Traced, **more: object) -> Finding:
    assert traced.verdict.rule is not None
    commands, removal = removing(traced)
    return code.on(
        traced.on_node, traced.evidence() | {"rule": named(traced.verdict.rule), "removal": removal} | more, commands=commands
    )


def _reading(traced: Traced) -> TapReading | None:
    return next((reading for reading in traced.reply.readings if reading.node == traced.node), None)


def removing(traced: Traced) -> tuple[tuple[str, ...], str]:
    """Return the commands that show a rule and remove it, and what to do in words. A rule of a known owner is only shown."""
    rule, node, reading = traced.verdict.rule, traced.node, _reading(traced)
    assert rule is not None
    show = rule_commands.show(node, rule)
    if rule.handle == "policy":
        return (show,), "Allow what must pass before the chain's end, or change the chain's policy."
    if reading is None or rule.place not in {other.place for other in reading.foreign}:
        return (show,), "It is in a chain of kube-proxy or the network: change what they make it from, a policy for example."
    return rule_commands.showing_and_removing(node, rule), "The first command shows it, the second removes it."


CODES = (TAKEN, SUSPECT, REWRITTEN, ELSEWHERE, UNTRANSLATED)
