# SPDX-License-Identifier: Apache-2.0
"""`why` never contradicts `check`, over all recorded bundles, hand-made clusters and cases of the checks, by an oracle.

The oracle knows nothing of topics and hops. It takes the replies and findings as they are: a Yes is wrong where what was asked
was tried and failed, or where a `fail` names one of its ends or its path; a No is wrong where all of it was tried and worked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.cluster import Cluster, KindUnavailable, Listing
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.engine import registry, root_causes
from kubectl_netdoc.engine.run import analyse, run
from kubectl_netdoc.measurements.base import Address, Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply
from kubectl_netdoc.measurements.dns import DnsReply
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.probes import dns_lookups, own_policies
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Explanation, Question, family
from kubectl_netdoc.reachability.named_end import NoSuchEnd, find
from kubectl_netdoc.records.kinds import NETWORK_POLICY, POD, SERVICE
from kubectl_netdoc.testing import Case
from tests.checks import cases_of, registered
from tests.clusters.test_clusters import HEALTHY, Live, as_manifests, objects
from tests.reachability.test_replay import recorded

pytestmark = pytest.mark.slow  # every case, bundle and cluster: not part of make check

BUNDLES = sorted(path.stem for path in (Path(__file__).parents[1] / "bundles").glob("*.json"))
FROM_OUTSIDE = ("NPT", "SVC006")
"""Of ways in from outside the cluster, which no pod takes to a Service."""

NEW_PODS = "PNW015"
"""Says that new pods on a node have no network, netdoc's among them, and the others do."""

BY_RULE = ("egress", "ingress", "name", "source", "service", "endpoints")
"""Hops that stop a connection by what is written (policies, resolver, selectors), whatever netdoc's own pod could do."""

MOST_SOURCES, MOST_SERVICES = 4, 7


