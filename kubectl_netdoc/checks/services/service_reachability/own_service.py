# SPDX-License-Identifier: Apache-2.0
"""What kube-proxy does on each node, as netdoc's own Service shows, behind which every pod proves who it is."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kubectl_netdoc.api import (
    ECHO_PORTS,
    ENDPOINT_SLICE,
    Address,
    CertificateReply,
    Code,
    ConnectReply,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Outcome,
    Risk,
    Severity,
    Subject,
    Unseen,
)
from kubectl_netdoc.checks.services.service_reachability import witnesses
from kubectl_netdoc.components import controller_manager, kube_proxy
from kubectl_netdoc.probes import existing_pods, rules_seen
from kubectl_netdoc.probes.rules_seen import RulesSeen
from kubectl_netdoc.probes.service_targets import own, proof, sync, targets

CHANCE = 0.01
"""Endpoints count as unreached only where so many would be missed by chance less often than this."""

KUBE_PROXY_CODES = ("KPX001", "KPX002", "KPX003", "SRL001", "SRL002", "SRL003", "SRL006", "STF001", "STF002")
"""What further tiers show of the same: kube-proxy hangs or lags, its rules are wrong, old flows remain."""

NO_PROXYING = Code(
    id="SVR001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Service addresses do not work on a node",
    message="On {nodes} no Service address works: connections to netdoc's own Service {happened}{direct}{api}{cause}",
    fix="Look at kube-proxy, or the network agent that does its work, on {nodes}: whether its pod runs there, and what its log "
    "says. If its rules are missing, which the third command shows, restart it: it does not do its work, whatever the status of "
    "its pod. If they are there, look for a firewall rule that other nodes don't have.",
    commands=(kube_proxy.PODS, kube_proxy.LOGS, rules_seen.LOOK, kube_proxy.RESTART),
    rows=("K8", "K13"),
    explains=(
        Explains(("DNL001", "DNL005", "DNL007", "SVR002", "SVR006", "SVR007", "NPT001", "NPT002", "NPT003", "INC003"), "node"),
        Explains(("CNI002", "CNI004"), "node"),
        Explains(KUBE_PROXY_CODES, "node"),
    ),
    tells="failure",
)
MISSED = Code(
    id="SVR002",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="kube-proxy's rules are behind",
    message="None of {tries} connections from {nodes} to netdoc's new Service within {seconds:g} s reached its endpoint on "
    "{missed}, though that endpoint answers when connected to directly{cause}",
    fix="Read kube-proxy's log: on {nodes} it may not learn of new endpoints from the API server, or not write rules for them. "
    "If so, restart it there.",
    commands=(kube_proxy.LOGS, kube_proxy.RESTART),
    rows=("K8",),
    explains=(Explains(("NPT002", "NPT003", *KUBE_PROXY_CODES), "node"),),
    tells="failure",
)
NOTHING_NEW = Code(
    id="SVR009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="New Services do not work on any node",
    message="No node reaches netdoc's new Service within {seconds:g} s, though its pods answer when connected to directly and "
    "older Services work: changes of Services do not reach the nodes",
    fix="See whether kube-controller-manager runs: its endpointslice controller makes the endpoints of new Services. If it does, "
    "read kube-proxy's log, as no node learns of changes from the API server.",
    commands=(controller_manager.PODS, controller_manager.LOGS, kube_proxy.LOGS),
    rows=("K8", "K14"),
    explains=(Explains(("SVR002", "SVR008", "SVC007", "NPT002", "NPT003", "EPS004"), "cluster"),),
    tells="failure",
)


class _Node:
    """What one node got from netdoc's own Service.

    ``reached``: nodes whose pods answered through the Service; ``direct``: nodes whose pods answered directly.
    ``works``: whether another Service answers there; ``unknown``: nothing was asked that could tell.
    """

    def __init__(self, facts: Facts, node: str, nodes: list[str], reply: EchoReply) -> None:
        self.facts, self.node, self.samples, self.size = facts, node, reply.samples, len(nodes) + 1
        self.reached = {sample.who for sample in reply.samples if sample.who}
        self.direct = {other for other in nodes if other != node and _proved(facts, node, other)}
        self.works = witnesses.other_service_works(facts, node)
        asked = facts.cluster.readable(ENDPOINT_SLICE) and witnesses.certificate(facts, node) is not None
        self.unknown = not asked and len(nodes) > 1

    @property
    def missed(self) -> list[str]:
        """Nodes whose pods answer directly and not through the Service."""
        return sorted(self.direct - self.reached)

    def unjudged(self) -> Unseen | None:
        """Return why this says nothing about kube-proxy; None where it does."""
        if not (self.reached or self.works or self.direct) and (
            existing_pods.reached(self.facts, self.node) or _isolated(self.facts, self.node)
        ):
            why = "netdoc's new pod there reaches nothing on other nodes, neither directly nor through a Service"
            return Unseen(f"what kube-proxy does on node {self.node}", why, expected=True)
        if not self.reached and not self.direct and (self.works or self.unknown):
            other = "while another Service works there" if self.works else "and nothing else that was measured needs a Service"
            why = f"its pods can't be reached from there directly either, {other}"
            return Unseen(f"netdoc's own Service from node {self.node}", why, expected=True)
        if self.reached and _by_chance(len(self.missed), len(self.samples), self.size):
            few = f"{len(self.samples)} connections in {sync(self.facts.cluster):g} s missed some endpoints, which may be chance"
            cut = len(self.samples) < own(self.facts.cluster, self.node).samples
            return Unseen(f"netdoc's own Service from node {self.node}", few, expected=cut)
        return None


def analyse(facts: Facts, nodes: list[str], rules: RulesSeen) -> Iterator[Finding | Unseen]:
    """Judge each node by what it reached through netdoc's own Service."""
    broken: list[_Node] = []
    behind: list[_Node] = []
    for node in nodes:
        reply = facts.reply(own(facts.cluster, node))
        if isinstance(reply, Lost):
            yield Unseen(f"what kube-proxy does on node {node}", reply.reason, expected=True)
        elif isinstance(reply, EchoReply):
            seen = _Node(facts, node, facts.targets, reply)
            if unjudged := seen.unjudged():
                yield unjudged
            elif not (seen.reached or seen.works):
                broken.append(seen)
            elif seen.missed:
                behind.append(seen)
    yield from _behind(facts, behind, len(nodes), rules)
    everywhere = len(broken) == len(nodes) > 1
    for group in [broken] if everywhere else [[seen] for seen in sorted(broken, key=lambda seen: seen.node)]:
        yield _no_proxying(facts, group, everywhere, rules)


