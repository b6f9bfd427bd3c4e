# SPDX-License-Identifier: Apache-2.0
"""GatewayClasses that no controller accepts, and Gateways and listeners that do not work."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    GATEWAY_CLASS,
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Condition,
    Finding,
    Gateway,
    Risk,
    Severity,
    Subject,
    patches,
    typo,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import (
    NO_STATUS,
    PROGRAMMING,
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
    title="Gateway that does not work",
    message="Gateway {namespace}/{name} does not work: {why}",
    fix="Read the Gateway's conditions and Events, and see whether its pods and its Service have what they need.",
    commands=("kubectl -n {namespace} describe gateway {name}",),
)
LISTENER_DOWN = Code(
    id="GWR004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Listener of a Gateway that does not work",
    message="Listeners of Gateway {namespace}/{name} do not work: {listeners}",
    fix="Correct what the reason names: a Secret (or its ReferenceGrant), a port or host that two listeners claim, a protocol.",
    commands=("kubectl -n {namespace} describe gateway {name}",),
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


def classes(cluster: Cluster, gateways: list[Gateway], broken: set[tuple[str, str]]) -> Iterator[Finding]:
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
        broken |= {(gateway.namespace, gateway.name) for gateway in mine}
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


def analyse(cluster: Cluster, gateway: Gateway) -> Iterator[Finding]:
    """Judge a Gateway by its listeners, or else by its own conditions."""
    subject, age = Subject.of("Gateway", gateway), cluster.age(gateway.metadata.creation_timestamp)
    if age < SETTLING:
        return
    listeners = _broken_listeners(cluster, gateway)
    conditions = _bad_conditions(cluster, gateway)
    pending = [c for c in conditions if c.status == "Unknown" or c.reason in ("Pending", UNADDRESSED)]
    wrong = conditions if age > PROGRAMMING else [c for c in conditions if c not in pending]
    if listeners:
        yield LISTENER_DOWN.on(subject, listeners=listeners[:SHOWN])
    elif wrong:
        yield GATEWAY_DOWN.on(subject, why=joined_reasons(wrong))
    elif not gateway.status.conditions and age > PROGRAMMING:
        yield GATEWAY_DOWN.on(subject, why=NO_STATUS)
    elif gateway.status.listeners and not any(listener.attached_routes for listener in gateway.status.listeners):
        yield NO_ROUTES.on(subject, listeners=len(gateway.status.listeners))


def _broken_listeners(cluster: Cluster, gateway: Gateway) -> list[str]:
    """The listeners that do not work, each with its condition."""
    return [
        f"{listener.name} ({quoted(condition)})"
        for listener in gateway.status.listeners
        for condition in listener.conditions
        if condition.status == ("True" if condition.type == "Conflicted" else "False")
        and condition.type in ("Accepted", "Conflicted", "ResolvedRefs")
        and lasts(cluster, condition)
    ]


def _bad_conditions(cluster: Cluster, gateway: Gateway) -> list[Condition]:
    """The conditions of a Gateway that have been other than True for some time."""
    return [
        condition
        for condition in gateway.status.conditions
        if condition.type in ("Accepted", "Programmed")
        and condition.status != "True"
        and lasts(cluster, condition)
        and not (condition.reason == UNADDRESSED and _pending_service(cluster, gateway))
    ]


def _pending_service(cluster: Cluster, gateway: Gateway) -> bool:
    """Whether the load balancer of a Gateway has no address: service_config reports its Service."""
    return any(
        service.spec.type == "LoadBalancer"
        and not service.status.load_balancer.ingress
        and any("gateway" in key and value == gateway.name for key, value in service.metadata.labels.items())
        for service in cluster.all(SERVICE)
    )


CODES = (NO_CLASS, CLASS_REFUSED, GATEWAY_DOWN, LISTENER_DOWN, NO_ROUTES)
