# SPDX-License-Identifier: Apache-2.0
"""Does each Service lead to something?

## What it looks at
Each Service against the pods its selector selects, the workloads that make such pods, and its EndpointSlices: selectors
that match nothing, named ports that no pod declares, pods that are not ready, slices that miss ready pods or hold foreign
addresses, ExternalName targets, load balancers that stay pending, addresses that two Services claim, and what a Local traffic
policy leaves out.

## Why it matters
A Service without a backend refuses or drops every connection, and the client sees only that.

## What it can't see
Whether anything listens behind a ready endpoint: that is measured. A numeric targetPort that no container declares is
legal and no finding. Services without a selector are their owner's business. In manifests, pods are those that the
workloads would make, and what is not in them is unseen: operators, charts and other folders make pods and Services too. Pods in
other clusters of a mesh.

## Sources
Kubernetes: Service, EndpointSlice, Virtual IPs; failure catalogue K2, K3, K6, K14, K16 and K17.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from datetime import timedelta

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    EVENT,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    SETTLING,
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
    ServicePort,
    Severity,
    Subject,
    Threshold,
    Unseen,
    Workload,
    ending,
    ip_families,
    matches,
    nearest_labels,
    nearest_name,
    patches,
    selector_patch,
    selector_text,
    set_by_controller,
    some,
    typo,
)
from kubectl_netdoc.components import cluster_dns, load_balancers
from kubectl_netdoc.components.service_backends import Backends, closed_gate, elsewhere, unread, waits
from kubectl_netdoc.probes.service_targets import CONTROLLER

PROVISIONING = Threshold(
    name="provisioning_s",
    default=180.0,
    unit="s until a load balancer has its address",
    source="clouds take up to about three minutes; with a Warning Event, or no controller at all, waiting is no use",
)

SHOWN = 5
"""Names that a message gives; the rest is counted."""

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
    message="Service {namespace}/{name} selects {selector}: no pod and no workload has these labels, so no connection succeeds",
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
    message="Service {namespace}/{name} sends port {port} to targetPort '{target}', which none of its pods declares for "
    "{protocol} (they declare: {declared})",
    fix="Name a port that the pods declare for {protocol}, give the container's port that name, or use its number.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
NONE_READY = Code(
    id="SVC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod behind the Service is ready",
    message="Service {namespace}/{name} has {pods} pods and none is ready: {why}",
    fix="{mend}",
    commands=("kubectl -n {namespace} get pods -o wide -l {selector}", "kubectl -n {namespace} describe pod {first}"),
    rows=("K2",),
    explains=(ENTERED,),
)
NO_PODS_MADE = Code(
    id="SVC005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The Service's workload has no pods",
    message="Service {namespace}/{name}: {workload} wants {replicas} pods and has none that it selects: {why}",
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
    fix="{mend}",
    commands=(load_balancers.LOOK,),
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
    message="Service {namespace}/{name} has no backend: {why}",
    fix="Nothing to mend if that is meant; else scale it up.",
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
    message="Service {namespace}/{name} selects {role}, a label that pods are given while they run: none has it now{example}",
    fix="Nothing to mend where no pod is to have that role (a database without replicas); else see what gives pods the label.",
    commands=("kubectl -n {namespace} get pods -L {key}",),
    rows=("K2",),
)


UNRESOLVED_PORT = Code(
    id="SVC012",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="One named targetPort of several that no pod declares",
    message="Port {port} of Service {namespace}/{name} leads nowhere: none of its pods declares targetPort '{target}' for "
    "{protocol} (they declare: {declared}); its other ports work",
    fix="Take the port out if the pods are not to serve it; else have the container declare it, or name one that it declares.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} get pods -l {selector} -o yaml"),
    rows=("K3",),
)
CLAIMED_TWICE = Code(
    id="SVC013",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Two Services claim one address and port",
    message="Services {all} claim {address} {protocol} {port}: one of them gets what is sent there",
    fix="Give one of them another address or another port.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get services -A -o wide"),
)
TWO_WORKLOADS = Code(
    id="SVC025",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service that also selects another workload's pods",
    message="Service {namespace}/{name}, port {port}, also selects the pods of {other}, which declare {declared} and have a "
    "Service of their own ({own})",
    fix="If a part of the connections fails: select by a label that the pods of {other} do not have.",
    commands=("kubectl -n {namespace} get pods --show-labels -l {selector}",),
    rows=("K2",),
)

LOOK_AT_PODS = "Look at the pods: why they wait, or what their readiness probe says."
LOOK_AT_GATE = (
    "Whoever sets the gate says no, not the readiness probe: look at its health check (the load balancer's, in the cloud)."
)
LOOK_AT_NODE = (
    "They end where their nodes come back, or are gone for good (kubectl delete node); then others can take their place."
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Service that is not being deleted, then what two of them claim."""
    cluster = facts.cluster
    yield from _wanted(cluster)
    unmade: list[str] = []
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None:
            yield from _judge(cluster, service, timedelta(seconds=facts.threshold(PROVISIONING)), unmade)
    if unmade:
        reason = f"nothing in these manifests makes it: {some(unmade, SHOWN)}"
        yield Unseen(f"what {len(unmade)} of the Services lead to", reason)
    yield from _claimed(cluster)


