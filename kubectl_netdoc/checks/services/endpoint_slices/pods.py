# SPDX-License-Identifier: Apache-2.0
"""Endpoints and their pods: pods that do not end, are not ready, do not exist or have another address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    NODE,
    POD,
    Cluster,
    Code,
    Endpoint,
    Explains,
    Finding,
    ObjectRef,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    counted,
)
from kubectl_netdoc.components import controller_manager
from kubectl_netdoc.components.service_backends import waits
from kubectl_netdoc.probes.service_targets import CONTROLLER

SHOWN = 5
"""Endpoints that a message names at most."""

STALE = Code(
    id="EPS011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Endpoints that do not match the pods",
    message="Service {namespace}/{name} has ready endpoints that do not match its pods ({count}): {endpoints}",
    fix="Check again in a minute, as netdoc reads lists one after the other. If the finding stays, see whether "
    "kube-controller-manager runs.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml",
        controller_manager.PODS,
    ),
    rows=("K14",),
)
NOT_READY = Code(
    id="EPS012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Not all pods of a Service are ready",
    message="{ready} of {all} endpoints of Service {namespace}/{name} are ready; these are not: {waiting}",
    fix="Find out why these pods are not ready. Until they are, the others carry their load.",
    commands=("kubectl -n {namespace} describe pod {first}",),
    rows=("K2",),
)
OVERDUE_POD = Code(
    id="EPS004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A pod does not end",
    message="Pod {namespace}/{name}, an endpoint of {services}, should have ended {minutes} minutes ago and is still there, on "
    "node {node}",
    fix="Look at the kubelet on {node} and at the pod's finalizers. Delete the pod by force only if the node is gone for good: "
    "otherwise its containers may still run, and a StatefulSet starts a second pod beside them.",
    commands=("kubectl -n {namespace} describe pod {name}", "kubectl describe node {node}"),
    rows=("K2",),
    explains=(Explains(("SVC004",), "services"),),
)
BY_FORCE = "kubectl -n {namespace} delete pod {name} --force --grace-period=0"


def analyse(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """Compare the controller's endpoints with the pods that they name."""
    ends = [end for item in cluster.slices_of(service) if item.managed_by == CONTROLLER for end in item.endpoints]
    pairs = [(e.target_ref.name, e) for e in ends if e.target_ref and e.target_ref.kind == "Pod" and e.addresses]
    subject = Subject.of("Service", service)
    wrong = [(name, why) for name, end in pairs if end.conditions.ready and (why := _mismatch(cluster, service, name, end))]
    if wrong:
        objects = [Subject("Pod", name, service.namespace) for name, _ in wrong[:SHOWN]]
        yield STALE.on(subject, count=len(wrong), endpoints=[why for _, why in wrong[:SHOWN]], objects=objects)
    named = dict(pairs)
    waiting = [name for name, end in sorted(named.items()) if not end.conditions.ready and not end.conditions.terminating]
    ready = sum(end.conditions.ready for end in named.values())
    if ready and waiting:
        shown = [f"{name} {_why(cluster.get(POD, service.namespace, name))}" for name in waiting[:SHOWN]]
        numbers = {"all": ready + len(waiting), "ready": ready, "waiting": shown, "first": waiting[0]}
        yield NOT_READY.on(subject, numbers, objects=[Subject("Pod", name, service.namespace) for name in waiting[:SHOWN]])


def _mismatch(cluster: Cluster, service: Service, name: str, end: Endpoint) -> str:
    """Return how a ready endpoint differs from its pod; nothing where it does not."""
    pod = cluster.get(POD, service.namespace, name)
    if pod is None:
        return f"{end.addresses[0]} is the address of pod {name}, which does not exist"
    if pod.finished or (pod.ips and end.addresses[0] not in pod.ips):
        own = ", ".join(pod.ips) or "no address"
        return f"{end.addresses[0]} is listed for pod {name}, which has {own} and is {pod.status.phase}"
    return ""


def _why(pod: Pod | None) -> str:
    return f"({waits(pod) if pod else 'it does not exist'})"


class OverduePods:
    """Pods that should have ended long ago, each with the Services that it is an endpoint of."""

    def __init__(self, cluster: Cluster, long: timedelta) -> None:
        self.cluster, self.long = cluster, long
        nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
        self.down = {node.name for node in nodes if (ready := node.condition("Ready")) is not None and ready.status != "True"}
        self.found: dict[tuple[str, str], tuple[Pod, list[ObjectRef]]] = {}

    def note(self, service: Service) -> None:
        """Note the overdue pods of a Service; a node that is not ready explains its own."""
        for pod in self.cluster.pods_of(service):
            late = pod.terminating and self.cluster.age(pod.metadata.deletion_timestamp) > self.long
            if late and pod.spec.node_name not in self.down:
                self.found.setdefault((pod.namespace, pod.name), (pod, []))[1].append(ObjectRef.to("Service", service))

    def findings(self) -> Iterator[Finding | Unseen]:
        """Report them, or that their nodes may be down where Nodes can't be read."""
        if self.found and self.cluster.unreadable(NODE):
            why = "they should have ended long ago, and whether their nodes are down is not known: Nodes can't be read"
            yield Unseen(counted(len(self.found), "terminating pod"), why, expected=True)
            return
        for pod, services in self.found.values():
            minutes = int(self.cluster.age(pod.metadata.deletion_timestamp).total_seconds() / 60)
            gone = self.cluster.readable(NODE) and self.cluster.get(NODE, "", pod.spec.node_name) is None
            lines = (*OVERDUE_POD.commands, BY_FORCE) if gone else None
            names = {"services": services, "minutes": minutes, "node": pod.spec.node_name}
            yield OVERDUE_POD.on(Subject.of("Pod", pod), names, commands=lines)


CODES = (OVERDUE_POD, STALE, NOT_READY)
