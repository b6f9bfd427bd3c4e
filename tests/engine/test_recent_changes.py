# SPDX-License-Identifier: Apache-2.0
"""What changed shortly before: found about the objects that a cause names, dated by the recording, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster, Unavailable
from kubectl_netdoc.core.evidence import NodePath, ObjectRef
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Code, Finding, Recent, Severity, Subject
from kubectl_netdoc.engine import recent_changes, registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, KINDS, NODE, PAST_SERVICE, REPLICA_SET, STATEFUL_SET
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.sources import bundle
from kubectl_netdoc.testing import (
    Built,
    ago,
    make_cluster,
    make_corefile,
    make_event,
    make_node,
    make_pod,
    make_policy,
    make_service,
    make_workload,
)

DAY = timedelta(days=1)
WEB = {"app": "web"}


def entry(age: float, manager: str = "kubectl-edit", subresource: str = "", operation: str = "Update") -> dict[str, Any]:
    """An entry of managedFields."""
    return {"manager": manager, "operation": operation, "time": ago(age), "subresource": subresource}


def changed(built: Built, *entries: dict[str, Any], **meta: Any) -> Built:
    """Return an object with other metadata, and these entries in its managedFields."""
    kind, item = built
    whole = msgspec.to_builtins(item)
    whole["metadata"] |= {"managedFields": list(entries), **meta}
    return kind, msgspec.convert(whole, kind.record)


def owned(built: Built, kind: str, name: str) -> Built:
    """Return an object that another one controls."""
    return changed(built, ownerReferences=[{"kind": kind, "name": name, "controller": True}])


def finding(kind: str, name: str, namespace: str = "", check: str = "a_check", node: str = "", **evidence: Any) -> Finding:
    """Return a cause."""
    code = Code(id="X001", severity=Severity.FAIL, risk=Risk.SAFE, title="x", message="x", fix="x")
    objects = evidence.pop("objects", ())
    return msgspec.structs.replace(code.on(Subject(kind, name, namespace, node), evidence, objects=objects), check=check)


def told(found: Finding, *objects: Built, **more: Any) -> list[tuple[int, str, str]]:
    """Return seconds, subject and words of what is told beside a cause."""
    (result,) = recent_changes.beside([found], make_cluster(*objects, **more))
    return [(item.seconds, str(item.subject), item.what) for item in result.recent]


SERVICE_WEB = finding("Service", "web", "shop")


def web(*entries: dict[str, Any], **meta: Any) -> Built:
    """A Service of yesterday."""
    return changed(make_service("web", selector=WEB, age=DAY), *entries, **meta)


# Who wrote it


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry(120)], ["changed by kubectl-edit"]),
        ([entry(120, operation="Apply")], ["changed by kubectl-edit"]),
        ([entry(120, subresource="scale")], ["scaled by kubectl-edit"]),
        ([entry(120, "kube-controller-manager", "scale")], ["scaled by kube-controller-manager"]),
        ([entry(120, "")], ["changed by somebody"]),
        ([entry(3599)], ["changed by kubectl-edit"]),
        ([entry(3601)], []),
        ([entry(120, subresource="status")], []),
        ([entry(120, "kube-controller-manager")], []),
        ([entry(120, "kubelet")], []),
        ([{"manager": "x", "time": None}], []),
        ([entry(120, "a"), entry(60, "b")], ["changed by b", "changed by a"]),
    ],
)
def test_who_wrote_the_subject(entries: list[dict[str, Any]], words: list[str]) -> None:
    assert [what for _, _, what in told(SERVICE_WEB, web(*entries))] == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:targetPort": {}}}}}, " (spec.ports[].targetPort)"),
        ({"f:spec": {"f:selector": {"f:app": {}}, "f:type": {}}, "f:Odd": {}}, " (spec.selector, spec.type)"),
        ({"f:spec": {"f:c": {".": {}, 'k:{"b":1}': {".": {}, "f:env": {}}, 'k:{"b":2}': {"f:env": {}}}}}, " (spec.c[].env)"),
        ({"f:metadata": {"f:annotations": {"f:secret": {}}}, "f:data": {"f:key": {}}}, " (metadata.annotations, data)"),
        ({"f:metadata": {"f:finalizers": {".": {}, 'v:"x.y/z"': {}}}}, " (metadata.finalizers[])"),
        ({"f:spec": {f"f:{name}": {} for name in "abcdefg"}}, ""),  # who wrote so many has written the whole
        ({}, ""),
    ],
)
def test_which_fields_were_written_where_they_are_few(fields: dict[str, Any], words: str) -> None:
    kind, item = web(entry(120) | {"fieldsV1": fields})
    assert [what for _, _, what in told(SERVICE_WEB, (kind, item))] == [f"changed by kubectl-edit{words}"]
    kept = msgspec.json.encode(item)
    assert (b"k:{" not in kept, b"fieldsV1" not in kept) == (True, True)
    assert msgspec.json.decode(kept, type=type(item)) == item


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"selector": {"app": "wep"}}, ": selector.app was wep, is web"),
        ({"ports": [(80, 9090)]}, ": ports[0].targetPort was 9090, is 8080"),
        ({"ports": [(80, 8080), (81, 8081)]}, ": ports was a list of 2, is a list of 1"),
        ({"sessionAffinity": "ClientIP"}, ": sessionAffinity was ClientIP, is not set"),
        ({}, ""),
    ],
)
def test_what_a_service_was_some_minutes_ago_stands_beside_its_last_change(before: dict[str, Any], words: str) -> None:
    _, then = make_service("web", **({"selector": WEB} | before), age=DAY)
    news = told(SERVICE_WEB, web(entry(60, "b"), entry(120, "a")), (PAST_SERVICE, then))
    assert [what for _, _, what in news] == [f"changed by b{words}", "changed by a"]


def test_what_was_just_made_is_not_said_to_be_changed() -> None:
    assert told(SERVICE_WEB, web(entry(60), creationTimestamp=ago(61))) == [(60, "Service shop/web", "made by kubectl-edit")]


def test_a_clock_that_is_a_little_behind_makes_no_negative_age() -> None:
    assert told(SERVICE_WEB, web(entry(-3))) == [(0, "Service shop/web", "changed by kubectl-edit")]


def test_other_objects_are_not_told() -> None:
    assert told(SERVICE_WEB, changed(make_service("other"), entry(5)), changed(make_service("web", "else"), entry(5))) == []


def test_the_newest_five_newest_first() -> None:
    entries = [entry(age, f"m{age}") for age in (50, 10, 70, 30, 20, 60, 40)]
    assert [seconds for seconds, _, _ in told(SERVICE_WEB, web(*entries))] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (179, "2 min"), (3600, "60 min")])
def test_as_text(seconds: int, text: str) -> None:
    assert str(Recent(seconds, Subject("Node", "n1"), "joined")) == f"{text} before: Node n1 joined"


# Beside which findings


def test_effects_and_advice_have_none() -> None:
    effect = msgspec.structs.replace(SERVICE_WEB, explained_by="x")
    advice = msgspec.structs.replace(SERVICE_WEB, severity=Severity.INFO)
    found = recent_changes.beside([effect, advice, SERVICE_WEB], make_cluster(web(entry(60))))
    assert [len(item.recent) for item in found] == [0, 0, 1]


# What stands behind a Service


def deployment(*entries: dict[str, Any], **meta: Any) -> Built:
    """The Deployment of yesterday."""
    return changed(make_workload(DEPLOYMENT, "web", labels=WEB, age=DAY), *entries, **meta)


def replica_set(name: str, age: float | timedelta) -> Built:
    """A ReplicaSet of that Deployment."""
    return owned(make_workload(REPLICA_SET, name, labels=WEB, age=age), "Deployment", "web")


def test_rollout_behind_a_service() -> None:
    objects = [web(), deployment(), replica_set("web-1", DAY), replica_set("web-2", 300)]
    assert told(SERVICE_WEB, *objects) == [(300, "Deployment shop/web", "rolled out (ReplicaSet web-2)")]


def test_deployment_that_was_just_made_did_not_roll_out() -> None:
    objects = [web(), deployment(entry(300), creationTimestamp=ago(300)), replica_set("web-1", 300)]
    assert told(SERVICE_WEB, *objects) == [(300, "Deployment shop/web", "made by kubectl-edit")]


def test_new_pods_of_an_old_replica_set() -> None:
    pods = [
        owned(make_pod(f"web-1-{n}", labels=WEB, age=age), "ReplicaSet", "web-1")
        for n, age in enumerate((timedelta(0, 90), timedelta(0, 30), DAY))
    ]
    said = told(SERVICE_WEB, web(), deployment(), replica_set("web-1", DAY), *pods)
    assert said == [(30, "Deployment shop/web", "has 2 new of 3 pods, the last web-1-1")]


@pytest.mark.parametrize("kind", [STATEFUL_SET, DAEMON_SET])
def test_new_pods_of_what_makes_pods_itself(kind: Kind[Any]) -> None:
    pod = owned(make_pod("web-0", labels=WEB, age=30), kind.name, "web")
    said = told(SERVICE_WEB, web(), make_workload(kind, "web", labels=WEB, age=DAY), pod)
    assert said == [(30, f"{kind.name} shop/web", "has 1 new of 1 pods, the last web-0")]


def test_deployment_scaled_to_zero_is_behind_its_service_all_the_same() -> None:
    assert told(SERVICE_WEB, web(), deployment(entry(60, "kubectl", "scale")))[0][1:] == (
        "Deployment shop/web",
        "scaled by kubectl",
    )


def test_workload_that_the_selector_all_but_selects() -> None:
    near = changed(make_workload(DEPLOYMENT, "web", labels={"app": "webb"}, age=DAY), entry(60, "helm"))
    far = changed(make_workload(DEPLOYMENT, "db", labels={"app": "postgres"}, age=DAY), entry(60, "helm"))
    assert told(SERVICE_WEB, web(), near, far) == [(60, "Deployment shop/web", "changed by helm")]


def test_pod_leads_to_what_made_it() -> None:
    pod = owned(make_pod("web-1-a", labels=WEB, age=DAY), "ReplicaSet", "web-1")
    objects = [pod, replica_set("web-1", DAY), deployment(entry(60))]
    assert told(finding("Pod", "web-1-a", "shop"), *objects)[0][1] == "Deployment shop/web"


def test_owners_in_a_circle_come_to_an_end() -> None:
    one = owned(make_workload(DEPLOYMENT, "a", labels=WEB, age=DAY), "Deployment", "b")
    two = owned(make_workload(DEPLOYMENT, "b", labels=WEB, age=DAY), "Deployment", "a")
    told(finding("Pod", "web-1", "shop"), owned(make_pod("web-1", age=DAY), "Deployment", "a"), one, two)


# Events


def test_warnings_of_one_reason_are_one_line_with_their_number() -> None:
    events = [make_event("Pod", f"web-{n}", "shop", "Unhealthy", f"probe {n}", age=age) for n, age in enumerate((50, 20, 4000))]
    pods = [make_pod(f"web-{n}", labels=WEB, age=DAY) for n in range(3)]
    assert told(SERVICE_WEB, web(), *pods, *events) == [(20, "Pod shop/web-1", "had Warning Unhealthy (2 times): probe 1")]


def test_normal_events_are_told_only_where_they_are_news() -> None:
    text = "Scaled down replica set web-1 from 2 to 0"
    before = make_event("Deployment", "web", "shop", "ScalingReplicaSet", "Scaled up", type_="Normal", age=99)
    scaling = make_event("Deployment", "web", "shop", "ScalingReplicaSet", text, type_="Normal", age=9)
    other = make_event("Deployment", "web", "shop", "Whatever", "", type_="Normal", age=9)
    assert told(SERVICE_WEB, web(), deployment(), before, scaling, other) == [
        (9, "Deployment shop/web", "scaled down replica set web-1 from 2 to 0")
    ]


def test_long_message_is_cut() -> None:
    event = make_event("Service", "web", "shop", "Sync", "x" * 500, age=9)
    assert len(told(SERVICE_WEB, web(), event)[0][2]) < 200


# Nodes


def node(name: str, age: float | timedelta, since: float | timedelta, status: str = "True") -> Built:
    """A node of some age whose Ready condition is so since some time."""
    conditions = [{"type": "Ready", "status": status, "reason": "KubeletNotReady", "lastTransitionTime": ago(since)}]
    return NODE, convert(NODE, {"metadata": {"name": name, "creationTimestamp": ago(age)}, "status": {"conditions": conditions}})


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (node("n1", 600, 580), ["joined"]),
        (node("n1", 3000, 60), ["became Ready again", "joined"]),
        (node("n1", DAY, 60), ["became Ready again"]),
        (node("n1", DAY, 60, "Unknown"), ["stopped being Ready (KubeletNotReady)"]),
        (node("n1", DAY, DAY), []),
        (changed(node("n1", DAY, DAY), entry(9, "kubelet"), entry(9, "flanneld", "status"), entry(9, "kubectl-cordon")), 1),
    ],
)
def test_node(there: Built, words: list[str] | int) -> None:
    said = [what for _, _, what in told(finding("Node", "n1"), there)]
    assert said == words or len(said) == words


@pytest.mark.parametrize(
    "found",
    [
        finding("Service", "x", "shop", nodes=["n1"]),
        finding("NodePair", "n1--n2", paths=[NodePath("n1", "n2")]),
        finding("Service", "x", "shop", node="n1"),
    ],
    ids=["nodes", "paths", "from a node"],
)
def test_nodes_that_a_cause_names(found: Finding) -> None:
    assert told(found, node("n1", 60, 50), node("n3", 60, 50)) == [(60, "Node n1", "joined")]


def machinery(name: str, host: bool = True) -> Built:
    """A DaemonSet, on the nodes' network or not."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"hostNetwork": host}}
    meta = {"name": name, "namespace": "kube-system", "creationTimestamp": ago(DAY), "managedFields": [entry(90, "helm")]}
    return DAEMON_SET, convert(DAEMON_SET, {"metadata": meta, "spec": {"template": template}})


