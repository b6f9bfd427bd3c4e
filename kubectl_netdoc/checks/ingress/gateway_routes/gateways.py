# SPDX-License-Identifier: Apache-2.0
"""GatewayClasses that no controller accepts, and Gateways and listeners that do not work."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kubectl_netdoc.api import (
    GATEWAY,
    GATEWAY_CLASS,
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Condition,
    Finding,
    Gateway,
    ListenerSet,
    Risk,
    Severity,
    Subject,
    patches,
    typo,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import (
    NO_STATUS,
    PROGRAMMING,
    Parent,
    joined_reasons,
    lasts,
    of_type,
    quoted,
)

UNADDRESSED = "AddressNotAssigned"
"""Reason of Programmed=False where a Gateway has no address (Gateway API: GatewayReasonAddressNotAssigned)."""

SHOWN = 5
"""Listeners that a message names at most."""

NO_CLASS = Code(
    id="GWR001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Gateway of a class that does not exist",
    message="Gateway {namespace}/{name} names GatewayClass {cls}, which does not exist (existing classes: {there})",
    fix="Name a GatewayClass that exists, or install the controller that brings this one.",
    commands=("kubectl get gatewayclasses", "kubectl -n {namespace} edit gateway {name}"),
)
CLASS_REFUSED = Code(
    id="GWR002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="GatewayClass that no controller accepts",
    message="GatewayClass {name} (controller {controller}) is not accepted: {why}. It is the class of {gateways}",
    fix="See whether the controller runs, and read its log.",
    commands=("kubectl get gatewayclass {name} -o yaml",),
)
GATEWAY_DOWN = Code(
    id="GWR003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Gateway or ListenerSet that does not work",
    message="{kind} {namespace}/{name} does not work: {why}",
    fix="Read its conditions and Events, and see whether the Gateway's pods and its Service have what they need.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
LISTENER_DOWN = Code(
    id="GWR004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Listener that does not work",
    message="Listeners of {kind} {namespace}/{name} do not work: {listeners}",
    fix="Correct what the reason names: a Secret (or its ReferenceGrant), a port or host that two listeners claim, a protocol.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
NO_ROUTES = Code(
    id="GWR022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Gateway without routes",
    message="No route is attached to Gateway {namespace}/{name} (number of listeners: {listeners})",
    fix="There is nothing to do while routes are still to come. Otherwise see whether routes name this Gateway, and whether its "
    "listeners allow their namespaces.",
)
PATCH = "kubectl -n {namespace} patch gateway {name} --type json -p {patch}"


def classes(cluster: Cluster, gateways: list[Gateway], broken: set[Parent]) -> Iterator[Finding]:
    """Judge the classes of the Gateways; ``broken`` takes Gateways of bad classes, which are not judged further."""
    if not cluster.readable(GATEWAY_CLASS):
        return
    existing = {item.name: item for item in cluster.all(GATEWAY_CLASS)}
    users: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        users.setdefault(gateway.spec.gateway_class_name, []).append(gateway)
    for name, mine in sorted(users.items()):
        found = existing.get(name)
        accepted = of_type(found.status.conditions, "Accepted") if found else None
        if accepted and accepted.status == "True":
            continue
        broken |= {(GATEWAY.name, gateway.namespace, gateway.name) for gateway in mine}
        if found is None:
            yield from (_no_class(gateway, sorted(existing)) for gateway in mine)
        elif cluster.age(found.metadata.creation_timestamp) > SETTLING:
            why = quoted(accepted) if accepted else NO_STATUS
            names = {"controller": found.spec.controller_name, "why": why}
            yield CLASS_REFUSED.on(Subject("GatewayClass", name), names, gateways=[Subject.of("Gateway", each) for each in mine])


def _no_class(gateway: Gateway, existing: list[str]) -> Finding:
    name = gateway.spec.gateway_class_name
    meant = typo(name, existing)
    patch = patches.replace({"/spec/gatewayClassName": (name, meant)}) if meant else ""
    commands = (NO_CLASS.commands[0], PATCH) if meant else None
    return NO_CLASS.on(Subject.of("Gateway", gateway), commands=commands, cls=name, there=existing or ["none"], patch=patch)


def analyse(cluster: Cluster, gateway: Gateway, sets: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Judge a Gateway by its listeners, or else by its own conditions; ``sets``: the Gateways that have ListenerSets."""
    subject = Subject.of("Gateway", gateway)
    if cluster.age(gateway.metadata.creation_timestamp) < SETTLING:
        return
    found = list(conditions(cluster, subject, gateway))
    yield from found
    listeners, elsewhere = gateway.status.listeners, (gateway.namespace, gateway.name) in sets
    if listeners and not (found or elsewhere or any(listener.attached_routes for listener in listeners)):
        yield NO_ROUTES.on(subject, listeners=len(listeners))


def conditions(cluster: Cluster, subject: Subject, item: Gateway | ListenerSet) -> Iterator[Finding]:
    """Judge a Gateway or a ListenerSet by what its controller says."""
    age = cluster.age(item.metadata.creation_timestamp)
    listeners = _broken_listeners(cluster, item)
    bad = _bad_conditions(cluster, item)
    pending = [c for c in bad if c.status == "Unknown" or c.reason in ("Pending", UNADDRESSED)]
    wrong = bad if age > PROGRAMMING else [c for c in bad if c not in pending]
    if listeners:
        yield LISTENER_DOWN.on(subject, listeners=listeners[:SHOWN])
    elif wrong:
        yield GATEWAY_DOWN.on(subject, why=joined_reasons(wrong))
    elif not item.status.conditions and age > PROGRAMMING:
        yield GATEWAY_DOWN.on(subject, why=NO_STATUS)


def _broken_listeners(cluster: Cluster, item: Gateway | ListenerSet) -> list[str]:
    """The listeners that do not work, each with its condition."""
    return [
        f"{listener.name} ({quoted(condition)})"
        for listener in item.status.listeners
        for condition in listener.conditions
        if condition.status == ("True" if condition.type == "Conflicted" else "False")
        and condition.type in ("Accepted", "Conflicted", "ResolvedRefs")
        and lasts(cluster, condition)
    ]


def _bad_conditions(cluster: Cluster, item: Gateway | ListenerSet) -> list[Condition]:
    """The conditions that have been other than True for some time."""
    return [
        condition
        for condition in item.status.conditions
        if condition.type in ("Accepted", "Programmed")
        and condition.status != "True"
        and lasts(cluster, condition)
        and not (condition.reason == UNADDRESSED and _pending_service(cluster, item.name))
    ]


def _pending_service(cluster: Cluster, gateway: str) -> bool:
    """Whether the load balancer of a Gateway has no address: service_config reports its Service."""
    return any(
        service.spec.type == "LoadBalancer"
        and not service.status.load_balancer.ingress
        and any("gateway" in key and value == gateway for key, value in service.metadata.labels.items())
        for service in cluster.all(SERVICE)
    )


CODES = (NO_CLASS, CLASS_REFUSED, GATEWAY_DOWN, LISTENER_DOWN, NO_ROUTES)
