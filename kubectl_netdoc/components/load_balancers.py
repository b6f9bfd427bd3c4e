# SPDX-License-Identifier: Apache-2.0
"""Load balancers of Services, and addresses from outside: why one has no address, and which two Services claim the same."""

from __future__ import annotations

import re
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.text import beginning, ending
from kubectl_netdoc.records.kinds import EVENT, POD
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.remediation.commands import shell_word

UNCLAIMED = timedelta(seconds=20)
"""A controller that handles a load balancer says so in an Event within seconds."""

REMEMBERED = timedelta(hours=1)
"""The API server forgets Events after that (kube-apiserver --event-ttl): then their absence says nothing."""

SERVICE_LB = re.compile(r"svccontroller\.[a-z0-9-]+\.cattle\.io/svcname")
"""The label of ServiceLB's pods (k3s, RKE2), whose value is the name of the Service that they hold ports for on the nodes."""

SAID = 300
"""Characters that are told of what an Event or a condition says."""

UNSPECIFIED = frozenset({"", "0.0.0.0", "::"})
INSTALL = "Install or repair the controller for load balancers, or enlarge its address pool; a NodePort works without one."
FREE_A_PORT = "Free the port on a node (another Service of type LoadBalancer or a hostPort has it), or give this Service another."
LOOK = "kubectl -n {namespace} describe service {name}"


class Pending(Struct, frozen=True):
    """A load balancer without an address: why, what mends it, where to look. ``due``: it is to have one by now."""

    why: str
    due: bool = True
    mend: str = INSTALL
    commands: tuple[str, ...] = (LOOK,)


def pending(cluster: Cluster, service: Service, provisioning: timedelta) -> Pending | None:
    """Return why a Service of type LoadBalancer has no address, or None where it has one."""
    if service.status.load_balancer.ingress:
        return None
    age = cluster.age(service.metadata.creation_timestamp)
    if held := _service_lb(cluster, service):
        return held if age > UNCLAIMED else Pending("its load balancer is being made", due=False)
    events = cluster.events_about("Service", service.namespace, service.name)
    warnings = [event for event in events if event.type == "Warning"]
    if warnings:
        return Pending(f"{warnings[-1].reason}: {ending(warnings[-1].message, SAID)}")
    if cluster.readable(EVENT) and not events and UNCLAIMED < age < REMEMBERED:
        return Pending(f"no controller has taken it up{_class(service)}")
    if age <= provisioning:
        return Pending("its load balancer is being made", due=False)
    if not cluster.readable(EVENT):
        return Pending(f"its Events, which would say why, can't be read{_class(service)}")
    said = f"its controller has said nothing but {events[-1].reason}" if events else "no Event of the last hour says why"
    return Pending(f"{said}{_class(service)}")


def _class(service: Service) -> str:
    return f" (class {service.spec.load_balancer_class})" if service.spec.load_balancer_class else ""


def _service_lb(cluster: Cluster, service: Service) -> Pending | None:
    """ServiceLB's pods for a Service, where none of them finds a node."""
    pods = [(label, pod) for pod in cluster.all(POD) for label in _holds(pod, service)] if cluster.readable(POD) else []
    if not pods or any(pod.spec.node_name for _, pod in pods):
        return None
    label, first = pods[0]
    scheduled = first.condition("PodScheduled")
    numbers = ", ".join(str(port.port) for port in service.spec.ports)
    said = beginning(scheduled.message, SAID) if scheduled and scheduled.message else "the scheduler has said nothing yet"
    busy = "free ports" in said
    why = f"the pods of ServiceLB ({label}={service.name}) find no node" + (f" with port {numbers} free" if busy else "")
    return Pending(
        f"{why}: {said}",
        mend=FREE_A_PORT if busy else "See what keeps the pods of ServiceLB from the nodes.",
        commands=(
            f"kubectl -n {shell_word(first.namespace)} get pods -o wide -l {shell_word(f'{label}={service.name}')}",
            "kubectl get services -A --field-selector spec.type=LoadBalancer",
        ),
    )


def _holds(pod: Pod, service: Service) -> list[str]:
    """The label by which a pod is ServiceLB's for a Service; an old release does not tell the namespace."""
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
    """An address from outside with a protocol and port that several Services have, the oldest first."""

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
    return [Claim(*key, tuple(sorted(found, key=_seniority))) for key, found in sorted(twice.items())]


def _addresses(service: Service) -> set[str]:
    given = service.status.load_balancer.ingress if service.spec.type == "LoadBalancer" else ()
    return {*service.spec.external_ips, *(entry.ip for entry in given)} if service.spec.type != "ExternalName" else set()


def _seniority(service: Service) -> tuple[str, str, str]:
    return str(service.metadata.creation_timestamp or ""), service.namespace, service.name
