# SPDX-License-Identifier: Apache-2.0
"""`why` and `check` tell one truth: of each recorded fault `why` is asked for a pair that it hits, and one that it spares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.engine import registry, root_causes
from kubectl_netdoc.engine.run import Run, analyse, run
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.reachability.explain import why
from kubectl_netdoc.reachability.explanation import Explanation, Question
from kubectl_netdoc.reachability.named_end import find, split_port
from kubectl_netdoc.sources import bundle
from tests.checks import cases_of, registered

BUNDLES = Path(__file__).parents[1] / "bundles"
OUTSIDE = "198.51.100.7"
COREDNS = "kube-system/pod/coredns-75f68d58d9-km6tl"


@dataclass(frozen=True)
class Row:
    """A fault's bundle: who is hit and how, by which code, and who is spared."""

    name: str
    hit: tuple[str, str]
    answer: str
    code: str
    spared: tuple[str, str]


WEB, DB = "svc/web:80", "svc/db:5432"
CLIENT, CLIENT2 = "pod/client", "pod/client2"
NEAR, FAR = "pod/db-0:5432", "pod/db-1:5432"

ROWS = (
    Row("app-on-localhost", (CLIENT, WEB), "no", "SVR004", (CLIENT, DB)),
    Row("cni-config-leftover", (CLIENT2, "pod/late:80"), "no", "PAD002", (CLIENT2, FAR)),
    Row("cni-plugin-missing", ("pod/late", WEB), "no", "NOD003", (CLIENT2, WEB)),
    Row("coredns-stalls", (CLIENT, "web.shop:80"), "partly", "DSV001", (CLIENT, NEAR)),
    Row("coredns-zero", (CLIENT, "web.shop:80"), "no", "DNC001", (CLIENT, NEAR)),
    Row("coredns-zero", (CLIENT, WEB), "partly", "DNC001", (CLIENT, FAR)),
    Row("corefile-self-forward", (CLIENT, "example.test:443"), "no", "DNC003", (CLIENT, WEB)),
    Row("dns-record-large-dropped", (CLIENT, DB), "partly", "DTR001", (CLIENT, WEB)),
    Row("dns-record-stale", (CLIENT, DB), "partly", "DNR001", (CLIENT, NEAR)),
    Row("dns-search-wildcard", (CLIENT, "web.shop:80"), "partly", "DSE001", (CLIENT, NEAR)),
    Row("dns-server-loop", (CLIENT, "web:80"), "no", "DNC011", (CLIENT, NEAR)),
    Row("dns-server-lossy", (CLIENT, WEB), "partly", "DSV001", (CLIENT, NEAR)),
    Row("dns-server-no-tcp", (CLIENT, DB), "partly", "DSV002", (CLIENT, WEB)),
    Row("dns-upstream-dead", (CLIENT, "example.test:443"), "no", "DNU001", (CLIENT, WEB)),
    Row("dns-upstream-slow", (CLIENT, "example.test:443"), "partly", "DNU003", (CLIENT, WEB)),
    Row("endpoint-stale", (CLIENT, WEB), "partly", "SVR008", (CLIENT, FAR)),
    Row("externalname-not-there", (CLIENT, "svc/payments:443"), "partly", "EXN001", (CLIENT, WEB)),
    Row("first-syn-lost", (CLIENT, WEB), "partly", "SYN001", (CLIENT, NEAR)),
    Row("hairpin-off", ("pod/web-6c4bb7455-5lmbx", WEB), "partly", "SVH001", (CLIENT, WEB)),
    Row("kube-proxy-hung", (CLIENT, WEB), "no", "SVR001", (CLIENT2, WEB)),
    Row("kube-proxy-hung", (CLIENT, "web.shop:80"), "no", "SVR001", (CLIENT, FAR)),
    Row("loadbalancer-pending", (OUTSIDE, "svc/lb:80"), "no", "SVC006", (CLIENT, "svc/lb:80")),
    Row("mtu-black-hole", (CLIENT, WEB), "partly", "MTU001", (CLIENT, NEAR)),
    Row("node-port-blocked", (OUTSIDE, "node/netdoc-worker2:30080"), "partly", "NPT001", (CLIENT, "svc/web-np:80")),
    Row("node-port-blocked", (OUTSIDE, "svc/web-np:80"), "partly", "NPT001", (OUTSIDE, "node/netdoc-worker:30080")),
    Row("node-port-health-blocked", (OUTSIDE, "svc/balanced:80"), "no", "NPT003", (CLIENT, "svc/balanced:80")),
    Row("node-range-nodes", (CLIENT, "node/netdoc-worker2:10250"), "partly", "ADR002", (CLIENT, WEB)),
    Row("node-range-services", (CLIENT, WEB), "partly", "ADR003", (CLIENT, FAR)),
    Row("overlay-port-dropped", (CLIENT, FAR), "no", "PNW003", (CLIENT, NEAR)),
    Row("overlay-port-dropped", (CLIENT, WEB), "partly", "PNW003", (CLIENT2, FAR)),
    Row("path-lossy-node", (CLIENT, WEB), "partly", "PTQ004", (CLIENT2, FAR)),
    Row("path-lossy", (CLIENT, FAR), "partly", "PTQ001", (CLIENT, NEAR)),
    Row("pod-link-down", (CLIENT, WEB), "partly", "SVR005", (CLIENT, DB)),
    Row("pod-link-down", (CLIENT, "pod/web-6c4bb7455-w7gp2:8080"), "no", "SVR005", (CLIENT, "pod/web-6c4bb7455-ppq27:8080")),
    Row("policy-forgets-dns", (CLIENT, "web.shop:80"), "yes", "ENF001", ("pod/db-0", WEB)),
    Row("policy-not-enforced", (CLIENT, WEB), "yes", "ENF001", (CLIENT, "kube-system/svc/kube-dns:53")),
    Row("route-blackhole", (CLIENT, FAR), "no", "PNW003", (CLIENT, NEAR)),
    Row("service-named-port-missing", (CLIENT, WEB), "no", "SVC003", (CLIENT, "svc/web-np:80")),
    Row("service-port-wrong", (CLIENT, WEB), "no", "SVR003", (CLIENT, "svc/web-np:80")),
    Row("service-same-node", (COREDNS, "kube-system/svc/kube-dns:53"), "partly", "SVH002", (CLIENT, WEB)),
    Row("service-selector-nothing", (CLIENT, WEB), "no", "SVC001", (CLIENT, "svc/web-np:80")),
    Row("slice-doubled", (CLIENT, WEB), "partly", "EPS003", (CLIENT, DB)),
    Row("traffic-policy-local", (CLIENT, WEB), "no", "", (CLIENT2, WEB)),
)
HARMLESS = ("healthy", "mtu-icmp", "node-range-overlap", "slice-orphaned")
"""Nothing in them strikes a connection of pods that are there."""


