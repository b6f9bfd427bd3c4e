# SPDX-License-Identifier: Apache-2.0
"""kube-proxy's clusterCIDR, compared with the addresses of the pods."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import POD, Cluster, Code, Finding, ObjectRef, Risk, Severity, in_any, ip_families, is_range, some
from kubectl_netdoc.checks.services.kube_proxy_mode.observed import CLUSTER, Observed
from kubectl_netdoc.components import kube_proxy

SHOWN = 3
"""Pods that a message names at most."""

OTHER_RANGE = Code(
    id="KPX012",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="kube-proxy's clusterCIDR does not contain the pods",
    message="kube-proxy's clusterCIDR {range} ({place}) does not contain the addresses of these pods: {shown}. kube-proxy "
    "applies source NAT to their connections to Services, so targets and policies see the node's address and not the pod's",
    fix="Set clusterCIDR to the range of the pods (of each family, separated by a comma), or set detectLocalMode to another way "
    "of recognising pods. Then restart kube-proxy node by node.",
    commands=("kubectl -n {space} get configmap kube-proxy -o yaml", kube_proxy.ROLLOUT_RESTART),
    rows=("K7",),
)


def analyse(cluster: Cluster, observed: Observed) -> Iterator[Finding]:
    """Find pods outside of the ranges by which kube-proxy recognises pods, where it does so by ranges."""
    text, place = kube_proxy.setting(cluster, "clusterCIDR", "cluster-cidr")
    how, _ = kube_proxy.setting(cluster, "detectLocalMode", "detect-local-mode")
    ranges = list(filter(is_range, text.split(",")))
    families = {ip_families.of(each) for each in ranges}
    if not observed.proxies or how not in ("", "ClusterCIDR"):
        return
    own = [pod for pod in cluster.all(POD) if pod.status.phase == "Running" and not (pod.spec.host_network or pod.terminating)]
    out = sorted(
        ObjectRef.to("Pod", pod, address=ip)
        for pod in own
        for ip in pod.ips
        if ip_families.of(ip) in families and not in_any(ip, ranges)
    )
    if out:
        names = {"range": text, "place": place, "count": len(out), "shown": some(out, SHOWN)}
        yield OTHER_RANGE.on(CLUSTER, names | observed.names(), objects=out[:SHOWN])


CODES = (OTHER_RANGE,)
