# SPDX-License-Identifier: Apache-2.0
"""Flannel as part of k3s: no DaemonSet, the k3s process of each node is the agent. RKE2 has Canal by default, as a DaemonSet.

Recognition made from: k3s-io/k3s, pkg/agent/flannel (v1.30: it writes flannel's annotations on its node), and the version that
its kubelet reports (v1.30.4+k3s1). Its network policies are kube-router's, in the same process (pkg/agent/netpol).
"""

from __future__ import annotations

import re

import msgspec

from kubectl_netdoc.cni import flannel
from kubectl_netdoc.cni.base import Found, Network, NetworkObjects, PolicyEngine, ServiceProxy
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import NODE

NEVER = re.compile(r"(?!)")
FLANNEL_OF_K3S = Network(name="Flannel", agent=NEVER, traits=flannel.traits, trace=flannel.trace)


def embedded(cluster: Cluster) -> Found | None:
    """Return the flannel that is part of the nodes' k3s, or None."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    if not any("+k3s" in node.status.node_info.kubelet_version and flannel.trace(node) for node in nodes):
        return None
    carries = flannel.carries(NetworkObjects(cluster))
    told = msgspec.structs.replace(carries, kube_proxy=ServiceProxy.EMBEDDED, policy=PolicyEngine.KUBE_ROUTER_IN_K3S)
    return Found(FLANNEL_OF_K3S, traits=told, embedded="k3s")
