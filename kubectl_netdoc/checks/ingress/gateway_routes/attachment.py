# SPDX-License-Identifier: Apache-2.0
"""Routes whose Gateways do not exist, refuse them, or have not handled them."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    GATEWAY,
    GATEWAY_CLASS,
    Cluster,
    Code,
    Finding,
    ObjectRef,
    Risk,
    Route,
    Severity,
    Subject,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import PROGRAMMING, joined_reasons, lasts, parent_gateways
from kubectl_netdoc.components import ingress_backends

NO_GATEWAY = Code(
    id="GWR005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route of a Gateway that does not exist",
    message="{kind} {namespace}/{name} names a parent Gateway that does not exist: {parents}",
    fix="Name a Gateway that exists. If it is in another namespace than the route, parentRefs has to name that namespace.",
    commands=("kubectl get gateways -A", "kubectl -n {namespace} get {kind} {name} -o yaml"),
)
REFUSED = Code(
    id="GWR006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route that no Gateway accepts",
    message="None of the Gateways of {kind} {namespace}/{name} accepts it: {why}",
    fix="Let the Gateway's listener allow the route (allowedRoutes, hostname), or name a listener that exists.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
UNHANDLED = Code(
    id="GWR007",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Route that no controller has handled",
    message="{kind} {namespace}/{name} has no status after {minutes} minutes: no controller has handled it for Gateway {parents}",
    fix="See whether the Gateway's controller runs, and whether it supports routes of this kind.",
    commands=("kubectl -n {namespace} get {kind} {name} -o yaml",),
)
PARTLY = Code(
    id="GWR021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route that one of its Gateways refuses",
    message="One of the Gateways of {kind} {namespace}/{name} accepts it, and another one refuses it: {why}",
    fix="There is nothing to do if this is meant. Otherwise remove that parent from the route, or let its listener allow the "
    "route.",
)


def analyse(cluster: Cluster, kind: str, route: Route, broken: set[tuple[str, str]]) -> Iterator[Finding]:
    """Judge a route by what its Gateways say of it; ``broken``: Gateways that do not work themselves."""
    subject = Subject.of(kind, route)
    named = {(parent.namespace or route.namespace, parent.name) for parent in parent_gateways(route)}
    gone = {
        pair
        for pair in named
        if ingress_backends.in_scope(cluster, pair[0]) and cluster.readable(GATEWAY) and cluster.get(GATEWAY, *pair) is None
    }
    if cluster.origin == "manifests":  # Gateways are often kept elsewhere
        return
    if gone:
        yield NO_GATEWAY.on(subject, parents=_gateways(gone))
    working = named - gone - broken - _unclassed(cluster)
    if not working:
        return
    said = [
        condition
        for parent in route.status.parents
        if (parent.parent_ref.namespace or route.namespace, parent.parent_ref.name) in working
        for condition in parent.conditions
        if condition.type == "Accepted"
    ]
    refused = [condition for condition in said if condition.status == "False" and lasts(cluster, condition)]
    age = cluster.age(route.metadata.creation_timestamp)
    if refused:
        code = PARTLY if any(condition.status == "True" for condition in said) else REFUSED
        yield code.on(subject, why=joined_reasons(refused), objects=_gateways(working))
    elif not said and age > PROGRAMMING:
        yield UNHANDLED.on(subject, minutes=int(age.total_seconds() // 60), parents=_gateways(working))


def _gateways(pairs: set[tuple[str, str]]) -> list[ObjectRef]:
    return [ObjectRef("Gateway", name, namespace) for namespace, name in sorted(pairs)]


def _unclassed(cluster: Cluster) -> set[tuple[str, str]]:
    """Gateways without a status where GatewayClasses can't be read: they may have no controller."""
    gateways = cluster.all(GATEWAY) if cluster.readable(GATEWAY) and cluster.unreadable(GATEWAY_CLASS) else ()
    unhandled = (g for g in gateways if all(condition.status == "Unknown" for condition in g.status.conditions))
    return {(gateway.namespace, gateway.name) for gateway in unhandled}


CODES = (NO_GATEWAY, REFUSED, UNHANDLED, PARTLY)
