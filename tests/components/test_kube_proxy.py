# SPDX-License-Identifier: Apache-2.0
"""The names that commands about kube-proxy take, and how soon it writes rules that are missing."""

from __future__ import annotations

import pytest

from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.testing import make_cluster, make_pod, make_service, make_slice

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


@pytest.mark.parametrize(
    ("version", "endpoints", "mode", "when"),
    [
        ("v1.27.16", 5000, "iptables", "within 30 s"),
        ("v1.36.0", 1001, "iptables", "only once an hour"),
        ("v1.36.1", 1000, "iptables", "only once an hour"),
        ("v1.36.1", 1001, "iptables", "not before it is restarted, as there are more than 1,000 endpoints"),
        ("v1.37.2", 1001, "nftables", "only once an hour"),
        ("", 1000, "iptables", "only once an hour"),
        (
            "",
            1001,
            "iptables",
            "not before it is restarted, as there are more than 1,000 endpoints (older ones: once an hour)",
        ),
    ],
)
def test_missing_rules_come_back_by_version_endpoints_and_mode(version: str, endpoints: int, mode: str, when: str) -> None:
    assert kube_proxy.resync(version, endpoints, mode) == when


def test_endpoints_are_counted_as_kube_proxy_counts_them() -> None:
    """Those of each Service port, of the IP family that has more, of Services that have an address."""
    cluster = make_cluster(
        make_service(),
        make_service("none", cluster_ip="None"),
        make_slice(addresses={"10.0.0.1": "a", "10.0.0.2": "b"}),
        make_slice(addresses={"10.0.0.3": "c"}, name="web-2"),
        make_slice("none", addresses={"10.0.0.4": "d"}),
    )
    assert kube_proxy.endpoints_of(cluster) == 3
