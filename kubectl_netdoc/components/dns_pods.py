# SPDX-License-Identifier: Apache-2.0
"""Why pods of cluster DNS are not ready, as the API and their logs say, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.lasting_events import lasting
from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.formats import sandbox_event
from kubectl_netdoc.formats.text import beginning, counted, joined
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import ContainerStatus, Pod, Terminated

RECENT = timedelta(hours=1)
"""How long ago a restart or an Event may be and still count: as long as Events are kept by default."""

LOST_TRACK = "Unknown"
"""Reason of the end of a container whose node restarted (containerd: unknownExitReason)."""

OUT_OF_MEMORY = "OOMKilled"
"""Reason of the end of a container that the kernel killed for its memory limit (Kubernetes: container states)."""

BEGINNING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container that is about to start."""

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
"""Reasons of a waiting container whose image can't be pulled (pkg/kubelet/images: types.go)."""

NETWORK_TAINTS = frozenset(
    {"node.kubernetes.io/not-ready", "node.kubernetes.io/network-unavailable", "node.cilium.io/agent-not-ready"}
)
"""Taints of a node whose network is not ready (Kubernetes: well-known taints; Cilium's own)."""

START_FAILURES = frozenset({sandbox_event.REASON, "FailedMount", "FailedAttachVolume", "NetworkNotReady"})
"""Reasons of the kubelet's Events about a pod that it cannot start."""

LONGEST = 200
"""Characters of a message that are quoted."""


class Problem(StrEnum):
    """What keeps a DNS pod from being ready, as far as the fix depends on it."""

    SCHEDULING = "scheduling"
    IMAGE = "image"
    OTHER = "other"


class DnsPodProblem(Struct, frozen=True):
    """What is wrong with a DNS pod: ``text`` is a clause whose subject is the pod ("is not ready for 90 s")."""

    kind: Problem
    text: str


FIXES = {
    Problem.SCHEDULING: "Make room for them on a node: the scheduler's message names the taint, the affinity or the resource "
    "that is missing. Taints of a cloud provider or of the network are removed by their controllers: see whether those run.",
    Problem.IMAGE: "Make the image available to the nodes: check its name, the pull secret, and whether the nodes reach the "
    "registry.",
    Problem.OTHER: "Look at the state of the DNS pods, then at their logs.",
}


def problem_of(cluster: Cluster, pod: Pod) -> DnsPodProblem | None:
    """Return what is wrong with a DNS pod: a container waits or ended badly within the hour, or it is not ready for long."""
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    found = next((problem for status in statuses if (problem := _of_container(cluster, pod, status))), None)
    return found or _of_pod(cluster, pod)


def _of_container(cluster: Cluster, pod: Pod, status: ContainerStatus) -> DnsPodProblem | None:
    waiting, ended = status.state.waiting, status.last_state.terminated
    bad = ended if ended and ended.exit_code and cluster.age(ended.finished_at) < RECENT else None
    last = f"ended with {bad.reason or 'an error'} (exit code {bad.exit_code})" if bad else ""
    restarts = counted(status.restart_count, "restart")
    if waiting and waiting.reason in PULL:
        image = next((c.image for c in (*pod.spec.containers, *pod.spec.init_containers) if c.name == status.name), "")
        return DnsPodProblem(Problem.IMAGE, f"cannot pull its image {image} ({waiting.reason})")
    if waiting and waiting.reason not in BEGINNING:
        before = f", and last {last}" if last else ""
        return DnsPodProblem(Problem.OTHER, f"is waiting ({waiting.reason}) after {restarts}{before}")
    mended = bad and pod.ready and (bad.reason == LOST_TRACK or _ended_once(status, bad))
    return DnsPodProblem(Problem.OTHER, f"{last}, with {restarts} so far") if last and not mended else None


def _ended_once(status: ContainerStatus, ended: Terminated) -> bool:
    """Whether a container's end is the only one within the hour: it runs again. What it ended by comes back if it was memory."""
    before = ended.finished_at - ended.started_at if ended.finished_at and ended.started_at else RECENT
    return ended.reason != OUT_OF_MEMORY and (status.restart_count < 2 or before >= RECENT)


