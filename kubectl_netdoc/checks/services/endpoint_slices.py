# SPDX-License-Identifier: Apache-2.0
"""Do EndpointSlices say what is there?

## What it looks at
The EndpointSlices of each Service, which kube-proxy and ingress controllers follow: slices of no Service, addresses that two
controllers hold for one Service, endpoints whose pod is gone or has another address, families that have endpoints in one
and none in the other, pods that take long to end, and those not ready beside ready ones.

## Why it matters
What stands in a slice gets traffic, whether it is there or not; what does not stand in it gets none, in that family.

## What it can't see
Slices without a Pod reference are their owner's business. Lists are read one after the other: an endpoint whose pod has just
gone is not yet a fault, so that alone is advice (service_reachability tells whether it answers).

## Sources
Kubernetes: EndpointSlices (management, duplicate endpoints), IPv4/IPv6 dual-stack; failure catalogue K2 and K14;
kubernetes#105987, #111929, talos#12802.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    POD,
    SERVICE,
    SETTLING,
    Check,
    Cluster,
    Code,
    Endpoint,
    EndpointSlice,
    Explains,
    Facts,
    Finding,
    Needs,
    ObjectRef,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Threshold,
    Unseen,
    ip_families,
)
from kubectl_netdoc.components.service_backends import waits
from kubectl_netdoc.probes.service_targets import CONTROLLER

OVERDUE = Threshold(
    name="terminating_s",
    default=300.0,
    unit="s that a pod of a Service has been going",
    source="past the end of its grace period a pod is gone within seconds: the kubelet or a finalizer holds it",
)

OURS = ("", CONTROLLER, "endpointslicemirroring-controller.k8s.io")
"""Managers whose slices must have a Service; what others write may be of another cluster."""

PRIMARY_MISSING = Code(
    id="EPS001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A Service's own family has no endpoint",
    message="Service {namespace}/{name} is of {family} (ClusterIP {ip}) and has no ready endpoint in {family}; {count} {what} "
    "{other} addresses",
    fix="Let the Service have the family that its pods have, or its pods both: ipFamilies can't change their first entry, so "
    "make the Service anew.",
    commands=(
        "kubectl -n {namespace} get service {name} -o yaml",
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
    ),
    rows=("K14",),
    explains=(Explains(("SVC007", "ING003", "GWR010", "CPL001", "CPL002"), "subject"),),
)
SECONDARY_MISSING = Code(
    id="EPS002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A Service's second family has no endpoint",
    message="Service {namespace}/{name} also has the ClusterIP {ip} ({family}), and no ready endpoint in {family}; it has "
    "{count} in {other}",
    fix="Clients that prefer {family} are refused: recreate the pods where they were made before the cluster became dual-stack, "
    "have the application's nodes give both families, or make the Service SingleStack.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {namespace} patch service {name} --type merge -p {patch}",
    ),
    rows=("K14",),
)
DOUBLED = Code(
    id="EPS003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Two controllers write one endpoint",
    message="Service {namespace}/{name} has {addresses} in slices of different managers ({slices}): when one of them takes it "
    "out, the other still sends traffic there",
    fix="Delete the slice whose owner is gone (often the mirror of an old Endpoints object, or a left-over of an operator).",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} --show-labels",
        "kubectl -n {namespace} delete endpointslice {extra}",
    ),
    rows=("K14",),
)
ORPHANED = Code(
    id="EPS010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="EndpointSlice of no Service",
    message="EndpointSlice {namespace}/{name} ({manager}) is of Service {service}, which is not there",
    fix="Delete it if it is left over: a Service of that name, made one day, would send traffic to its {count} endpoints.",
    commands=("kubectl -n {namespace} get endpointslice {name} -o yaml", "kubectl -n {namespace} delete endpointslice {name}"),
    rows=("K14",),
)
STALE = Code(
    id="EPS011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Endpoints that do not fit the pods",
    message="Service {namespace}/{name} has {count} ready endpoints that do not fit: {endpoints}",
    fix="Check again in a moment: lists are read one after the other. If it stays, see whether kube-controller-manager runs.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml",
        "kubectl -n kube-system get pods -l component=kube-controller-manager",
    ),
    rows=("K14",),
)
NOT_READY = Code(
    id="EPS012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Not all pods of a Service are ready",
    message="Service {namespace}/{name}: {ready} of {all} endpoints are ready; not: {waiting}",
    fix="The others carry its load: look at why these wait.",
    commands=("kubectl -n {namespace} describe pod {first}",),
    rows=("K2",),
)
BY_FORCE = "kubectl -n {namespace} delete pod {name} --force --grace-period=0"

OVERDUE_POD = Code(
    id="EPS004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A pod does not end",
    message="Pod {namespace}/{name}, an endpoint of {services}, should have ended {minutes} minutes ago and is still there, on "
    "{node}",
    fix="Look at the kubelet on {node} and at the pod's finalizers. Delete the pod by force only if the node is gone for good: "
    "else its containers may run on, and a StatefulSet makes a second one beside them.",
    commands=(
        "kubectl -n {namespace} describe pod {name}",
        "kubectl describe node {node}",
    ),
    rows=("K2",),
    explains=(Explains(("SVC004",), "services"),),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the slices of each Service, then those of none."""
    cluster = facts.cluster
    overdue: dict[tuple[str, str], list[ObjectRef]] = {}
    for service in cluster.services():
        if service.metadata.deletion_timestamp is not None or service.spec.type == "ExternalName":
            continue
        yield from _families(cluster, service)
        yield from _doubled(cluster, service)
        if cluster.readable(POD) and service.spec.selector:
            yield from _pods(cluster, service)
            for pod in _overdue(cluster, service, timedelta(seconds=facts.threshold(OVERDUE))):
                overdue.setdefault((pod.namespace, pod.name), []).append(ObjectRef.to("Service", service))
    if overdue and cluster.unread(NODE):
        why = "should have ended long ago, and whether their nodes are down can't be seen: Nodes can't be read"
        yield Unseen(f"{len(overdue)} pods", why, asked=True)
        overdue = {}
    for (namespace, name), services in overdue.items():
        late = cluster.get(POD, namespace, name)
        assert late is not None
        minutes = int(cluster.age(late.metadata.deletion_timestamp).total_seconds() / 60)
        gone = cluster.readable(NODE) and cluster.get(NODE, "", late.spec.node_name) is None
        try_ = (*OVERDUE_POD.commands, BY_FORCE) if gone else None
        numbers = {"services": services, "minutes": minutes, "node": late.spec.node_name}
        yield OVERDUE_POD.on(Subject("Pod", name, namespace), numbers, try_=try_)
    if not cluster.wishes.services and not cluster.wishes.labels:
        yield from _orphans(cluster)


