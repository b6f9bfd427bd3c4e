# SPDX-License-Identifier: Apache-2.0
"""Nodes whose rules lead to fewer endpoints of a Service than they must, or to some that no longer exist.

Lists are read before rules, so what differs on most nodes alike has changed meanwhile, unless a connection proves otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.api import (
    Address,
    Code,
    Connect,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    ObjectRef,
    Outcome,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
    counted,
    joined,
    on_node,
    some,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_rules import NodeRules

SHOWN = 4
"""Endpoints that a message names at most."""

OTHERS = 3
"""Other nodes that a message names at most."""

MOST_TRIED = 6
"""Addresses of Services that are connected to from a node at most, to see whether what its rules seem to lack is felt."""

BY_ITSELF = "Then delete its pod: a new one writes all rules at once, while a running one writes missing rules {when}."
RESTART = "Then delete its pod: a new one fills every chain again."
LOOK_FIRST = (
    "Then delete its pod. In nftables mode kube-proxy before {filled} does not fill a chain that is there, not even after a "
    "restart: if {address} still fails from there, its nftables table has to be deleted as well."
)
TABLE = (
    "Then delete its nftables table and its pod, as the commands do: in nftables mode kube-proxy before {filled} never fills a "
    "chain that is there, not even after a restart. That interrupts all connections to Services that begin on {name} until "
    "the new pod has written its rules, some seconds."
)
"""What brings missing rules back, by mode and version (kube_proxy.resync, kube_proxy.refills)."""

DELETE_TABLE = {family: f"kubectl -n {{space}} exec {{pod}} -- nft delete table {family} kube-proxy" for family in ("ip", "ip6")}

FELT = ("SVR006", "DNL001", "DNL005", "DNL007", "NPT001", "STF002")
"""What a node without rules is felt as."""

NO_RULES = Code(
    id="SRL001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A node has no rules for Services",
    message="{name} has no rule that leads to any of the {count} endpoints that it should have one for, though kube-proxy's pod "
    "runs there{proof}",
    fix="Read kube-proxy's log there for why it has written no rules. {again} If it did write them, find out what deletes "
    "them (firewalld, a script).",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(FELT, "node"),),
)
MISSING = Code(
    id="SRL002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Services without a rule on a node",
    message="On {name} no rule leads from {addresses} to any endpoint of {services}: {endpoints}. They have been endpoints for "
    "more than {settled} s{elsewhere}{proof}",
    fix="Read kube-proxy's log there for why it did not write the rules; if it did, something deleted them. {again}",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(FELT, "node"),),
)
SOME_MISSING = Code(
    id="SRL006",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Endpoints without a rule on a node",
    message="On {name} no rule leads from {addresses} to these endpoints of {services}: {endpoints}. They have been endpoints "
    "for more than {settled} s{elsewhere}. Their share of the connections goes to the other endpoints, or fails",
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
    message="On {name}, rules still lead from {addresses} to {endpoints}, which no EndpointSlice of {services} contains"
    "{not_elsewhere}. Their share of the connections is lost{proof}",
    fix="Restart kube-proxy on {name}, as the second command does.",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains(("SVR006", "NPT001"), "node"),),
)
UNHOOKED = Code(
    id="SRL007",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Packets do not get to the rules for Services",
    message="On {name}, kube-proxy's rules for Services are there, but nothing leads packets {whose} to them: no rule in {hook} "
    "jumps to {chain}{proof}",
    fix="Find out what removes that jump (firewalld, a script that flushes {hook}). Then delete kube-proxy's pod there: a new "
    "one writes it again.",
    commands=(kube_proxy.POD_LOG, kube_proxy.DELETE_POD),
    rows=("K8",),
    explains=(Explains((*FELT, "SVR001", "SVR002"), "node"),),
)
NONE = "none seems to lead from {} to its endpoints"
HOOKS = {"prerouting": "of pods", "output": "of the node's own"}


class Tried(Struct, frozen=True):
    """What became of connections from a node to addresses of Services ("tcp 10.96.0.1:80"), and straight to endpoints."""

    facts: Facts
    node: str

    def outcome(self, address: str) -> Outcome | None:
        """Return the outcome of a connection; None where there was none."""
        reply = self.facts.reply(request) if (request := connect(self.node, address)) else None
        return reply.outcome if isinstance(reply, ConnectReply) else None

    def fails(self, addresses: Iterable[str]) -> bool | None:
        """Return whether connections to these addresses failed: some and none succeeded; None where none was made."""
        found = {outcome for address in addresses if (outcome := self.outcome(address)) is not None}
        return Outcome.OK not in found if found else None

    def words(self, addresses: Iterable[str]) -> str:
        """Return what is said of connections that failed."""
        for address in addresses:
            if (outcome := self.outcome(address)) and outcome is not Outcome.OK:
                return f". A connection from there to {address.partition(' ')[2]} {outcome.verb}"
        return ""


def connect(node: str, address: str) -> Connect | None:
    """Return the connection from a node to an address as rules write it; None for a node port, and where it is not TCP."""
    protocol, _, end = address.partition(" ")
    host, _, port = end.rpartition(":")
    return Connect(node, Address(host.strip("[]"), int(port))) if protocol == "tcp" and host != "*" else None


def follow_up(held: list[NodeRules]) -> Iterator[Connect]:
    """Try what some rules seem to lack: the address itself, and one of the endpoints in question."""
    for each in held:
        tried = sorted(set(each.missing) | set(each.extra))
        for address in ([*each.must()] if _unhooked(each) and not tried else tried)[:MOST_TRIED]:
            for text in (address, *_in_question(each, address)[:1]):
                if request := connect(each.node, text):
                    yield request


def _in_question(each: NodeRules, address: str) -> list[str]:
    protocol = address.partition(" ")[0]
    ends = each.extra.get(address) or each.missing.get(address) or frozenset[str]()
    return [f"{protocol} {end}" for end in sorted(ends)]


def analyse(facts: Facts, held: list[NodeRules], proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    """Judge each node where another one has just the rules that it should have, or where a connection proves what it lacks."""
    for each in held:
        if each.unclear:
            many = counted(len(each.unclear), "address", "addresses")
            why = f"those for {many} of Services have a form that netdoc does not know"
            yield Unseen(f"rules of node {each.node}", why)
    proven = any(_proven(each, address, Tried(facts, each.node)) for each in held for address in each.missing)
    if len(held) > 1 and not any(each.correct for each in held) and not proven:
        if any(each.missing or each.extra for each in held):
            why = "they differ from the EndpointSlices in the same way on every node: endpoints are changing just now"
            yield Unseen("rules for Services", why)
    else:
        for each in held:
            others = [other for other in held if other is not each]
            yield from _of_node(each, others, Tried(facts, each.node), proxies)
    for each in held:
        yield from _hooks(each, Tried(facts, each.node), proxies)


def _proven(each: NodeRules, address: str, tried: Tried) -> bool:
    """Whether what the rules lack is felt: the address fails, and an endpoint itself answers."""
    ends = map(tried.outcome, _in_question(each, address))
    return tried.outcome(address) not in (None, Outcome.OK) and Outcome.OK in ends


def _of_node(each: NodeRules, others: list[NodeRules], tried: Tried, proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    missing = {
        address: ends
        for address, ends in each.missing.items()
        if _judged(address, ends, "missing", others) or _proven(each, address, tried)
    }
    for address in list(missing):
        gone = not each.held(address) & each.expected.ways[address].wanted(each.node)
        if gone and tried.outcome(address) is Outcome.OK:  # what is there does not look so to netdoc
            yield Unseen(
                f"rules of node {each.node}", f"none seems to lead from {address} to its endpoints, but connections succeed"
            )
            del missing[address]
        elif not others and tried.fails((address,)) is not True and gone:
            yield Unseen(
                f"rules of node {each.node}", f"none seems to lead from {address} to its endpoints; no connection was tried"
            )
            del missing[address]
    extra = {address: ends for address, ends in each.extra.items() if others and _judged(address, ends, "extra", others)}
    if not others and each.extra:
        number = sum(map(len, each.extra.values()))
        yield Unseen(
            f"rules of node {each.node}", f"{counted(number, 'endpoint')} in them came after the lists, or no longer exist"
        )
    names = _names(each, [other.node for other in others if other.correct], proxies)
    if missing and missing.keys() == each.must().keys() and not any(each.held(address) for address in missing):
        count = len(frozenset().union(*missing.values()))
        yield _missing_rules(NO_RULES, names | {"count": count, "proof": tried.words(missing)}, each, missing, tried, proxies)
    elif missing:
        yield from _missing(names, each, missing, tried, proxies)
    if extra:
        ends = sorted(frozenset().union(*extra.values()))
        proof = tried.words(text for address in extra for text in _in_question(each, address))
        elsewhere = _elsewhere(names["others"], "no such rules")
        shown = _shown(each, extra) | {"endpoints": some(ends, SHOWN), "proof": proof}
        shown["not_elsewhere"] = f"; {elsewhere}" if elsewhere else ""
        yield STALE.on(Subject("Node", each.node), names | shown, objects=_services(each, extra))


def _judged(address: str, ends: frozenset[str], what: str, others: list[NodeRules]) -> bool:
    """Whether most other nodes are not so: what most have in common has changed since the lists were read."""
    alike = sum(bool(ends & getattr(other, what).get(address, frozenset())) for other in others)
    return not others or alike * 2 < len(others)


def _names(each: NodeRules, others: list[str], proxies: dict[str, list[Pod]]) -> dict[str, Any]:
    return {"nodes": [each.node], "others": others[:OTHERS], **kube_proxy.names(proxies, each.node)}


def _elsewhere(others: list[str], what: str) -> str:
    """Return the end of a sentence about the other nodes that are right."""
    return f"{joined(others)} {'has' if len(others) == 1 else 'have'} {what}" if others else ""


def _shown(each: NodeRules, addresses: Iterable[str]) -> dict[str, Any]:
    services = sorted({each.expected.ways[address].service for address in addresses})
    shown = [re.sub(r"^(\w+) \*:", r"node port \1 ", address) for address in sorted(addresses)]
    return {"addresses": some(shown, SHOWN), "services": some(services, SHOWN)}


def _services(each: NodeRules, addresses: Iterable[str]) -> list[ObjectRef]:
    names = sorted({each.expected.ways[address].service for address in addresses})[:SHOWN]
    return [ObjectRef("Service", name.partition("/")[2], name.partition("/")[0]) for name in names]


def _missing(
    names: dict[str, Any], each: NodeRules, missing: Mapping[str, frozenset[str]], tried: Tried, proxies: dict[str, list[Pod]]
) -> Iterator[Finding]:
    """Addresses whose rules lead nowhere, then those whose rules lead to some endpoints."""
    ways = each.expected.ways
    some_left = {address for address in missing if each.held(address) & ways[address].wanted(each.node)}
    for code, addresses in ((MISSING, missing.keys() - some_left), (SOME_MISSING, some_left)):
        if addresses:
            ends = sorted(frozenset().union(*(missing[address] for address in addresses)))
            seconds = int(kube_proxy.SETTLED.total_seconds())
            shown = _shown(each, addresses) | {"endpoints": some(ends, SHOWN), "settled": seconds}
            elsewhere = _elsewhere(names["others"], "rules for them")
            shown["elsewhere"] = f", and {elsewhere}" if elsewhere else ""
            if code is MISSING:
                shown["proof"] = tried.words(sorted(addresses))
            yield _missing_rules(code, names | shown, each, {address: missing[address] for address in addresses}, tried, proxies)


def _missing_rules(
    code: Code,
    names: dict[str, Any],
    each: NodeRules,
    missing: Mapping[str, frozenset[str]],
    tried: Tried,
    proxies: dict[str, list[Pod]],
) -> Finding:
    """A finding with what brings the rules back, by the mode and version of kube-proxy there.

    What deletes a table is printed only where a connection has failed: what is read may be read wrongly.
    """
    subject, objects = Subject("Node", each.node), _services(each, missing)
    if each.table != "nftables":
        pods = proxies.get(each.node, [])
        when = kube_proxy.resync(kube_proxy.version(pods[0]) if pods else "", kube_proxy.endpoints_of(each.expected.cluster))
        return code.on(subject, names, again=BY_ITSELF.format(when=when), objects=objects)
    filled = kube_proxy.NFTABLES["maps"]
    if kube_proxy.refills(proxies.get(each.node, [])):
        return code.on(subject, names, again=RESTART, objects=objects)
    if code is SOME_MISSING or not tried.fails(missing):
        look = on_node(each.node, "nft list table ip kube-proxy")
        again = LOOK_FIRST.format(filled=filled, address=sorted(missing)[0].partition(" ")[2])
        return code.on(subject, names, again=again, commands=(kube_proxy.POD_LOG, look, kube_proxy.DELETE_POD), objects=objects)
    tables = sorted({DELETE_TABLE["ip6" if "[" in address else "ip"] for address in missing})
    lines = (kube_proxy.POD_LOG, *tables, kube_proxy.DELETE_POD)
    return replace(
        code.on(subject, names, commands=lines, again=TABLE.format(filled=filled, name=each.node), objects=objects),
        risk=Risk.NODE,
    )


def _unhooked(each: NodeRules) -> list[str]:
    """Return where packets do not get into the rules, though there are some."""
    return [] if each.rules.unknown or not each.rules.to else [hook for hook in HOOKS if hook not in each.rules.hooks]


def _hooks(each: NodeRules, tried: Tried, proxies: dict[str, list[Pod]]) -> Iterator[Finding | Unseen]:
    gone = _unhooked(each)
    if "prerouting" in gone and tried.fails(each.must()) is False:
        yield Unseen(f"rules of node {each.node}", "packets do not seem to get into them, but connections to Services succeed")
    elif gone:
        own = each.table == "nftables"
        hook, chain = joined([f"nat-{hook}" if own else hook.upper() for hook in gone]), "services" if own else "KUBE-SERVICES"
        shown = {"whose": joined([HOOKS[hook] for hook in gone]), "hook": hook, "chain": chain}
        proof = tried.words(each.must()) if "prerouting" in gone else ""
        yield UNHOOKED.on(Subject("Node", each.node), {**kube_proxy.names(proxies, each.node), **shown, "proof": proof})


CODES = (NO_RULES, MISSING, SOME_MISSING, STALE, UNHOOKED)
