# SPDX-License-Identifier: Apache-2.0
"""The least rights: computed from the checks, printed as manifests, asked for, and told."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from kubectl_netdoc.core.check import Check, Needs
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.made import Made
from kubectl_netdoc.permissions.needed import Grantee, Right, Wanted, ask, for_server, least
from kubectl_netdoc.records.kinds import COREFILE, DNS_LOG, EVENT, NODE, POD, SERVICE
from kubectl_netdoc.report import permissions as report
from kubectl_netdoc.sources.live.discovery import Served
from tests.support import discovery
from tests.support.commandline import Netdoc, complaint, in_process
from tests.support.kubeconfigs import FakeApi, kubeconfig

ALL = registry.load().checks


def check(name: str, **needs: Any) -> Check:
    """A check with these needs."""
    return Check(id=name, title=name, prefix="X", needs=Needs(**needs), codes=(), analyse=lambda _: iter(()))


def rights(*checks: Check, **wanted: Any) -> dict[Grant, Right]:
    """The least rights by rule."""
    return {right.rule: right for right in least(Wanted(checks=checks, **wanted))}


READER = check("reader", kinds=(POD,), optional=(SERVICE, COREFILE), hints=(EVENT,))
NAMES = ("coredns", "node-local-dns", "nodelocaldns", "rke2-coredns-rke2-coredns")


# What is computed


def test_what_becomes_of_a_check_follows_from_its_needs() -> None:
    found = rights(READER)
    assert found[Grant("list", "pods")].skipped == ("reader",)
    assert found[Grant("list", "services")].held_back == ("reader",)
    assert found[Grant("list", "events")].less == ("reader",)
    assert [right.optional for right in found.values()] == [
        right.rule.resource in ("events", "nodes") for right in found.values()
    ]


def test_a_check_stands_once_under_the_worst() -> None:
    found = rights(check("one", kinds=(POD,)), check("two", optional=(POD,)), check("three", hints=(POD,)))[Grant("list", "pods")]
    assert (found.skipped, found.held_back, found.less) == (("one",), ("two",), ("three",))


def test_single_objects_are_read_by_name_where_they_are() -> None:
    assert {rule for rule in rights(READER) if rule.verb == "get"} == {Grant("get", "configmaps", "", "kube-system", NAMES)}
    everywhere = {rule for rule in rights(READER, spaces=("openshift-dns",)) if rule.verb == "get"}
    assert {rule.namespace for rule in everywhere} == {"kube-system", "openshift-dns"}


def test_a_check_less_is_a_right_less() -> None:
    assert Grant("list", "events") not in rights(check("other", kinds=(POD,)))


def test_namespaces_narrow_what_has_one() -> None:
    found = rights(check("reader", kinds=(NODE, POD)), namespaces=("shop",))
    assert set(found) == {Grant("list", "nodes"), Grant("list", "pods", "", "shop"), Grant("list", "pods", "", "kube-system")}
    assert found[Grant("list", "pods", "", "kube-system")].optional


MEASURES = check("measures", makes=(Made.SERVICES,), tier=Tier.PODS)
CANARY = check("canary", makes=(Made.POLICIES,), tier=Tier.PODS)
PLAIN = check("plain", tier=Tier.PODS)
ASKS = check("asks", makes=(Made.PODS,))


def made(*checks: Check, **wanted: Any) -> set[tuple[str, str]]:
    """(verb, resource) of what writes."""
    return {(rule.verb, rule.resource) for rule in rights(*checks, **wanted) if rule.verb in ("create", "delete")}


PODS = {("create", "pods"), ("create", "pods/exec"), ("delete", "pods")}
POLICIES = {("create", "networkpolicies"), ("delete", "networkpolicies")}
SERVICES = {("create", "services"), ("delete", "services")}


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ((READER,), set()),
        ((PLAIN,), PODS),
        ((MEASURES,), PODS | SERVICES),
        ((CANARY, PLAIN), PODS | POLICIES),
        ((ASKS, PLAIN), PODS),
    ],
    ids=["reads", "measures", "own Service", "canary", "API tier"],
)
def test_what_a_check_makes_follows_from_its_declaration(checks: tuple[Check, ...], expected: set[tuple[str, str]]) -> None:
    assert made(*checks) == expected
    assert {rule.namespace for rule in rights(*checks) if rule.verb in ("create", "delete", "watch")} <= {"netdoc"}


@pytest.mark.parametrize("tier", Tier)
def test_a_tier_is_a_superset_of_the_one_before(tier: Tier) -> None:
    order = list(Tier)
    found = set(rights(*ALL, tier=tier))
    assert all(found >= set(rights(*ALL, tier=lower)) for lower in order[: order.index(tier)])
    writes = {rule.verb for rule in found} - {"get", "list"}
    assert bool(writes) == (tier is not Tier.API)


@pytest.mark.parametrize("tier", Tier)
def test_nothing_is_wider_than_it_has_to_be(tier: Tier) -> None:
    for rule in rights(*ALL, tier=tier):
        assert "*" not in (rule.verb, rule.resource, rule.group)
        assert rule.resource != "secrets"
        assert rule.verb in ("get", "list") or rule.namespace == "netdoc", rule
        assert rule.verb != "get" or rule.namespace, rule
        assert rule.resource not in ("configmaps",) or rule.names, rule


def test_no_rule_is_there_that_another_one_includes() -> None:
    found = set(rights(*ALL))
    assert not {rule for rule in found if rule.namespace and msgspec.structs.replace(rule, namespace="") in found}


def test_a_rule_that_includes_another_tells_for_which_checks_that_was() -> None:
    found = rights(check("reader", kinds=(POD,)), check("logs", kinds=(DNS_LOG,)))
    assert found[Grant("list", "pods")].skipped == ("logs", "reader")


def test_apis_that_are_not_served_take_no_right() -> None:
    assert any(rule.group == "cilium.io" for rule in rights(*ALL))
    assert not any(rule.group == "cilium.io" for rule in rights(*ALL, served=Served({"apps/v1": frozenset({"deployments"})})))


def test_secrets_are_read_by_name_and_only_if_asked_for() -> None:
    found = rights(*ALL, pointed={"TlsSecret": (("shop", "tls-b"), ("shop", "tls-a"), ("bank", "tls"))})
    assert {rule for rule in found if rule.resource == "secrets"} == {
        Grant("get", "secrets", "", "shop", ("tls-a", "tls-b")),
        Grant("get", "secrets", "", "bank", ("tls",)),
    }


def test_what_a_run_needs_that_nobody_sits_at_is_not_optional_and_is_where_it_works() -> None:
    more = {rule: right for rule, right in rights(PLAIN, watch=True).items() if rule not in rights(PLAIN)}
    assert {(rule.resource, rule.namespace) for rule in more} == {("leases", "netdoc"), ("events", "")}
    assert not any(right.optional for right in more.values())
    within = rights(PLAIN, watch=True, namespaces=("shop",), pod_namespace="team")
    assert {rule.namespace for rule in within if rule.resource == "leases"} == {"team"}
    assert {rule.namespace for rule in within if rule.group == "events.k8s.io"} == {"shop", "default"}


@pytest.mark.parametrize(("version", "there"), [("v1.34.4", False), ("v1.35.0-rc.1", True), ("v1.35.0+k3s1", True), ("", True)])
def test_a_right_counts_from_the_version_that_asks_for_it(version: str, there: bool) -> None:
    found = {right.rule for right in for_server(least(Wanted(checks=(PLAIN,))), version)}
    assert (Grant("create", "pods/exec", "", "netdoc") in found) is there


# What is printed


JANE = Grantee("User", "jane@example.org")
ROBOT = Grantee("ServiceAccount", "robot", "ci")


def documents(*subjects: Grantee, **wanted: Any) -> list[dict[str, Any]]:
    """The manifests in YAML, which are those in JSON."""
    whole = Wanted(checks=ALL, **wanted)
    printed: list[dict[str, Any]] = list(yaml.safe_load_all(report.as_yaml(whole, least(whole), subjects)))
    assert printed == json.loads(report.as_json(whole, least(whole), subjects))["items"]
    return printed


def allowed_by(printed: list[dict[str, Any]]) -> set[Grant]:
    """The rules in manifests, one by one."""
    return {
        Grant(verb, resource, group, document["metadata"].get("namespace", ""), tuple(rule.get("resourceNames", ())))
        for document in printed
        for rule in document.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    "wanted",
    [
        *({}, {"tier": Tier.API}, {"namespaces": ("a", "b")}, {"pod_namespace": ""}),
        *({"watch": True}, {"watch": True, "tier": Tier.API, "namespaces": ("a",)}),
    ],
    ids=str,
)
def test_the_manifests_grant_exactly_the_rights(wanted: dict[str, Any]) -> None:
    assert allowed_by(documents(**wanted)) == set(rights(*ALL, **wanted))


def test_the_namespace_is_made_unless_it_is_the_users_own() -> None:
    def spaces(**wanted: Any) -> list[Any]:
        return [document["metadata"] for document in documents(**wanted) if document["kind"] == "Namespace"]

    assert [meta["name"] for meta in spaces()] == ["netdoc"]
    assert spaces(pod_namespace="team-a") == spaces(tier=Tier.API) == spaces(pod_namespace="") == []


@pytest.mark.parametrize(
    ("tier", "level"), [(tier, "restricted" if tier in (Tier.API, Tier.PODS) else "privileged") for tier in Tier]
)
def test_the_namespace_admits_what_the_tier_runs(tier: Tier, level: str) -> None:
    assert report.pod_security(tier) == level


def test_each_subject_is_bound_to_each_role_by_bindings_of_its_own() -> None:
    printed = documents(JANE, ROBOT)
    roles = {(d["kind"], d["metadata"].get("namespace", "")) for d in printed if d["kind"].endswith("Role")}
    for subject in (JANE, ROBOT):
        bindings = [d for d in printed if d.get("subjects") == [subject.fields]]
        assert {(d["roleRef"]["kind"], d["metadata"].get("namespace", "")) for d in bindings} == roles
        assert {d["roleRef"]["name"] for d in bindings} == {"kubectl-netdoc"}
    names = [(d["kind"], d["metadata"]["name"], d["metadata"].get("namespace")) for d in printed]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["a/b", "50%", "x: y\n- z", 'quote"', "\x1b[31m", "é"])
def test_any_name_of_a_subject_can_be_printed(name: str) -> None:
    bound = [d for d in documents(Grantee("Group", name)) if "subjects" in d]
    assert all(d["subjects"][0]["name"] == name for d in bound)
    assert not any(bad in d["metadata"]["name"] for d in bound for bad in "/%")


@pytest.mark.parametrize(
    ("username", "subject"),
    [
        ("jane", Grantee("User", "jane")),
        ("system:serviceaccount:ci:robot", Grantee("ServiceAccount", "robot", "ci")),
        ("system:node:n1", Grantee("User", "system:node:n1")),
        ("", None),
    ],
)
def test_a_username_tells_the_subject(username: str, subject: Grantee | None) -> None:
    assert Grantee.of(username) == subject


# What is lacking


def answer(*refused: Grant, namespace: str = "shop", also: Collection[Grant] = (), checks: tuple[Check, ...] = (READER,)) -> Any:
    """What is told where some rules are refused."""
    known = set(refused) - set(also)
    return ask(least(Wanted(checks=checks)), lambda rules: {rule: rule not in known for rule in rules}, namespace)


def test_nothing_lacking() -> None:
    assert not answer().lacking
    assert answer().lacks == ()


def test_a_lack_tells_the_checks() -> None:
    told = answer(Grant("list", "services"), Grant("list", "services", "", "shop"))
    assert (told.lacking, told.skipped, told.held_back) == (True, set(), {"reader"})
    told = answer(Grant("list", "pods"), Grant("list", "pods", "", "shop"), Grant("list", "services"))
    assert (told.lacking, told.skipped, told.held_back) == (True, {"reader"}, set())


def test_an_optional_right_lacks_without_harm() -> None:
    told = answer(Grant("list", "events"), Grant("list", "events", "", "shop"))
    assert (len(told.lacks), told.lacking) == (1, False)


def test_one_namespace_in_place_of_all() -> None:
    told = answer(Grant("list", "pods"))
    assert [(lack.right.rule, lack.only) for lack in told.lacks] == [(Grant("list", "pods"), "shop")]
    assert (told.lacking, told.skipped) == (True, set())
    assert answer(Grant("list", "nodes"), checks=(PLAIN,)).lacks[0].only == ""


def test_what_stays_in_the_cluster_lacks() -> None:
    assert answer(Grant("delete", "pods", "", "netdoc"), checks=(PLAIN,)).lacking


# The command line


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return in_process(monkeypatch, capsys)


def test_rights_for_any_cluster(netdoc: Netdoc) -> None:
    done = netdoc("rbac", "--offline", "--only", "nodes_ready", "--for-user", "jane")
    assert (done.code, done.err) == (0, "")
    assert Grant("list", "nodes") in allowed_by(list(yaml.safe_load_all(done.out)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tier", "pod"],
        ["--pod-namespace", "Not A Name"],
        ["--pod-namespace", "x\n- y"],
        ["--pod-namespace", "a", "--new-namespaces"],
        ["--for-serviceaccount", "robot"],
        ["--for-serviceaccount", "ci:"],
        ["--for-serviceaccount", "ci:a/b"],
        ["--for-user", " "],
        ["-n", "a", "-A"],
        ["-n", ""],
        ["--only", "nodes_redy"],
        ["--check", "--for-user", "jane"],
        ["--check", "--offline"],
        ["--tls-secrets", "--offline"],
        [],
    ],
    ids=repr,
)
def test_wrong_usage_is_one_line(netdoc: Netdoc, arguments: list[str]) -> None:
    offline = [] if {"--check", "--offline"} & set(arguments) or not arguments else ["--offline"]
    complaint(netdoc("rbac", *offline, *arguments), 2)


REVIEW = "post /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "post /apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.mark.parametrize(("allowed", "code"), [(True, 0), (False, 1)])
def test_check_asks_for_each_right(netdoc: Netdoc, api: FakeApi, tmp_path: Path, allowed: bool, code: int) -> None:
    api.answer("/apis", discovery.aggregated({}))
    (api.handler[REVIEW] ** 1) << {"status": {"allowed": allowed}}
    (api.handler[WHOAMI] ** 1) << {"status": {"userInfo": {"username": "system:serviceaccount:ci:robot"}}}
    flags = ("--kubeconfig", kubeconfig(tmp_path, api.url), "--tier", "api")
    done = netdoc("rbac", "--check", "-o", "json", *flags)
    assert done.code == code
    told = json.loads(done.out)
    wanted = rights(*ALL, tier=Tier.API, served=Served())
    assert told["asked"] == len(wanted)
    assert len(told["lacking"]) == (0 if allowed else len(wanted))
    text = netdoc("rbac", "--check", *flags).out
    assert ("kubectl netdoc rbac --tier api --for-serviceaccount ci:robot | kubectl apply -f -" in text) is not allowed


def test_server_that_does_not_tell_is_the_end_with_exit_code_3(netdoc: Netdoc, api: FakeApi, tmp_path: Path) -> None:
    api.handler[REVIEW] << 403
    complaint(netdoc("rbac", "--check", "--kubeconfig", kubeconfig(tmp_path, api.url)), 3)