def _subject(service: Service) -> Subject:
    return Subject("Service", service.name, service.namespace)


def _ready(items: list[EndpointSlice], family: str) -> int:
    """How many ready endpoints there are in a family."""
    return sum(bool(e.addresses) and e.conditions.ready for item in items if item.address_type == family for e in item.endpoints)


def _families(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """A family of the Service without a ready endpoint, while another one has some, or all its pods have that one alone."""
    slices = [item for item in cluster.slices_of(service) if item.managed_by == CONTROLLER]
    counts = {family: _ready(slices, family) for family in (ip_families.IPV4, ip_families.IPV6)}
    if _young(cluster, service.metadata.creation_timestamp) or any(
        _young(cluster, s.metadata.creation_timestamp) for s in slices
    ):
        return
    for number, (family, ip) in enumerate(_of(service)):
        other = ip_families.IPV4 if family == ip_families.IPV6 else ip_families.IPV6
        strangers = 0 if number or any(counts.values()) else _pods_without(cluster, service, family)
        if counts[family] or not (counts[other] or strangers) or (number and service.headless):
            continue
        code = SECONDARY_MISSING if number else PRIMARY_MISSING
        what = "pods are ready, with" if strangers else "are ready at"
        patch = (
            f'{{"spec":{{"ipFamilyPolicy":"SingleStack","ipFamilies":["{other}"],"clusterIPs":["{service.spec.cluster_ip}"]}}}}'
        )
        numbers = {"ip": ip, "family": family, "other": other, "count": counts[other] or strangers, "what": what}
        yield code.on(_subject(service), numbers, patch=patch)


def _of(service: Service) -> list[tuple[str, str]]:
    """A Service's families, the first first, each with its ClusterIP."""
    ips = [ip for ip in service.spec.cluster_ips if ip != "None"]
    known = [family for family in service.spec.ip_families if family in (ip_families.IPV4, ip_families.IPV6)]
    return [(ip_families.of(ip), ip) for ip in ips] or [(family, "None") for family in known]


def _pods_without(cluster: Cluster, service: Service, family: str) -> int:
    """How many ready pods a Service selects where none of them has an address of a family, for long enough; else 0."""
    pods = cluster.pods_of(service) if service.spec.selector and cluster.readable(POD) else []
    ready = [pod for pod in pods if pod.ready and pod.ips and not pod.terminating]
    settled = [pod for pod in ready if not _young(cluster, pod.metadata.creation_timestamp)]
    return 0 if any(ip_families.of(ip) == family for pod in ready for ip in pod.ips) else len(settled)


def _young(cluster: Cluster, moment: datetime | None) -> bool:
    return cluster.age(moment) < SETTLING


def _doubled(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """One address and port in slices of two managers; without a selector that is the owners' business (prometheus-operator)."""
    if not service.spec.selector:
        return
    holders: dict[tuple[str, str, int], dict[str, EndpointSlice]] = {}
    for item in cluster.slices_of(service):
        if item.metadata.deletion_timestamp is not None or _young(cluster, item.metadata.creation_timestamp):
            continue
        ends = [address for end in item.endpoints if end.conditions.ready for address in end.addresses]
        for address in ends:
            for port in item.ports:
                holders.setdefault((address, port.protocol, port.port), {}).setdefault(item.managed_by, item)
    twice = {key: found for key, found in holders.items() if len(found) > 1}
    if twice:
        slices = {item.name: item for found in twice.values() for item in found.values()}
        extra = [name for name, item in slices.items() if item.managed_by != CONTROLLER]
        shown = [f"{name} by {item.managed_by or 'nobody'}" for name, item in sorted(slices.items())]
        addresses = sorted({address for address, _, _ in twice})
        yield DOUBLED.on(_subject(service), addresses=addresses[:5], slices=shown, extra=sorted(extra)[0])


def _pods(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """What the controller's endpoints say of pods: ones that are not there, and ones that are not ready."""
    ends = [end for item in cluster.slices_of(service) if item.managed_by == CONTROLLER for end in item.endpoints]
    pairs = [(e.target_ref.name, e) for e in ends if e.target_ref and e.target_ref.kind == "Pod" and e.addresses]
    named = dict(pairs)
    wrong = [why for name, end in pairs if end.conditions.ready and (why := _misfit(cluster, service, name, end))]
    if wrong:
        yield STALE.on(_subject(service), count=len(wrong), endpoints=wrong[:5])
    waiting = [name for name, end in sorted(named.items()) if not end.conditions.ready and not end.conditions.terminating]
    ready = sum(end.conditions.ready for end in named.values())
    if ready and waiting:
        shown = [f"{name} {_why(cluster.get(POD, service.namespace, name))}" for name in waiting[:5]]
        every = ready + len(waiting)
        yield NOT_READY.on(_subject(service), {"all": every}, ready=ready, waiting=shown, first=waiting[0])


def _misfit(cluster: Cluster, service: Service, name: str, end: Endpoint) -> str:
    """Return how a ready endpoint differs from its pod; nothing where it fits."""
    pod = cluster.get(POD, service.namespace, name)
    if pod is None:
        return f"{end.addresses[0]} is of pod {name}, which is not there"
    if pod.finished or (pod.ips and end.addresses[0] not in pod.ips):
        return f"{end.addresses[0]} is of pod {name}, which has {', '.join(pod.ips) or 'none'} and is {pod.status.phase}"
    return ""


def _why(pod: Pod | None) -> str:
    return f"({waits(pod) if pod else 'not there'})"


def _overdue(cluster: Cluster, service: Service, long: timedelta) -> Iterator[Pod]:
    """Pods of a Service that should have been gone long ago, on nodes that are ready: a node that is not explains them."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    down = {node.name for node in nodes if (ready := node.condition("Ready")) is not None and ready.status != "True"}
    for pod in cluster.pods_of(service):
        if pod.terminating and cluster.age(pod.metadata.deletion_timestamp) > long and pod.spec.node_name not in down:
            yield pod


def _orphans(cluster: Cluster) -> Iterator[Finding]:
    """Slices of a Service that is not there: the controller's own go with it, so somebody made or kept these."""
    for item in cluster.all(ENDPOINT_SLICE):
        if _young(cluster, item.metadata.creation_timestamp) or item.metadata.deletion_timestamp is not None:
            continue
        if item.managed_by not in OURS or not item.service or cluster.get(SERVICE, item.namespace, item.service) is not None:
            continue
        subject = Subject("EndpointSlice", item.name, item.namespace)
        yield ORPHANED.on(subject, manager=item.managed_by or "nobody's", service=item.service, count=len(item.endpoints))


check = Check(
    id="endpoint_slices",
    title="EndpointSlices say what is there",
    prefix="EPS",
    needs=Needs(kinds=(SERVICE, ENDPOINT_SLICE), optional=(POD,), hints=(NODE,)),
    codes=(PRIMARY_MISSING, SECONDARY_MISSING, DOUBLED, OVERDUE_POD, ORPHANED, STALE, NOT_READY),
    analyse=analyse,
    thresholds=(OVERDUE,),
)
