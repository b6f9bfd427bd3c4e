# SPDX-License-Identifier: Apache-2.0
"""Replicas in one place, and traffic that does not stay in its zone."""

from __future__ import annotations

from collections.abc import Iterator, Set

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    NODE,
    ZONE,
    Cluster,
    Code,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    patches,
)
from kubectl_netdoc.checks.cluster.placement.workloads import Placed, pods_on_nodes
from kubectl_netdoc.probes import node_pairs

HOST = "kubernetes.io/hostname"
KEEPS_AWAY = ("NoSchedule", "NoExecute")

SINGLE = Code(
    id="PLC001",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Single point of failure",
    message="{what} {namespace}/{name} has a single replica: it is unavailable whenever its pod or its node fails",
    fix="Run two or more replicas, spread over nodes.",
    commands=("kubectl -n {namespace} scale {kind_} {name} --current-replicas=1 --replicas=2",),
    rows=("D9",),
)
ONE_PLACE = Code(
    id="PLC002",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="All replicas in one place",
    message="All {count} pods of {what} {namespace}/{name} run in one {place} ({where}) of {places}",
    fix="Spread them, if nodeSelector and affinity allow it: add the topologySpreadConstraints below to the manifest.",
    commands=("kubectl -n {namespace} patch {kind_} {name} -p {stanza}",),
    rows=("D9",),
)
NO_HINTS = Code(
    id="PLC003",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Traffic does not stay in its zone",
    message="Service {namespace}/{name} sets trafficDistribution {wanted}, but none of its {count} endpoints has a topology hint",
    fix="Endpoints get hints only if their nodes have zone labels and the API server supports the field (Kubernetes "
    f"{versions.change('traffic-distribution')['served']} and later).",
    commands=("kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml",),
)


def schedulable_nodes(cluster: Cluster) -> dict[str, str]:
    """Return the nodes that ordinary pods can be scheduled to, with their zones."""
    zones = node_pairs.zones(cluster)
    return {
        node.name: zones.get(node.name, "")
        for node in cluster.all(NODE)
        if not (node.spec.unschedulable or node.unsupported or any(taint.effect in KEEPS_AWAY for taint in node.spec.taints))
    }


def unspread_replicas(cluster: Cluster, placed: Placed, nodes: int, every: Set[str]) -> Iterator[Finding]:
    """Report a workload with a single replica, or with all replicas on one node or in one zone.

    ``nodes`` and ``every``: how many nodes can take it, and the zones that these are in.
    """
    if placed.kind is DAEMON_SET:
        return
    if placed.vital and placed.item.wanted == 1:
        yield SINGLE.on(placed.subject, placed.common())
    pods = pods_on_nodes(cluster, placed.item)
    on = {pod.spec.node_name for pod in pods}
    if len(pods) < 2 or any(node.unsupported for name in on if (node := cluster.get(NODE, "", name))):  # not one machine
        return
    zones = node_pairs.zones(cluster)
    within = {zones.get(node, "") for node in on}
    if len(on) == 1:
        yield _one_place(placed, pods, "node", min(on), f"{nodes} schedulable nodes", HOST)
    elif len(within) == 1 and len(every) > 1 and "" not in within:
        yield _one_place(placed, pods, "zone", min(within), str(len(every)), ZONE)


def _one_place(placed: Placed, pods: list[Pod], place: str, where: str, places: str, key: str) -> Finding:
    labels = {name: value for name, value in placed.item.template.metadata.labels.items() if name != "pod-template-hash"}
    rule = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels}}
    stanza = patches.merge({"spec": {"template": {"spec": {"topologySpreadConstraints": [rule]}}}})
    common = {"count": len(pods), "place": place, "where": where, "places": places, "stanza": stanza}
    return ONE_PLACE.on(placed.subject, placed.common() | common)


def missing_hints(cluster: Cluster) -> Iterator[Finding]:
    """Report Services whose traffic should stay in its zone but whose endpoints have no hints."""
    if len({zone for zone in node_pairs.zones(cluster).values() if zone}) < 2 or not cluster.readable(ENDPOINT_SLICE):
        return
    for service in cluster.services():
        if service.spec.traffic_distribution and service.spec.selector:
            yield from _unhinted(cluster, service)


def _unhinted(cluster: Cluster, service: Service) -> Iterator[Finding]:
    ready = [e for item in cluster.slices_of(service) for e in item.endpoints if e.conditions.ready]
    if ready and not any(endpoint.hints.for_zones or endpoint.hints.for_nodes for endpoint in ready):
        subject = Subject("Service", service.name, service.namespace)
        yield NO_HINTS.on(subject, wanted=service.spec.traffic_distribution, count=len(ready))


CODES = (
    SINGLE,
    ONE_PLACE,
    NO_HINTS,
)
