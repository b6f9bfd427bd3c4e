# SPDX-License-Identifier: Apache-2.0
"""policy connections, coverage and diff, from folders of manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reachability.test_explain import DENY, DENY_OUT, folder
from tests.support.commandline import Netdoc, complaint, in_process


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


WEB, DB = {"kind": "Deployment", "namespace": "shop", "name": "web"}, {"kind": "StatefulSet", "namespace": "shop", "name": "db"}
REPORT = {"kind": "Deployment", "namespace": "lab", "name": "report"}
COREDNS = {"kind": "Pod", "namespace": "kube-system", "name": "coredns"}
EVERYTHING = [{"protocol": name, "from_port": 1, "to_port": 65535} for name in ("TCP", "UDP", "SCTP")]
FROM_WEB = (
    "from-web",
    "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}]}",
)


def listed(netdoc: Netdoc, place: Path) -> dict[tuple[str, str], Any]:
    done = netdoc("policy", "connections", "--from", place, "-o", "json")
    assert done.code == 0
    return {(json.dumps(c["from"]), json.dumps(c["to"])): c["allow"] for c in json.loads(done.out)["connections"]}


def between(found: dict[tuple[str, str], Any], a: dict[str, str], b: dict[str, str]) -> Any:
    return found.get((json.dumps(a), json.dumps(b)))


def test_without_policies_all_is_allowed_and_nobody_with_himself(netdoc: Netdoc, tmp_path: Path) -> None:
    found = listed(netdoc, folder(tmp_path))
    workloads = [WEB, DB, REPORT, COREDNS]
    outside = {"cidr": "0.0.0.0/0"}
    for a in (*workloads, outside):
        for b in (*workloads, outside):
            different = a != b
            assert between(found, a, b) == (EVERYTHING if different else None), (a, b)
    assert len(found) == 4 * 3 + 2 * 4


def test_named_port_and_default_deny(netdoc: Netdoc, tmp_path: Path) -> None:
    found = listed(netdoc, folder(tmp_path, DENY, FROM_WEB))
    assert between(found, WEB, DB) == [{"protocol": "TCP", "from_port": 5432, "to_port": 5432}]
    assert between(found, REPORT, DB) is None
    assert between(found, DB, REPORT) == EVERYTHING
    assert between(found, {"cidr": "0.0.0.0/0"}, WEB) is None


def test_lists_subfolders_json_and_defaults(netdoc: Netdoc, tmp_path: Path) -> None:
    pod = {"metadata": {"name": "one", "labels": {"app": "one"}}, "spec": {"containers": [{"name": "c"}]}}
    owned = {"metadata": {"name": "two", "ownerReferences": [{"kind": "ReplicaSet", "name": "two-5d", "controller": True}]}}
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "pods.json").write_text(
        json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [pod, owned | {"spec": pod["spec"]}]})
    )
    (tmp_path / "note.yaml").write_text("just a text\n")
    (tmp_path / "widget.yaml").write_text("apiVersion: x/v1\nkind: Widget\nmetadata: {name: w}\n")
    done = netdoc("policy", "connections", "--from", tmp_path, "-o", "json")
    assert done.code == 0
    peers = {json.dumps(c["from"]) for c in json.loads(done.out)["connections"]} - {json.dumps({"cidr": "0.0.0.0/0"})}
    assert peers == {
        json.dumps({"kind": "Pod", "namespace": "default", "name": "one"}),
        json.dumps({"kind": "ReplicaSet", "namespace": "default", "name": "two-5d"}),
    }
    assert "Widget" in done.err
    assert "note.yaml" in done.err


def test_ranges_are_disjoint_and_whole(netdoc: Netdoc, tmp_path: Path) -> None:
    import ipaddress

    block = (
        "block",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}",
    )
    found = listed(netdoc, folder(tmp_path, block))
    networks = {ipaddress.IPv4Network(json.loads(place)["cidr"]) for pair in found for place in pair if "cidr" in place}
    assert sum(network.num_addresses for network in networks) == 2**32
    assert len(list(ipaddress.collapse_addresses(networks))) == 1
    assert between(found, {"cidr": "10.0.0.0/16"}, DB) == EVERYTHING
    assert between(found, {"cidr": "10.1.0.0/16"}, DB) is None
    assert between(found, {"cidr": "10.1.0.0/16"}, WEB) == EVERYTHING


@pytest.mark.parametrize("form", ["text", "dot", "mermaid"])
def test_every_format_names_all_workloads(netdoc: Netdoc, tmp_path: Path, form: str) -> None:
    done = netdoc("policy", "connections", "--from", folder(tmp_path, DENY), "-o", form)
    assert done.code == 0
    assert all(name in done.out for name in ("Deployment shop/web", "StatefulSet shop/db", "Deployment lab/report"))


def test_what_exposes_a_workload_is_apart(netdoc: Netdoc, tmp_path: Path) -> None:
    more = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: door, namespace: shop}
spec: {rules: [{host: db.example, http: {paths: [{backend: {service: {name: db, port: {number: 5000}}}}]}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: road, namespace: lab}
spec: {parentRefs: [{name: gate}], rules: [{backendRefs: [{name: db, namespace: shop, port: 5000}]}]}
"""
    whole = json.loads(netdoc("policy", "connections", "--from", folder(tmp_path, more=more), "-o", "json").out)
    by = {(e["workload"]["name"], e["by"]["kind"], e["by"]["name"]) for e in whole["exposed"]}
    assert {("db", "Service", "db"), ("db", "Ingress", "door"), ("db", "HTTPRoute", "road")} <= by


