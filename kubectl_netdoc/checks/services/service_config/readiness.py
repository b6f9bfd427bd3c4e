# SPDX-License-Identifier: Apache-2.0
"""Services whose pods are not ready, are ending, or were never created by their workload."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    EVENT,
    SETTLING,
    STATEFUL_SET,
    Cluster,
    Code,
    Explains,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Workload,
    ending,
    joined,
    lasting,
    patches,
    selector_text,
    set_by_controller,
)
from kubectl_netdoc.components import cluster_dns, load_balancers, service_names
from kubectl_netdoc.components.service_backends import Backends, closed_gate, waits

SHOWN = 5
"""Names that a message gives at most."""

ENTRY_POINTS = Explains(("ING003", "GWR010", "CPL001", "CPL002"), "subject")
"""What Ingresses, routes and webhooks that send requests to this Service show."""

NONE_READY = Code(
    id="SVC004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod of the Service is ready",
    message="0 of {pods} pods of Service {namespace}/{name} are ready: {why}",
    fix="{mend}",
    commands=("kubectl -n {namespace} get pods -o wide -l {selector}", "kubectl -n {namespace} describe pod {first}"),
    rows=("K2",),
    explains=(ENTRY_POINTS,),
)
NO_PODS_MADE = Code(
    id="SVC005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The Service's workload has no pods",
    message="Service {namespace}/{name} has no pod: {workload} wants {replicas} and has none that the Service selects ({why})",
    fix="Find out what keeps the controller from creating pods: a quota, an admission webhook, or the controller itself.",
    commands=("kubectl -n {namespace} describe {workload}",),
    rows=("K2",),
    explains=(ENTRY_POINTS,),
)
RELABELLED = Code(
    id="SVC030",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A StatefulSet's pod has lost a label",
    message="Pod {namespace}/{name} is there and lacks {lacks} (it has {has}), so Service {service} does not select it and "
    "{workload} does not own it: its name leads nowhere, and no other pod of that name can be made",
    fix="Give the pod its labels back, as the command does: its StatefulSet takes it up again. Find out who changed them.",
    commands=(
        "kubectl -n {namespace} get pod {name} --show-labels",
        "kubectl -n {namespace} label pod {name} --overwrite {labels}",
    ),
    rows=("K2",),
    explains=(Explains(("SVC005", "SVC004", "SVC001", "EPS004"), "objects"),),
)
SCALED_TO_ZERO = Code(
    id="SVC021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service of a workload that wants no pod",
    message="Service {namespace}/{name} has no pod: {why}",
    fix="If the Service should answer, scale its workload up. Otherwise there is nothing to do.",
    rows=("K2",),
)
SCALED_BY_HAND = Code(
    id="SVC031",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A Service's workload was scaled to zero by hand",
    message="Service {namespace}/{name} has no pod: {why} since {minutes} min ago, by {manager} (spec.replicas)",
    fix="If that was not meant, scale it up again, to as many replicas as it had. Otherwise there is nothing to do.",
    commands=("kubectl -n {namespace} scale {workload} --current-replicas=0 --replicas=1",),
    rows=("K2",),
    explains=(ENTRY_POINTS,),
)
STARTING = Code(
    id="SVC023",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service being set up",
    message="Service {namespace}/{name} has no {what} yet: {why}",
    fix="Wait a minute and check again.",
    rows=("K2", "K17"),
)

EACH_OTHER = Code(
    id="SVC029",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Members that wait for each other's names",
    message="No pod of StatefulSet {namespace}/{set} is ready, they are told each other's names ({host}: {place}), and headless "
    "Service {namespace}/{name} gives a pod a name once it is ready only: each may wait for the others",
    fix="Set publishNotReadyAddresses on the Service, as the command does, if the pods look for each other before they are "
    "ready.",
    commands=("kubectl -n {namespace} patch service {name} --type merge -p {patch}",),
    rows=("K2",),
    explains=(Explains(("SVC004",), "subject"),),
)
CRASHED = "CrashLoopBackOff"
"""Why a container waits that has run and ended."""

FEWEST_MEMBERS = 2
"""Pods of a StatefulSet that can wait for each other."""

LOOK_AT_PODS = "Look at the pods' events and logs: they say what a pod waits for, or why its readiness probe fails."
LOOK_AT_GATE = (
    "Look at the controller that sets the readiness gate, not at the readiness probe, which passes: {setter}. Either it does not "
    "run, or the health check of its load balancer fails."
)
GATES = {
    "target-health.elbv2.k8s.aws/": "the AWS Load Balancer Controller (Deployment aws-load-balancer-controller)",
    "target-health.alb.ingress.k8s.aws/": "the AWS ALB Ingress Controller, as it was called before version 2",
    "cloud.google.com/load-balancer-neg-ready": "GKE's controller of network endpoint groups, which runs outside the cluster",
}
"""Who sets a readiness gate, by the beginning of its name (AWS Load Balancer Controller: Pod readiness gate; GKE:
Container-native load balancing, Pod readiness)."""

REPLICAS, BY_HAND, WINDOW = "spec.replicas", "kubectl", timedelta(hours=1)
"""The field that scaling writes, how the field managers of hands begin (autoscalers and operators have names of their own), and
for how long what they did is news."""

UNKNOWN_GATE = "in clouds this is the load balancer controller"
LOOK_AT_NODE = (
    "Bring their nodes back, and the pods end. If a node is gone for good, delete it (kubectl delete node): its pods are then "
    "removed and can be replaced."
)


def analyse(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Judge a Service that selects pods, or whose pods a workload should make."""
    subject = Subject.of("Service", service)
    live = cluster.origin != "manifests"
    warnings = _warnings(cluster, backends)
    relabelled = list(_relabelled(cluster, service, backends)) if live else []
    yield from relabelled
    if relabelled and not backends.pods:
        return
    if backends.pods:
        yield from _readiness(cluster, service, backends) if live else ()
    elif backends.ending and not warnings:
        yield from _ending(cluster, service, backends)
    elif backends.active and live:
        kind, item = backends.active[0]
        unexplained = "no Event says why" if cluster.readable(EVENT) else "Events, which may say why, can't be read"
        why = ending(warnings[-1], load_balancers.QUOTED) if warnings else unexplained
        if cluster.age(item.metadata.creation_timestamp) > SETTLING:
            names = {"workload": f"{kind.name.lower()}/{item.name}", "replicas": item.wanted, "why": why}
            yield NO_PODS_MADE.on(subject, names, objects=(Subject.of(kind.name, item),))
    elif none := backends.no_pods_wanted:
        names = {"why": none.why, "workload": f"{none.workload.kind.lower()}/{none.workload.name}"}
        _, item = backends.workloads[0]
        if live and not item.wanted and (hand := _scaled(cluster, item)):
            yield SCALED_BY_HAND.on(subject, names, manager=hand[0], minutes=hand[1], objects=(none.workload,))
        else:
            yield SCALED_TO_ZERO.on(subject, names, objects=(none.workload,))


