# SPDX-License-Identifier: Apache-2.0
"""Does each Service lead to something?

## What it looks at
Each Service against the pods its selector selects, the workloads that make such pods, and its EndpointSlices: selectors
that match nothing, named ports that no pod declares, pods that are not ready, slices that miss ready pods or hold foreign
addresses, ExternalName targets, load balancers that stay pending, and what a Local traffic policy leaves out.

## Why it matters
A Service without a backend refuses or drops every connection, and the client sees only that.

## What it can't see
Whether anything listens behind a ready endpoint: that is measured. A numeric targetPort that no container declares is
legal and no finding. Services without a selector are their owner's business. In manifests, pods are those that the
workloads would make.

## Sources
Kubernetes: Service, EndpointSlice, Virtual IPs; failure catalogue K2, K3, K6, K14, K16 and K17.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc import patches
from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    EVENT,
    NODE,
    POD,
    SERVICE,
    STATEFUL_SET,
    WORKLOADS,
    Check,
    Cluster,
    Code,
    Endpoint,
    Explains,
    Facts,
    Finding,
    Kind,
    Needs,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Threshold,
    Unseen,
    Workload,
    matches,
)
from kubectl_netdoc.similar import nearest_labels, nearest_name, selector_patch, text, typo
from kubectl_netdoc.targets import CONTROLLER

SETTLING = timedelta(seconds=60)
"""How long pods, endpoints and workloads may take to follow a change before that is held against them."""

PROVISIONING = Threshold(
    name="provisioning_s",
    default=180.0,
    unit="s until a load balancer has its address",
    source="clouds take up to about three minutes; with a Warning Event, or no controller at all, waiting is no use",
)

UNCLAIMED = timedelta(seconds=20)
"""A controller that handles a load balancer says so in an Event within seconds."""

MIRROR = "endpointslicemirroring-controller.k8s.io"

LEADING = frozenset({"primary", "master", "leader", "active", "writer", "true"})
"""Values of a role that some pod always has: without one nobody writes. (CloudNativePG cnpg.io/instanceRole, Patroni role and
spilo-role, Vault vault-active.)"""

ENTERED = Explains(("ING003", "GWR010", "CPL001", "CPL002"), "subject")
"""What an Ingress or a route leads to is the Service."""

NEAR_MISS = Code(
    id="SVC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Selector misses its pods",
    message="Service {namespace}/{name} selects {selector}, which no pod has; pods with {nearest} are there",
    fix="Make the selector match the pods' labels (or the labels the selector, if those are wrong).",
    commands=("kubectl -n {namespace} patch service {name} --type merge -p {patch}",),
    rows=("K2",),
    explains=(ENTERED,),
)
NOTHING_SELECTED = Code(
    id="SVC002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Selector selects nothing",
    message="Service {namespace}/{name} selects {selector}: no pod and no workload has these labels, every connection is refused",
    fix="Deploy what it is for, correct the selector, or delete the Service if it is left over.",
    commands=("kubectl -n {namespace} get pods --show-labels", "kubectl -n {namespace} get service {name} -o yaml"),
    rows=("K2",),
    explains=(ENTERED,),
)
NO_SUCH_PORT = Code(
    id="SVC003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Named targetPort that no pod declares",
    message="Service {namespace}/{name} sends port {port} to targetPort '{target}', which none of its pods declares "
    "(they declare: {declared})",
    fix="Name a port that the pods declare, or give the container's port that name.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
NONE_READY = Code(
    id="SVC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod behind the Service is ready",
    message="Service {namespace}/{name} has {pods} pods and none is ready: {why}",
    fix="Look at the pods: why they wait, or what their readiness probe says.",
    commands=("kubectl -n {namespace} get pods -o wide -l {selector}", "kubectl -n {namespace} describe pod {first}"),
    rows=("K2",),
    explains=(ENTERED,),
)
NO_PODS_MADE = Code(
    id="SVC005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The Service's workload has no pods",
    message="Service {namespace}/{name}: {workload} wants {replicas} replicas and has no pod: {why}",
    fix="See what keeps the controller from making pods: a quota, an admission webhook, the controller itself.",
    commands=("kubectl -n {namespace} describe {workload}",),
    rows=("K2",),
    explains=(ENTERED,),
)
PENDING = Code(
    id="SVC006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Load balancer pending",
    message="Service {namespace}/{name} of type LoadBalancer has no address for {seconds} s: {why}",
    fix="Install or repair the controller for load balancers, or enlarge its address pool; a NodePort works without one.",
    commands=("kubectl -n {namespace} describe service {name}",),
    rows=("K17",),
)
SLICES_BEHIND = Code(
    id="SVC007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="EndpointSlices miss ready pods",
    message="Service {namespace}/{name}: {count} pods, ready for over {seconds} s, are in no EndpointSlice ({missing} is one)",
    fix="The endpointslice controller does not keep up: look at kube-controller-manager.",
    commands=(
        "kubectl -n kube-system get pods -l component=kube-controller-manager",
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
    ),
    rows=("K14",),
    explains=(ENTERED,),
)
FOREIGN_SLICE = Code(
    id="SVC008",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Left-over endpoints beside the Service's own",
    message="Service {namespace}/{name} also sends traffic to {foreign}, from EndpointSlice {slice} ({manager}): "
    "no pod of it has that address",
    fix="Delete the left-over Endpoints object or slice: it stays when a selector is added to a Service that had none.",
    commands=(
        "kubectl -n {namespace} delete endpoints {name}",
        "kubectl -n {namespace} delete endpointslice {slice} --ignore-not-found",
    ),
    rows=("K14",),
)
NO_TARGET = Code(
    id="SVC009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="ExternalName leads to a Service that is not there",
    message="Service {namespace}/{name} is an alias of {target}, and there is no Service {wanted}",
    fix="Correct the externalName, or create that Service.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get services -A"),
    rows=("K16",),
)
ALIAS_LOOP = Code(
    id="SVC010",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="ExternalNames in a circle",
    message="Service {namespace}/{name} is an alias that leads back to itself: {chain}",
    fix="Point one of them to a real Service or host name.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)
ALIAS_OF_ADDRESS = Code(
    id="SVC011",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="ExternalName is an IP address",
    message="Service {namespace}/{name} has the externalName {target}: DNS takes that for a host name, which does not resolve",
    fix="For an address use a Service without a selector and an EndpointSlice of your own.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)
SELECTS_NOTHING_HEADLESS = Code(
    id="SVC020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Headless Service that selects nothing",
    message="Headless Service {namespace}/{name} selects {selector}, which nothing has: its name has no address",
    fix="Delete it if it is left over; monitoring stacks make such Services for control planes that can't be seen.",
    rows=("K2",),
)
SCALED_TO_ZERO = Code(
    id="SVC021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service of a workload that rests",
    message="Service {namespace}/{name} has no backend: {workload} is scaled to 0 or has finished",
    fix="Nothing to mend if that is meant; else scale {workload}.",
    rows=("K2",),
)
LOCAL_ONLY = Code(
    id="SVC022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Local traffic policy leaves nodes out",
    message="Service {namespace}/{name} has {policy}: Local, so it answers only on {with_endpoint}; not on {without}",
    fix="By design. If every node should answer, use policy Cluster or run a backend on each node.",
    rows=("K5", "K6"),
)
STARTING = Code(
    id="SVC023",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service being set up",
    message="Service {namespace}/{name} has no {what} yet: {why}",
    fix="Wait a moment and check again.",
    rows=("K2", "K17"),
)
NO_SUCH_ROLE = Code(
    id="SVC024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service of a role that no pod has",
    message="Service {namespace}/{name} selects {role}, a label that pods are given while they run: none has it now ({example}: "
    "{other})",
    fix="Nothing to mend where no pod is to have that role (a database without replicas); else see what gives pods the label.",
    commands=("kubectl -n {namespace} get pods -L {key}",),
    rows=("K2",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Service that is not being deleted."""
    cluster = facts.cluster
    yield from _wanted(cluster)
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None:
            yield from _judge(cluster, service, timedelta(seconds=facts.threshold(PROVISIONING)))