def test_native_policies_make_it_incomplete(netdoc: Netdoc, tmp_path: Path) -> None:
    more = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x, namespace: shop}\nspec: {serviceAccountSelector: has(a)}"
    whole = json.loads(netdoc("policy", "connections", "--from", folder(tmp_path, more=more), "-o", "json").out)
    assert whole["incomplete"] == ["CalicoNetworkPolicy shop/x"]


def change(netdoc: Netdoc, place: Path, spec: str, *options: str, name: str = "deny") -> Any:
    new = place.parent / "new.yaml"
    new.write_text(
        f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
    return netdoc("policy", "diff", "--from", place, "--with", new, "-o", "json", *options)


@pytest.mark.parametrize(
    ("spec", "opened", "closed"),
    [
        ("{podSelector: {}, policyTypes: [Ingress]}", False, False),
        ("{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}", True, False),
        ("{podSelector: {}, policyTypes: [Ingress, Egress]}", False, True),
        ("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 5432}]}]}", True, True),
    ],
)
def test_diff_tells_what_opens_and_closes(netdoc: Netdoc, tmp_path: Path, spec: str, opened: bool, closed: bool) -> None:
    place = tmp_path / "world"
    place.mkdir()
    folder(place, DENY)
    done = change(netdoc, place, spec)
    whole = json.loads(done.out)
    assert (bool(whole["opened"]), bool(whole["closed"]), done.code) == (opened, closed, 0)
    for fail_on, code in (("opened", opened), ("closed", closed), ("any", opened or closed), ("never", False)):
        assert change(netdoc, place, spec, "--fail-on", fail_on).code == code


def test_diff_with_what_is_no_policy(netdoc: Netdoc, tmp_path: Path) -> None:
    place = folder(tmp_path)
    complaint(netdoc("policy", "diff", "--from", place, "--with", place), 2)


BAD = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad}\nspec: {podSelector: {matchLabels: {a: 1}}}\n"
CILIUM = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: shop}\nspec: {}\n"


def test_policy_that_can_not_be_decoded_makes_it_incomplete(netdoc: Netdoc, tmp_path: Path) -> None:
    done = netdoc("policy", "connections", "--from", folder(tmp_path, more=BAD), "-o", "json")
    assert any("NetworkPolicy bad" in text for text in json.loads(done.out)["incomplete"])
    assert "NetworkPolicy bad" in done.err


