# SPDX-License-Identifier: Apache-2.0
"""A patch is printed where the new value is proven: elsewhere the commands only look."""

from __future__ import annotations

import pytest

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply
from kubectl_netdoc.remediation import commands
from kubectl_netdoc.testing import (
    Built,
    make_cluster,
    make_ingress,
    make_ingress_class,
    make_pod,
    make_service,
    make_slice,
    outcome,
)
from tests.checks import cases_of
from tests.checks.services.service_reachability import BESIDE, REFUSED, UDP, C, _cluster, _measure, _refusing

WEB = {"app": "web"}
POD, SLICE = make_pod(labels=WEB, ports={"http": 8080}), make_slice(addresses={"10.0.0.1": "web-1"})
SERVICE = make_service(selector=WEB)


def found(check: str, code: str, cluster: Cluster, facts: object = None) -> Finding:
    (finding,) = (f for f in outcome(registry.load().choose([check])[0], cluster, facts).findings if f.code == code)  # type: ignore[arg-type]
    return finding


def mended(finding: Finding) -> str:
    """What a finding's commands change: the patch, or nothing."""
    changing = [command for command in finding.commands if commands.changes(command) and " edit " not in command]
    return changing[0].partition(" -p ")[2] if changing else ""


@pytest.mark.parametrize(
    ("selector", "near", "others", "patch"),
    [
        ({"app": "webb"}, WEB, (), '{"spec":{"selector":{"app":"web"}}}'),
        ({"app": "webb"}, WEB, (make_service("other", selector=WEB),), '{"spec":{"selector":{"app":"web"}}}'),
        ({"app": "chekout"}, {"app": "checkout"}, (), '{"spec":{"selector":{"app":"checkout"}}}'),
    ],
    ids=["nobody else's", "its own name", "of another name, nobody else's"],
)
def test_a_selector(selector: dict[str, str], near: dict[str, str], others: tuple[Built, ...], patch: str) -> None:
    cluster = make_cluster(make_service(selector=selector), make_pod(labels=near), *others)
    assert mended(found("service_config", "SVC001", cluster)).strip("'") == patch


@pytest.mark.parametrize(
    ("routes", "others", "code", "patches"),
    [
        ({"a/": "wbe:80"}, (), "ING001", True),
        ({"a/": "wbe:81"}, (), "ING001", False),
        ({"a/": "wbe:80", "b/": "web:80"}, (), "ING001", False),
        ({"a/": "wbe:80"}, (make_ingress("other"),), "ING001", False),
        ({"a/": "web-canary:80"}, (), "ING001", False),
        ({"a/": "web:8080"}, (), "ING002", True),
        ({"a/": "web:8443"}, (), "ING002", False),
        ({"a/": "web:https"}, (), "ING002", False),
    ],
)
def test_a_backend(routes: dict[str, str], others: tuple[Built, ...], code: str, patches: bool) -> None:
    """A Service is meant that a typo misses and no other route uses, with that port; a port whose targetPort is given."""
    cluster = make_cluster(SERVICE, POD, SLICE, make_ingress_class(), make_ingress(routes=routes), *others)
    assert bool(mended(found("ingress_routes", code, cluster))) is patches


@pytest.mark.parametrize(("cls", "patches"), [("ngnix", True), ("nginx-internal", False), ("public", False)])
def test_a_class(cls: str, patches: bool) -> None:
    cluster = make_cluster(make_ingress_class(), make_ingress(cls=cls, address=""))
    assert bool(mended(found("ingress_controllers", "INC004", cluster))) is patches


def test_no_class_is_chosen_for_an_ingress_that_names_none() -> None:
    cluster = make_cluster(make_ingress_class(controller="example.org/x"), make_ingress(cls="", address=""))
    assert mended(found("ingress_controllers", "INC005", cluster)) == ""


@pytest.mark.parametrize(
    ("target", "ports", "patches"),
    [
        ("htpp", {"http": 8080}, True),
        ("https", {"http": 8080}, False),
        ("web", {"metrics": 9090}, False),
        ("metrisc", {"metrics": 9090, "metric": 1}, False),
    ],
)
def test_a_named_port(target: str, ports: dict[str, int], patches: bool) -> None:
    cluster = make_cluster(make_service(selector=WEB, ports=[(80, target)]), make_pod(labels=WEB, ports=ports), SLICE)
    assert bool(mended(found("service_config", "SVC003", cluster))) is patches


GATEWAY = _cluster(port=8443, ports={"http-envoy-prom": 15090})


@pytest.mark.parametrize(
    ("cluster", "refused", "patch"),
    [
        (BESIDE, (8081,), '"path":"/spec/ports/0/targetPort","value":8080'),
        (BESIDE, (8081, 8080), ""),
        (GATEWAY, (8443,), ""),
        (UDP, (8080,), ""),
    ],
    ids=["a declared port that accepts", "no port accepts", "metrics are not what is meant", "another protocol can't be seen"],
)
def test_a_port_that_was_seen_to_accept(cluster: Cluster, refused: tuple[int, ...], patch: str) -> None:
    finding = found("service_reachability", "SVR003", cluster, _refusing(cluster, *refused))
    assert (patch in mended(finding)) if patch else mended(finding) == ""


def test_nothing_is_asked_of_pods_that_declare_what_they_are_sent() -> None:
    asked = {r.to.port for r in _measure(C).replies if isinstance(r, Connect)}
    assert asked == {80, 8080}
    assert ConnectReply(Outcome.REFUSED, 0.5) in _measure(C, REFUSED).replies.values()


def test_no_case_has_a_patch_that_takes_a_label_out_of_a_selector() -> None:
    check = registry.load().choose(["service_config"])[0]
    patches = [mended(f) for case in cases_of(check.id) for f in outcome(check, case.cluster, case.measured).findings]
    assert any(patches)
    assert not [patch for patch in patches if "null" in patch or '"selector":{}' in patch]