def _wanted(cluster: Cluster) -> Iterator[Unseen]:
    """Services that were asked for by name and are not there, and labels that none carries."""
    names = {name for s in cluster.all(SERVICE) for name in (s.name, f"{s.namespace}/{s.name}")}
    for wish in cluster.wishes.services:
        if wish not in names:
            close = nearest_name(wish, {name for name in names if ("/" in name) == ("/" in wish)})
            meant = f"; is it {close}?" if close else ""
            yield Unseen(f"Service {wish}", f"there is no such Service in {cluster.scope}{meant}", asked=True)
    if cluster.wishes.labels and not cluster.wishes.services and not cluster.services():
        yield Unseen("Services", f"none in {cluster.scope} carries these labels", asked=True)


def _judge(cluster: Cluster, service: Service, provisioning: timedelta) -> Iterator[Finding]:
    if service.spec.type == "ExternalName":
        yield from _alias(cluster, service)
        return
    if service.spec.type == "LoadBalancer" and cluster.origin != "manifests":
        yield from _load_balancer(cluster, service, provisioning)
    if not service.spec.selector or not cluster.readable(POD):
        return
    backends = _Backends(cluster, service)
    yield from _backends(cluster, service, backends)
    yield from _named_ports(service, backends)
    if cluster.readable(ENDPOINT_SLICE):
        yield from _slices(cluster, service, backends)
        yield from _local_policies(cluster, service)


