# SPDX-License-Identifier: Apache-2.0
"""CPU limits and requests of what everybody's traffic depends on."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import POD_METRICS, Cluster, Code, Finding, Risk, Severity, cores
from kubectl_netdoc.checks.cluster.placement.workloads import Placed, pods_on_nodes

NEAR = 0.9
"""If a container's average use (metrics-server: over 10 to 60 s) is this share of its CPU limit, it is throttled: load is never
even, and a container is stopped for the rest of each 100 ms in which it reaches the limit (kernel: CFS Bandwidth Control)."""
LIMITED = Code(
    id="PLC004",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="CPU limit on the data path",
    message="{what} {namespace}/{name} may use at most {limits} CPU. When it reaches that, the kernel stops it until the next "
    "100 ms period",
    fix="Remove the CPU limit and set a CPU request instead. A memory limit is no problem.",
    commands=("kubectl -n {namespace} get {kind_} {name} -o yaml",),
    rows=("D9",),
)
AT_LIMIT = Code(
    id="PLC006",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A container on the data path is throttled",
    message="{what} {namespace}/{name}: container {container} of pod {pod} used {used} of its limit of {limit} CPU ({share} %), "
    "so the kernel stops it again and again",
    fix="Raise or remove its CPU limit. If the load is legitimate, run more replicas.",
    commands=("kubectl -n {namespace} top pod {pod} --containers", "kubectl -n {namespace} get {kind_} {name} -o yaml"),
    rows=("D9",),
)
NO_REQUEST = Code(
    id="PLC005",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="No CPU request on the data path",
    message="{what} {namespace}/{name} has no CPU request (containers {containers}): on a busy node it gets almost no CPU time",
    fix="Set a CPU request, as its published manifest does.",
    commands=("kubectl -n {namespace} set resources {kind_} {name} --containers {first} --requests cpu=100m",),
)


def cpu_settings(placed: Placed) -> Iterator[Finding]:
    """Report CPU limits and missing CPU requests."""
    containers = placed.item.template.spec.containers
    limits = [f"{c.resources.limits.cpu} ({c.name})" for c in containers if c.resources.limits.cpu not in ("", 0, "0")]
    if limits:
        yield LIMITED.on(placed.subject, placed.common(), limits=limits)
    # Without a request the limit counts as one (Kubernetes: Resource Management for Pods and Containers).
    bare = [c.name for c in containers if c.resources.requests.cpu == "" and c.resources.limits.cpu == ""]
    if bare:
        yield NO_REQUEST.on(placed.subject, placed.common(), containers=bare, first=",".join(bare))


def throttled(cluster: Cluster, placed: Placed) -> Iterator[Finding]:
    """Report the container that is nearest to its CPU limit, if metrics are served."""
    if not cluster.readable(POD_METRICS):
        return
    used = {(m.namespace, m.name, c.name): cores(c.usage.cpu) for m in cluster.all(POD_METRICS) for c in m.containers}
    near = []
    for pod in pods_on_nodes(cluster, placed.item):
        for container in pod.spec.containers:
            limit, usage = cores(container.resources.limits.cpu), used.get((pod.namespace, pod.name, container.name))
            if limit and usage is not None and usage >= NEAR * limit:
                near.append((usage / limit, pod.name, container.name, usage, limit))
    if near:
        share, pod_name, name, usage, limit = max(near)
        numbers = {"used": round(usage, 3), "limit": limit, "share": round(100 * share)}
        yield AT_LIMIT.on(placed.subject, placed.common() | numbers, pod=pod_name, container=name)


CODES = (
    LIMITED,
    NO_REQUEST,
    AT_LIMIT,
)
