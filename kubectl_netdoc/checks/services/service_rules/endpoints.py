# SPDX-License-Identifier: Apache-2.0
"""Nodes whose rules lack endpoints, or have endpoints that no longer exist, compared with the other nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.api import Code, Explains, Finding, ObjectRef, Pod, Risk, Severity, Subject, Unseen, counted, joined, some
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_rules import NodeRules

SHOWN = 4
"""Endpoints that a message names at most."""

OTHERS = 3
"""Other nodes that a message names at most."""

HOURLY = "Then delete its pod: a new one writes all rules at once, while a running one writes missing rules only once an hour."
NEVER = (
    "Then delete its nftables table and its pod, as the commands do: in nftables mode kube-proxy never fills a chain that "
    "exists, not even after a restart."
)
"""What brings missing rules back (proxyutil.FullSyncPeriod; epChainSkipUpdate of the nftables mode)."""

DELETE_TABLE = {family: f"kubectl -n {{space}} exec {{pod}} -- nft delete table {family} kube-proxy" for family in ("ip", "ip6")}

NO_RULES = Code(
    id="SRL001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node has no rules for Services",
    message="{name} has no rule for any endpoint that should have one on every node ({count} in all), though kube-proxy's pod "
    "runs there",
    fix="Read kube-proxy's log there for why it has written no rules. {again} If it did write them, find out what deletes "
    "them (firewalld, a script).",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(("SVR006", "DNL001", "DNL005", "DNL007", "NPT001", "STF002"), "node"),),
)
MISSING = Code(
    id="SRL002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Services without a rule on a node",
    message="{name} has no rule for any endpoint of {services}: {endpoints}. They have been endpoints for more than {settled} s"
    "{elsewhere}",
    fix="Read kube-proxy's log there for why it did not write the rules; if it did, something deleted them. {again}",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001", "STF002"), "node"),),
)
SOME_MISSING = Code(
    id="SRL006",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Endpoints without a rule on a node",
    message="{name} has no rule for these endpoints of {services}: {endpoints}. They have been endpoints for more than {settled} "
    "s{elsewhere}. Their share of the connections goes to the other endpoints, or fails",
    fix="Read kube-proxy's log there for why it did not write the rules; if it did, something deleted them. {again}",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001", "STF002"), "node"),),
)
STALE = Code(
    id="SRL003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Rules for endpoints that no longer exist",
    message="{name} still has rules for {endpoints}, which no EndpointSlice contains{not_elsewhere}. Their share of the "
    "connections is lost",
    fix="Restart kube-proxy on {name}, as the second command does.",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001"), "node"),),
)


def analyse(held: list[NodeRules], proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    """Judge each node where another one has just the rules that it should have, or where there is one node only."""
    alone = len(held) == 1
    if not alone and held and not any(each.correct for each in held):
        why = "they differ from the EndpointSlices in the same way on every node: endpoints are changing just now"
        yield Unseen("rules for Services", why)
        return
    for each in held:
        others = [other for other in held if other is not each]
        missing = {text for text in each.missing if alone or _minority(sum(text in other.missing for other in others), others)}
        extra = {text for text in each.extra if _minority(sum(text in other.extra for other in others), others)}
        if alone and each.extra:
            why = f"{counted(len(each.extra), 'endpoint')} in them came after the lists were read, or no longer exist"
            yield Unseen(f"rules of node {each.node}", why)
        yield from _findings(each, missing, extra, [other.node for other in others if other.correct], proxies)


def _minority(number: int, others: list[NodeRules]) -> bool:
    return bool(others) and number * 2 < len(others)


def _findings(
    each: NodeRules, missing: set[str], extra: set[str], others: list[str], proxies: dict[str, list[Pod]]
) -> Iterator[Finding]:
    subject, shown = Subject("Node", each.node), joined(others[:OTHERS])
    names = {
        "nodes": [each.node],
        "others": others[:OTHERS],
        "elsewhere": f", and {shown} {'has' if len(others) == 1 else 'have'} rules for them" if others else "",
        "not_elsewhere": f"; {shown} {'has' if len(others) == 1 else 'have'} no such rules" if others else "",
        **kube_proxy.names(proxies, each.node),
    }
    if missing and missing == set(each.must):
        yield _missing_rules(NO_RULES, subject, names | {"count": len(missing)}, each, missing)
    elif missing:
        yield from _missing(subject, names, each, missing)
    if extra:
        yield STALE.on(subject, names, endpoints=some(sorted(extra), SHOWN))


def _missing(subject: Subject, names: dict[str, Any], each: NodeRules, missing: set[str]) -> Iterator[Finding]:
    """Services that have no rule left, then those that have some."""
    left = {service for text, services in each.must.items() if text not in missing for service in services}
    of = {service for text in missing for service in each.must[text]}
    for code, services in ((MISSING, of - left), (SOME_MISSING, of & left)):
        texts = [text for text in missing if each.must[text] & services]
        if texts:
            seconds = int(kube_proxy.SETTLED.total_seconds())
            shown = {"endpoints": some(sorted(texts), SHOWN), "services": some(sorted(services), SHOWN), "settled": seconds}
            objects = [ObjectRef("Service", service.partition("/")[2], service.partition("/")[0]) for service in sorted(services)]
            yield _missing_rules(code, subject, names | shown, each, texts, objects[:SHOWN])


def _missing_rules(
    code: Code,
    subject: Subject,
    names: dict[str, Any],
    each: NodeRules,
    missing: Iterable[str],
    services: Iterable[ObjectRef] = (),
) -> Finding:
    """A finding with what has to be done before a restart, where a restart alone would not bring the rules back."""
    if each.table != "nftables":
        return code.on(subject, names, again=HOURLY, objects=services)
    tables = sorted({DELETE_TABLE["ip6" if "[" in text else "ip"] for text in missing})
    lines = (kube_proxy.POD_LOG, *tables, kube_proxy.DELETE_POD)
    return replace(code.on(subject, names, commands=lines, again=NEVER, objects=services), risk=Risk.NODE)


CODES = (NO_RULES, MISSING, SOME_MISSING, STALE)