def _subject(service: Service) -> Subject:
    return Subject("Service", service.name, service.namespace)


class _Backends:
    """What could stand behind a Service: pods there are, and workloads that make such pods."""

    def __init__(self, cluster: Cluster, service: Service) -> None:
        self.pods = [pod for pod in cluster.pods_of(service) if not pod.terminating]
        self.neighbours = [
            (kind, item)
            for kind, item in cluster.workloads_in(service.namespace, WORKLOADS)
            # An old ReplicaSet of a Deployment has the labels of the past.
            if not any(owner.kind in ("Deployment", "CronJob") and owner.controller for owner in item.metadata.owner_references)
        ]
        self.workloads = [
            (kind, item) for kind, item in self.neighbours if matches(service.spec.selector, item.spec.template.metadata.labels)
        ]
        self.active = [(kind, item) for kind, item in self.workloads if item.spec.replicas and kind.name != "Job"]
        self.ready = [pod for pod in self.pods if pod.ready]

    def port_names(self) -> set[str]:
        """Names of the ports that any of them declares."""
        specs = [pod.spec for pod in self.pods] or [item.spec.template.spec for _, item in self.workloads]
        return {name for spec in specs for name in spec.port_names()}


def _named(kind: Kind[Workload], item: Workload) -> str:
    return f"{kind.name.lower()}/{item.name}"


def _backends(cluster: Cluster, service: Service, backends: _Backends) -> Iterator[Finding]:
    subject, selector = _subject(service), text(service.spec.selector)
    if backends.pods:
        yield from _readiness(cluster, service, backends)
    elif backends.active and cluster.origin != "manifests":
        kind, item = backends.active[0]
        events = [e.message for e in cluster.events_about(kind.name, item.namespace, item.name) if e.type == "Warning"]
        why = events[-1][-300:] if events else "no Event says why"
        if cluster.age(item.metadata.creation_timestamp) > SETTLING:
            yield NO_PODS_MADE.on(subject, workload=_named(kind, item), replicas=item.spec.replicas, why=why)
    elif backends.workloads and not backends.active:
        yield SCALED_TO_ZERO.on(subject, workload=_named(*backends.workloads[0]))
    elif not backends.workloads:
        yield from _nothing_selected(cluster, service, backends, selector)


def _nothing_selected(cluster: Cluster, service: Service, backends: _Backends, selector: str) -> Iterator[Finding]:
    labels = [item.spec.template.metadata.labels for _, item in backends.neighbours]
    labels += [pod.metadata.labels for pod in cluster.pods_in(service.namespace)]
    nearest = nearest_labels(service.spec.selector, labels)
    if cluster.age(service.metadata.creation_timestamp) < SETTLING:
        yield STARTING.on(_subject(service), what="pod", why=f"nothing has {selector}")
    elif role := _role(cluster, service):
        yield NO_SUCH_ROLE.on(_subject(service), role)
    elif nearest is not None:
        shown = {key: nearest[key] for key in service.spec.selector if key in nearest}
        patch = selector_patch(service.spec.selector, nearest)
        yield NEAR_MISS.on(_subject(service), selector=selector, nearest=text(shown), patch=patch)
    elif service.headless and not any(s.spec.service_name == service.name for s in _stateful(backends)):
        yield SELECTS_NOTHING_HEADLESS.on(_subject(service), selector=selector)
    else:
        yield NOTHING_SELECTED.on(_subject(service), selector=selector)


