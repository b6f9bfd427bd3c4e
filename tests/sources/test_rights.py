# SPDX-License-Identifier: Apache-2.0
"""What the live source says that it asks of the API server, held against what a run asks of a recording one."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.base import Lost, Outcome, Peer
from kubectl_netdoc.measurements.connect import Echo, EchoReply, EchoSample
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.permissions import needed
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import COREFILE, DNS_LOG, KINDS, NODE, POD
from kubectl_netdoc.sources.live import canary, client, debug_pods, rights
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.discovery import Served
from kubectl_netdoc.sources.live.source import LiveSource
from kubectl_netdoc.testing import make_cluster, make_corefile, make_node, make_pod, make_policy, make_service, make_slice
from tests.support import discovery

ELSEWHERE = rights.elsewhere(KINDS.values())
BY_PATH = {(kind.group, kind.plural): kind for kind in KINDS.values() if not (kind.names or kind.logs)}
PUBLIC = ("/version", "/apis")
"""What everybody may ask: system:public-info-viewer, system:discovery."""

DNS_LABELS = {"k8s-app": "kube-dns"}
SAMPLE = make_cluster(
    make_node("n1"),
    make_node("n2"),
    make_service(
        "kube-dns", "kube-system", selector=DNS_LABELS, cluster_ip="10.96.0.10", ports=((53, 53),), protocols=("UDP", "TCP")
    ),
    make_slice("kube-dns", "kube-system", addresses={"10.0.0.53": "coredns"}, port=53, protocol="UDP"),
    make_pod("coredns", "kube-system", labels=DNS_LABELS, ip="10.0.0.53"),
    make_corefile(".:53 {\n kubernetes cluster.local\n forward . /etc/resolv.conf\n}"),
    make_service("web", selector={"app": "web"}, sessionAffinity="ClientIP", clusterIPs=["10.96.0.1"]),
    make_slice("web", addresses={"10.0.0.1": "web-1"}),
    make_pod("web-1", labels={"app": "web"}),
    make_policy("podSelector: {}"),
    vantages=("n1", "n2"),
    tier=Tier.PRIVILEGED,
)
"""One of everything that makes a check ask for something of netdoc's own."""


class Watching:
    """A watch of the recorder: each pod that is made runs at once."""

    def __init__(self) -> None:
        self.changes: queue.Queue[bytes] = queue.Queue()

    def lines(self) -> Iterator[bytes]:
        while line := self.changes.get():
            yield line

    def stop(self) -> None:
        self.changes.put(b"")


class Recorder:
    """Stands for the client: notes each request as the rule that would grant it, and plays a small cluster."""

    def __init__(self) -> None:
        self.asked: set[Grant] = set()
        self.made: list[dict[str, Any]] = []
        self.watches: list[Watching] = []
        self.host, self.context, self.namespace, self.options = "host", "lab", "shop", client.Options()
        self.usage = client.Usage()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def get(self, path: str, query: Any = None) -> bytes:
        return self.request("GET", path, query)

    def request(self, method: str, path: str, query: Any = None, body: Any = None, timeout: float = 0) -> bytes:
        if path in PUBLIC:
            return json.dumps(PUBLIC_ANSWERS[path]).encode()
        rule = granted(method, path)
        self.asked.add(rule)
        if rule.verb == "create" and rule.resource == "pods":
            self.run(body)
        if rule.verb == "create" and rule.resource == "services":
            return b'{"spec": {"clusterIP": "10.96.7.7"}}'
        if rule.resource == "pods/log":
            return b"[INFO] all is well"
        return json.dumps({"items": self.items(path, query or {})}).encode() if rule.verb == "list" else b"{}"

    def items(self, path: str, query: Any) -> list[Any]:
        if "labelSelector" in query:
            return [{"metadata": {"name": "one", "namespace": "x"}, "status": {"containerStatuses": [{"name": "c"}]}}]
        rule = granted("GET", path)
        kind = BY_PATH.get((rule.group, rule.resource))
        listing = SAMPLE.listing(kind) if kind else None
        items = [item for item in getattr(listing, "items", ()) if rule.namespace in ("", item.namespace)]
        return [msgspec.to_builtins(item) for item in items]

    def watch(self, path: str, query: Any, seconds: float) -> Watching:
        self.asked.add(msgspec.structs.replace(granted("GET", path), verb="watch"))
        watch = Watching()
        if path.endswith("/pods"):
            self.watches.append(watch)
            for body in self.made:
                watch.changes.put(running(body))
        return watch

    def run(self, body: dict[str, Any]) -> None:
        self.made.append(body)
        for watch in self.watches:
            watch.changes.put(running(body))

    def exec(self, namespace: str, pod: str, *more: Any) -> None:
        self.asked.add(Grant("get", "pods/exec", "", namespace))


def granted(method: str, path: str) -> Grant:
    """Return the rule that grants a request, by its path: /api/v1/… or /apis/GROUP/VERSION/…"""
    _, api, *parts = path.split("/")
    group, parts = ("", parts[1:]) if api == "api" else (parts[0], parts[2:])
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    name, sub = (*parts[1:], "", "")[:2]
    verb = {"POST": "create", "DELETE": "delete", "PATCH": "patch", "GET": "get" if name else "list"}[method]
    exact = (name,) if parts[0] in ("configmaps", "leases") else ()
    return Grant(verb, "/".join(filter(None, (parts[0], sub))), group, namespace, exact)


