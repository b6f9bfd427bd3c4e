# SPDX-License-Identifier: Apache-2.0
"""Ingress controllers without a pod, or without a ready one."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DEPLOYMENT,
    POD,
    SETTLING,
    Cluster,
    Code,
    Explains,
    Finding,
    Kind,
    ObjectRef,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
    Workload,
    shell_word,
)
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.components.ingress_controllers import Classed, Controller

NOT_READY = Code(
    id="INC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod of an ingress controller is ready",
    message="0 of {pods} pods of {controller} are ready ({first} is one of them): nothing serves the Ingresses of class {cls} "
    "({ingresses} in all)",
    fix="Find out why the controller's pods are not ready: look at their Events and logs.",
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
    title="IngressClass without a controller",
    message="Nothing serves the Ingresses of class {name} ({ingresses} in all, such as {first}): {controller} has no pod, {why}",
    fix="Install the controller or scale it up, or move the Ingresses to a class that is served.",
    commands=("kubectl get ingressclass {name} -o yaml", "kubectl get deployments,daemonsets -A"),
)


def analyse(cluster: Cluster, name: str, controller: Controller, routes: list[Classed]) -> Iterator[Finding | Unseen]:
    """Judge the controller of a class by its pods, as far as they can be seen; ``routes``: the Ingresses of the class."""
    if cluster.scope.namespaces or not cluster.readable(POD):
        yield Unseen(controller.name, "its pods are not known: only some namespaces, or no pods, were read")
        return
    pods = controller.pods(cluster)
    old = [pod for pod in pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if pods and old and not any(pod.ready for pod in pods):
        yield _not_ready(cluster, controller, name, pods, len(routes))
    if pods or all(cluster.age(route.ingress.metadata.creation_timestamp) < SETTLING for route in routes):
        return
    workloads = controller.workloads(cluster)
    if not workloads and (like := controller.like(cluster)):
        yield Unseen(controller.name, f"no pod was recognised as its own for certain; pod {like} may be one")
    elif workloads or not any(route.addressed for route in routes):
        first = ObjectRef.to("Ingress", routes[0].ingress)
        names = {"first": first, "controller": controller.name, "why": _why(workloads), "ingresses": len(routes)}
        objects = [ObjectRef.to(kind.name, item) for kind, item in workloads[:1]]
        yield NO_CONTROLLER.on(Subject("IngressClass", name), names, commands=_commands(workloads), objects=objects)
    else:
        yield Unseen(controller.name, f"no pod of it was recognised, though Ingresses of class {name} have an address")


def _commands(workloads: list[tuple[Kind[Workload], Workload]]) -> tuple[str, ...]:
    """The commands that look, and the one that scales up a Deployment which is scaled to 0."""
    scaled_down = [item for kind, item in workloads[:1] if kind is DEPLOYMENT and not item.wanted]
    scale = (
        f"kubectl -n {shell_word(item.namespace)} scale deployment {shell_word(item.name)} --current-replicas=0 --replicas=1"
        for item in scaled_down
    )
    return (*NO_CONTROLLER.commands, *scale)


def _why(workloads: list[tuple[Kind[Workload], Workload]]) -> str:
    """Why a controller has no pod, as a clause."""
    if not workloads:
        return "and no Deployment or DaemonSet; none of these Ingresses has an address either"
    kind, item = workloads[0]
    name = f"{kind.name} {item.namespace}/{item.name}"
    if kind is DEPLOYMENT:
        return f"and {name} wants {item.wanted}" if item.wanted else f"as {name} is scaled to 0"
    return f"as {name} matches no node, or can't create pods"


def _not_ready(cluster: Cluster, controller: Controller, cls: str, pods: list[Pod], ingresses: int) -> Finding:
    services = ingress_controllers.services_of(cluster, pods)
    subject = Subject.of("Service", services[0]) if services else Subject("IngressClass", cls)
    nodes = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
    names = {"first": pods[0].name, "space": pods[0].namespace, "services": _all_services(cluster, pods), "nodes": nodes}
    numbers = {"controller": controller.name, "pods": len(pods), "cls": cls, "ingresses": ingresses}
    return NOT_READY.on(subject, names | numbers, objects=[Subject.of("Pod", pod) for pod in pods[:1]])


def _all_services(cluster: Cluster, pods: list[Pod]) -> list[ObjectRef]:
    """The Services that select these pods for any port, that of an admission webhook among them."""
    found = (service for pod in pods for service in cluster.services_selecting(pod.namespace, pod.metadata.labels))
    return sorted({ObjectRef.to("Service", service) for service in found})


CODES = (NOT_READY, NO_CONTROLLER)
