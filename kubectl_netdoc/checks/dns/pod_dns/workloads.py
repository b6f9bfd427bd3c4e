# SPDX-License-Identifier: Apache-2.0
"""Workloads with DNS settings of their own, and what shows that they need the names of the cluster."""

from __future__ import annotations

from datetime import timedelta

from kubectl_netdoc.api import REPLICA_SET, SERVICE, Cluster, Workload
from kubectl_netdoc.components import cluster_dns, service_names
from kubectl_netdoc.policy.current_workloads import FIRST, CurrentWorkload, failing

CHANGED = timedelta(hours=1)
"""How recently a workload's DNS settings were changed to count as the cause of what is seen now: as long as Events stay."""

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Namespaces of components that serve the names themselves, or need none."""


def serves_the_cluster(cluster: Cluster, resolver: CurrentWorkload) -> bool:
    """Whether a workload answers names itself, or carries or manages the network: such ask their node's nameservers by design."""
    subject = resolver.subject
    static = any(pod.static for pod in resolver.pods)
    if subject.namespace in SYSTEM or static or subject.kind in ("DaemonSet", "Node"):
        return True
    named = cluster.services_selecting(subject.namespace, resolver.labels) if cluster.readable(SERVICE) else ()
    return any(port.port == cluster_dns.PORT for service in named for port in service.spec.ports)


def need(cluster: Cluster, resolver: CurrentWorkload) -> str:
    """Return what shows that a workload needs the names of the cluster, as a clause; "" if nothing does."""
    domain = cluster_dns.domain(cluster)
    searched = [text for text in resolver.spec.dns_config.searches if within(text, domain)]
    if searched:
        return f"its dnsConfig searches {searched[0]}"
    return named(cluster, resolver) or trouble(cluster, resolver)


def named(cluster: Cluster, resolver: CurrentWorkload, *, short: bool = False) -> str:
    """Return which Service a workload is told to connect to by name, as a clause; ``short``: by a name without ``svc``."""
    domain = cluster_dns.domain(cluster)
    for container in (*resolver.spec.containers, *resolver.spec.init_containers):
        for target in container.targets:
            name = service_names.parse(target.host, resolver.subject.namespace, domain)
            service = cluster.get(SERVICE, name.namespace, name.name) if name and cluster.readable(SERVICE) else None
            if name and service and not (short and name.full):
                what = f"Service {service.namespace}/{service.name} as {target.host}"
                return f"{target.place} of container {container.name} names {what}"
    return ""


def trouble(cluster: Cluster, resolver: CurrentWorkload) -> str:
    """Return what shows that a workload's DNS settings may have broken it, as a clause: they are new, or no pod gets ready."""
    return _changed(cluster, resolver) or ("" if resolver.spec.host_network else failing(cluster, resolver))


def within(name: str, domain: str) -> bool:
    """Whether a domain is the cluster's, or within it."""
    text = name.rstrip(".").lower()
    return text == domain or text.endswith(f".{domain}")


def _changed(cluster: Cluster, resolver: CurrentWorkload) -> str:
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
    if len(ordered) < 2 or CurrentWorkload(resolver.subject, ordered[1].template.spec, {}).policy != FIRST:
        return ""
    age = min(cluster.age(item.metadata.creation_timestamp) for item in ordered[:2])
    if age > CHANGED:
        return ""
    minutes = int(age.total_seconds() / 60)
    return f"until a rollout in the last {minutes + 1} min its pods had the cluster's settings (ReplicaSet {ordered[1].name})"


def _revision(item: Workload) -> int:
    text = item.metadata.annotations.revision
    return int(text) if text.isdecimal() else 0
