# SPDX-License-Identifier: Apache-2.0
"""Routes and ListenerSets whose parents do not exist, refuse them, or have not handled them."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import GATEWAY, GATEWAY_CLASS, Cluster, Code, Finding, ObjectRef, Risk, Route, Severity, Subject
from kubectl_netdoc.checks.ingress.gateway_routes.status import (
    GATES,
    PROGRAMMING,
    Parent,
    gone,
    joined_reasons,
    lasts,
    parents,
    refs,
)

NO_GATEWAY = Code(
    id="GWR005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route or ListenerSet of a parent that does not exist",
    message="{kind} {namespace}/{name} names a parent that does not exist: {parents}",
    fix="Name one that exists. If it is in another namespace, the reference has to name that namespace.",
    commands=("kubectl get gateways -A", "kubectl -n {namespace} get {kind} {name} -o yaml"),
)
REFUSED = Code(
    id="GWR006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route that no Gateway accepts",
    message="None of the parents of {kind} {namespace}/{name} accepts it: {why}",
    fix="Let the listener allow the route (allowedRoutes, hostname), or name a listener that exists.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
UNHANDLED = Code(
    id="GWR007",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Route that no controller has handled",
    message="{kind} {namespace}/{name} has no status after {minutes} minutes: no controller has handled it for {parents}",
    fix="See whether the Gateway's controller runs, and whether it supports routes of this kind{where}.",
    commands=("kubectl -n {namespace} get {kind} {name} -o yaml",),
)
PARTLY = Code(
    id="GWR021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route that one of its Gateways refuses",
    message="One of the parents of {kind} {namespace}/{name} accepts it, and another one refuses it: {why}",
    fix="There is nothing to do if this is meant. Otherwise remove that parent from the route, or let its listener allow the "
    "route.",
)


def missing(subject: Subject, away: list[ObjectRef]) -> Finding:
    """Return what is said of parents that do not exist."""
    listing = tuple(f"kubectl get {each.kind} -A" for each in {each.kind: each for each in away}.values())
    return NO_GATEWAY.on(subject, commands=(*listing, NO_GATEWAY.commands[1]), parents=away)


def analyse(cluster: Cluster, kind: str, route: Route, broken: set[Parent]) -> Iterator[Finding]:
    """Judge a route by what its parents say of it; ``broken``: those that do not work themselves."""
    subject = Subject.of(kind, route)
    named = parents(route)
    away = {parent for parent in named if gone(cluster, parent)}
    if cluster.origin == "manifests":  # Gateways are often kept elsewhere
        return
    if away:
        yield missing(subject, refs(away))
    unread = {parent for parent in named if parent[0] in GATES and not cluster.readable(GATES[parent[0]])}
    working = named - away - broken - unread - _unclassed(cluster)
    if not working:
        return
    said = [
        condition
        for parent in route.status.parents
        if parent.parent_ref.parent(route.namespace) in working
        for condition in parent.conditions
        if condition.type == "Accepted"
    ]
    refused = [condition for condition in said if condition.status == "False" and lasts(cluster, condition)]
    age = cluster.age(route.metadata.creation_timestamp)
    gates = {parent for parent in working if parent[0] in GATES}
    if refused:
        code = PARTLY if any(condition.status == "True" for condition in said) else REFUSED
        yield code.on(subject, why=joined_reasons(refused), objects=refs(working))
    elif not said and age > PROGRAMMING and gates:  # meshes do without a status
        where = "" if GATEWAY.name in {kind for kind, *_ in gates} else " and ListenerSets"
        yield UNHANDLED.on(subject, minutes=int(age.total_seconds() // 60), parents=refs(gates), where=where)


def _unclassed(cluster: Cluster) -> set[Parent]:
    """Gateways without a status where GatewayClasses can't be read: they may have no controller."""
    gateways = cluster.all(GATEWAY) if cluster.readable(GATEWAY) and cluster.unreadable(GATEWAY_CLASS) else ()
    unhandled = (g for g in gateways if all(condition.status == "Unknown" for condition in g.status.conditions))
    return {(GATEWAY.name, gateway.namespace, gateway.name) for gateway in unhandled}


CODES = (NO_GATEWAY, REFUSED, UNHANDLED, PARTLY)