def _role(cluster: Cluster, service: Service) -> dict[str, str]:
    """The label that sets a Service apart from pods that it all but selects, where their template has no such label: whoever
    runs them (an operator of a database, Patroni, Vault) gives it, and a single pod has the leading role.
    """
    wanted = service.spec.selector
    templates = {(kind.name, item.name): item for kind, item in cluster.workloads_in(service.namespace, WORKLOADS)}
    for pod in cluster.pods_in(service.namespace):
        labels = pod.metadata.labels
        missed = [key for key, value in wanted.items() if labels.get(key) != value]
        owner = next((owner for owner in pod.metadata.owner_references if owner.controller), None)
        if owner is None or len(missed) != 1 or len(wanted) == 1 or missed[0] not in labels:
            continue
        key, template = missed[0], templates.get((owner.kind, owner.name))
        known = any(kind.name == owner.kind for kind in WORKLOADS)
        given = key not in template.template.metadata.labels if template else not known
        if given and wanted[key].lower() not in LEADING and not typo(wanted[key], [labels[key]]):
            return {"role": f"{key}={wanted[key]}", "example": pod.name, "other": f"{key}={labels[key]}", "key": key}
    return {}


def _stateful(backends: _Backends) -> list[Workload]:
    return [item for kind, item in backends.neighbours if kind is STATEFUL_SET]


def _readiness(cluster: Cluster, service: Service, backends: _Backends) -> Iterator[Finding]:
    if backends.ready or service.spec.publish_not_ready_addresses or cluster.origin == "manifests":
        return
    why = ", ".join(f"{pod.name} {_why_not_ready(pod)}" for pod in backends.pods[:3])
    if all(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in backends.pods):
        yield STARTING.on(_subject(service), what="ready pod", why=why)
        return
    nodes = sorted({pod.spec.node_name for pod in backends.pods if pod.spec.node_name})
    yield NONE_READY.on(
        _subject(service),
        pods=len(backends.pods),
        why=why,
        nodes=nodes,
        selector=text(service.spec.selector),
        first=backends.pods[0].name,
    )


def _why_not_ready(pod: Pod) -> str:
    for status in pod.status.container_statuses:
        if status.state.waiting and status.state.waiting.reason:
            return f"({status.state.waiting.reason}, {status.restart_count} restarts)"
    scheduled, ready = pod.condition("PodScheduled"), pod.condition("Ready")
    if scheduled and scheduled.status == "False":
        return f"({scheduled.reason}: {scheduled.message[:120]})"
    return f"({pod.status.phase}, {ready.reason or 'not ready' if ready else 'no status yet'})"


def _named_ports(service: Service, backends: _Backends) -> Iterator[Finding]:
    if not (backends.pods or backends.workloads):
        return
    declared = backends.port_names()
    for index, port in enumerate(service.spec.ports):
        if not isinstance(port.target_port, str) or port.target_port in declared:
            continue
        meant = typo(port.target_port, declared) or (min(declared) if len(declared) == len(service.spec.ports) == 1 else "")
        patch = patches.replace({f"/spec/ports/{index}/targetPort": (port.target_port, meant)})
        yield NO_SUCH_PORT.on(
            _subject(service),
            try_=None if meant else ("kubectl -n {namespace} edit service {name}",),
            port=port.port,
            target=port.target_port,
            declared=sorted(declared) or ["no named port"],
            patch=patch if meant else "",
        )


def _slices(cluster: Cluster, service: Service, backends: _Backends) -> Iterator[Finding]:
    slices = cluster.slices_of(service)
    own = [item for item in slices if item.managed_by == CONTROLLER]
    known = {address for item in own for endpoint in item.endpoints for address in endpoint.addresses}
    numeric = any(not isinstance(port.target_port, str) for port in service.spec.ports) or not service.spec.ports
    late = [pod for pod in backends.ready if pod.ips and not known.intersection(pod.ips) and _long_ready(cluster, pod)]
    if late and numeric:
        first = late[0].name
        yield SLICES_BEHIND.on(_subject(service), count=len(late), missing=first, seconds=int(SETTLING.total_seconds()))
    for item in slices:
        foreign = {a for endpoint in item.endpoints for a in endpoint.addresses if endpoint.conditions.ready} - known
        foreign -= {ip for pod in backends.pods for ip in pod.ips}
        if item.managed_by == MIRROR and foreign and known:
            yield FOREIGN_SLICE.on(_subject(service), slice=item.name, manager=item.managed_by, foreign=sorted(foreign))


