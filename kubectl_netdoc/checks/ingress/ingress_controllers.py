# SPDX-License-Identifier: Apache-2.0
"""Does anybody serve the Ingresses?

## What it looks at
The class of each Ingress (spec.ingressClassName, the annotation kubernetes.io/ingress.class, else the default IngressClass) and
the controller of that class: its pods, where it is one that runs in the cluster and is known. Measured: a TCP connect from each
debug pod to the controller's own Service.

## Why it matters
The API server takes an Ingress that nobody serves as it takes any other, and all that comes in by a controller fails with it.

## What it can't see
What stands before the cluster: DNS, the load balancer. Controllers that run outside of it (GKE, EKS Auto Mode, OpenShift's
routes), or that netdoc does not know: of those only what the status says. That the controller's Service accepts says that
something listens, not that it routes. Two installations of one controller are taken for one.

## Sources
Kubernetes: Ingress Controllers, IngressClass; https://kubernetes.io/blog/2025/11/11/ingress-nginx-retirement/. Failure catalogue
K2.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NETWORK_KINDS,
    POD,
    SERVICE,
    SETTLING,
    Check,
    Cluster,
    Code,
    ConnectReply,
    Explains,
    Facts,
    Finding,
    Kind,
    Lost,
    Needs,
    ObjectRef,
    Outcome,
    Pod,
    Request,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    Workload,
    patches,
    shell_word,
    typo,
)
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.components.ingress_controllers import Classed, Controller
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import Target, all_targets, may_reject

ADDRESS = timedelta(minutes=5)
"""Load balancers of clouds take some minutes for an Ingress; one without an address after that may have none."""

MOST = 4
"""Ports of controllers' Services that are connected to."""

LOOK = ("kubectl get ingressclasses", "kubectl -n {namespace} get ingress {name} -o yaml")

