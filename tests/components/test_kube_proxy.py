# SPDX-License-Identifier: Apache-2.0
"""The names that commands about kube-proxy take."""

from __future__ import annotations

from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.testing import make_cluster, make_pod

PROXIES = {
    pod.spec.node_name: [pod]
    for pod in make_cluster(
        make_pod("proxy-a", namespace="system", node="n1"), make_pod("proxy-b", namespace="system", node="n2")
    ).all(POD)
}
KUBEADM = {"pod": "kube-proxy", "space": "kube-system", "owner": "kube-proxy"}


def test_names_are_those_of_the_pod_on_the_node() -> None:
    assert kube_proxy.names(PROXIES, "n2") == {"pod": "proxy-b", "space": "system", "owner": "kube-proxy"}
    assert kube_proxy.names(PROXIES)["pod"] == "proxy-a"


def test_a_node_without_a_pod_is_never_given_another_nodes_pod() -> None:
    assert kube_proxy.names(PROXIES, "n3") == KUBEADM == kube_proxy.names({})


def test_a_node_is_one_word_in_the_command_that_restarts_its_pod() -> None:
    assert kube_proxy.restart_on("n1").endswith("spec.nodeName=n1")
    assert kube_proxy.restart_on("a b").endswith("spec.nodeName='a b'")
