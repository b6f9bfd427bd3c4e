# SPDX-License-Identifier: Apache-2.0
"""Addresses of MetalLB's that every node answers ARP for."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import METALLB_L2, Cluster, Code, Finding, Risk, Severity, Subject
from kubectl_netdoc.cni.base import yes
from kubectl_netdoc.components import kube_proxy

ALL_ANSWER = Code(
    id="LBA002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Every node answers ARP for MetalLB's addresses",
    message="kube-proxy is set to ipvs mode without strictARP ({place}), and MetalLB announces addresses by ARP: every node "
    "has these addresses on kube-ipvs0 and answers ARP for them, whichever node MetalLB chose",
    fix="Set ipvs.strictARP: true in kube-proxy's configuration (as a flag: --ipvs-strict-arp), then restart kube-proxy "
    "node by node.",
    commands=("kubectl -n {space} edit {kind} {object}", kube_proxy.ROLLOUT_RESTART),
)


def all_answer(cluster: Cluster) -> Iterator[Finding]:
    """kube-proxy in ipvs mode without strictARP, beside MetalLB that announces by ARP."""
    mode, place = kube_proxy.configured(cluster)
    proxies = kube_proxy.pods(cluster)
    by_arp = cluster.readable(METALLB_L2) and bool(cluster.all(METALLB_L2))
    strict, _ = kube_proxy.setting(cluster, "strictARP", "ipvs-strict-arp")
    if mode != "ipvs" or place is None or not proxies or not by_arp or yes(strict):
        return
    if not (kube_proxy.replaced_by(cluster) or kube_proxy.replacement_unknown(cluster)):
        owner = kube_proxy.names(proxies)["owner"]
        names = {"place": place, "kind": place.kind.lower(), "space": place.namespace, "object": place.name, "owner": owner}
        yield ALL_ANSWER.on(Subject("Cluster", "kube-proxy"), names)


CODES = (ALL_ANSWER,)