def test_diff_with_a_policy_that_can_not_be_decoded_is_an_error(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    folder(tmp_path / "new", DENY, more=BAD)
    done = netdoc("policy", "diff", "--from", folder(tmp_path), "--with", tmp_path / "new")
    assert (done.code, done.out) == (2, "")


CLUSTER_WIDE = """apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {{name: wide}}
spec:
  tier: Admin
  priority: 1
  subject: {{namespaces: {{matchLabels: {{kubernetes.io/metadata.name: shop}}}}}}
  ingress: [{{action: Deny, from: [{{namespaces: {{}}}}]{}}}]
"""


def test_policy_that_servers_refuse_is_named_and_changes_nothing(netdoc: Netdoc, tmp_path: Path) -> None:
    """It can't come to be in a cluster: it neither counts nor makes anything less certain."""
    before = netdoc("policy", "connections", "--from", folder(tmp_path), "-o", "json")
    refused = CLUSTER_WIDE.format(", protocols: [{tcp: {}}]")
    done = netdoc("policy", "connections", "--from", folder(tmp_path, more=refused), "-o", "json")
    assert done.out == before.out
    assert "ClusterNetworkPolicy wide" in done.err
    assert "spec.ingress[0].protocols[0].tcp" in done.err


def test_diff_with_a_policy_that_servers_refuse_is_an_error(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    folder(tmp_path / "new", DENY, more=CLUSTER_WIDE.format(", protocols: []"))
    done = netdoc("policy", "diff", "--from", folder(tmp_path), "--with", tmp_path / "new")
    assert (done.code, done.out) == (2, "")
    assert "spec.ingress[0].protocols" in done.err


@pytest.mark.parametrize(
    ("protocols", "ingress"),
    [("", "denied"), (", protocols: [{udp: {destinationPort: {number: 53}}}]", "limited")],
)
def test_coverage_tells_what_cluster_wide_policies_deny(netdoc: Netdoc, tmp_path: Path, protocols: str, ingress: str) -> None:
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}\n---\n"
    place = folder(tmp_path, more=space + CLUSTER_WIDE.format(protocols))
    whole = json.loads(netdoc("policy", "coverage", "--from", place, "-o", "json").out)
    shop = next(each for each in whole["namespaces"] if each["namespace"] == "shop")
    assert {(workload["ingress"], workload["egress"]) for workload in shop["workloads"]} == {(ingress, "open")}


def test_diff_with_a_native_policy_is_incomplete(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(
        f"{CILIUM}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: y}}\nspec: {{podSelector: {{}}}}\n"
    )
    (tmp_path / "world").mkdir()
    place = folder(tmp_path / "world")
    whole = json.loads(netdoc("policy", "diff", "--from", place, "--with", tmp_path / "new.yaml", "-o", "json").out)
    assert whole["incomplete"] == ["CiliumNetworkPolicy shop/x"]


@pytest.mark.parametrize("verb", ["connections", "coverage", "diff"])
def test_namespace_that_is_not_there_is_no_empty_answer(netdoc: Netdoc, tmp_path: Path, verb: str) -> None:
    place = folder(tmp_path, DENY)
    more = ("--with", place) if verb == "diff" else ()
    done = netdoc("policy", verb, "--from", place, *more, "-n", "shopp")
    assert (done.code, done.out) == (2, "")
    assert "'shop'" in done.err


def test_coverage_counts_and_advises(netdoc: Netdoc, tmp_path: Path) -> None:
    pods = "\n---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: c}}]}}"
        for name in ("a", "b")
    )
    one = ("one", "{podSelector: {matchLabels: {app: a}}}")
    whole = json.loads(netdoc("policy", "coverage", "--from", folder(tmp_path, one, DENY_OUT, more=pods), "-o", "json").out)
    shop = next(space for space in whole["namespaces"] if space["namespace"] == "shop")
    assert (shop["pods"], shop["isolated"], shop["default_deny"]) == (2, {"ingress": 1, "egress": 0}, [])
    lets_in = {workload["name"]: workload["lets_in"] for workload in shop["workloads"]}
    assert lets_in == {"a": "nobody", "b": "world", "web": "world", "db": "world"}
    assert any("kind: NetworkPolicy" in item["yaml"] for item in whole["advice"])
    assert any("cluster DNS" in item["text"] for item in whole["advice"])


def test_secure_namespace_has_no_advice(netdoc: Netdoc, tmp_path: Path) -> None:
    whole = json.loads(netdoc("policy", "coverage", "--from", folder(tmp_path, DENY), "-n", "shop", "-o", "json").out)
    assert [space["default_deny"] for space in whole["namespaces"]] == [["ingress"]]
    assert whole["advice"] == []


def advised(netdoc: Netdoc, place: Path) -> list[dict[str, str]]:
    items: list[dict[str, str]] = json.loads(netdoc("policy", "coverage", "--from", place, "-o", "json").out)["advice"]
    return items


def test_superfluous_rules_are_taken_out_together_the_last_first(netdoc: Netdoc, tmp_path: Path) -> None:
    """One after the other each removal would move up the rules behind it."""
    twice = (
        "twice",
        "{podSelector: {}, ingress: [{ports: [{port: 1}]}, {ports: [{port: 1}]}, {ports: [{port: 2}]}, {ports: [{port: 1}]}]}",
    )
    commands = [item["command"] for item in advised(netdoc, folder(tmp_path, twice)) if "patch" in item["command"]]
    assert len(commands) == 1
    steps = json.loads(commands[0].split("'")[1])
    rule = {"ports": [{"protocol": "TCP", "port": 1}]}
    assert steps == [
        step
        for path in ("/spec/ingress/3", "/spec/ingress/1")
        for step in ({"op": "test", "path": path, "value": rule}, {"op": "remove", "path": path})
    ]


def test_no_fix_has_the_name_of_a_policy_that_is_there(netdoc: Netdoc, tmp_path: Path) -> None:
    there = ("deny-out-dns", "{podSelector: {matchLabels: {app: gone}}}")
    found = [
        yaml.safe_load(item["yaml"])["metadata"]["name"]
        for item in advised(netdoc, folder(tmp_path, DENY_OUT, there))
        if item["yaml"]
    ]
    assert "deny-out-dns-2" in found
    assert "deny-out-dns" not in found


def test_dns_fix_keeps_the_selector_of_the_policy(netdoc: Netdoc, tmp_path: Path) -> None:
    pods = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
    place = folder(tmp_path, ("out", json.dumps({"podSelector": pods, "policyTypes": ["Egress"]})))
    found = [
        yaml.safe_load(item["yaml"])["spec"]["podSelector"] for item in advised(netdoc, place) if "cluster DNS" in item["text"]
    ]
    assert found == [pods]


def test_dns_that_is_not_there_is_said_to_be_left_out(netdoc: Netdoc, tmp_path: Path) -> None:
    place = folder(tmp_path, DENY_OUT)
    text = (place / "world.yaml").read_text()
    (place / "world.yaml").write_text(text.replace("kube-dns", "other"))
    assert any("Not looked at" in item["text"] for item in advised(netdoc, place))
    (place / "world.yaml").write_text(text)
    assert not any("Not looked at" in item["text"] for item in advised(netdoc, place))


def test_workloads_without_pods_are_advised_a_default_deny(netdoc: Netdoc, tmp_path: Path) -> None:
    found = {
        (one["kind"], one["metadata"]["namespace"])
        for item in advised(netdoc, folder(tmp_path))
        if (one := yaml.safe_load(item["yaml"] or "{}"))
    }
    assert found == {("NetworkPolicy", "lab"), ("NetworkPolicy", "shop")}
