# SPDX-License-Identifier: Apache-2.0
"""Does the network's machinery survive the loss of a node or a zone?

## What it looks at
Where the pods of cluster DNS, of ingress controllers and of every Deployment and StatefulSet behind a Service run: nodes and
zones. Services that ask for traffic in their own zone, and whether their endpoints carry hints. CPU limits and missing CPU
requests of what carries or answers everybody's traffic: DNS servers, ingress controllers, agents of the pod network.

## Why it matters
All replicas on one node are one replica when that node goes. A CPU limit stops a DNS server for up to 100 ms at a time while
the node idles; without a request it gets next to nothing when the node is busy.

## What it can't see
nodeSelector, affinity and taints that leave no other place. Throttling where no metrics are served (metrics.k8s.io), or shorter
than their window: dns_latency shows what it does. The
annotation service.kubernetes.io/topology-mode. It is advice: nothing here is broken. Clusters of one node get none of it.

## Sources
Kubernetes: Pod Topology Spread Constraints, Topology Aware Routing, Traffic distribution; kernel: CFS Bandwidth Control;
failure catalogue D9.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NODE,
    POD,
    POD_METRICS,
    SERVICE,
    STATEFUL_SET,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Kind,
    Needs,
    Pod,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Unseen,
    Workload,
    cores,
    matches,
    patches,
)
from kubectl_netdoc.components import cluster_dns, ingress_controllers
from kubectl_netdoc.probes import node_pairs

MOST = 10
"""Workloads that advice is given for at most; the rest is counted."""

NEAR = 0.9
"""Share of its CPU limit from which on a container's mean use (metrics-server: over 10 to 60 s) means that it is throttled: what
serves requests is never evenly busy, and is stopped for the rest of each 100 ms in which it reaches the limit (kernel: CFS
Bandwidth Control)."""

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
KEEPS_AWAY = ("NoSchedule", "NoExecute")

SINGLE = Code(
    id="PLC001",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Single point of failure",
    message="{what} {namespace}/{name} has one replica: it is gone for a while whenever its node or its pod is",
    fix="Run two or more, spread over nodes.",
    commands=("kubectl -n {namespace} scale {kind_} {name} --current-replicas=1 --replicas=2",),
    rows=("D9",),
)
ONE_PLACE = Code(
    id="PLC002",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="All replicas in one place",
    message="All {count} pods of {what} {namespace}/{name} are in one {place} ({where}) of {places}",
    fix="Spread them, where its nodeSelector and affinity leave a choice: the stanza below, in what the manifest is made from.",
    commands=("kubectl -n {namespace} patch {kind_} {name} -p {stanza}",),
    rows=("D9",),
)
NO_HINTS = Code(
    id="PLC003",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Traffic does not stay in its zone",
    message="Service {namespace}/{name} wants trafficDistribution {wanted}, and none of its {count} endpoints has a hint",
    fix="Endpoints get hints where their nodes have zone labels and the server knows the field (1.31 and later).",
    commands=("kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml",),
)
LIMITED = Code(
    id="PLC004",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="CPU limit on the data path",
    message="{what} {namespace}/{name} may use at most {limits} CPU: at that it is stopped until the next 100 ms begin",
    fix="Leave the CPU limit out, and ask for what it needs (requests); a memory limit is no such trouble.",
    commands=("kubectl -n {namespace} get {kind_} {name} -o yaml",),
    rows=("D9",),
)
AT_LIMIT = Code(
    id="PLC006",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Throttled on the data path",
    message="{what} {namespace}/{name}: container {container} of pod {pod} used {used} of the {limit} CPU that it may use, "
    "{share} %: it is being stopped again and again",
    fix="Raise its CPU limit, or leave it out; where it is busy for a reason, run more replicas.",
    commands=("kubectl -n {namespace} top pod {pod} --containers", "kubectl -n {namespace} get {kind_} {name} -o yaml"),
    rows=("D9",),
)
NO_REQUEST = Code(
    id="PLC005",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="No CPU request on the data path",
    message="{what} {namespace}/{name} asks for no CPU (containers {containers}): on a busy node it gets next to none",
    fix="Give it a CPU request, as its published manifest does.",
    commands=("kubectl -n {namespace} set resources {kind_} {name} --containers {first} --requests cpu=100m",),
)


class Placed(Struct, frozen=True):
    """A workload, what it is to the network, and whether everybody's traffic depends on it."""

    kind: Kind[Workload]
    item: Workload
    what: str
    vital: bool = True

    @property
    def subject(self) -> Subject:
        """The workload."""
        return Subject(self.kind.name, self.item.name, self.item.namespace)

    def common(self) -> dict[str, object]:
        """What every finding says of it."""
        return {"what": self.what, "kind_": self.kind.name.lower()}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Advise on the vital workloads first, then on what is behind Services."""
    cluster = facts.cluster
    vital = list(_vital(cluster))
    for placed in vital:
        yield from _resources(placed)
        yield from _throttled(cluster, placed)
    if cluster.origin == "manifests":
        return
    nodes = _eligible(cluster)
    if len(nodes) < 2:
        if not vital:
            raise Skip("one node takes pods: there is nothing to spread", moot=True)
        return
    known = {(placed.kind.name, placed.item.namespace, placed.item.name) for placed in vital}
    others = [p for p in _behind_services(cluster) if (p.kind.name, p.item.namespace, p.item.name) not in known]
    said = [finding for placed in (*vital, *others) for finding in _spread(cluster, placed, nodes)]
    yield from said[:MOST]
    if len(said) > MOST:
        yield Unseen(f"{len(said) - MOST} more workloads in one place", f"advice is given for {MOST}")
    yield from _hints(cluster)


def _eligible(cluster: Cluster) -> dict[str, str]:
    """The nodes that ordinary pods can be put on, with their zones."""
    zones = node_pairs.zones(cluster)
    return {
        node.name: zones.get(node.name, "")
        for node in cluster.all(NODE)
        if not (node.spec.unschedulable or node.unfit or any(taint.effect in KEEPS_AWAY for taint in node.spec.taints))
    }


def _vital(cluster: Cluster) -> Iterator[Placed]:
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


def _behind_services(cluster: Cluster) -> Iterator[Placed]:
    """Deployments and StatefulSets that a Service selects."""
    selectors: dict[str, list[dict[str, str]]] = {}
    for service in cluster.services():
        if service.spec.selector:
            selectors.setdefault(service.namespace, []).append(service.spec.selector)
    for kind in (DEPLOYMENT, STATEFUL_SET):
        for item in cluster.all(kind) if cluster.readable(kind) else ():
            labels = item.template.metadata.labels
            if any(matches(selector, labels) for selector in selectors.get(item.namespace, ())):
                yield Placed(kind, item, kind.name, vital=False)


def _spread(cluster: Cluster, placed: Placed, nodes: dict[str, str]) -> Iterator[Finding]:
    if placed.kind is DAEMON_SET:
        return
    if placed.vital and placed.item.wanted == 1:
        yield SINGLE.on(placed.subject, placed.common())
    pods = _pods(cluster, placed.item)
    on = {pod.spec.node_name for pod in pods}
    if len(pods) < 2 or any(node.unfit for name in on if (node := cluster.get(NODE, "", name))):  # virtual: no one machine
        return
    zones = node_pairs.zones(cluster)
    every = {zone for zone in nodes.values() if zone}
    within = {zones.get(node, "") for node in on}
    if len(on) == 1:
        yield _one_place(placed, pods, "node", min(on), f"{len(nodes)} that take pods", HOST)
    elif len(within) == 1 and len(every) > 1 and "" not in within:
        yield _one_place(placed, pods, "zone", min(within), str(len(every)), ZONE)


def _one_place(placed: Placed, pods: list[Pod], place: str, where: str, places: str, key: str) -> Finding:
    labels = {name: value for name, value in placed.item.template.metadata.labels.items() if name != "pod-template-hash"}
    rule = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels}}
    stanza = patches.merge({"spec": {"template": {"spec": {"topologySpreadConstraints": [rule]}}}})
    common = {"count": len(pods), "place": place, "where": where, "places": places, "stanza": stanza}
    return ONE_PLACE.on(placed.subject, placed.common() | common)


def _pods(cluster: Cluster, item: Workload) -> list[Pod]:
    """The pods of a workload that are on a node."""
    if not cluster.readable(POD):
        return []
    labels = item.template.metadata.labels
    return [
        p
        for p in cluster.pods_in(item.namespace)
        if p.spec.node_name and not p.terminating and matches(labels, p.metadata.labels)
    ]


def _hints(cluster: Cluster) -> Iterator[Finding]:
    """Services that ask for their own zone and don't get it."""
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


