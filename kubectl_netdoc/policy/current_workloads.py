# SPDX-License-Identifier: Apache-2.0
"""Workloads as they are now: the spec of their newest pod, and whether their pods stay up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.components.service_backends import waits
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.core.finding import Explains, Subject
from kubectl_netdoc.core.once import once
from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.formats.text import counted
from kubectl_netdoc.policy.workloads import Owners, WorkloadRef
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.records.pods import Pod, PodSpec

FIRST, WITH_HOST_NET, NODES, OWN = "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"
"""The values of dnsPolicy (Kubernetes: DNS for Services and Pods)."""

FAILING = ("CrashLoopBackOff", "RunContainerError")
"""Why a container waits that has run and ended, or could not."""

RESTARTS, RECENT, KILLED = 2, timedelta(minutes=6), (137, 143)
"""Restarts from which on a container ends again and again, the last time within the kubelet's longest back-off (5 min) and a
minute; and the exit codes of one that was killed (128 and SIGKILL or SIGTERM): by memory or a probe, not by a name."""

BEHIND_IT = Explains(("SVC004", "SVC016"), "services")
"""What the Services of a workload show that fails: its pods don't get ready, or keep ending."""

PATCHED = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""Kinds whose template can be changed, so that their pods are made anew; most of a pod's own spec can't be."""


class CurrentWorkload(Struct, frozen=True):
    """A workload and the spec of its newest pod (in manifests of its template); ``pods``: those that run or start."""

    subject: Subject
    spec: PodSpec
    labels: dict[str, str]
    pods: tuple[Pod, ...] = ()

    @property
    def policy(self) -> str:
        """What its dnsPolicy means: on the host network ClusterFirst is treated as Default (kubelet, pkg/kubelet/network/dns)."""
        written = self.spec.dns_policy or FIRST
        return NODES if written == FIRST and self.spec.host_network else FIRST if written == WITH_HOST_NET else written

    @property
    def patched(self) -> bool:
        """Whether a change of its template makes its pods anew."""
        return self.subject.kind in PATCHED


@once
def current_workloads(cluster: Cluster) -> tuple[CurrentWorkload, ...]:
    """Return the workloads of the namespaces in scope."""
    return tuple(_current_workloads(cluster))


def _current_workloads(cluster: Cluster) -> Iterator[CurrentWorkload]:
    owners, pods = Owners(cluster), dict[WorkloadRef, list[Pod]]()
    for pod in cluster.all(POD):
        if not (pod.finished or pod.terminating) and _in_scope(cluster, pod.namespace):
            pods.setdefault(owners.of(pod), []).append(pod)
    for ref, mine in pods.items():
        newest = min(mine, key=lambda pod: (cluster.age(pod.metadata.creation_timestamp), pod.name))
        subject = Subject(ref.kind, ref.name, ref.namespace)
        yield CurrentWorkload(subject, newest.spec, dict(newest.metadata.labels), tuple(mine))
    for ref, item in owners.objects.items():
        made_later = cluster.origin == "manifests" or ref.kind == "CronJob"
        if made_later and owners.top(ref, item) == ref and ref not in pods and _in_scope(cluster, ref.namespace):
            template = item.template
            yield CurrentWorkload(Subject(ref.kind, ref.name, ref.namespace), template.spec, dict(template.metadata.labels))


def _in_scope(cluster: Cluster, namespace: str) -> bool:
    return not cluster.scope.namespaces or namespace in cluster.scope.namespaces


def services_of(cluster: Cluster, workload: CurrentWorkload) -> list[ObjectRef]:
    """Return the Services that select a workload's pods."""
    found = cluster.services_selecting(workload.subject.namespace, workload.labels) if cluster.readable(SERVICE) else []
    return [ObjectRef.to("Service", item) for item in found]


def failing(cluster: Cluster, workload: CurrentWorkload) -> str:
    """Return how a workload fails, as a clause: no pod is ready, or stays so, and not because they just began or never ran."""
    ends = {pod.name: why for pod in workload.pods if (why := _ends(cluster, pod))}
    if ends and len(ends) == len(workload.pods):
        name = min(ends)
        return f"none of its pods stays up ({name}: {ends[name]})"
    old = [pod for pod in workload.pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if not old or len(old) < len(workload.pods) or any(pod.ready for pod in workload.pods):
        return ""
    states = [status for pod in old for status in pod.status.container_statuses]
    ran = any(s.restart_count or (s.state.waiting is None and s.state.terminated is None) for s in states)
    stuck = [s.state.waiting.reason for s in states if s.state.waiting and s.state.waiting.reason not in FAILING]
    return f"none of its pods is ready ({old[0].name}: {waits(old[0])})" if ran and not stuck else ""


def _ends(cluster: Cluster, pod: Pod) -> str:
    """Return how a container of a pod ends by itself again and again: without a readiness probe it is ready in between."""
    for status in pod.status.container_statuses:
        ended = status.state.terminated or status.last_state.terminated
        if not (ended and ended.finished_at) or ended.exit_code in (0, *KILLED):
            continue
        if status.restart_count >= RESTARTS and cluster.age(ended.finished_at) < RECENT:
            return f"{counted(status.restart_count, 'restart')}, the last with exit code {ended.exit_code}"
    return ""
