# SPDX-License-Identifier: Apache-2.0
"""The backends of a Service: its pods, the workloads that make such pods, and whether they may be in other clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.core.once import once
from kubectl_netdoc.formats.text import beginning, counted
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
from kubectl_netdoc.records.pods import Pod, PodSpec
from kubectl_netdoc.records.services import Service, ServicePort
from kubectl_netdoc.records.workloads import Workload

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
"""Labels that the StatefulSet controller gives each pod (Kubernetes: StatefulSet, Pod Identity)."""

GENERATED = ("Deployment", "CronJob")
"""Owners whose ReplicaSets and Jobs don't count as workloads: old ones have labels of the past."""

MESH_SERVER = "clustermesh-apiserver"
"""The Deployment from which clusters of a Cilium cluster mesh read each other's Services."""

EASTWEST = ("istio", "eastwestgateway")
"""The label of the gateway between the clusters of an Istio mesh (Istio: Install Multi-Primary on different networks)."""

KINDS = (*WORKLOADS, REPLICATION_CONTROLLER)
"""Kinds that make pods and are read; a DeploymentConfig (OpenShift) has ReplicationControllers."""

UNSET = "nothing has set it yet"
QUOTED = 120
"""Characters of a condition's message that are quoted at most."""

Made = tuple[Kind[Workload], Workload]


class NoPodsWanted(Struct, frozen=True):
    """The workload behind a Service that wants no pod now, and why, as a clause."""

    workload: ObjectRef
    why: str


class Backends:
    """What a Service with a selector may have behind it.

    ``pods``: those that run or start, ``ending``: those being deleted, ``ready``: those of ``pods`` that are ready.
    ``workloads``: those that make pods which the Service selects; ``neighbours``: all workloads of the namespace.
    ``active``: the workloads that want pods now (in manifests every DaemonSet, as the nodes are not known).
    ``makers``: the active workloads and their ReplicaSets, which Events about missing pods name.
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
    def empty(self) -> bool:
        """Whether the Service selects no pod and no workload's pods."""
        return not (self.pods or self.ending or self.workloads)

    @property
    def no_pods_wanted(self) -> NoPodsWanted | None:
        """Why no workload wants a pod for the Service; None where one does, or a pod is there."""
        if self.pods or self.ending or self.active or not self.workloads:
            return None
        kind, item = self.workloads[0]
        if kind is STATEFUL_SET and item.wanted:
            why = f"has {item.wanted} replicas, and pod {item.name}-{_number(item, self.selector)} is not among them"
        elif kind is DAEMON_SET:
            why = "matches no node"
        else:
            why = "has pods only while it runs" if kind is JOB else "is scaled to 0"
        return NoPodsWanted(ObjectRef.to(kind.name, item), f"{kind.name} {item.name} {why}")


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
    """Return the kinds of workloads that could not be read, in which a workload scaled to zero may be."""
    return [kind.plural for kind in WORKLOADS if cluster.unreadable(kind)]


def elsewhere(cluster: Cluster, service: Service, behind: Backends) -> str:
    """Return why a Service's pods may be in other clusters; nothing where they should be in this one.

    In an Istio mesh a Service may have the same name in each cluster, and pods in some of them only.
    """
    notes = service.metadata.annotations
    if "true" in (notes.cilium_global, notes.cilium_global_old) and _cilium_mesh(cluster):
        return "it is global in a Cilium cluster mesh (service.cilium.io/global), so its pods may be in other clusters"
    if behind.pods or behind.ending or behind.workloads:
        return ""
    if _istio_mesh(cluster):
        return "there is a gateway to other clusters of an Istio mesh (istio=eastwestgateway), so its pods may be there"
    return ""


@once
def _istio_mesh(cluster: Cluster) -> bool:
    """Whether a gateway to other clusters of an Istio mesh is there."""
    return any(EASTWEST in item.metadata.labels.items() for item in cluster.all(SERVICE))


@once
def _cilium_mesh(cluster: Cluster) -> bool:
    """Whether this cluster is in a Cilium cluster mesh; assumed where its Deployment can't be read."""
    if cluster.origin == "manifests" or cluster.scope.namespaces or not cluster.readable(DEPLOYMENT):
        return True
    items = (*cluster.all(DEPLOYMENT), *cluster.all(SERVICE))
    return any(item.name == MESH_SERVER for item in items)


def waits(pod: Pod) -> str:
    """Return why a pod is not ready, in the words of its status."""
    for status in pod.status.container_statuses:
        if status.state.waiting and status.state.waiting.reason:
            return f"{status.state.waiting.reason}, {counted(status.restart_count, 'restart')}"
    scheduled, ready = pod.condition("PodScheduled"), pod.condition("Ready")
    if scheduled and scheduled.status == "False":
        return f"{scheduled.reason}: {beginning(scheduled.message, QUOTED)}"
    if gate := closed_gate(pod):
        return gate
    return f"{pod.status.phase}, {ready.reason or 'not ready' if ready else 'no status yet'}"


def closed_gate(pod: Pod) -> str:
    """Return which readiness gate keeps a pod unready though its containers are ready, with its condition's message."""
    containers = pod.condition("ContainersReady")
    if pod.ready or containers is None or containers.status != "True":
        return ""
    for gate in pod.spec.readiness_gates:
        condition = pod.condition(gate.condition_type)
        if condition is None or condition.status != "True":
            said = f"{condition.reason}: {beginning(condition.message, QUOTED)}".strip(": ") if condition else UNSET
            return f"its containers are ready, but readiness gate {gate.condition_type} is not: {said}"
    return ""


def target_numbers(port: ServicePort, specs: Iterable[PodSpec]) -> set[int]:
    """Return the port numbers on the pods that a Service port leads to."""
    if isinstance(port.target_port, int):
        return {port.target_port or port.port}
    return {
        declared.container_port
        for spec in specs
        for declared in spec.ports()
        if declared.name == port.target_port and declared.protocol == port.protocol
    }