def _of_pod(cluster: Cluster, pod: Pod) -> DnsPodProblem | None:
    condition, placed = pod.condition("Ready"), pod.condition("PodScheduled")
    since = condition.last_transition_time if condition else pod.metadata.creation_timestamp
    if pod.ready or settling(cluster, pod) or cluster.age(since) <= SETTLING:
        return None
    waited = f"{int(cluster.age(since).total_seconds())} s"
    if not pod.spec.node_name and placed and placed.status == "False" and placed.message:
        return DnsPodProblem(Problem.SCHEDULING, f"cannot be scheduled: {_short(placed.message.partition(' preemption:')[0])}")
    if not pod.spec.node_name:
        return DnsPodProblem(Problem.OTHER, f"has had no node for {waited}, and the scheduler gives no reason")
    if not has_run(pod) and (message := _start_failure(cluster, pod)):
        return DnsPodProblem(Problem.OTHER, f"cannot be started on {pod.spec.node_name}: {message}")
    return DnsPodProblem(Problem.OTHER, f"has not been ready for {waited}")


def _start_failure(cluster: Cluster, pod: Pod) -> str:
    """Return the message of the last Event that says why the kubelet cannot start a pod; "" if there is none."""
    events = lasting(cluster, "Pod", pod, *START_FAILURES, within=RECENT)
    return _short(events[-1].message) if events else ""


def _short(text: str) -> str:
    return beginning(text.rstrip(" ."), LONGEST)


def settling(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod is so new that it need not be ready."""
    return cluster.age(pod.metadata.creation_timestamp) < SETTLING


def has_run(pod: Pod) -> bool:
    """Whether a container of the pod has run, so that there may be a log."""
    return any(
        status.restart_count or status.state.waiting is None or status.last_state.terminated
        for status in pod.status.container_statuses
    )


def why(cluster: Cluster, pods: Iterable[Pod]) -> str:
    """Return why no server is ready: the problems of the pods, each with the pods that have it, and what their logs name."""
    by_problem: dict[str, list[str]] = {}
    for pod in pods:
        problem = problem_of(cluster, pod)
        by_problem.setdefault(problem.text if problem else "is not ready", []).append(pod.name)
    found = [f"{joined(names)}: {text}" for text, names in sorted(by_problem.items(), key=lambda pair: pair[1])]
    log = cluster_dns.logged_problems(cluster)
    return "; ".join(found or ["there is no pod"]) + (f". Their logs name: {'; '.join(log)}" if log else "")


def fix(cluster: Cluster, pods: Iterable[Pod]) -> str:
    """Return what to do so that the pods get ready."""
    kinds = {problem.kind for pod in pods if (problem := problem_of(cluster, pod))}
    known = next((kind for kind in (Problem.SCHEDULING, Problem.IMAGE) if kind in kinds), None)
    if known:
        return FIXES[known]
    if resources := forbidden(cluster):
        return (
            f"Allow the service account of the DNS pods to list and watch {joined(resources)} (in its ClusterRole): CoreDNS is "
            "not ready before it has read them."
        )
    return FIXES[Problem.OTHER]


def forbidden(cluster: Cluster) -> list[str]:
    """Return the resources that CoreDNS may not list, as its logs say: "resource.group"."""
    causes = (cause for log in cluster_dns.logs(cluster).values() for cause in log.causes)
    return sorted({cause.detail for cause in causes if cause.name == "not permitted to list"})


def commands(cluster: Cluster, pods: list[Pod]) -> Iterator[str]:
    """Yield command templates that show more; no logs of pods that never ran. They need ``selector``."""
    yield "kubectl -n {namespace} get pods -o wide -l {selector}"
    if not all(map(has_run, pods)) or not pods:
        yield "kubectl -n {namespace} describe pods -l {selector}"
    if any(map(has_run, pods)):
        yield "kubectl -n {namespace} logs --tail=20 --prefix -l {selector}"
    if forbidden(cluster):
        yield "kubectl get clusterrolebindings -o wide"


def nodes(cluster: Cluster, pods: list[Pod]) -> list[str]:
    """Return the nodes of the pods; if they can't be scheduled because nodes have no network, those nodes."""
    on = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    wait = [condition.message for pod in pods if (condition := pod.condition("PodScheduled")) and condition.status == "False"]
    if on or not wait or not all(any(taint in text for taint in NETWORK_TAINTS) for text in wait):
        return on
    all_nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    return sorted(node.name for node in all_nodes if _without_network(node))


def _without_network(node: Node) -> bool:
    """Whether a node has a taint because its network is not ready, or is about to get one."""
    conditions = {condition.type: condition.status for condition in node.status.conditions}
    tainted = any(taint.key in NETWORK_TAINTS for taint in node.spec.taints)
    return tainted or conditions.get("Ready") == "False" or conditions.get("NetworkUnavailable") == "True"