def _claimed(cluster: Cluster) -> Iterator[Finding]:
    for claim in load_balancers.claimed_twice(cluster):
        *_, last = claim.services
        every = [f"{service.namespace}/{service.name}" for service in claim.services]
        numbers = {"address": claim.address, "protocol": claim.protocol, "port": claim.port}
        yield CLAIMED_TWICE.on(_subject(last), {"all": " and ".join(every)} | numbers)


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


def _judge(cluster: Cluster, service: Service, provisioning: timedelta, unmade: list[str]) -> Iterator[Finding | Unseen]:
    """``unmade`` takes what manifests say nothing of."""
    if service.spec.type == "ExternalName":
        yield from _within(cluster, service, list(_alias(cluster, service, unmade)))
        return
    if service.spec.type == "LoadBalancer" and cluster.origin != "manifests":
        yield from _load_balancer(cluster, service, provisioning)
    if not service.spec.selector or not cluster.readable(POD):
        return
    backends = Backends(cluster, service)
    if not backends.ready and (far := elsewhere(cluster, service, backends)):
        yield Unseen(f"the backends of Service {service.namespace}/{service.name}", far)
        return
    yield from _backends(cluster, service, backends, unmade)
    yield from _named_ports(cluster, service, backends, unmade)
    yield from _two_workloads(cluster, service, backends)
    if cluster.readable(ENDPOINT_SLICE):
        yield from _slices(cluster, service, backends)
        yield from _local_policies(cluster, service)


def _subject(service: Service) -> Subject:
    return Subject("Service", service.name, service.namespace)


def _named(kind: Kind[Workload], item: Workload) -> str:
    return f"{kind.name.lower()}/{item.name}"


def _backends(cluster: Cluster, service: Service, backends: Backends, unmade: list[str]) -> Iterator[Finding | Unseen]:
    subject = _subject(service)
    live = cluster.origin != "manifests"
    warnings = [
        event.message
        for kind, item in backends.makers
        for event in cluster.events_about(kind.name, item.namespace, item.name)
        if event.type == "Warning"
    ]
    if backends.pods:
        yield from _readiness(cluster, service, backends) if live else ()
    elif backends.ending and not warnings:
        yield from _ending(cluster, service, backends)
    elif backends.active and live:
        kind, item = backends.active[0]
        silent = "no Event says why" if cluster.readable(EVENT) else "Events, which may say why, can't be read"
        why = ending(warnings[-1], load_balancers.SAID) if warnings else silent
        if cluster.age(item.metadata.creation_timestamp) > SETTLING:
            yield NO_PODS_MADE.on(subject, workload=_named(kind, item), replicas=item.wanted, why=why)
    elif backends.resting:
        yield SCALED_TO_ZERO.on(subject, why=backends.resting, workload=_named(*backends.workloads[0]))
    elif not backends.workloads:
        yield from _nothing_selected(cluster, service, backends, unmade)


