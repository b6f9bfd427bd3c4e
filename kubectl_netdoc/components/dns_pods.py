# SPDX-License-Identifier: Apache-2.0
"""What keeps the pods of cluster DNS from being ready, as the API and their logs tell, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.text import beginning
from kubectl_netdoc.records.kinds import EVENT, NODE
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import ContainerStatus, Pod

SETTLING = timedelta(seconds=60)
"""A pod may take this long to become ready before that is held against it (CoreDNS's readiness probe: every 10 s)."""

RECENT = timedelta(hours=1)
"""How far back a restart is still news: as long as Events are kept by default."""

LOST_TRACK = "Unknown"
"""Reason with which a container has ended that was there before its node restarted (containerd: unknownExitReason)."""

BEGINNING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons to wait of a container that is on its way."""

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
"""Reasons to wait of a container whose image is not there (pkg/kubelet/images: types.go)."""

NETWORK_TAINTS = frozenset(
    {"node.kubernetes.io/not-ready", "node.kubernetes.io/network-unavailable", "node.cilium.io/agent-not-ready"}
)
"""Taints that a node has until its network's agent has done its part (Kubernetes: well-known taints; Cilium's own)."""

HINDRANCES = frozenset({"FailedCreatePodSandBox", "FailedMount", "FailedAttachVolume", "NetworkNotReady"})
"""Reasons of the kubelet's Events about a pod that it can't start."""

LONGEST = 200
"""Characters of a message that are told."""

SCHEDULE = (
    "Have a node take the pods: the scheduler names the taint, the affinity or the lack of room. A taint of a cloud provider or "
    "of the network goes by itself once its controller works."
)
IMAGE = "Make the image available to the nodes: its name, the registry and the way there, the pull secret."
LOOK = "Look at the DNS pods: their state, then their log."


def trouble(cluster: Cluster, pod: Pod) -> str:
    """Say what ails a DNS pod: it waits for a reason, is long not ready, or ended badly within the hour; else nothing."""
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next(filter(None, (_of_container(cluster, pod, status) for status in statuses)), "") or _of_pod(cluster, pod)


def _of_container(cluster: Cluster, pod: Pod, status: ContainerStatus) -> str:
    waiting, ended = status.state.waiting, status.last_state.terminated
    bad = ended if ended and ended.exit_code and cluster.age(ended.finished_at) < RECENT else None
    last = f", ended {bad.reason or 'badly'} (exit code {bad.exit_code})" if bad else ""
    if waiting and waiting.reason in PULL:
        image = next((c.image for c in (*pod.spec.containers, *pod.spec.init_containers) if c.name == status.name), "")
        return f"can't have its image {image} ({waiting.reason})"
    if waiting and waiting.reason not in BEGINNING:
        return f"waits: {waiting.reason}, {status.restart_count} restarts{last}"
    rebooted = bad and bad.reason == LOST_TRACK and pod.ready
    return f"{last[2:]}, {status.restart_count} restarts" if last and not rebooted else ""


def _of_pod(cluster: Cluster, pod: Pod) -> str:
    condition, placed = pod.condition("Ready"), pod.condition("PodScheduled")
    since = condition.last_transition_time if condition else pod.metadata.creation_timestamp
    if pod.ready or settling(cluster, pod) or cluster.age(since) <= SETTLING:
        return ""
    waited = f"{int(cluster.age(since).total_seconds())} s"
    if not pod.spec.node_name and placed and placed.status == "False" and placed.message:
        return f"can't be scheduled: {_short(placed.message.partition(' preemption:')[0])}"
    if not pod.spec.node_name:
        return f"waits for a node for {waited}, and the scheduler says nothing of it"
    if not has_run(pod) and (hindered := _hindered(cluster, pod)):
        return f"can't be started on {pod.spec.node_name}: {hindered}"
    return f"is not ready for {waited}"


def _hindered(cluster: Cluster, pod: Pod) -> str:
    """Return the last of the Events that say why the kubelet can't start a pod."""
    events = [
        event
        for event in (cluster.all(EVENT) if cluster.readable(EVENT) else ())
        if event.involved_object.name == pod.name
        and event.involved_object.namespace == pod.namespace
        and event.reason in HINDRANCES
        and cluster.age(event.last_seen) < RECENT
    ]
    return _short(min(events, key=lambda event: cluster.age(event.last_seen)).message) if events else ""


