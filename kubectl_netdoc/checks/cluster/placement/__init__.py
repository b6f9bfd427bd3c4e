# SPDX-License-Identifier: Apache-2.0
"""Does the cluster's network survive the loss of a node or a zone?

## What it looks at
On which nodes and in which zones the pods of cluster DNS, of ingress controllers and of every Deployment and StatefulSet behind a
Service run. Services that want traffic to stay in its zone, and whether their endpoints have hints. CPU limits and missing CPU
requests of workloads that carry or answer everybody's traffic: DNS servers, ingress controllers, agents of the pod network.

## Why it matters
If all replicas run on one node, they all fail with that node. A CPU limit stops a DNS server for up to 100 ms at a time even
while the node is idle; without a CPU request it gets almost no CPU time when the node is busy.

## What it can't see
nodeSelector, affinity and taints that leave no other place. Throttling if no metrics are served (metrics.k8s.io), or if it is
shorter than their window: dns_latency shows its effect. The annotation service.kubernetes.io/topology-mode. All of this is
advice: nothing here is broken. Clusters with one node get none.

## Sources
Kubernetes: Pod Topology Spread Constraints, Topology Aware Routing, Traffic distribution. Kernel: CFS Bandwidth Control. Failure
catalogue D9.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    Facts,
    Finding,
    Needs,
    Skip,
    Unseen,
)
from kubectl_netdoc.checks.cluster.placement import cpu, spread, workloads

MOST = 10
"""Advice is given for at most this many workloads; the rest is counted."""


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Give advice on workloads that everybody depends on, then on those behind Services."""
    cluster = facts.cluster
    vital = list(workloads.vital_workloads(cluster))
    for placed in vital:
        yield from cpu.cpu_settings(placed)
        yield from cpu.throttled(cluster, placed)
    if cluster.origin == "manifests":
        return
    nodes = spread.schedulable_nodes(cluster)
    if len(nodes) < 2:
        if not vital:
            raise Skip("only one node takes pods: there is nothing to spread", not_applicable=True)
        return
    known = {(placed.kind.name, placed.item.namespace, placed.item.name) for placed in vital}
    others = [p for p in workloads.behind_services(cluster) if (p.kind.name, p.item.namespace, p.item.name) not in known]
    zones = set(filter(None, nodes.values()))
    said = [finding for placed in (*vital, *others) for finding in spread.unspread_replicas(cluster, placed, len(nodes), zones)]
    yield from said[:MOST]
    if len(said) > MOST:
        yield Unseen(f"{len(said) - MOST} more workloads in one place", f"advice is given for {MOST} only")
    yield from spread.missing_hints(cluster)


check = Check(
    id="placement",
    title="Replicas are spread, and the data path has CPU time",
    prefix="PLC",
    needs=Needs(
        kinds=(NODE, SERVICE), optional=(POD, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ENDPOINT_SLICE), hints=(POD_METRICS,)
    ),
    codes=(
        *spread.CODES,
        *cpu.CODES,
    ),
    analyse=analyse,
)