def _resources(placed: Placed) -> Iterator[Finding]:
    containers = placed.item.template.spec.containers
    limits = [f"{c.resources.limits.cpu} ({c.name})" for c in containers if c.resources.limits.cpu not in ("", 0, "0")]
    if limits:
        yield LIMITED.on(placed.subject, placed.common(), limits=limits)
    # A limit stands for a request that is left out (Kubernetes: Resource Management for Pods and Containers).
    bare = [c.name for c in containers if c.resources.requests.cpu == "" and c.resources.limits.cpu == ""]
    if bare:
        yield NO_REQUEST.on(placed.subject, placed.common(), containers=bare, first=",".join(bare))


def _throttled(cluster: Cluster, placed: Placed) -> Iterator[Finding]:
    """The pod's container that is nearest to its CPU limit, where metrics are served."""
    if not cluster.readable(POD_METRICS):
        return
    used = {(m.namespace, m.name, c.name): cores(c.usage.cpu) for m in cluster.all(POD_METRICS) for c in m.containers}
    near = []
    for pod in _pods(cluster, placed.item):
        for container in pod.spec.containers:
            limit, usage = cores(container.resources.limits.cpu), used.get((pod.namespace, pod.name, container.name))
            if limit and usage is not None and usage >= NEAR * limit:
                near.append((usage / limit, pod.name, container.name, usage, limit))
    if near:
        share, pod_name, name, usage, limit = max(near)
        numbers = {"used": round(usage, 3), "limit": limit, "share": round(100 * share)}
        yield AT_LIMIT.on(placed.subject, placed.common() | numbers, pod=pod_name, container=name)


check = Check(
    id="placement",
    title="Replicas are spread, and the data path is not starved",
    prefix="PLC",
    needs=Needs(
        kinds=(NODE, SERVICE), optional=(POD, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ENDPOINT_SLICE), hints=(POD_METRICS,)
    ),
    codes=(SINGLE, ONE_PLACE, NO_HINTS, LIMITED, NO_REQUEST, AT_LIMIT),
    analyse=analyse,
)
