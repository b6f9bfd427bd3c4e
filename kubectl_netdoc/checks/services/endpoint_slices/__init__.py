# SPDX-License-Identifier: Apache-2.0
"""Do EndpointSlices match what is there?

## What it looks at
The EndpointSlices of each Service, which kube-proxy and ingress controllers follow: slices of a Service that does not exist,
addresses that two controllers write for one Service, endpoints whose pod does not exist or has another address, IP families
without an endpoint where the other family has some, pods that take long to end, and pods that are not ready beside ready ones.

## Why it matters
An endpoint in a slice gets traffic whether it is there or not; a pod that is in no slice gets none, in that IP family.

## What it can't see
Slices without a reference to a Pod are not judged, as whoever wrote them knows what they are for. netdoc reads lists one after
the other, so an endpoint whose pod has just ended is not yet a fault: that alone is advice (`service_reachability` measures
whether it answers).

## Sources
Kubernetes: EndpointSlices (management, duplicate endpoints), IPv4/IPv6 dual-stack; failure catalogue K2 and K14;
kubernetes#105987, #111929, talos#12802.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import ENDPOINT_SLICE, NODE, POD, SERVICE, Check, Facts, Finding, Needs, Unseen
from kubectl_netdoc.checks.services.endpoint_slices import families, managers, pods, thresholds


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the slices of each Service, then those of no Service."""
    cluster = facts.cluster
    overdue = pods.OverduePods(cluster, timedelta(seconds=facts.threshold(thresholds.OVERDUE)))
    for service in cluster.services():
        if service.metadata.deletion_timestamp is not None or service.spec.type == "ExternalName":
            continue
        yield from families.analyse(cluster, service)
        yield from managers.doubled(cluster, service)
        if cluster.readable(POD) and service.spec.selector:
            yield from pods.analyse(cluster, service)
            overdue.note(service)
    yield from overdue.findings()
    if not cluster.selection.services and not cluster.selection.labels:
        yield from managers.orphaned(cluster)


check = Check(
    id="endpoint_slices",
    title="EndpointSlices match what is there",
    prefix="EPS",
    needs=Needs(kinds=(SERVICE, ENDPOINT_SLICE), optional=(POD,), hints=(NODE,)),
    codes=(*families.CODES, *managers.CODES, *pods.CODES),
    analyse=analyse,
    thresholds=(thresholds.OVERDUE,),
)