def _ending(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Nothing is there but pods that end; that takes a moment, or for ever where their node is gone."""
    if service.spec.publish_not_ready_addresses:
        return
    ages = [(cluster.age(pod.metadata.deletion_timestamp), pod) for pod in backends.ending]
    told = [f"{pod.name} is to end on {pod.spec.node_name or 'no node'}, {_since(age)}" for age, pod in ages[:SHOWN]]
    if all(age < SETTLING for age, _ in ages):
        yield STARTING.on(_subject(service), what="other pod", why=", ".join(told))
    else:
        yield _none_ready(service, backends.ending, ", ".join(told), LOOK_AT_NODE)


def _since(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"overdue for {seconds} s" if seconds > 0 else f"within {-seconds} s"


def _nothing_selected(cluster: Cluster, service: Service, backends: Backends, unmade: list[str]) -> Iterator[Finding | Unseen]:
    selector = selector_text(service.spec.selector)
    if cluster.age(service.metadata.creation_timestamp) < SETTLING:
        yield STARTING.on(_subject(service), what="pod", why=f"nothing has {selector}")
    elif nearest := _meant(cluster, service, backends):
        shown = {key: nearest[key] for key in service.spec.selector}
        patch = selector_patch(service.spec.selector, nearest)
        yield NEAR_MISS.on(_subject(service), selector=selector, nearest=selector_text(shown), patch=patch)
    elif cluster.origin == "manifests":
        unmade.append(f"{service.namespace}/{service.name} ({selector})")
    elif role := _role(cluster, service):
        yield NO_SUCH_ROLE.on(_subject(service), role)
    elif hidden := unread(cluster):
        reason = f"no pod has {selector}, and {', '.join(hidden)} can't be read, which may say that none is wanted"
        yield Unseen(f"what is behind Service {service.namespace}/{service.name}", reason, asked=True)
    elif service.headless and not any(s.spec.service_name == service.name for s in _stateful(backends)):
        yield SELECTS_NOTHING_HEADLESS.on(_subject(service), selector=selector)
    else:
        yield NOTHING_SELECTED.on(_subject(service), selector=selector)


def _meant(cluster: Cluster, service: Service, backends: Backends) -> Mapping[str, str] | None:
    """The labels that a selector misses by a slip, of pods that are there (in manifests: that would be).

    They are meant where no other Service selects those pods, or where what is missed is the Service's own name.
    """
    labels = [pod.metadata.labels for pod in cluster.pods_in(service.namespace) if not pod.terminating]
    if cluster.origin == "manifests":
        labels += [item.template.metadata.labels for _, item in backends.neighbours]
    nearest = nearest_labels(service.spec.selector, labels, service.name)
    if nearest is None:
        return None
    mended = {key: nearest[key] for key in service.spec.selector}
    found = [those for those in labels if matches(mended, those)]
    own = any(mended[key] == service.name != value for key, value in service.spec.selector.items())
    return nearest if own or not any(cluster.leading_to(service.namespace, those) for those in found) else None


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
        if (
            owner is None
            or len(missed) != 1
            or missed[0] not in labels
            or (len(wanted) == 1 and not set_by_controller(missed[0]))
        ):
            continue
        key, template = missed[0], templates.get((owner.kind, owner.name))
        known = any(kind.name == owner.kind for kind in WORKLOADS)
        runtime = key not in template.template.metadata.labels if template else not known
        if runtime and wanted[key].lower() not in LEADING and not typo(wanted[key], [labels[key]]):
            return {"role": f"{key}={wanted[key]}", "example": f" ({pod.name}: {key}={labels[key]})", "key": key}
    own = [key for key in wanted if set_by_controller(key)]
    return {"role": f"{own[0]}={wanted[own[0]]}", "example": "", "key": own[0]} if own else {}


def _stateful(backends: Backends) -> list[Workload]:
    return [item for kind, item in backends.neighbours if kind is STATEFUL_SET]


def _readiness(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    if backends.ready or service.spec.publish_not_ready_addresses:
        return
    why = ", ".join(f"{pod.name} ({waits(pod)})" for pod in backends.pods[:3])
    if all(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in backends.pods):
        yield STARTING.on(_subject(service), what="ready pod", why=why)
    else:
        gated = all(map(closed_gate, backends.pods))
        yield _none_ready(service, backends.pods, why, LOOK_AT_GATE if gated else LOOK_AT_PODS)


def _none_ready(service: Service, pods: list[Pod], why: str, mend: str) -> Finding:
    nodes = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    common = {"pods": len(pods), "why": why, "mend": mend, "nodes": nodes, "first": pods[0].name}
    return NONE_READY.on(_subject(service), common, selector=selector_text(service.spec.selector))


def _named_ports(cluster: Cluster, service: Service, backends: Backends, unmade: list[str]) -> Iterator[Finding]:
    """Kubernetes finds a named port by its name and the protocol of the Service's port (EndpointSlice controller).

    Where kustomize is to change manifests, it may give containers that port, or the pod another container (kubebuilder's proxy).
    """
    specs = [pod.spec for pod in backends.pods] or [item.template.spec for _, item in backends.workloads]
    if not any(spec.containers for spec in specs):
        return
    declared = {pair for spec in specs for pair in spec.named_ports()}
    lost = [port for port in service.spec.ports if _unnamed(port, declared)]
    for port in lost:
        meant = _meant_port(service, port, declared)
        known = meant or any(name == port.target_port for name, _ in declared)
        if cluster.patched and not known:
            unmade.append(f"{service.namespace}/{service.name} (port {port.target_port})")
            continue
        code = NO_SUCH_PORT if meant or len(lost) == len(service.spec.ports) else UNRESOLVED_PORT
        pointer = f"/spec/ports/{service.spec.ports.index(port)}/targetPort"
        told = [f"{name}/{protocol}" for name, protocol in sorted(declared)]
        numbers = {"port": port.port, "protocol": port.protocol, "selector": selector_text(service.spec.selector)}
        yield code.on(
            _subject(service),
            numbers,
            try_=None if meant else UNRESOLVED_PORT.commands,
            target=port.target_port,
            declared=told or ["no named port"],
            patch=patches.replace({pointer: (port.target_port, meant)}) if meant else "",
        )


def _unnamed(port: ServicePort, declared: set[tuple[str, str]]) -> bool:
    return isinstance(port.target_port, str) and (port.target_port, port.protocol) not in declared


def _meant_port(service: Service, port: ServicePort, declared: set[tuple[str, str]]) -> str:
    """The declared port that a name misses by a slip, and that no other port of the Service leads to."""
    names = {name for name, protocol in declared if protocol == port.protocol}
    return typo(str(port.target_port), names - {str(other.target_port) for other in service.spec.ports})


def _two_workloads(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """A port that some of the workloads behind a Service declare, and others, which have a Service of their own, do not."""
    numbers = [(p, p.target_port or p.port) for p in service.spec.ports if isinstance(p.target_port, int) and p.protocol == "TCP"]
    if len(backends.active) < 2 or service.headless:
        return
    ports = {(kind.name, item.name): {p.container_port for p in item.template.spec.ports()} for kind, item in backends.active}
    for port, number in numbers:
        if not any(number in mine for mine in ports.values()):
            continue
        for kind, item in backends.active:
            mine = ports[kind.name, item.name]
            own = [
                other.name
                for other in cluster.leading_to(service.namespace, item.template.metadata.labels)
                if other.name != service.name and not _leads_to_all(other, backends)
            ]
            if mine and number not in mine and own:
                common = {"port": port.port, "other": f"{kind.name} {item.name}", "declared": sorted(mine), "own": own}
                yield TWO_WORKLOADS.on(_subject(service), common, selector=selector_text(service.spec.selector))


def _leads_to_all(service: Service, backends: Backends) -> bool:
    return all(matches(service.spec.selector, item.template.metadata.labels) for _, item in backends.active)


def _slices(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    slices = cluster.slices_of(service)
    own = [item for item in slices if item.managed_by == CONTROLLER]
    known = {address for item in own for endpoint in item.endpoints for address in endpoint.addresses}
    numeric = any(not isinstance(port.target_port, str) for port in service.spec.ports) or not service.spec.ports
    late = [
        pod for pod in backends.ready if not known.intersection(pod.ips) and _fits(service, pod) and _long_ready(cluster, pod)
    ]
    if late and numeric:
        first = late[0].name
        yield SLICES_BEHIND.on(_subject(service), count=len(late), missing=first, seconds=int(SETTLING.total_seconds()))
    for item in slices:
        foreign = {a for endpoint in item.endpoints for a in endpoint.addresses if endpoint.conditions.ready} - known
        foreign -= {ip for pod in backends.pods for ip in pod.ips}
        if item.managed_by == MIRROR and foreign and known:
            yield FOREIGN_SLICE.on(_subject(service), slice=item.name, manager=item.managed_by, foreign=sorted(foreign))


def _fits(service: Service, pod: Pod) -> bool:
    """Whether a pod has an address of a family that the Service has (endpoint_slices tells where none has)."""
    wanted = service.spec.ip_families or tuple(ip_families.of(ip) for ip in service.spec.cluster_ips if ip != "None")
    return any(not wanted or ip_families.of(ip) in wanted for ip in pod.ips)


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
            numbers = {"with_endpoint": some(sorted(on), SHOWN), "without": some(without, SHOWN)}
            yield LOCAL_ONLY.on(_subject(service), numbers, policy=name)


def _load_balancer(cluster: Cluster, service: Service, provisioning: timedelta) -> Iterator[Finding]:
    pending = load_balancers.pending(cluster, service, provisioning)
    if pending is None:
        return
    if not pending.due:
        yield STARTING.on(_subject(service), what="address", why=pending.why)
        return
    seconds = int(cluster.age(service.metadata.creation_timestamp).total_seconds())
    yield PENDING.on(_subject(service), try_=pending.commands, seconds=seconds, why=pending.why, mend=pending.mend)


def _alias(cluster: Cluster, service: Service, unmade: list[str]) -> Iterator[Finding]:
    domain = cluster_dns.domain(cluster)
    chain, current = [f"{service.namespace}/{service.name}"], service
    while True:
        target = current.spec.external_name.rstrip(".")
        wanted = _in_cluster(target, domain)
        if wanted is None or (cluster.scope.namespaces and wanted[0] not in cluster.scope.namespaces):
            break
        following = cluster.get(SERVICE, *wanted)
        step = f"{wanted[0]}/{wanted[1]}"
        if following is None:
            if current is service:  # an alias further on has a finding of its own
                yield from _no_target(cluster, service, wanted, unmade)
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


def _within(cluster: Cluster, service: Service, found: list[Finding]) -> Iterator[Finding | Unseen]:
    """What was found of an alias of a name in a domain; where that is the cluster's, only the Corefile tells."""
    target = service.spec.external_name.rstrip(".").lower()
    if found and cluster.unread(COREFILE) and target.count(".") > 2 and not _is_address(target):
        why = f"whether {target} is a name of this cluster can't be seen: {COREFILE.plural} can't be read"
        yield Unseen(f"what Service {service.namespace}/{service.name} is an alias of", why, asked=True)
    else:
        yield from found


def _no_target(cluster: Cluster, service: Service, wanted: tuple[str, str], unmade: list[str]) -> Iterator[Finding]:
    """An alias of nothing; in manifests only a slip tells that from a Service that is made elsewhere."""
    there = [item.name for item in cluster.all(SERVICE) if item.namespace == wanted[0]]
    if cluster.origin == "manifests" and not typo(wanted[1], there):
        unmade.append(f"{service.namespace}/{service.name} (an alias of {wanted[0]}/{wanted[1]})")
    else:
        yield NO_TARGET.on(_subject(service), target=service.spec.external_name.rstrip("."), wanted="/".join(wanted))


def _in_cluster(target: str, domain: str) -> tuple[str, str] | None:
    """Return (namespace, name) of the Service that a name such as web.shop.svc.cluster.local means, or None.

    A name that ends in another domain is not this cluster's: clusterset.local is that of all clusters of a set (Multi-Cluster
    Services API), whose Services may be anywhere.
    """
    name, namespace, svc, *rest = (*target.lower().split("."), "", "", "")
    within = [label for label in rest if label]
    return (namespace, name) if svc == "svc" and ".".join(within) in ("", domain) else None


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
    needs=Needs(
        kinds=(SERVICE,), optional=(POD, ENDPOINT_SLICE, EVENT, NODE, *WORKLOADS), hints=(COREFILE, REPLICATION_CONTROLLER)
    ),
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
        UNRESOLVED_PORT,
        CLAIMED_TWICE,
        TWO_WORKLOADS,
    ),
    analyse=analyse,
    thresholds=(PROVISIONING,),
)
