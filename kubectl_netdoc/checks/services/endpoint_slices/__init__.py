# SPDX-License-Identifier: Apache-2.0
"""Do EndpointSlices match what is there?

## What it looks at
The EndpointSlices of each Service, which kube-proxy and ingress controllers follow: slices of a Service that does not exist,
addresses that two controllers write for one Service, endpoints whose pod does not exist or has another address, IP families
without an endpoint where the other family has some, pods that take long to end, and pods that are not ready beside ready ones.
Of slices that a person or another controller wrote: ports that are not the Service's (kube-proxy finds them by name and
protocol), an address type that is not the Service's, addresses that nobody in this cluster has though they are in its ranges,
ClusterIPs as endpoints, endpoints that nothing will make ready, and slices without the label of the Service they are named after.

## Why it matters
An endpoint in a slice gets traffic whether it is there or not; a pod that is in no slice gets none, in that IP family.

## What it can't see
Whether anything answers at an address outside the cluster: whoever wrote it knows what it is for. Endpoints objects are not
read, only the slices that mirror them. netdoc reads lists one after
the other, so an endpoint whose pod has just ended is not yet a fault: that alone is advice (`service_reachability` measures
whether it answers).

## Sources
Kubernetes: EndpointSlices (management, duplicate endpoints), Service (Services without selectors), IPv4/IPv6 dual-stack;
failure catalogue K2 and K14; kubernetes#105987, #111929, talos#12802.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import ENDPOINT_SLICE, NODE, POD, SERVICE, Check, Facts, Finding, Needs, Unseen
from kubectl_netdoc.checks.services.endpoint_slices import families, handmade, managers, pods, thresholds
from kubectl_netdoc.components.address_owners import AddressOwners


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the slices of each Service, then those of no Service."""
    cluster = facts.cluster
    overdue = pods.OverduePods(cluster, timedelta(seconds=facts.threshold(thresholds.OVERDUE)))
    owners = AddressOwners(cluster)
    meant = set[tuple[str, str, str]]()
    for service in cluster.services():
        if service.metadata.deletion_timestamp is not None or service.spec.type == "ExternalName":
            continue
        yield from families.analyse(cluster, service)
        yield from managers.doubled(cluster, service)
        found = list(handmade.analyse(cluster, owners, service))
        meant.update(ref.key for finding in found if finding.code == handmade.UNLABELLED.id for ref in finding.objects())
        yield from found
        if cluster.readable(POD) and service.spec.selector:
            yield from pods.analyse(cluster, service)
            overdue.note(service)
    yield from overdue.findings()
    if not cluster.selection.services and not cluster.selection.labels:
        yield from managers.orphaned(cluster, meant)


check = Check(
    id="endpoint_slices",
    title="EndpointSlices match what is there",
    prefix="EPS",
    needs=Needs(kinds=(SERVICE, ENDPOINT_SLICE), optional=(POD,), hints=(NODE,)),
    codes=(*families.CODES, *managers.CODES, *pods.CODES, *handmade.CODES),
    analyse=analyse,
    thresholds=(thresholds.OVERDUE,),
)
