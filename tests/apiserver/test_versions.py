# SPDX-License-Identifier: Apache-2.0
"""Releases of Gateway API and network-policy-api on a real API server: all is judged or named, whatever its version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.records.kinds import KINDS, ROUTES
from kubectl_netdoc.sources.live.client import Client
from tests.support.commandline import Netdoc, in_process
from tests.support.discovery import EXTENSIONS
from tests.support.real_api_server import RealServer, definitions

GATEWAY_API = "gateway.networking.k8s.io"
POLICY_API = "sigs.k8s.io/network-policy-api@v0.3.0"
UNKNOWN = "v9alpha7"
Document = dict[str, Any]


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    """The command line, for which all objects are older than they are: the API server dates them itself."""
    real: Callable[[Client], datetime] = Client.now
    monkeypatch.setattr(Client, "now", lambda self: real(self) + 10 * SETTLING + timedelta(minutes=1))
    return in_process(monkeypatch, capsys)


def judged(netdoc: Netdoc, server: RealServer, *flags: str) -> Document:
    done = netdoc("check", "--no-pods", "-o", "json", "--kubeconfig", server.kubeconfig, *flags)
    assert done.err == ""
    return dict(json.loads(done.out))


def told(report: Document, *prefixes: str) -> set[tuple[str, str]]:
    """Code and subject of what was found, by these prefixes of codes."""
    found = [each for each in report["findings"] if each["code"].startswith(prefixes)]
    return {(each["code"], f"{each['subject']['kind']} {each['subject']['name']}") for each in found}


def unseen(report: Document) -> list[str]:
    rows = [*report.get("unseen", ()), *(each for row in report["results"] for each in row.get("unseen", ()))]
    return [f"{each['what']}: {each['reason']}" for each in rows]


def served(defined: list[Document]) -> dict[str, list[str]]:
    """The API versions that definitions serve, by kind."""
    return {
        each["spec"]["names"]["kind"]: [
            f"{each['spec']['group']}/{version['name']}" for version in each["spec"]["versions"] if version["served"]
        ]
        for each in defined
    }


def _named(api: str, kind: str, name: str, spec: Document) -> Document:
    meta = {"name": name} | ({} if kind == "GatewayClass" else {"namespace": "default"})
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}


def _objects(there: dict[str, list[str]]) -> Iterator[Document]:
    """One of everything that is served, in each version, each of which names something that is not there."""
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [{"port": 80}]},
    }
    listeners = [{"name": "tcp", "port": 81, "protocol": "TCP"}, {"name": "udp", "port": 81, "protocol": "UDP"}]
    gateway: Document = {"gatewayClassName": "nobody", "listeners": listeners}
    yield _named(there["Gateway"][0], "Gateway", "gate", gateway)
    sets = [kind for kind in ("ListenerSet", "XListenerSet") if kind in there]
    for kind in sets:
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        yield _named(there[kind][0], kind, "more", {"parentRef": {"name": "gate"}, "listeners": [listener]})
    for route in ROUTES:
        for api in there.get(route.name, ()):
            name = f"{route.name}-{api.rpartition('/')[2]}".lower()
            spec: Document = {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [{"name": "gone", "port": 80}]}]}
            yield _named(api, route.name, name, spec | ({"hostnames": ["a.example"]} if route.name == "TLSRoute" else {}))
    for kind in sets:
        parent = {"name": "more", "kind": kind, "group": there[kind][0].partition("/")[0]}
        spec = {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "gone", "port": 80}]}]}
        yield _named(there["HTTPRoute"][0], "HTTPRoute", f"of-{kind.lower()}", spec)
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}
    spec = {"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [pool]}]}
    yield _named(there["HTTPRoute"][0], "HTTPRoute", "to-a-pool", spec)
    for api in there.get("BackendTLSPolicy", ()):
        target = {"group": "", "kind": "Service", "name": "web"}
        ca = {"group": "", "kind": "ConfigMap", "name": "gone"}
        spec = {"targetRefs": [target], "validation": {"hostname": "web.example", "caCertificateRefs": [ca]}}
        yield _named(api, "BackendTLSPolicy", f"tls-{api.rpartition('/')[2]}", spec)


@pytest.mark.parametrize("channel", ["standard", "experimental"])
@pytest.mark.parametrize("release", ["v1.7.0", "v1.4.1", "v1.2.1"])
def test_everything_of_a_release_is_judged_or_named(netdoc: Netdoc, server: RealServer, release: str, channel: str) -> None:
    defined = definitions(f"sigs.k8s.io/gateway-api@{release}", channel)
    policies = definitions(POLICY_API, channel)
    server.define([*defined, *policies])
    there = served(defined)
    made = list(_objects(there))
    subject = {"namespaces": {"matchLabels": {"no": "body"}}}
    for api in served(policies)["ClusterNetworkPolicy"]:
        name = f"nobody-{api.rpartition('/')[2]}"
        spec = {"tier": "Admin", "priority": 1, "subject": subject}
        made.append({"apiVersion": api, "kind": "ClusterNetworkPolicy", "metadata": {"name": name}, "spec": spec})
    server.apply(*made)
    report = judged(netdoc, server)
    routes = {each["metadata"]["name"]: each["kind"] for each in made if each["kind"].endswith("Route")}
    assert len(routes) >= (8 if release == "v1.7.0" else 4)
    wanted = {("GWR008", f"{kind} {name}") for name, kind in routes.items() if name != "to-a-pool"}
    wanted |= {("GWR014", f"{each['kind']} {each['metadata']['name']}") for each in made if each["kind"] == "BackendTLSPolicy"}
    wanted |= {("GWR001", "Gateway gate")}
    assert told(report, "GWR") == wanted
    assert [line for line in unseen(report) if "to-a-pool" in line and "InferencePool" in line]
    assert told(report, "POL020") == {("POL020", f"ClusterNetworkPolicy nobody-{version}") for version in ("v1alpha2", "v1beta1")}
    assert not [line for line in unseen(report) if "the server has" in line]
    states = {row["check"]: row["state"] for row in report["results"]}
    assert states["gateway_routes"] == "fail"


def test_sets_that_their_gateway_does_not_take_are_named(netdoc: Netdoc, server: RealServer) -> None:
    defined = definitions("sigs.k8s.io/gateway-api@v1.7.0", "standard")
    server.define(defined)
    gate = {"controllerName": "example.org/gate"}
    server.apply(_named(f"{GATEWAY_API}/v1", "GatewayClass", "nobody", gate), *_objects(served(defined)))
    accepted = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    server.kubectl(
        *("patch", "gatewayclass", "nobody", "--subresource=status", "--type=merge", "-p"),
        json.dumps({"status": {"conditions": [accepted]}}),
    )
    assert ("GWR011", "ListenerSet more") in told(judged(netdoc, server), "GWR")


def test_every_kind_that_is_served_in_unknown_versions_alone_is_unseen(netdoc: Netdoc, server: RealServer) -> None:
    server.define([_strange(kind.groups[-1], kind.plural, kind.written or kind.name, kind.namespaced) for kind in EXTENSIONS])
    report = judged(netdoc, server)
    lines = unseen(report)
    for kind in EXTENSIONS:
        assert [line for line in lines if f"{kind.plural} only in {kind.groups[-1]}/{UNKNOWN}" in line], kind.name
    states = {row["check"]: row["state"] for row in report["results"]}
    assert {states[name] for name in ("gateway_routes", "policy_coverage", "policy_enforcement")} == {"unknown"}


def _strange(group: str, plural: str, kind: str, namespaced: bool) -> Document:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    meta: Document = {"name": f"{plural}.{group}"}
    if group.endswith(".k8s.io"):
        meta["annotations"] = {"api-approved.kubernetes.io": "unapproved, made by a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": meta,
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": UNKNOWN, "served": True, "storage": True, "schema": schema}],
        },
    }


def test_api_server_behind_that_is_away_makes_nothing_not_installed(netdoc: Netdoc, server: RealServer) -> None:
    """And the rest of discovery is there."""
    service = {"name": "metrics-server", "namespace": "kube-system"}
    spec = {"group": "metrics.k8s.io", "version": "v1beta1", "service": service, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    meta = {"name": "v1beta1.metrics.k8s.io"}
    server.apply({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec})
    lines = unseen(judged(netdoc, server))
    assert [line for line in lines if "pods" in line and "metrics.k8s.io" in line], lines


def test_discovery_costs_one_request_and_each_list_that_is_served_one(netdoc: Netdoc, server: RealServer) -> None:
    """No more than where nothing is installed but for the lists of what is."""

    def calls() -> int:
        done = netdoc("check", "--no-pods", "--verbose", "--kubeconfig", server.kubeconfig)
        return int(next(line for line in done.err.splitlines() if "API:" in line).split()[2])

    bare = calls()
    server.define(definitions("sigs.k8s.io/gateway-api@v1.2.1", "standard"))
    kinds = served(definitions("sigs.k8s.io/gateway-api@v1.2.1", "standard"))
    assert calls() - bare == len([kind for kind in kinds if kind in KINDS])
