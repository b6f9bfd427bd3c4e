# SPDX-License-Identifier: Apache-2.0
"""Does each Service have pods that can serve it?

## What it looks at
Each Service, the pods that its selector selects, the workloads that make such pods, and its EndpointSlices. It reports
selectors that match nothing, named ports that no pod declares, numbers and protocols that they declare otherwise (a headless
Service whose port is not that of its pods, a UDP port of which they declare another one), pods that are not ready, containers
that keep restarting, slices that lack ready pods or contain other addresses, ExternalName targets that do not exist, load
balancers without an address, addresses that two Services claim, nodes that a Local traffic policy leaves out, and addresses that
not all programs read alike.

## Why it matters
Connections to a Service without a ready pod are refused or dropped, and the client sees nothing but that.

## What it can't see
Whether anything listens on a ready endpoint: `service_reachability` measures that. A numeric targetPort that no container
declares is legal, and is a finding only where they declare another one of that protocol, UDP or SCTP, that no Service uses.
Services without a selector are not judged, as somebody else writes their endpoints. In manifests, the pods are those that the
workloads there would make; operators, charts and other folders may make more pods and Services. Pods in other clusters of a
multi-cluster mesh.

## Sources
Kubernetes: Service (headless Services), EndpointSlice, Virtual IPs; failure catalogue K2, K3, K6, K14, K16 and K17.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    EVENT,
    INGRESS,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    ROUTES,
    SERVICE,
    WORKLOADS,
    Check,
    Cluster,
    Facts,
    Finding,
    Needs,
    Service,
    Unseen,
    counted,
    nearest_name,
    some,
)
from kubectl_netdoc.checks.services.service_config import (
    declared_ports,
    external_addresses,
    external_names,
    named_ports,
    readiness,
    restarts,
    selectors,
    slices,
    spelling,
    thresholds,
)
from kubectl_netdoc.components.service_backends import Backends, elsewhere


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Service that is not being deleted, then the addresses that several of them claim."""
    cluster = facts.cluster
    provisioning = timedelta(seconds=facts.threshold(thresholds.PROVISIONING))
    yield from _asked_for(cluster)
    unmade: list[str] = []
    restarting = restarts.Restarting(cluster)
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None:
            yield from _judge(cluster, service, provisioning, unmade, restarting)
    yield from restarting.findings()
    if unmade:
        reason = f"these manifests do not contain it: {some(unmade, readiness.SHOWN)}"
        yield Unseen(f"what {counted(len(unmade), 'Service')} should send traffic to", reason)
    yield from external_addresses.claimed_twice(cluster)


def _asked_for(cluster: Cluster) -> Iterator[Unseen]:
    """Services that the user named and that do not exist, and labels that no Service has."""
    names = {name for s in cluster.all(SERVICE) for name in (s.name, f"{s.namespace}/{s.name}")}
    for wish in cluster.selection.services:
        if wish not in names:
            close = nearest_name(wish, {name for name in names if ("/" in name) == ("/" in wish)})
            meant = f"; did you mean {close}?" if close else ""
            yield Unseen(f"Service {wish}", f"there is no such Service in {cluster.scope}{meant}", expected=True)
    if cluster.selection.labels and not cluster.selection.services and not cluster.services():
        yield Unseen("Services", f"no Service in {cluster.scope} has these labels", expected=True)


def _judge(
    cluster: Cluster, service: Service, provisioning: timedelta, unmade: list[str], restarting: restarts.Restarting
) -> Iterator[Finding | Unseen]:
    """Judge one Service; ``unmade`` takes what manifests may not contain, ``restarting`` its containers that restart."""
    if service.spec.type == "ExternalName":
        yield from external_names.analyse(cluster, service, unmade)
        return
    yield from spelling.analyse(service)
    if service.spec.type == "LoadBalancer" and cluster.origin != "manifests":
        yield from external_addresses.pending(cluster, service, provisioning)
    if not service.spec.selector or not cluster.readable(POD):
        return
    backends = Backends(cluster, service)
    if not backends.ready and (why := elsewhere(cluster, service, backends)):
        yield Unseen(f"the backends of Service {service.namespace}/{service.name}", why)
        return
    yield from readiness.analyse(cluster, service, backends)
    restarting.note(service, backends)
    if backends.empty:
        yield from selectors.nothing_selected(cluster, service, backends, unmade)
    yield from named_ports.analyse(cluster, service, backends, unmade)
    yield from declared_ports.analyse(cluster, service, backends)
    yield from selectors.two_workloads(cluster, service, backends)
    if cluster.readable(ENDPOINT_SLICE):
        yield from slices.analyse(cluster, service, backends)


check = Check(
    id="service_config",
    title="Services have pods that can serve them",
    prefix="SVC",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(POD, ENDPOINT_SLICE, EVENT, NODE, *WORKLOADS),
        hints=(COREFILE, REPLICATION_CONTROLLER, INGRESS, *ROUTES),
    ),
    codes=(
        *selectors.CODES,
        *named_ports.CODES,
        *declared_ports.CODES,
        *readiness.CODES,
        *restarts.CODES,
        *external_addresses.CODES,
        *slices.CODES,
        *external_names.CODES,
        *spelling.CODES,
    ),
    analyse=analyse,
    thresholds=(thresholds.PROVISIONING,),
)