def test_machinery_of_a_node() -> None:
    def pod(of: str, where: str) -> Built:
        return owned(make_pod(f"{of}-{where}", "kube-system", node=where, age=30), "DaemonSet", of)

    objects = [machinery("kube-proxy"), machinery("app", host=False), pod("kube-proxy", "n1"), pod("kube-proxy", "n2")]
    assert told(finding("Node", "n1"), make_node("n1", age=DAY), *objects) == [
        (30, "DaemonSet kube-system/kube-proxy", "has 1 new of 1 pods, the last kube-proxy-n1"),
        (90, "DaemonSet kube-system/kube-proxy", "changed by helm"),
    ]
    assert told(SERVICE_WEB, web(), *objects) == []


# What evidence names, and DNS


@pytest.mark.parametrize(
    "evidence",
    [
        {"policies": [Subject("NetworkPolicy", "deny", "shop")]},
        {"objects": [ObjectRef("NetworkPolicy", "other", "shop"), ObjectRef("NetworkPolicy", "deny", "shop")]},
        {"by": ObjectRef("NetworkPolicy", "deny", "shop")},
    ],
)
def test_objects_that_evidence_names(evidence: dict[str, Any]) -> None:
    policy = changed(make_policy("podSelector: {}", "deny"), entry(60))
    assert told(finding("Pod", "x", "shop", **evidence), policy) == [(60, "NetworkPolicy shop/deny", "changed by kubectl-edit")]