def questions(engine: Engine) -> Iterator[Question]:
    """Pods, a few of each node, to every Service by its object, by its name and to its pods."""
    cluster = engine.cluster
    pods = [pod for pod in cluster.all(POD) if not pod.finished and not pod.spec.host_network]
    chosen = pods[:: max(1, len(pods) // MOST_SOURCES)]
    for pod in chosen:
        source = find(engine, f"{pod.namespace}/pod/{pod.name}", pod.namespace)
        for service in cluster.all(SERVICE)[:MOST_SERVICES]:
            for text in (f"{service.namespace}/svc/{service.name}", f"{service.name}.{service.namespace}"):
                for port in dict.fromkeys(str(p.port) for p in service.spec.ports if p.protocol == "TCP"):
                    yield Question(source, find(engine, text, pod.namespace, pod.namespace), port)


def stories(engine: Engine, facts: Facts, findings: tuple[Finding, ...]) -> Iterator[Explanation]:
    for question in questions(engine):
        try:
            yield why(engine, facts, question, findings)
        except NoSuchEnd:  # a Service of other ports
            continue


def node(story: Explanation) -> str:
    return story.question.source.ends[0].node


def failed(story: Explanation, facts: Facts, engine: Engine) -> Iterator[str]:
    """What was tried on the source's node and did not come through, though no policy keeps netdoc's pod from it."""
    me = own_policies.end(engine, node(story))
    for protocol, low, high in story.asked.ranges():
        for end in story.question.destination.ends if low == high else ():
            reply = facts.reply(Connect(node(story), Address(str(end.addresses[0]), low))) if end.addresses else None
            verdict = engine.verdict(me, end, ports.of(protocol, low), family(end))
            free = verdict.allowed and not verdict.depends and not verdict.incomplete
            if isinstance(reply, ConnectReply) and reply.outcome is not Outcome.OK and free:
                yield f"{end.addresses[0]}:{low} {reply.outcome}"


def deaf(story: Explanation, facts: Facts) -> bool:
    """Whether names were asked for on the source's node and none was answered."""
    reply = facts.reply(dns_lookups.lookup(facts.cluster, node(story)))
    asks = bool(story.question.destination.by_name) and any(hop.name == "name" and "may ask" in hop.text for hop in story.hops)
    return asks and isinstance(reply, DnsReply) and not any(sample.outcome is Outcome.OK for sample in reply.samples)


def worked(story: Explanation, facts: Facts) -> bool:
    """Whether the Service's address and every endpoint were tried on the source's node and accepted."""
    question, service = story.question, story.question.destination.service
    if service is None or service.headless or not question.port.isdigit():
        return False
    tries = [Connect(node(story), Address(service.spec.cluster_ip, int(question.port)))]
    numbers = [low for _, low, high in story.asked.ranges() if low == high]
    ends = question.destination.ends
    tries += [Connect(node(story), Address(str(end.addresses[0]), n)) for end in ends if end.addresses for n in numbers]
    replies = [facts.reply(each) for each in tries]
    return len(tries) > 1 and all(isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK for reply in replies)


def named(story: Explanation, findings: Iterable[Finding], seen_from: dict[str, bool]) -> Iterator[str]:
    """The ``fail`` findings that name the Service, a pod of either end, or the path between their nodes."""
    question, service = story.question, story.question.destination.service
    ends = (*question.source.ends, *question.destination.ends)
    subjects = {("Pod", *end.pod) for end in ends} | ({("Service", service.namespace, service.name)} if service else set())
    nodes = {end.node for end in question.source.ends}
    paths = {f"{a.node} -> {b.node}" for a in question.source.ends for b in question.destination.ends if a.node != b.node}
    for finding in findings:
        subject = finding.subject
        if finding.severity is not Severity.FAIL or finding.code.startswith(FROM_OUTSIDE):
            continue
        on = listed(finding, "nodes")
        here = not seen_from.get(finding.code) or not on or not nodes.isdisjoint(on)
        if (subject.kind, subject.namespace, subject.name) in subjects and here and not elsewhere(finding, question):
            yield f"{finding.code} {subject}"
        between = subject.kind in ("Node", "NodePair", "Cluster") and not paths.isdisjoint(listed(finding, "paths"))
        if between and not of_others(finding, findings, question):
            yield f"{finding.code} {subject}"


def elsewhere(finding: Finding, question: Question) -> bool:
    """Whether it is about another port of the Service, or about names that were not asked for."""
    services = listed(finding, "services")
    other = bool(services) and not any(text.endswith(f":{question.port}") or ":" not in text for text in services)
    fronts = listed(finding, "address") if finding.subject.kind == "Service" else []
    other = other or (not services and bool(fronts) and not any(text.endswith(f":{question.port}") for text in fronts))
    return other or finding.code.startswith(("DN", "DS", "DT", "PDN"))


def listed(finding: Finding, key: str) -> list[str]:
    told = finding.evidence.get(key, [])
    return [str(item) for item in told] if isinstance(told, list) else [str(told)]


def of_others(finding: Finding, findings: Iterable[Finding], question: Question) -> bool:
    """Whether it is the doing of what strikes certain pods alone, and neither end is one of them."""
    cause = next((each for each in findings if each.id == finding.explained_by), finding)
    pods = listed(cause, "pods")
    ends = {"/".join(end.pod) for end in (*question.source.ends, *question.destination.ends)}
    return cause.code == NEW_PODS or (cause.code == "PAD002" and not any(text.partition(" ")[0] in ends for text in pods))


def contradictions(engine: Engine, facts: Facts, findings: tuple[Finding, ...]) -> list[str]:
    seen_from = {code: entry[0].needs.tier != "api" for code, entry in registry.load().codes.items()}
    found = []
    for story in stories(engine, facts, findings):
        wrong: list[str] = []
        if story.answer == "yes" and not story.opened:
            new_pods = any(finding.code == NEW_PODS and finding.subject.name == node(story) for finding in findings)
            wrong += [] if new_pods else failed(story, facts, engine)
            wrong += ["names are not answered"] if deaf(story, facts) else []
            wrong += named(story, findings, seen_from)
        if story.stopped and story.stopped.name not in BY_RULE and worked(story, facts):
            wrong.append(f"{story.stopped.name} stops it, and it was tried and works")
        found += [f"{story.question} {story.answer}: {text}" for text in wrong]
    return found


@pytest.mark.parametrize("name", BUNDLES)
def test_over_the_recorded_bundles(name: str) -> None:
    whole, engine = recorded(name)
    facts = Facts(whole.cluster, whole.measured)
    assert sum(1 for _ in questions(engine)) > 20
    assert contradictions(engine, facts, whole.report.findings) == []


def _compiled(cluster: Cluster) -> Engine | None:
    """The engine of a case, whose cluster may have no list of policies at all; None where there are no pods or Services."""
    if not (cluster.readable(POD) and cluster.readable(SERVICE)):
        return None
    if not cluster.readable(NETWORK_POLICY):
        cluster.index.listings = {**cluster.index.listings, NETWORK_POLICY.name: Listing()}
    try:
        return Engine(cluster, ((cluster.own_namespace, own_policies.LABELS),))
    except KindUnavailable:
        return None


def _findings(check: Check, case: Case, facts: Facts) -> tuple[Finding, ...]:
    told = (msgspec.structs.replace(finding, check=check.id) for finding in analyse(check, facts).findings)
    return root_causes.link(told, {code.id: code for code in check.codes})


@pytest.mark.parametrize("check", registered(), ids=lambda check: check.id)
def test_over_the_cases_of_the_checks(check: Check) -> None:
    found: dict[str, list[str]] = {}
    for case in cases_of(check.id):
        engine = _compiled(case.cluster)
        if engine is None:
            continue
        facts = Facts(case.cluster, case.measured)
        wrong = contradictions(engine, facts, _findings(check, case, facts))
        found |= {case.name: wrong} if wrong else {}
    assert found == {}


@pytest.mark.parametrize("live", [False, True], ids=["manifests", "live"])
@pytest.mark.parametrize("name", sorted(HEALTHY))
def test_over_the_healthy_clusters(name: str, live: bool) -> None:
    """Nothing is found there, so that only what is written stops anything, and no finding weakens it."""
    known = registry.load()
    whole = run(Live(objects(name)) if live else as_manifests(objects(name)), known, known.checks)
    engine = Engine(whole.cluster, ((whole.cluster.own_namespace, own_policies.LABELS),))
    facts = Facts(whole.cluster, whole.measured)
    asked = list(stories(engine, facts, whole.report.findings))
    assert asked
    assert {code for story in asked for code in story.codes} == set()
    assert {hop.name for story in asked for hop in story.hops if hop.answer in ("STOPS", "weakens")} <= set(BY_RULE)
    assert contradictions(engine, facts, whole.report.findings) == []