def _long_ready(cluster: Cluster, pod: Pod) -> bool:
    condition = pod.condition("Ready")
    return condition is not None and cluster.age(condition.last_transition_time) > SETTLING


def _local_policies(cluster: Cluster, service: Service) -> Iterator[Finding]:
    if not cluster.readable(NODE):
        return
    ready: list[Endpoint] = [e for item in cluster.slices_of(service) for e in item.endpoints if e.conditions.ready]
    on = {endpoint.node_name for endpoint in ready if endpoint.node_name}
    without = sorted({node.name for node in cluster.all(NODE)} - on)
    spec = service.spec
    for name, policy in (
        ("internalTrafficPolicy", spec.internal_traffic_policy),
        ("externalTrafficPolicy", spec.external_traffic_policy),
    ):
        if policy == "Local" and on and without:
            yield LOCAL_ONLY.on(_subject(service), policy=name, with_endpoint=sorted(on), without=without)


def _load_balancer(cluster: Cluster, service: Service, provisioning: timedelta) -> Iterator[Finding]:
    if service.status.load_balancer.ingress:
        return
    age = cluster.age(service.metadata.creation_timestamp)
    events = cluster.events_about("Service", service.namespace, service.name)
    warnings = [event for event in events if event.type == "Warning"]
    if warnings:
        why = f"{warnings[-1].reason}: {warnings[-1].message[-300:]}"
    elif age > UNCLAIMED and not events:
        why = f"no controller has taken it up{_class(service)}"
    elif age > provisioning:
        why = f"its controller has said nothing but {events[-1].reason}"
    else:
        yield STARTING.on(_subject(service), what="address", why="its load balancer is being made")
        return
    yield PENDING.on(_subject(service), seconds=int(age.total_seconds()), why=why)


def _class(service: Service) -> str:
    return f" (class {service.spec.load_balancer_class})" if service.spec.load_balancer_class else ""


def _alias(cluster: Cluster, service: Service) -> Iterator[Finding]:
    chain, current = [f"{service.namespace}/{service.name}"], service
    while True:
        target = current.spec.external_name.rstrip(".")
        wanted = _in_cluster(target)
        if wanted is None or (cluster.scope.namespaces and wanted[0] not in cluster.scope.namespaces):
            break
        following = cluster.get(SERVICE, *wanted)
        step = f"{wanted[0]}/{wanted[1]}"
        if following is None:
            if current is service:  # an alias further on has a finding of its own
                yield NO_TARGET.on(_subject(service), target=target, wanted=step)
            return
        if step in chain:
            if step == chain[0]:
                yield ALIAS_LOOP.on(_subject(service), chain=" -> ".join((*chain, step)))
            return
        if following.spec.type != "ExternalName":
            return
        chain, current = [*chain, step], following
    if current is service and _is_address(target):
        yield ALIAS_OF_ADDRESS.on(_subject(service), target=target)


def _in_cluster(target: str) -> tuple[str, str] | None:
    """Return (namespace, name) of the Service that a name such as web.shop.svc.cluster.local means, or None."""
    labels = target.split(".")
    return (labels[1], labels[0]) if len(labels) > 2 and labels[2] == "svc" else None


def _is_address(target: str) -> bool:
    try:
        ipaddress.ip_address(target)
    except ValueError:
        return False
    return True


check = Check(
    id="service_config",
    title="Services lead to pods that can serve",
    prefix="SVC",
    needs=Needs(kinds=(SERVICE,), optional=(POD, ENDPOINT_SLICE, EVENT, NODE, *WORKLOADS)),
    codes=(
        NEAR_MISS,
        NOTHING_SELECTED,
        NO_SUCH_PORT,
        NONE_READY,
        NO_PODS_MADE,
        PENDING,
        SLICES_BEHIND,
        FOREIGN_SLICE,
        NO_TARGET,
        ALIAS_LOOP,
        ALIAS_OF_ADDRESS,
        SELECTS_NOTHING_HEADLESS,
        SCALED_TO_ZERO,
        LOCAL_ONLY,
        STARTING,
        NO_SUCH_ROLE,
    ),
    analyse=analyse,
    thresholds=(PROVISIONING,),
)