def running(body: dict[str, Any]) -> bytes:
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"state": {"running": {}}}],
    }
    return json.dumps(
        {"type": "MODIFIED", "object": {"metadata": body["metadata"], "spec": body["spec"], "status": status}}
    ).encode()


SERVED = Served({api: frozenset(names) for api, names in discovery.plurals(discovery.EVERYTHING).items()})
PUBLIC_ANSWERS = {
    "/version": {"gitVersion": "v1.34.0"},
    "/apis": discovery.aggregated(discovery.plurals(discovery.EVERYTHING)),
}


def answered(client: Recorder, namespace: str, pod: str, requests: tuple[Request, ...], *more: Any, **named: Any) -> Any:
    """Stands for the agent: every echo is answered, so that the canary goes on to its policy."""
    client.exec(namespace, pod)
    replies: dict[Request, Reply] = {request: Lost("not played") for request in requests}
    for request in requests:
        if isinstance(request, Echo) and isinstance(request.to, Peer):
            replies[request] = EchoReply("x", (EchoSample(Outcome.OK, 1.0, request.to.node),))
    return agent_exec.ExecResult(replies)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(agent_exec, "run", answered)
    for name in ("ENFORCED", "LIFTED", "PAUSE"):
        monkeypatch.setattr(canary, name, 0.01)
    return Recorder()


def each(rules: set[Grant]) -> set[Grant]:
    """Rules with one name each."""
    return {msgspec.structs.replace(rule, names=(name,) if name else ()) for rule in rules for name in rule.names or ("",)}


def covers(wide: Grant, rule: Grant) -> bool:
    return rule in (wide, msgspec.structs.replace(wide, namespace=rule.namespace)) and wide.namespace in ("", rule.namespace)


def asked_for(recorder: Recorder, namespaces: tuple[str, ...], settings: debug_pods.PodSettings | None) -> set[Grant]:
    """Everything that a run of all checks asks."""
    known = registry.load()
    run(LiveSource(cast("client.Client", recorder), namespaces, settings), known, known.checks)
    return recorder.asked


def declared(**wanted: Any) -> set[Grant]:
    """The least rights where everything is there, on a server before 1.35."""
    whole = needed.Wanted(checks=registry.load().checks, served=SERVED, spaces=ELSEWHERE, **wanted)
    return each({right.rule for right in needed.for_server(needed.least(whole), "v1.34.0")})


SCOPES = pytest.mark.parametrize("namespaces", [(), ("shop", "bank")], ids=["everywhere", "two namespaces"])


@SCOPES
@pytest.mark.parametrize("pod_namespace", ["netdoc", ""], ids=["fixed namespace", "new namespace"])
def test_a_run_asks_for_what_is_declared_and_for_nothing_else(
    recorder: Recorder, namespaces: tuple[str, ...], pod_namespace: str
) -> None:
    asked = asked_for(recorder, namespaces, debug_pods.PodSettings(namespace=pod_namespace))
    said = declared(namespaces=namespaces, pod_namespace=pod_namespace)
    assert {rule for rule in asked if not any(covers(wide, rule) for wide in said)} == set()
    assert {wide for wide in said if not any(covers(wide, rule) for rule in asked)} == set()


@SCOPES
def test_a_run_without_pods_only_reads(recorder: Recorder, namespaces: tuple[str, ...]) -> None:
    asked = asked_for(recorder, namespaces, None)
    assert {rule.verb for rule in asked} == {"get", "list"}
    said = declared(namespaces=namespaces, tier=Tier.API)
    assert {wide for wide in said if not any(covers(wide, rule) for rule in asked)} == set()


def test_exec_takes_create_from_the_version_on_that_asks_for_it() -> None:
    uses = [use for use in rights.measuring("x") if use.since]
    assert {use.rule for use in uses if use.since >= (1, 35)} == {Grant("create", "pods/exec", "", "x")}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_reading_only_reads(kind: Kind[Any]) -> None:
    rules = rights.reading(kind)
    assert rules or kind.pointed
    assert {rule.verb for rule in rules} <= {"get", "list"}
    assert all("*" not in (rule.resource, rule.group) and rule.resource != "secrets" for rule in rules)
    assert all(rule.names and rule.namespace for rule in rules if rule.resource == "configmaps")


def test_single_things_are_asked_for_where_they_are() -> None:
    assert {rule.namespace for rule in rights.reading(COREFILE)} == {"kube-system", "openshift-dns"}
    here = rights.within(COREFILE, ())
    assert here is not None
    assert {rule.namespace for rule in rights.reading(here)} == {"kube-system"}
    assert rights.within(DNS_LOG, ("openshift-dns",)) == DNS_LOG


def test_what_two_groups_may_hold_takes_a_right_for_the_one_that_is_served() -> None:
    calico = KINDS["CalicoPool"]
    assert {rule.group for rule in rights.reading(calico)} == {"crd.projectcalico.org", "projectcalico.org"}
    chosen = Served({"projectcalico.org/v3": frozenset({"ippools"})}).choose(calico)
    assert isinstance(chosen, Kind)
    assert {rule.group for rule in rights.reading(chosen)} == {"projectcalico.org"}


def test_namespaces_asked_for_bound_what_has_one() -> None:
    assert rights.reading(POD, ("a", "b")) == (Grant("list", "pods", "", "a"), Grant("list", "pods", "", "b"))
    assert rights.reading(NODE, ("a", "b")) == (Grant("list", "nodes"),)