def _behind(facts: Facts, behind: list[_Node], nodes: int, rules: RulesSeen) -> Iterator[Finding]:
    """Nodes that reach some endpoints of the new Service only, or none while older Services work."""
    seconds, none = sync(facts.cluster), sorted(seen.node for seen in behind if not seen.reached)
    if len(none) == nodes > 1:
        yield NOTHING_NEW.on(Subject("Cluster", "new Services"), seconds=seconds, nodes=none)
        return
    for seen in behind:
        numbers = {"tries": len(seen.samples), "seconds": seconds, "missed": seen.missed}
        standing = rules.of([seen.node], _endpoints_on(facts, seen.missed))
        yield rules_seen.found(MISSED, Subject("Node", seen.node), standing, [seen.node], numbers)


def _endpoints_on(facts: Facts, nodes: list[str]) -> list[str]:
    """The endpoints of netdoc's own Service on these nodes, as rules name them."""
    return [f"tcp {Address(v.ip, ECHO_PORTS.start)}" for v in facts.vantages if v.node in nodes and v.ip]


def _no_proxying(facts: Facts, group: list[_Node], everywhere: bool, rules: RulesSeen) -> Finding:
    """The finding on nodes where no Service address works."""
    nodes = sorted(seen.node for seen in group)
    subject = Subject("Cluster", "service addresses") if everywhere else Subject("Node", nodes[0])
    samples = [sample for seen in group for sample in seen.samples]
    outcomes = sorted({sample.outcome for sample in samples if not sample.impostor})
    happened = [Outcome.verbs(outcomes)] if outcomes else []
    happened += ["were answered by something else"] if any(sample.impostor for sample in samples) else []
    names = {
        "outcomes": sorted({"impostor" if sample.impostor else str(sample.outcome) for sample in samples}),
        "certificate": sorted({_certificate(witnesses.certificate(facts, node)) for node in nodes}),
        "happened": " or ".join(happened),
        "direct": ", while connections directly to its pods succeeded" if all(seen.direct for seen in group) else "",
        "api": _api(facts, nodes),
    }
    return rules_seen.found(NO_PROXYING, subject, rules.of(nodes), nodes, names)


def _certificate(reply: CertificateReply | None) -> str:
    """What came of the question for the certificate of kubernetes.default, in a word."""
    return "not asked" if reply is None else reply.problem or str(reply.outcome)


def _api(facts: Facts, nodes: list[str]) -> str:
    """What came of connections to kubernetes.default, as the end of a sentence; nothing where it was not asked."""
    replies = [reply for node in nodes if (reply := witnesses.certificate(facts, node))]
    if not replies:
        return ""
    outcomes = sorted({reply.outcome for reply in replies if reply.outcome is not Outcome.OK})
    wrong = any(reply.outcome is Outcome.OK for reply in replies)
    happened = [Outcome.verbs(outcomes)] if outcomes else []
    happened += ["got a certificate that is not the cluster's"] if wrong else []
    return f". Connections to Service kubernetes.default {' or '.join(happened)}"


def _proved(facts: Facts, node: str, other: str) -> bool:
    reply = facts.reply(proof(node, other))
    return isinstance(reply, EchoReply) and any(sample.who for sample in reply.samples)


def _by_chance(missed: int, tries: int, endpoints: int) -> bool:
    """Whether connections to random endpoints may well have missed so many: their number is about Poisson-distributed."""
    mean = endpoints * (1 - 1 / endpoints) ** tries
    fewer = sum(math.exp(-mean) * mean**number / math.factorial(number) for number in range(missed))
    return missed > 0 and 1 - fewer >= CHANCE


def _isolated(facts: Facts, node: str) -> bool:
    """Whether nothing outside its node answered the new pod directly: then its own Service's silence means nothing."""
    readable = facts.cluster.readable(ENDPOINT_SLICE)
    ends = [end for target in targets(facts.cluster) for end in target.direct(node)] if readable else []
    beyond = [facts.reply(connect) for endpoint, connect in ends if endpoint.node != node]
    outcomes = {reply.outcome for reply in beyond if isinstance(reply, ConnectReply)}
    return bool(outcomes) and not outcomes & {Outcome.OK, Outcome.REFUSED}


CODES = (NO_PROXYING, MISSED, NOTHING_NEW)
