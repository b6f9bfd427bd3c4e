# SPDX-License-Identifier: Apache-2.0
"""Why a DaemonSet of one of the network's agents has no pod on a node, or does nothing at all though it is there.

What recognises an agent asks which DaemonSet does the work. One that is there and does none is no sign of another network: its
own fields say why.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.cni import Network
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import DAEMON_SET, NODE
from kubectl_netdoc.records.nodes import Node, Taint
from kubectl_netdoc.records.workloads import DaemonSet, Toleration, Workload

KEEPS_OFF = frozenset({"NoSchedule", "NoExecute"})
"""Effects of taints that keep pods off a node."""

ALWAYS_TOLERATED = "node.kubernetes.io/"
"""How the keys of taints begin that the DaemonSet controller has every pod tolerate (Kubernetes: DaemonSet, taints and
tolerations)."""

CORRECT = (
    "kubectl -n {namespace} describe daemonset {name}",
    "kubectl -n {namespace} rollout history daemonset {name}",
    "kubectl -n {namespace} edit daemonset {name}",
)
"""The commands that show what is wrong with a DaemonSet that does nothing, what changed it, and that correct it."""


class Idle(Struct, frozen=True):
    """A DaemonSet that does nothing, why as a clause, and the path of the field that makes it so."""

    workload: Workload
    why: str
    field: str


def why_not_on(workload: Workload, node: Node) -> str:
    """Return why a DaemonSet has no pod on a node, as the end of a sentence; "" where its nodeSelector and tolerations fit."""
    if not isinstance(workload, DaemonSet):
        return ""
    spec = workload.spec.template.spec
    if lacking := _labels({key: value for key, value in spec.node_selector.items() if node.metadata.labels.get(key) != value}):
        return f", as the node lacks labels of its DaemonSet's nodeSelector ({lacking})"
    for taint in node.spec.taints:
        mild = taint.effect not in KEEPS_OFF or taint.key.startswith(ALWAYS_TOLERATED)
        if not mild and not any(_tolerates(each, taint) for each in spec.tolerations):
            return f", as its DaemonSet's tolerations leave out the node's taint {taint.key}:{taint.effect}"
    return ""


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether a toleration fits a taint (Kubernetes: Taints and Tolerations)."""
    if toleration.effect not in ("", taint.effect):
        return False
    if toleration.operator == "Exists":
        return toleration.key in ("", taint.key)
    return (toleration.key, toleration.value) == (taint.key, taint.value)


def of_network(cluster: Cluster, network: Network) -> Iterator[Idle]:
    """Yield the DaemonSets with a network's agent that run on no node. Reads DAEMON_SET, NODE and POD as far as they may be."""
    for workload in cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ():
        if network.is_agent(workload) and _runs_nowhere(cluster, workload):
            yield _nowhere(cluster, workload)


def of_kube_proxy(cluster: Cluster) -> Iterator[Idle]:
    """Yield kube-proxy's DaemonSets that run on no node, or whose pods have a network of their own."""
    for workload in cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ():
        if not kube_proxy.runs_it(workload.template.spec):
            continue
        if not workload.template.spec.host_network:
            yield Idle(workload, f"it runs {kube_proxy.APART}", "spec.template.spec.hostNetwork")
        elif _runs_nowhere(cluster, workload):
            yield _nowhere(cluster, workload)


def _runs_nowhere(cluster: Cluster, workload: Workload) -> bool:
    """Tell whether a DaemonSet wants no pod, and its controller has had time to count."""
    if workload.wanted or cluster.age(workload.metadata.creation_timestamp) < kube_proxy.STARTING:
        return False
    return cluster.readable(NODE) and not cni.pods_of(cluster, workload)


def _nowhere(cluster: Cluster, workload: Workload) -> Idle:
    wanted = workload.spec.template.spec.node_selector if isinstance(workload, DaemonSet) else {}
    if wanted and not any(wanted.items() <= node.metadata.labels.items() for node in cluster.all(NODE)):
        why = f"it runs on no node, as none has the labels of its nodeSelector ({_labels(wanted)})"
        return Idle(workload, why, "spec.template.spec.nodeSelector")
    return Idle(workload, "it runs on no node, as its nodeSelector, affinity and tolerations fit none", "spec.template.spec")


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
