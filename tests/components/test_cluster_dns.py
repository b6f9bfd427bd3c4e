# SPDX-License-Identifier: Apache-2.0
"""Where cluster DNS is, as the commands of findings name it."""

from __future__ import annotations

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.testing import make_cluster, make_corefile, make_service

KUBEADM = {"dns_space": "kube-system", "dns_service": "kube-dns", "dns_pods": "k8s-app=kube-dns", "dns_config": "coredns"}


def test_openshift_has_its_own_names() -> None:
    selector = {"dns.operator.openshift.io/daemonset-dns": "default"}
    service = make_service("dns-default", "openshift-dns", selector=selector, ports=[(53, "dns")], protocols=["UDP", "TCP"])
    assert cluster_dns.names(make_cluster(service, make_corefile(".:53 {}", "dns-default", "openshift-dns"))) == {
        "dns_space": "openshift-dns",
        "dns_service": "dns-default",
        "dns_pods": "dns.operator.openshift.io/daemonset-dns=default",
        "dns_config": "dns-default",
    }


def test_what_is_not_seen_is_as_kubeadm_has_it() -> None:
    assert cluster_dns.names(make_cluster()) == KUBEADM