def _short(text: str) -> str:
    return beginning(text.rstrip(" ."), LONGEST)


def settling(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod is so young that it need not be ready."""
    return cluster.age(pod.metadata.creation_timestamp) < SETTLING


def has_run(pod: Pod) -> bool:
    """Whether a container of the pod has run, so that there may be a log."""
    return any(
        status.restart_count or status.state.waiting is None or status.last_state.terminated
        for status in pod.status.container_statuses
    )


def why(cluster: Cluster, pods: Iterable[Pod]) -> str:
    """Say what keeps the servers from being ready, pods with the same trouble together, and what their logs name."""
    by_reason: dict[str, list[str]] = {}
    for pod in pods:
        by_reason.setdefault(trouble(cluster, pod) or "is not ready", []).append(pod.name)
    told = [f"{', '.join(names)}: {reason}" for reason, names in sorted(by_reason.items(), key=lambda pair: pair[1])]
    log = cluster_dns.logged(cluster)
    return "; ".join(told or ["no pod is there"]) + (f"; in the logs: {'; '.join(log)}" if log else "")


def mend(cluster: Cluster, pods: Iterable[Pod]) -> str:
    """Say what to do about it: about the first that is known for sure, else where to look."""
    troubles = [trouble(cluster, pod) for pod in pods]
    if any(text.startswith("can't be scheduled") for text in troubles):
        return SCHEDULE
    if any(text.startswith("can't have its image") for text in troubles):
        return IMAGE
    if resources := forbidden(cluster):
        return (
            f"Let the ClusterRole of the DNS pods' service account list and watch {', '.join(resources)}: CoreDNS is ready only "
            "when it has read them."
        )
    return LOOK


def forbidden(cluster: Cluster) -> list[str]:
    """Return what the API server does not let CoreDNS list, as its logs tell: "resource.group"."""
    causes = (cause for log in cluster_dns.logs(cluster).values() for cause in log.causes)
    return sorted({cause.detail for cause in causes if cause.name == "not permitted to list"})


def commands(cluster: Cluster, pods: list[Pod]) -> Iterator[str]:
    """Yield the command templates that show more: no log of pods that never ran. They need ``selector``."""
    yield "kubectl -n {namespace} get pods -o wide -l {selector}"
    if not all(map(has_run, pods)) or not pods:
        yield "kubectl -n {namespace} describe pods -l {selector}"
    if any(map(has_run, pods)):
        yield "kubectl -n {namespace} logs --tail=20 -l {selector}"
    if forbidden(cluster):
        yield "kubectl get clusterrolebindings -o wide"


def nodes(cluster: Cluster, pods: list[Pod]) -> list[str]:
    """Return the nodes that it is about: the pods', or those whose missing network keeps pods from being scheduled."""
    on = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    wait = [condition.message for pod in pods if (condition := pod.condition("PodScheduled")) and condition.status == "False"]
    if on or not wait or not all(any(taint in text for taint in NETWORK_TAINTS) for text in wait):
        return on
    there = cluster.all(NODE) if cluster.readable(NODE) else ()
    return sorted(node.name for node in there if _without_network(node))


def _without_network(node: Node) -> bool:
    """Whether a node is tainted for want of a network, or about to be."""
    conditions = {condition.type: condition.status for condition in node.status.conditions}
    tainted = any(taint.key in NETWORK_TAINTS for taint in node.spec.taints)
    return tainted or conditions.get("Ready") == "False" or conditions.get("NetworkUnavailable") == "True"