DNS = (
    changed(
        make_service("kube-dns", "kube-system", selector={"k8s-app": "kube-dns"}, ports=((53, 53),), protocols=("UDP",), age=DAY)
    ),
    changed(make_workload(DEPLOYMENT, "coredns", "kube-system", labels={"k8s-app": "kube-dns"}, age=DAY), entry(50)),
    changed(make_corefile(".:53 {\n}\n"), entry(60)),
    make_pod("coredns-1", "kube-system", labels={"k8s-app": "kube-dns"}, age=DAY),
)


@pytest.mark.parametrize(
    "found",
    [
        finding("Cluster", "names", check="dns_latency"),
        finding("Service", "kube-dns", "kube-system"),
        finding("ConfigMap", "coredns", "kube-system"),
        finding("Pod", "coredns-1", "kube-system"),
    ],
    ids=["check", "Service", "Corefile", "pod"],
)
def test_dns_causes_name_the_dns_servers(found: Finding) -> None:
    said = {(subject, what) for _, subject, what in told(found, *DNS)}
    assert ("Deployment kube-system/coredns", "changed by kubectl-edit") in said
    assert ("ConfigMap kube-system/coredns", "changed by kubectl-edit") in said


def test_other_causes_do_not() -> None:
    assert told(finding("Pod", "web-1", "shop"), *DNS, make_pod("web-1", age=DAY)) == []


# Where lists are missing, and what is read


def test_lists_that_are_missing_are_no_trouble() -> None:
    gone = {kind: Unavailable("forbidden") for kind in KINDS.values()}
    assert told(finding("Service", "web", "shop", check="dns_config", nodes=["n1"]), unavailable=gone) == []
    (result,) = recent_changes.beside([SERVICE_WEB], Cluster({}))
    assert result.recent == ()


def test_managed_fields_are_decoded_of_few_kinds_alone() -> None:
    fields = {kind.name for kind in KINDS.values() if hasattr(kind.record().metadata, "managed_fields") and not kind.past}
    assert fields == {"Service", "Node", "Deployment", "DaemonSet", "StatefulSet", "ConfigMap", "NetworkPolicy", "ClusterRole"}


def test_a_bundle_tells_the_same_again() -> None:
    known = registry.load()
    cluster = make_cluster(changed(make_service("web", selector=WEB), entry(60)), make_node())
    content = bundle.dump("x", cluster, Measured(why_unmeasured="no"), {})
    checks = known.choose(["service_config"])
    reports = [run(bundle.load(content, "x"), known, checks).report.findings for _ in range(2)]
    assert reports[0] == reports[1]
    assert [item.seconds for found in reports[0] for item in found.recent] == [60]