NOT_READY = Code(
    id="INC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod of an ingress controller is ready",
    message="{controller}: none of its {pods} pods is ready ({first}), so nobody serves the Ingresses of class {cls} "
    "({ingresses})",
    fix="See what keeps the controller's pods from being ready.",
    commands=("kubectl -n {space} describe pod {first}", "kubectl -n {space} logs {first} --tail=20"),
    rows=("K2",),
    explains=(
        Explains(("SVC004", "SVC007", "INC003"), "subject"),
        Explains(("SVC004", "SVC007", "CPL001", "CPL002", "CPL011"), "services"),
    ),
)
NO_CONTROLLER = Code(
    id="INC002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Class without a controller",
    message="Nobody serves the Ingresses of class {name} ({ingresses}, such as {first}): {controller} has no pod; {why}",
    fix="Install the controller or scale it up, or move the Ingresses to a class that is served.",
    commands=("kubectl get ingressclass {name} -o yaml", "kubectl get deployments,daemonsets -A"),
)
SILENT = Code(
    id="INC003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="An ingress controller does not answer",
    message="Service {namespace}/{name} of {controller} answers from no node: {address} {outcomes} from {nodes}",
    fix="Whatever comes in by it fails: see whether the controller listens, and what its log says.",
    commands=("kubectl -n {namespace} describe service {name}", "kubectl -n {namespace} logs {first} --tail=20"),
    explains=(Explains(("SVR003", "SVR004", "SVR006", "SVR012"), "subject"),),
)
NO_CLASS = Code(
    id="INC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress of a class that is not there",
    message="Ingress {namespace}/{name} is of class {cls}, which is not there (there are: {there}), and has no address: "
    "no controller takes it up",
    fix="Name a class that is there, or install the controller of this one.",
    commands=("kubectl get ingressclasses", "kubectl -n {namespace} patch ingress {name} --type merge -p {patch}"),
)
CLASSLESS = Code(
    id="INC005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Ingress without a class",
    message="Ingress {namespace}/{name} names no class, no IngressClass is the default, and it has no address: most controllers "
    "pass it over (classes: {there})",
    fix="Name the class in spec.ingressClassName: the one whose controller is to serve it, in private or to everybody.",
    commands=LOOK,
)
NO_ADDRESS = Code(
    id="INC020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ingress without an address",
    message="Ingress {namespace}/{name} (class {cls}) has no address after {minutes} minutes",
    fix="Nothing where the controller writes none (Traefik and NGINX unless told to); else see whether it has taken this one up.",
    commands=("kubectl -n {namespace} describe ingress {name}",),
)
RETIRED = Code(
    id="INC021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="ingress-nginx is retired",
    message="Class {name} ({ingresses} Ingresses) is that of ingress-nginx, which gets no releases and no "
    "security fixes since March 2026",
    fix="Move to the Gateway API or to another controller: https://kubernetes.io/blog/2025/11/11/ingress-nginx-retirement/",
    commands=("kubectl get pods -A -l app.kubernetes.io/name=ingress-nginx",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Connect to the controllers' Services, as other checks do."""
    for node in cluster.vantages:
        for _, target in _entrances(cluster):
            yield from target.through(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the class of each Ingress, then each class with what serves it."""
    cluster = facts.cluster
    routes = ingress_controllers.ingresses(cluster)
    if not routes:
        raise Skip("there is no Ingress to look at", moot=True)
    if cluster.origin == "manifests":
        raise Skip("who serves Ingresses only a cluster tells; these are manifests")
    for route in routes:
        yield from _class(cluster, route)
    for name in sorted({route.cls for route in routes if route.controller}):
        yield from _controller(cluster, name, [route for route in routes if route.cls == name])
    yield from _live(facts)


def _class(cluster: Cluster, route: Classed) -> Iterator[Finding]:
    """A class that is not there matters where no controller has written an address: some go by the name alone."""
    age = cluster.age(route.ingress.metadata.creation_timestamp)
    if route.addressed or age < SETTLING or not cluster.readable(INGRESS_CLASS):
        return
    there = sorted(item.name for item in cluster.all(INGRESS_CLASS))
    meant = typo(route.cls, there)
    patch = patches.merge({"spec": {"ingressClassName": meant}}) if meant else ""
    try_ = None if meant else LOOK
    if route.ingress.spec.ingress_class_name and route.found is None:
        yield NO_CLASS.on(_subject(route), try_=try_, cls=route.cls, there=there or ["none"], patch=patch)
    elif not (route.cls or _takes_classless(cluster)) and age > ADDRESS:
        yield CLASSLESS.on(_subject(route), there=there or ["none"])
    elif age > ADDRESS:
        yield NO_ADDRESS.on(_subject(route), cls=route.cls or "none", minutes=int(age.total_seconds() // 60))


def _takes_classless(cluster: Cluster) -> bool:
    """Whether a controller here serves what names no class, and may write no address."""
    known = (ingress_controllers.by_class(item.spec.controller) for item in cluster.all(INGRESS_CLASS))
    return any(controller is not None and controller.classless for controller in known)


def _controller(cluster: Cluster, name: str, routes: list[Classed]) -> Iterator[Finding | Unseen]:
    """Whether the controller of a class is there and ready, as far as it can be seen."""
    controller = routes[0].controller
    subject = Subject("IngressClass", name)
    if controller is ingress_controllers.INGRESS_NGINX:
        yield RETIRED.on(subject, ingresses=len(routes))
    if controller is None or not controller.inside:
        return
    if cluster.scope.namespaces or not cluster.readable(POD):
        yield Unseen(f"{controller.name}", "its pods can't be seen: only some namespaces, or no pods, were read")
        return
    pods = controller.pods(cluster)
    old = [pod for pod in pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if pods and old and not any(pod.ready for pod in pods):
        yield _not_ready(cluster, controller, name, pods, len(routes))
    workloads = controller.workloads(cluster)
    if pods or all(cluster.age(route.ingress.metadata.creation_timestamp) < SETTLING for route in routes):
        return
    if not workloads and (like := controller.like(cluster)):
        yield Unseen(controller.name, f"no pod of it was recognised for certain; pod {like} may be one")
    elif workloads or not any(route.addressed for route in routes):
        first = f"{routes[0].ingress.namespace}/{routes[0].ingress.name}"
        common = {"first": first, "controller": controller.name, "why": _why(workloads)}
        yield NO_CONTROLLER.on(subject, common, try_=_bring_back(workloads), ingresses=len(routes))
    else:
        yield Unseen(controller.name, f"no pod of it was recognised, though Ingresses of class {name} have an address")


def _bring_back(workloads: list[tuple[Kind[Workload], Workload]]) -> tuple[str, ...]:
    """The commands that look, and the one that scales up what rests."""
    resting = [item for kind, item in workloads[:1] if kind is DEPLOYMENT and not item.wanted]
    scale = (
        f"kubectl -n {shell_word(item.namespace)} scale deployment {shell_word(item.name)} --current-replicas=0 --replicas=1"
        for item in resting
    )
    return (*NO_CONTROLLER.commands, *scale)


def _why(workloads: list[tuple[Kind[Workload], Workload]]) -> str:
    if not workloads:
        return "nor is there a Deployment or DaemonSet of it, and none of these Ingresses has an address"
    kind, item = workloads[0]
    return f"{kind.name} {item.namespace}/{item.name} " + (
        f"wants {item.wanted}" if kind is DEPLOYMENT else "fits no node, or makes none"
    )


def _not_ready(cluster: Cluster, controller: Controller, cls: str, pods: list[Pod], ingresses: int) -> Finding:
    services = ingress_controllers.services_of(cluster, pods)
    subject = Subject("Service", services[0].name, services[0].namespace) if services else Subject("IngressClass", cls)
    nodes = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    first = {"first": pods[0].name, "space": pods[0].namespace, "services": _all_services(cluster, pods)}
    return NOT_READY.on(subject, first, controller=controller.name, pods=len(pods), cls=cls, ingresses=ingresses, nodes=nodes)


def _all_services(cluster: Cluster, pods: list[Pod]) -> list[ObjectRef]:
    """The Services that lead to any port of these pods, its admission webhook's among them."""
    found = (service for pod in pods for service in cluster.leading_to(pod.namespace, pod.metadata.labels))
    return sorted({ObjectRef.to("Service", service) for service in found})


def _entrances(cluster: Cluster) -> list[tuple[Controller, Target]]:
    """The controllers that Ingresses use, with the ports of their Services that requests come in by."""
    if not all(cluster.readable(kind) for kind in (INGRESS, SERVICE, POD, ENDPOINT_SLICE)):
        return []
    used = {route.controller.name: route.controller for route in ingress_controllers.ingresses(cluster) if route.controller}
    owned: dict[tuple[str, str], Controller] = {}
    for controller in used.values():
        found = ingress_controllers.services_of(cluster, controller.pods(cluster)) if controller.inside else []
        owned |= {(service.namespace, service.name): controller for service in found}
    entrances = [
        (owned[target.service.namespace, target.service.name], target)
        for target in (all_targets(cluster) if owned else ())
        if (target.service.namespace, target.service.name) in owned
        and ingress_controllers.serves(target.port.name, target.port.port)
    ]
    return entrances[:MOST]


def _live(facts: Facts) -> Iterator[Finding | Unseen]:
    """An entrance that no node gets an answer from; where some do, the fault is on the way, and others name it."""
    entrances = _entrances(facts.cluster)
    nodes = [vantage.node for vantage in facts.vantages if vantage.running]
    if entrances and not nodes:
        yield Unseen("whether the controllers answer", facts.why_not or "no debug pod ran")
        return
    if entrances and (why := policies.walled(facts)):
        yield Unseen("whether the controllers answer", f"netdoc's own pods reach nobody: {why}", asked=True)
        return
    for controller, target in entrances:
        requests = [request for node in nodes for request in target.through(node)]
        replies = [(request, reply) for r in requests if isinstance(reply := facts.reply(request := r), ConnectReply)]
        lost = sorted({reply.reason for request in requests if isinstance(reply := facts.reply(request), Lost)})
        if requests and not replies:
            yield Unseen(f"Service {target.name}", "; ".join(lost), asked=True)
        elif replies and not any(reply.outcome is Outcome.OK for _, reply in replies):
            yield from _silent(facts, controller, target, [(request.node, reply.outcome) for request, reply in replies])


def _silent(facts: Facts, controller: Controller, target: Target, bad: list[tuple[str, Outcome]]) -> Iterator[Finding | Unseen]:
    """A policy that keeps debug pods out is no fault."""
    for node, outcome in bad:
        for endpoint in target.endpoints if outcome is not Outcome.REFUSED or may_reject(facts.cluster) else ():
            if doubt := policies.doubt(facts, node, endpoint.address.ip, endpoint.address.port):
                yield Unseen(f"Service {target.name}", doubt.reason, asked=not doubt.certain)
                return
    yield SILENT.on(
        Subject("Service", target.service.name, target.service.namespace),
        controller=controller.name,
        address=target.cluster_ips[0] if target.cluster_ips else target.name,
        outcomes=sorted({str(outcome) for _, outcome in bad}),
        nodes=sorted({node for node, _ in bad}),
        first=target.endpoints[0].pod,
    )


def _subject(route: Classed) -> Subject:
    return Subject("Ingress", route.ingress.name, route.ingress.namespace)


check = Check(
    id="ingress_controllers",
    title="Ingresses have a controller that is ready",
    prefix="INC",
    needs=Needs(
        kinds=(INGRESS, SERVICE),
        optional=(INGRESS_CLASS, ENDPOINT_SLICE, POD),
        hints=tuple(dict.fromkeys((DEPLOYMENT, DAEMON_SET, *policies.KINDS, *NETWORK_KINDS))),
        tier=Tier.PODS,
    ),
    codes=(NOT_READY, NO_CONTROLLER, SILENT, NO_CLASS, CLASSLESS, NO_ADDRESS, RETIRED),
    plan=plan,
    analyse=analyse,
)
