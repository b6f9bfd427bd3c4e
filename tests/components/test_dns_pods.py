# SPDX-License-Identifier: Apache-2.0
"""What is said and printed about DNS pods that are not ready, and about a Corefile that somebody keeps."""

from __future__ import annotations

import pytest

from kubectl_netdoc.api import COREFILE, Cluster, Finding
from kubectl_netdoc.components import dns_pods
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.testing import Built, make_cluster, make_event, make_node, make_service, outcome
from tests.checks import registered
from tests.checks.dns import dns_config as cases

(CHECK,) = [each for each in registered() if each.id == "dns_config"]


def only(cluster: Cluster, code: str) -> Finding:
    """Return the one finding of a code."""
    (found,) = [finding for finding in outcome(CHECK, cluster).findings if finding.code == code]
    return found


def corefile(namespace: str, name: str, **labels: str) -> Built:
    """A Corefile that does not close its brace."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {key.replace("__", "/").replace("_", "."): to for key, to in labels.items()},
    }
    return COREFILE, convert(COREFILE, {"metadata": metadata, "data": {"Corefile": ". {"}})


@pytest.mark.parametrize(
    ("name", "logs"),
    [
        ("no server is scheduled", False),
        ("CoreDNS may not list", True),
    ],
)
def test_logs_are_asked_for_of_pods_that_have_some(name: str, logs: bool) -> None:
    cluster = next(case.cluster for case in cases.CASES if case.name == name)
    assert any(" logs " in command for command in only(cluster, "DNC002").commands) == logs


def test_what_keeps_a_server_from_its_start_is_told() -> None:
    pod = (
        POD,
        convert(POD, {"metadata": {"name": "p", "namespace": "s"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Pending"}}),
    )
    event = make_event("Pod", "p", "s", "FailedMount", "configmap coredns not found")
    assert "configmap coredns not found" in str(dns_pods.problem_of(make_cluster(pod, event), pod[1]))


def test_it_is_about_the_nodes_whose_network_is_missed() -> None:
    named = ("n1", "n2")
    nodes = [make_node(name, taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]) for name in named]
    case = next(case for case in cases.CASES if case.name == "no server is scheduled")
    pods = case.cluster.all(POD)
    cluster = make_cluster(*nodes, make_node("n3"), *((POD, pod) for pod in pods))
    assert dns_pods.nodes(cluster, list(pods)) == list(named)


@pytest.mark.parametrize(
    ("kept", "edited"),
    [
        (corefile("kube-system", "coredns"), "kubectl -n kube-system edit configmap coredns"),
        (
            corefile("kube-system", "coredns", addonmanager_kubernetes_io__mode="Reconcile"),
            "kubectl -n kube-system edit configmap coredns",
        ),
        (corefile("openshift-dns", "dns-default"), "kubectl edit dns.operator/default"),
    ],
)
def test_a_corefile_is_changed_where_it_is_kept(kept: Built, edited: str) -> None:
    service = make_service(
        "dns-default" if "openshift" in edited or "operator" in edited else "kube-dns", kept[1].namespace, ports=[(53, 53)]
    )
    found = only(make_cluster(service, kept), "DNC006")
    assert found.commands[0] == edited
    assert ("undoes" in found.fix) == bool(kept[1].metadata.labels)