def _scaled(cluster: Cluster, item: Workload) -> tuple[str, int] | None:
    """Return with what tool, and how many minutes ago, somebody wrote a workload's replicas by hand within the hour."""
    found = [
        (int(age.total_seconds() // 60), entry.manager)
        for entry in getattr(item.metadata, "managed_fields", ())
        if entry.manager.startswith(BY_HAND) and (entry.subresource == "scale" or REPLICAS in entry.fields)
        if (age := cluster.age(entry.time)) < WINDOW and cluster.age(item.metadata.creation_timestamp) > age + SETTLING
    ]
    return next(((manager, minutes) for minutes, manager in sorted(found)), None)


def _relabelled(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Yield the pods that have the name of a pod of a StatefulSet behind a Service, and not its labels."""
    for kind, item in backends.active:
        names = {f"{item.name}-{item.spec.ordinals.start + number}" for number in range(item.spec.replicas)}
        for pod in cluster.pods_in(service.namespace) if kind is STATEFUL_SET else ():
            own, wanted = pod.metadata.labels, service.spec.selector
            lacks = {key: value for key, value in wanted.items() if own.get(key) != value}
            if pod.name not in names or not lacks or pod.terminating or any(map(set_by_controller, lacks)):
                continue
            words = {
                "lacks": f"the label {selector_text(lacks)}",
                "has": selector_text({key: own[key] for key in lacks if key in own}) or "none of that name",
                "labels": [f"{key}={value}" for key, value in sorted(lacks.items())],
                "service": f"{service.namespace}/{service.name}",
                "workload": f"statefulset/{item.name}",
            }
            objects = (Subject.of("Service", service), Subject.of(kind.name, item))
            yield RELABELLED.on(Subject.of("Pod", pod), words, objects=objects)


def _warnings(cluster: Cluster, backends: Backends) -> list[str]:
    """What Warning Events say of the workloads that should make the pods, the latest last."""
    return [event.message for kind, item in backends.makers for event in lasting(cluster, kind.name, item)]


def _ending(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """All pods are ending: that takes a moment, or for ever where their node is gone."""
    if service.spec.publish_not_ready_addresses:
        return
    ages = [(cluster.age(pod.metadata.deletion_timestamp), pod) for pod in backends.ending]
    shown = [f"{pod.name} on {pod.spec.node_name or 'no node'} {_ends(age)}" for age, pod in ages[:SHOWN]]
    if all(age < SETTLING for age, _ in ages):
        yield STARTING.on(Subject.of("Service", service), what="new pod", why=joined(shown))
    else:
        yield _none_ready(service, backends.ending, joined(shown), LOOK_AT_NODE)


def _ends(age: timedelta) -> str:
    """When a pod ends or should have, ``age`` after the end of its grace period."""
    seconds = int(age.total_seconds())
    return f"should have ended {seconds} s ago" if seconds > 0 else f"ends within {-seconds} s"


def _readiness(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    if backends.ready or service.spec.publish_not_ready_addresses:
        return
    why = ", ".join(f"{pod.name} ({waits(pod)})" for pod in backends.pods[:SHOWN])
    if all(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in backends.pods):
        yield STARTING.on(Subject.of("Service", service), what="ready pod", why=why)
    else:
        gated = all(map(closed_gate, backends.pods))
        yield _none_ready(service, backends.pods, why, _look_at_gate(backends.pods[0]) if gated else LOOK_AT_PODS)
        yield from _waiting_for_each_other(cluster, service, backends)


def _look_at_gate(pod: Pod) -> str:
    gates = [gate.condition_type for gate in pod.spec.readiness_gates]
    known = [who for gate in gates for name, who in GATES.items() if gate.startswith(name)]
    return LOOK_AT_GATE.format(setter=known[0] if known else UNKNOWN_GATE)


def _waiting_for_each_other(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """The pods of a StatefulSet are told each other's names, which a headless Service has once they are ready."""
    sets = [item for kind, item in backends.active if kind is STATEFUL_SET and item.spec.service_name == service.name]
    states = [status.state for pod in backends.pods for status in pod.status.container_statuses]
    ran = all(state.waiting is None or state.waiting.reason == CRASHED for state in states)
    if not (service.headless and sets and sets[0].wanted >= FEWEST_MEMBERS and states and ran):
        return
    domain = cluster_dns.domain(cluster)
    for container in sets[0].template.spec.containers:
        for target in container.targets:
            name = service_names.parse(target.host, service.namespace, domain)
            of_a_pod = name and (name.namespace, name.name) == (service.namespace, service.name) and name.pod
            short = name and not name.full and name.namespace == service.name and name.name.startswith(f"{sets[0].name}-")
            if of_a_pod or short:
                names = {"set": sets[0].name, "host": target.host, "place": f"{target.place} of container {container.name}"}
                names["patch"] = patches.merge({"spec": {"publishNotReadyAddresses": True}})
                yield EACH_OTHER.on(Subject.of("Service", service), names, objects=[Subject.of("StatefulSet", sets[0])])
                return


def _none_ready(service: Service, pods: list[Pod], why: str, mend: str) -> Finding:
    nodes = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    numbers = {"pods": len(pods), "why": why, "mend": mend, "nodes": nodes, "first": pods[0].name}
    selector = selector_text(service.spec.selector)
    named = [Subject.of("Pod", pod) for pod in pods[:SHOWN]]
    return NONE_READY.on(Subject.of("Service", service), numbers, selector=selector, objects=named)


CODES = (NONE_READY, EACH_OTHER, NO_PODS_MADE, RELABELLED, SCALED_BY_HAND, SCALED_TO_ZERO, STARTING)
