# SPDX-License-Identifier: Apache-2.0
"""Which pod network a cluster has, by the images of its agents, and how it carries packets. One file a network.

To add one: its file here with a ``Network``, named in ``ALL`` below; what it reads of ConfigMaps, resources, variables and
flags in ``records/cni.py``; its objects, from the published manifest, in ``tests/support/cni_objects.py``.
"""

from __future__ import annotations

from kubectl_netdoc.cni import k3s
from kubectl_netdoc.cni.antrea import ANTREA
from kubectl_netdoc.cni.base import Found, Image, Network, NetworkObjects, Part, Traits, daemon_sets
from kubectl_netdoc.cni.calico import CALICO, CANAL
from kubectl_netdoc.cni.cilium import CILIUM, DATAPLANE_V2
from kubectl_netdoc.cni.cloud import AWS_VPC_CNI, AZURE_CNI
from kubectl_netdoc.cni.flannel import FLANNEL
from kubectl_netdoc.cni.kindnet import KINDNET
from kubectl_netdoc.cni.kube_router import KUBE_ROUTER
from kubectl_netdoc.cni.multus import MULTUS
from kubectl_netdoc.cni.ovn_kubernetes import OVN_KUBERNETES
from kubectl_netdoc.cni.weave import WEAVE
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.once import once
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.workloads import Workload

ALL: tuple[Network, ...] = (
    CANAL,
    CALICO,
    FLANNEL,
    DATAPLANE_V2,
    CILIUM,
    WEAVE,
    KINDNET,
    KUBE_ROUTER,
    ANTREA,
    OVN_KUBERNETES,
    AWS_VPC_CNI,
    AZURE_CNI,
    MULTUS,
)
"""Every network. A DaemonSet belongs to the first that matches it, so the more specific ones come first."""


@once
def recognise(cluster: Cluster) -> tuple[Found, ...]:
    """Return the networks whose agents exist, in the order of ``ALL``."""
    agents: dict[str, list[Workload]] = {}
    for workload in daemon_sets(cluster):
        network = next((each for each in ALL if each.is_agent(workload)), None)
        if network and _in_use(cluster, workload):
            agents.setdefault(network.name, []).append(workload)
    found = [
        Found(network, tuple(agents[network.name]), network.traits(NetworkObjects(cluster, tuple(agents[network.name]))))
        for network in ALL
        if network.name in agents
    ]
    part = None if any(each.primary for each in found) else k3s.embedded(cluster)
    return (part, *found) if part else tuple(found)


def _in_use(cluster: Cluster, workload: Workload) -> bool:
    """Tell whether a DaemonSet is in use: it wants or has pods on nodes. In manifests every DaemonSet counts."""
    if cluster.origin == "manifests" or workload.status.desired_number_scheduled > 0:
        return True
    return cluster.readable(POD) and bool(pods_of(cluster, workload))


def pods_of(cluster: Cluster, agent: Workload) -> list[Pod]:
    """Return the unfinished pods of a DaemonSet, such as a network's agent; raises ``KindUnavailable``."""
    return [pod for pod in cluster.pods_in(agent.namespace) if pod.made_by("DaemonSet", agent.name)]


__all__ = ["ALL", "Found", "Image", "Network", "NetworkObjects", "Part", "Traits", "Workload", "pods_of", "recognise"]
