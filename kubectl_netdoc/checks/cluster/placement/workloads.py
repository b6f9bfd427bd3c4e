# SPDX-License-Identifier: Apache-2.0
"""The workloads that matter: those that everybody's traffic depends on, and those behind Services."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.api import DAEMON_SET, DEPLOYMENT, POD, STATEFUL_SET, Cluster, Kind, Pod, Subject, Workload, matches
from kubectl_netdoc.components import cluster_dns, ingress_controllers


class Placed(Struct, frozen=True):
    """A workload, its role in the network, and whether everybody's traffic depends on it."""

    kind: Kind[Workload]
    item: Workload
    what: str
    vital: bool = True

    @property
    def subject(self) -> Subject:
        """The workload."""
        return Subject(self.kind.name, self.item.name, self.item.namespace)

    def common(self) -> dict[str, object]:
        """Return the evidence that every finding about it has."""
        return {"what": self.what, "kind_": self.kind.name.lower()}


def vital_workloads(cluster: Cluster) -> Iterator[Placed]:
    """Yield cluster DNS, network agents and ingress controllers."""
    dns = cluster_dns.service(cluster)
    found = cluster_dns.workload(cluster, dns) if dns else None
    if found:
        yield Placed(*found, "cluster DNS")
    for kind in (DEPLOYMENT, DAEMON_SET):
        for item in cluster.all(kind) if cluster.readable(kind) else ():
            template = item.template
            if kind is DAEMON_SET and any(network.is_agent(item) for network in cni.ALL):
                yield Placed(kind, item, "network agent")
            elif any(each.runs(template.metadata.labels, template.spec) for each in ingress_controllers.KNOWN):
                yield Placed(kind, item, "ingress controller")


def behind_services(cluster: Cluster) -> Iterator[Placed]:
    """Yield Deployments and StatefulSets that a Service selects."""
    selectors: dict[str, list[dict[str, str]]] = {}
    for service in cluster.services():
        if service.spec.selector:
            selectors.setdefault(service.namespace, []).append(service.spec.selector)
    for kind in (DEPLOYMENT, STATEFUL_SET):
        for item in cluster.all(kind) if cluster.readable(kind) else ():
            labels = item.template.metadata.labels
            if any(matches(selector, labels) for selector in selectors.get(item.namespace, ())):
                yield Placed(kind, item, kind.name, vital=False)


def pods_on_nodes(cluster: Cluster, item: Workload) -> list[Pod]:
    """Return the pods of a workload that are scheduled to a node."""
    if not cluster.readable(POD):
        return []
    found = cluster.pods_matching(item.namespace, item.template.metadata.labels)
    return [pod for pod in found if pod.spec.node_name and not pod.terminating]
