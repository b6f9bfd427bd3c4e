# SPDX-License-Identifier: Apache-2.0
"""Workloads with DNS settings of their own, and what shows that they need the names of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.api import POD, REPLICA_SET, SERVICE, SETTLING, Cluster, Pod, PodSpec, Subject, Workload, counted
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.service_backends import waits
from kubectl_netdoc.policy.workloads import Owners, WorkloadRef

FIRST, WITH_HOST_NET, NODES, OWN = "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"
"""The values of dnsPolicy (Kubernetes: DNS for Services and Pods)."""

CHANGED = timedelta(hours=1)
"""How recently a workload's DNS settings were changed to count as the cause of what is seen now: as long as Events stay."""

FAILING = ("CrashLoopBackOff", "RunContainerError")
"""Why a container waits that has run and ended, or could not."""

RESTARTS, RECENT, KILLED = 2, timedelta(minutes=6), (137, 143)
"""Restarts from which on a container ends again and again, the last time within the kubelet's longest back-off (5 min) and a
minute; and the exit codes of one that was killed (128 and SIGKILL or SIGTERM): by memory or a probe, not by a name."""

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Namespaces of components that serve the names themselves, or need none."""


class Resolver(Struct, frozen=True):
    """A workload and the DNS settings of its newest pod (in manifests of its template); ``pods``: those that run or start."""

    subject: Subject
    spec: PodSpec
    labels: dict[str, str]
    pods: tuple[Pod, ...] = ()

    @property
    def policy(self) -> str:
        """What its dnsPolicy means: on the host network ClusterFirst is treated as Default (kubelet, pkg/kubelet/network/dns)."""
        written = self.spec.dns_policy or FIRST
        return NODES if written == FIRST and self.spec.host_network else FIRST if written == WITH_HOST_NET else written


def resolvers(cluster: Cluster) -> Iterator[Resolver]:
    """Yield the workloads of the namespaces in scope."""
    owners, pods = Owners(cluster), dict[WorkloadRef, list[Pod]]()
    for pod in cluster.all(POD):
        if not (pod.finished or pod.terminating) and _in_scope(cluster, pod.namespace):
            pods.setdefault(owners.of(pod), []).append(pod)
    for ref, mine in pods.items():
        newest = min(mine, key=lambda pod: (cluster.age(pod.metadata.creation_timestamp), pod.name))
        subject = Subject(ref.kind, ref.name, ref.namespace)
        yield Resolver(subject, newest.spec, dict(newest.metadata.labels), tuple(mine))
    for ref, item in owners.objects.items():
        made_later = cluster.origin == "manifests" or ref.kind == "CronJob"
        if made_later and owners.top(ref, item) == ref and ref not in pods and _in_scope(cluster, ref.namespace):
            template = item.template
            yield Resolver(Subject(ref.kind, ref.name, ref.namespace), template.spec, dict(template.metadata.labels))


def _in_scope(cluster: Cluster, namespace: str) -> bool:
    return not cluster.scope.namespaces or namespace in cluster.scope.namespaces


def serves_the_cluster(cluster: Cluster, resolver: Resolver) -> bool:
    """Whether a workload answers names itself, or carries or manages the network: such ask their node's nameservers by design."""
    subject = resolver.subject
    static = any(pod.static for pod in resolver.pods)
    if subject.namespace in SYSTEM or static or subject.kind in ("DaemonSet", "Node"):
        return True
    named = cluster.services_selecting(subject.namespace, resolver.labels) if cluster.readable(SERVICE) else ()
    return any(port.port == cluster_dns.PORT for service in named for port in service.spec.ports)


def need(cluster: Cluster, resolver: Resolver) -> str:
    """Return what shows that a workload needs the names of the cluster, as a clause; "" if nothing does."""
    domain = cluster_dns.domain(cluster)
    searched = [text for text in resolver.spec.dns_config.searches if within(text, domain)]
    if searched:
        return f"its dnsConfig searches {searched[0]}"
    return trouble(cluster, resolver)


def trouble(cluster: Cluster, resolver: Resolver) -> str:
    """Return what shows that a workload's DNS settings may have broken it, as a clause: they are new, or no pod gets ready."""
    return _changed(cluster, resolver) or ("" if resolver.spec.host_network else _failing(cluster, resolver))


def within(name: str, domain: str) -> bool:
    """Whether a domain is the cluster's, or within it."""
    text = name.rstrip(".").lower()
    return text == domain or text.endswith(f".{domain}")


def _failing(cluster: Cluster, resolver: Resolver) -> str:
    """None of its pods is ready, or stays so, and not because they just began or never ran."""
    ends = {pod.name: why for pod in resolver.pods if (why := _ends(cluster, pod))}
    if ends and len(ends) == len(resolver.pods):
        name = min(ends)
        return f"none of its pods stays up ({name}: {ends[name]})"
    old = [pod for pod in resolver.pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if not old or len(old) < len(resolver.pods) or any(pod.ready for pod in resolver.pods):
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


def _changed(cluster: Cluster, resolver: Resolver) -> str:
    """Its pods had the DNS settings of the cluster until a rollout within the hour: an older ReplicaSet says so.

    A rollout to an earlier template uses its ReplicaSet again: it gets a new revision, and came after the one before was made.
    """
    if resolver.subject.kind != "Deployment" or not cluster.readable(REPLICA_SET):
        return ""
    mine = [
        item
        for item in cluster.in_namespace(REPLICA_SET, resolver.subject.namespace)
        if any((o.kind, o.name) == ("Deployment", resolver.subject.name) for o in item.metadata.owner_references)
    ]
    ordered = sorted(mine, key=lambda item: (-_revision(item), cluster.age(item.metadata.creation_timestamp)))
    if len(ordered) < 2 or Resolver(resolver.subject, ordered[1].template.spec, {}).policy != FIRST:
        return ""
    age = min(cluster.age(item.metadata.creation_timestamp) for item in ordered[:2])
    if age > CHANGED:
        return ""
    minutes = int(age.total_seconds() / 60)
    return f"until a rollout in the last {minutes + 1} min its pods had the cluster's settings (ReplicaSet {ordered[1].name})"


def _revision(item: Workload) -> int:
    text = item.metadata.annotations.revision
    return int(text) if text.isdecimal() else 0


PATCHED = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""Kinds whose template a patch changes, so that their pods are made anew; a pod's own DNS settings can't be changed."""
