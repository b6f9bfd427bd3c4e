# SPDX-License-Identifier: Apache-2.0
"""Printed commands name the parts of the cluster that they are printed for."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.components.command_selectors import LEAVES, WHOLE, fitted
from kubectl_netdoc.core.cluster import Cluster, Unavailable
from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.records.base import Kind, Object, OwnerReference
from kubectl_netdoc.records.kinds import DEPLOYMENT, POD
from kubectl_netdoc.records.pods import Container, PodSpec
from kubectl_netdoc.remediation.commands import Risk, named, on_node
from kubectl_netdoc.sources import bundle
from kubectl_netdoc.testing import make_cluster, make_node, make_pod, make_workload

LOG = "kubectl -n kube-system logs --tail=20 -l k8s-app=kube-proxy --prefix"
RESTART = "kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName=n1"
KUBEADM, AKS = {"k8s-app": "kube-proxy", "controller-revision-hash": "1"}, {"component": "kube-proxy", "tier": "node"}


def proxy(name: str, labels: dict[str, str], namespace: str = "kube-system", static: bool = False) -> tuple[Kind[Any], Object]:
    """Return a pod of kube-proxy."""
    kind, pod = make_pod(name, namespace, labels=labels, node="n1")
    owner = OwnerReference(kind="Node" if static else "DaemonSet", name="n1" if static else "kube-proxy", controller=True)
    meta = msgspec.structs.replace(pod.metadata, owner_references=(owner,))
    spec = PodSpec(node_name="n1", host_network=True, containers=(Container(name="kube-proxy"),))
    return kind, msgspec.structs.replace(pod, metadata=meta, spec=spec)


def told(cluster: Cluster, *commands: str) -> Finding:
    """Return a finding with these commands as the cluster is told them."""
    return fitted(Finding("X001", Severity.FAIL, Subject("Node", "n1"), "m", {}, "f", commands, Risk.SAFE), cluster)


def test_what_matches_stays() -> None:
    cluster = make_cluster(make_node("n1"), proxy("kube-proxy-a", KUBEADM))
    assert told(cluster, LOG, RESTART).commands == (LOG, RESTART)


def test_another_distribution_has_its_own_labels() -> None:
    cluster = make_cluster(make_node("n1"), proxy("kube-proxy-a", AKS), make_pod("other", "kube-system", labels={"tier": "node"}))
    assert told(cluster, LOG, RESTART).commands == (
        LOG.replace("k8s-app=kube-proxy", "component=kube-proxy"),
        RESTART.replace("k8s-app=kube-proxy", "component=kube-proxy"),
    )


def test_another_namespace_is_named() -> None:
    cluster = make_cluster(make_node("n1"), proxy("kube-proxy-a", {"app": "kube-proxy"}, "networking"))
    assert told(cluster, LOG).commands == ("kubectl -n networking logs --tail=20 -l app=kube-proxy --prefix",)


def test_a_static_pod_is_restarted_on_its_node() -> None:
    found = told(make_cluster(make_node("n1"), proxy("kube-proxy-n1", AKS, static=True)), RESTART)
    (command,) = found.commands
    assert command.startswith("kubectl debug node/n1 ")
    assert command.endswith("pkill -x kube-proxy")
    assert (found.risk, found.argv[0][:3]) == (Risk.NODE, ("kubectl", "debug", "node/n1"))


def test_a_node_without_it_has_none_to_restart() -> None:
    cluster = make_cluster(make_node("n2"), proxy("kube-proxy-a", AKS))
    assert told(cluster, RESTART.replace("=n1", "=n2")).commands == ()


def test_what_is_not_there_is_not_named() -> None:
    """k3s, where kube-proxy is a part of the agent; a managed control plane."""
    cluster = make_cluster(make_node("n1"), make_pod("web", labels={"app": "web"}))
    manager = "kubectl -n kube-system logs --tail=20 -l component=kube-controller-manager"
    assert told(cluster, LOG, RESTART, manager, "kubectl get nodes").commands == ("kubectl get nodes",)


@pytest.mark.parametrize(
    "command",
    [
        "kubectl describe node n9",
        "kubectl -n shop describe pod web-9",
        "kubectl -n shop logs web-9 --tail=5",
        "kubectl -n shop delete pod/web-9",
        "kubectl -n shop patch deployment web -p '{}'",
        on_node("n9", "ip route"),
    ],
)
def test_an_object_that_is_not_there_is_not_named(command: str) -> None:
    cluster = make_cluster(make_node("n1"), make_pod("web-1"), make_workload(DEPLOYMENT, "api"))
    there = command.replace("n9", "n1").replace("web-9", "web-1").replace("deployment web", "deployment api")
    assert told(cluster, command, there).commands == (there,)


@pytest.mark.parametrize("listing", [None, Unavailable("forbidden")])
def test_where_pods_can_not_be_read_nothing_is_changed(listing: Unavailable | None) -> None:
    cluster = Cluster({POD.name: listing} if listing else {})
    assert told(cluster, LOG).commands == (LOG,)


def test_a_nodes_command_runs_the_runs_own_image_and_says_what_stays() -> None:
    cluster = make_cluster(make_node("n1"))
    command = on_node("n1", "ip route")
    assert told(cluster, command).commands == (command,)
    assert told(cluster, command).fix.endswith(LEAVES)
    cluster.image = "registry.corp/python:3.13"
    found = told(cluster, command)
    assert "--image=registry.corp/python:3.13 " in found.commands[0]
    assert found.argv[0][found.argv[0].index("--") :] == ("--", "chroot", "/host", "ip", "route")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "bundles").glob("*.json")), ids=lambda path: path.stem)
def test_what_is_printed_of_a_recorded_cluster_is_there(path: Path) -> None:
    known = registry.load()
    came = run(bundle.load(path.read_bytes(), path.name), known, known.checks)
    pods, by_name = came.cluster.index.items(POD), came.cluster.index.by_name
    for command in {command for finding in came.report.findings for command in finding.commands}:
        words = shlex.split(command)
        if "-l" in words and {"logs", "pod", "pods"} & set(words):
            labels = dict(pair.split("=") for pair in words[words.index("-l") + 1].split(","))
            assert any(labels.items() <= pod.metadata.labels.items() for pod in pods), command
        kind, namespace, name = named(command) or ("", "", "")
        if kind in ("pod", "daemonset", "deployment", "service"):
            assert (namespace, name) in by_name[WHOLE[kind].name], command
        if kind == "node":
            assert ("", name) in by_name["Node"], command