@cache
def recorded(name: str) -> tuple[Run, Engine]:
    known = registry.load()
    whole = run(bundle.load((BUNDLES / f"{name}.json").read_bytes(), name), known, known.checks)
    return whole, Engine(whole.cluster, ((whole.cluster.own_namespace, own_policies.LABELS),))


def asked(name: str, source: str, destination: str) -> Explanation:
    whole, engine = recorded(name)
    place, port = split_port(destination)
    start = find(engine, source, "shop")
    question = Question(start, find(engine, place, "shop", start.namespace), port)
    return why(engine, Facts(whole.cluster, whole.measured), question, whole.report.findings)


def told(story: Explanation) -> tuple[str, list[tuple[str, str, tuple[str, ...]]]]:
    """The answer, and what each hop that is not well says: for the message of a failed test."""
    return story.answer, [(hop.name, str(hop.answer), hop.codes) for hop in story.hops if hop.answer not in ("ok", "-")]


def test_every_bundle_is_asked() -> None:
    assert {row.name for row in ROWS} | set(HARMLESS) == {path.stem for path in BUNDLES.glob("*.json")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}: {' -> '.join(row.hit)}")
def test_the_pair_that_a_fault_hits(row: Row) -> None:
    story = asked(row.name, *row.hit)
    assert story.answer == row.answer, told(story)
    assert not row.code or row.code in story.codes, told(story)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}: {' -> '.join(row.spared)}")
def test_the_pair_that_a_fault_spares(row: Row) -> None:
    story = asked(row.name, *row.spared)
    assert (story.answer, story.codes) == ("yes", ()), told(story)


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("destination", [WEB, DB, NEAR, FAR, "web.shop:80"])
@pytest.mark.parametrize("source", [CLIENT, CLIENT2])
def test_what_strikes_nobody(name: str, source: str, destination: str) -> None:
    story = asked(name, source, destination)
    assert (story.answer, story.codes) == ("yes", ()), told(story)


def test_what_new_pods_cant_do_is_not_held_against_old_ones() -> None:
    """netdoc's pod on that node has an address of a foreign range; the client there is older, and has one of its own."""
    assert asked("cni-config-leftover", CLIENT2, "pod/client:80").answer == "yes"
    assert asked("cni-config-leftover", CLIENT2, "pod/late:80").answer == "no"


@pytest.mark.parametrize(
    ("name", "answer"), [("new pods of a node are cut off", "yes"), ("all pods of a node are cut off", "no")]
)
def test_a_node_whose_new_pods_alone_are_cut_off(name: str, answer: str) -> None:
    """Of an old pod there, what netdoc's new one could not do counts only where older ones are not reached either."""
    case = next(each for each in cases_of("pod_network") if each.name == name)
    check = next(each for each in registered() if each.id == "pod_network")
    facts, engine = Facts(case.cluster, case.measured), Engine(case.cluster, ((case.cluster.own_namespace, own_policies.LABELS),))
    findings = root_causes.link(analyse(check, facts).findings, {code.id: code for code in check.codes})
    question = Question(find(engine, "shop/pod/web-3", ""), find(engine, "shop/svc/web", ""), "80")
    story = why(engine, facts, question, findings)
    assert story.answer == answer, told(story)
