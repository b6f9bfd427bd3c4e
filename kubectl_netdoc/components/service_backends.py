# SPDX-License-Identifier: Apache-2.0
"""What stands behind a Service, could stand there, or need not: its pods, what makes such pods, other clusters."""

from __future__ import annotations

from collections.abc import Mapping

from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.formats.text import beginning
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    WORKLOADS,
)
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.records.workloads import Workload

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
"""Labels that the StatefulSet controller gives each pod (Kubernetes: StatefulSet, Pod Identity)."""

GENERATED = ("Deployment", "CronJob")
"""Whose ReplicaSets and Jobs are no workloads of their own: old ones have the labels of the past."""

MESH_SERVER = "clustermesh-apiserver"
"""The Deployment by which Cilium's clusters of a mesh read each other's Services."""

EASTWEST = ("istio", "eastwestgateway")
"""The label of the gateway between the clusters of an Istio mesh (Istio: Install Multi-Primary on different networks)."""

KINDS = (*WORKLOADS, REPLICATION_CONTROLLER)
"""What is read of who makes pods; a DeploymentConfig (OpenShift) has ReplicationControllers."""

UNSET = "nobody has set it yet"
SHOWN = 120
"""Characters of a condition's message that are told."""

Made = tuple[Kind[Workload], Workload]


class Backends:
    """What could stand behind a Service with a selector: pods there are, those that end, and workloads that make such pods.

    ``neighbours``: all workloads of the namespace. ``active``: those behind the Service that want pods now; of DaemonSets in
    manifests nobody has counted the nodes. ``makers``: those and their ReplicaSets, which Events about missing pods name.
    """

    def __init__(self, cluster: Cluster, service: Service) -> None:
        self.selector = service.spec.selector
        found = cluster.pods_of(service) if cluster.readable(POD) else []
        self.pods = [pod for pod in found if not pod.terminating]
        self.ending = [pod for pod in found if pod.terminating]
        self.ready = [pod for pod in self.pods if pod.ready]
        every = cluster.workloads_in(service.namespace, KINDS)
        self.neighbours = [(kind, item) for kind, item in every if _owner(item) not in GENERATED]
        self.workloads = [(kind, item) for kind, item in self.neighbours if _makes(kind, item, self.selector)]
        counted = cluster.origin != "manifests"
        self.active = [
            (kind, item)
            for kind, item in self.workloads
            if (item.wanted or (kind is DAEMON_SET and not counted)) and self._numbered(kind, item)
        ]
        owned = [(kind, item) for kind, item in every if kind is REPLICA_SET and _owned(item, self.active)]
        self.makers = [*self.active, *owned]

    def _numbered(self, kind: Kind[Workload], item: Workload) -> bool:
        """Whether the one pod of a StatefulSet that a selector names is among those that it wants."""
        number = _number(item, self.selector) if kind is STATEFUL_SET else None
        return number is None or 0 <= number - item.spec.ordinals.start < item.wanted

    @property
    def resting(self) -> str:
        """Why no pod is wanted behind the Service, in a clause; nothing where one is, or is there."""
        if self.pods or self.ending or self.active or not self.workloads:
            return ""
        kind, item = self.workloads[0]
        name = f"{kind.name} {item.name}"
        if kind is STATEFUL_SET and item.wanted:
            return f"{name} has {item.wanted} replicas, and pod {item.name}-{_number(item, self.selector)} is none of them"
        if kind is DAEMON_SET:
            return f"{name} fits no node"
        return f"{name} makes its pods when it runs" if kind is JOB else f"{name} is scaled to 0"


def _owner(item: Workload) -> str:
    return next((owner.kind for owner in item.metadata.owner_references if owner.controller), "")


def _owned(item: Workload, by: list[Made]) -> bool:
    names = {(kind.name, owner.name) for kind, owner in by}
    return any((owner.kind, owner.name) in names for owner in item.metadata.owner_references if owner.controller)


def _number(item: Workload, selector: Mapping[str, str]) -> int | None:
    """The number of the one pod of a StatefulSet that a selector names, or None where it names none of them."""
    name, _, number = selector.get(POD_NAME, "").rpartition("-")
    index = selector.get(POD_INDEX, number if name == item.name else "")
    return int(index) if index.isdecimal() else None


def _makes(kind: Kind[Workload], item: Workload, selector: Mapping[str, str]) -> bool:
    """Whether pods of a workload are selected, by their template and by what the StatefulSet controller adds."""
    labels = item.template.metadata.labels
    if kind is not STATEFUL_SET or _number(item, selector) is None:
        return matches(selector, labels)
    rest = {key: value for key, value in selector.items() if key not in (POD_NAME, POD_INDEX)}
    ours = selector.get(POD_NAME, f"{item.name}-").rpartition("-")[0] == item.name
    return ours and (matches(rest, labels) if rest else POD_NAME in selector)


def unread(cluster: Cluster) -> list[str]:
    """Return the kinds of workloads that could not be read: what rests can't be told from what is not there."""
    return [kind.plural for kind in WORKLOADS if cluster.unread(kind)]


def elsewhere(cluster: Cluster, service: Service, behind: Backends) -> str:
    """Return why what serves a Service may be in other clusters, nothing where it is to be here; ``behind``: what is here.

    A Service of an Istio mesh may have the same name in each cluster, and its pods in some of them only.
    """
    notes = service.metadata.annotations
    if "true" in (notes.cilium_global, notes.cilium_global_old) and _cilium_mesh(cluster):
        return "it is global in a mesh of clusters (service.cilium.io/global): its pods may be in others"
    if behind.pods or behind.ending or behind.workloads:
        return ""
    if any(EASTWEST in item.metadata.labels.items() for item in cluster.all(SERVICE)):
        return "there is a gateway to other clusters of an Istio mesh (istio=eastwestgateway): its pods may be there"
    return ""


def _cilium_mesh(cluster: Cluster) -> bool:
    """Whether Cilium is part of a mesh of clusters; taken to where its Deployment can't be seen."""
    if cluster.origin == "manifests" or cluster.scope.namespaces or not cluster.readable(DEPLOYMENT):
        return True
    items = (*cluster.all(DEPLOYMENT), *cluster.all(SERVICE))
    return any(item.name == MESH_SERVER for item in items)


def waits(pod: Pod) -> str:
    """Return why a pod is not ready, in the API's own words."""
    for status in pod.status.container_statuses:
        if status.state.waiting and status.state.waiting.reason:
            return f"{status.state.waiting.reason}, {status.restart_count} restarts"
    scheduled, ready = pod.condition("PodScheduled"), pod.condition("Ready")
    if scheduled and scheduled.status == "False":
        return f"{scheduled.reason}: {beginning(scheduled.message, SHOWN)}"
    if gate := closed_gate(pod):
        return gate
    return f"{pod.status.phase}, {ready.reason or 'not ready' if ready else 'no status yet'}"


def closed_gate(pod: Pod) -> str:
    """Return the readiness gate that keeps a pod unready whose containers are ready, and what its own condition says."""
    containers = pod.condition("ContainersReady")
    if pod.ready or containers is None or containers.status != "True":
        return ""
    for gate in pod.spec.readiness_gates:
        condition = pod.condition(gate.condition_type)
        if condition is None or condition.status != "True":
            said = f"{condition.reason}: {beginning(condition.message, SHOWN)}".strip(": ") if condition else UNSET
            return f"its containers are ready, readiness gate {gate.condition_type} is not: {said}"
    return ""
