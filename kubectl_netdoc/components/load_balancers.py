# SPDX-License-Identifier: Apache-2.0
"""Load balancers of Services, and addresses from outside: why one has no address, and which two Services claim the same."""

from __future__ import annotations

import re
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.lasting_events import lasting
from kubectl_netdoc.formats.text import beginning, ending
from kubectl_netdoc.records.kinds import EVENT, POD
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.remediation.commands import shell_word

UNCLAIMED = timedelta(seconds=20)
"""A controller that handles a load balancer writes an Event within seconds."""

REMEMBERED = timedelta(hours=1)
"""The API server deletes Events after that (kube-apiserver --event-ttl): then their absence means nothing."""

SERVICE_LB = re.compile(r"svccontroller\.[a-z0-9-]+\.cattle\.io/svcname")
"""The label of ServiceLB's pods (k3s, RKE2). Its value is the name of the Service whose ports they open on the nodes."""

QUOTED = 300
"""Characters of an Event's or a condition's message that are quoted at most."""

ENDPOINTS = re.compile(r"Endpoint|Topology")
"""Reasons of Warnings about a Service that are about its endpoints, and not about its load balancer."""

CLASSES = {
    "service.k8s.aws/nlb": ("the AWS Load Balancer Controller", "aws-load-balancer-controller"),
    "tailscale": ("Tailscale's operator", "tailscale/k8s-operator"),
    "kube-vip.io/kube-vip-class": ("kube-vip", "kube-vip"),
    "io.cilium/bgp-control-plane": ("Cilium", "cilium/"),
    "io.cilium/l2-announcer": ("Cilium", "cilium/"),
}
"""Who serves a load balancer class by its documentation, and a part of the names of its images."""

UNSPECIFIED = frozenset({"", "0.0.0.0", "::"})
INSTALL = (
    "Install or repair the controller that provides load balancers, or add addresses to its pool. A Service of type NodePort "
    "needs no such controller."
)
FREE_A_PORT = (
    "Free the port on a node, where another Service of type LoadBalancer or a pod's hostPort uses it, or give this Service "
    "another port."
)
DESCRIBE = "kubectl -n {namespace} describe service {name}"


class Pending(Struct, frozen=True):
    """A load balancer without an address: why, the fix and its commands. ``due``: whether it should have one by now."""

    why: str
    due: bool = True
    mend: str = INSTALL
    commands: tuple[str, ...] = (DESCRIBE,)


CREATING = Pending("its load balancer is being created", due=False)


def pending(cluster: Cluster, service: Service, provisioning: timedelta) -> Pending | None:
    """Return why a Service of type LoadBalancer has no address, or None where it has one."""
    if service.status.load_balancer.ingress:
        return None
    age = cluster.age(service.metadata.creation_timestamp)
    if unscheduled := _service_lb(cluster, service):
        return unscheduled if age > UNCLAIMED else CREATING
    events = cluster.events_about("Service", service.namespace, service.name)
    warnings = [event for event in lasting(cluster, "Service", service) if not ENDPOINTS.search(event.reason)]
    if warnings:
        return Pending(f"{warnings[-1].reason}: {ending(warnings[-1].message, QUOTED)}")
    if cluster.readable(EVENT) and not events and UNCLAIMED < age < REMEMBERED:
        return Pending(f"no controller has written an Event about it, so none seems to be responsible{_class(cluster, service)}")
    if age <= provisioning:
        return CREATING
    if not cluster.readable(EVENT):
        return Pending(f"Events, which would say why, can't be read{_class(cluster, service)}")
    said = f"its last Event is {events[-1].reason}, and none says why" if events else "no Event of the last hour says why"
    return Pending(f"{said}{_class(cluster, service)}")


def _class(cluster: Cluster, service: Service) -> str:
    """Return a Service's load balancer class in brackets, and of a known one that nobody serves it; "" without one."""
    name = service.spec.load_balancer_class
    server, image = CLASSES.get(name, ("", ""))
    pods = cluster.all(POD) if server and cluster.readable(POD) and not cluster.scope.namespaces else ()
    missing = bool(pods) and not any(image in container.image for pod in pods for container in pod.spec.containers)
    whose = f", which {server} serves, and no pod of it is there" if missing else ""
    return f" (load balancer class {name}{whose})" if name else ""


def _service_lb(cluster: Cluster, service: Service) -> Pending | None:
    """Why ServiceLB's pods for a Service run on no node; None where one does, or there are none."""
    pods = (
        [(label, pod) for pod in cluster.all(POD) for label in _service_lb_labels(pod, service)] if cluster.readable(POD) else []
    )
    if not pods or any(pod.spec.node_name for _, pod in pods):
        return None
    label, first = pods[0]
    scheduled = first.condition("PodScheduled")
    numbers = ", ".join(str(port.port) for port in service.spec.ports)
    said = beginning(scheduled.message, QUOTED) if scheduled and scheduled.message else "the scheduler has not said why"
    busy = "free ports" in said  # the scheduler's own words (NodePorts plugin)
    why = f"no node can run the pods of ServiceLB ({label}={service.name})" + (f" with port {numbers} free" if busy else "")
    return Pending(
        f"{why}: {said}",
        mend=FREE_A_PORT if busy else "Find out why the pods of ServiceLB are not scheduled.",
        commands=(
            f"kubectl -n {shell_word(first.namespace)} get pods -o wide -l {shell_word(f'{label}={service.name}')}",
            "kubectl get services -A --field-selector spec.type=LoadBalancer",
        ),
    )


def _service_lb_labels(pod: Pod, service: Service) -> list[str]:
    """The label that makes a pod ServiceLB's for a Service; old releases have no label for the Service's namespace."""
    labels = pod.metadata.labels
    return [
        key
        for key, value in labels.items()
        if value == service.name
        and SERVICE_LB.fullmatch(key)
        and labels.get(f"{key}space", service.namespace) == service.namespace
        and not pod.finished
        and not pod.terminating
    ]


class Claim(Struct, frozen=True):
    """An external address with a protocol and port, and the Services that claim it, oldest first."""

    address: str
    protocol: str
    port: int
    services: tuple[Service, ...]


def claimed_twice(cluster: Cluster) -> list[Claim]:
    """Return each address and port that more than one Service claims; a load balancer's host name may stand for many."""
    claims: dict[tuple[str, str, int], dict[tuple[str, str], Service]] = {}
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None:
            for address in _addresses(service) - UNSPECIFIED:
                for port in service.spec.ports:
                    same = claims.setdefault((address, port.protocol, port.port), {})
                    same[service.namespace, service.name] = service
    twice = {key: list(found.values()) for key, found in claims.items() if len(found) > 1}
    return [Claim(*key, tuple(sorted(found, key=_by_age))) for key, found in sorted(twice.items())]


def _addresses(service: Service) -> set[str]:
    given = service.status.load_balancer.ingress if service.spec.type == "LoadBalancer" else ()
    return {*service.spec.external_ips, *(entry.ip for entry in given)} if service.spec.type != "ExternalName" else set()


def _by_age(service: Service) -> tuple[str, str, str]:
    return str(service.metadata.creation_timestamp or ""), service.namespace, service.name
