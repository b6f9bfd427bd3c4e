# SPDX-License-Identifier: Apache-2.0
"""ListenerSets: whether their Gateway allows them, whether they work, and whether listeners of several claim the same place."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    GATEWAY,
    LISTENER_SETS,
    NAMESPACE,
    SETTLING,
    Cluster,
    Code,
    Finding,
    Gateway,
    Listener,
    ListenerSet,
    Risk,
    Severity,
    Subject,
    Unseen,
    selects,
)
from kubectl_netdoc.checks.ingress.gateway_routes import attachment, gateways
from kubectl_netdoc.checks.ingress.gateway_routes.status import Parent, gone, refs
from kubectl_netdoc.components import ingress_backends

NOT_ALLOWED = Code(
    id="GWR011",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="ListenerSet that its Gateway does not allow",
    message="{kind} {namespace}/{name} is not allowed by {gateway}: {why}. None of its listeners is served",
    fix="Let spec.allowedListeners.namespaces of the Gateway take this namespace (from: Same, All or Selector), or move the "
    "listeners into a Gateway that does.",
    commands=("kubectl -n {space} get gateway {gate} -o yaml", "kubectl get namespace {namespace} --show-labels"),
)
CONFLICT = Code(
    id="GWR012",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Listeners of a Gateway and its ListenerSets that claim the same place",
    message="Listener {listener} of {kind} {namespace}/{name} and listener {other} of {owner} exclude each other: {why}. Only "
    "{served} is served",
    fix="Give one of them another port or another host name, or remove it.",
    commands=("kubectl -n {namespace} get {kind} {name} -o yaml",),
)

Sets = list[tuple[str, ListenerSet]]
"""ListenerSets, each with its kind."""


def of(cluster: Cluster) -> Sets:
    """Return the ListenerSets to judge."""
    return [
        (kind.name, item)
        for kind in LISTENER_SETS
        if cluster.readable(kind)
        for item in cluster.all(kind)
        if ingress_backends.in_scope(cluster, item.namespace) and item.metadata.deletion_timestamp is None
    ]


def analyse(cluster: Cluster, sets: Sets, broken: set[Parent]) -> Iterator[Finding | Unseen]:
    """Judge each set; ``broken``: Gateways that do not work, to which sets are added that don't either."""
    served: dict[tuple[str, str], Sets] = {}
    for kind, item in sets:
        subject, parent = Subject.of(kind, item), (GATEWAY.name, *item.gateway)
        own = (kind, item.namespace, item.name)
        if cluster.age(item.metadata.creation_timestamp) < SETTLING:
            continue
        if item.spec.parent_ref.kind not in ("", GATEWAY.name):
            yield Unseen(str(subject), f"its parent is no Gateway but a {item.spec.parent_ref.kind}", expected=True)
        elif gone(cluster, parent):
            broken.add(own)
            if cluster.origin == "manifests":
                yield Unseen(f"the Gateway of {subject}", "it may be made outside of these manifests")
            else:
                yield attachment.missing(subject, refs([parent]))
        elif parent in broken or not cluster.readable(GATEWAY):
            broken.add(own)
        elif (gateway := cluster.get(GATEWAY, *item.gateway)) is not None:
            if why := _refused(cluster, gateway, item):
                broken.add(own)
                names = {"gateway": refs([parent])[0], "why": why, "space": gateway.namespace, "gate": gateway.name}
                yield NOT_ALLOWED.on(subject, names)
                continue
            served.setdefault(item.gateway, []).append((kind, item))
            if cluster.origin != "manifests":
                yield from gateways.conditions(cluster, subject, item)
    if cluster.origin == "manifests":  # a cluster's controllers say it themselves
        for place, mine in served.items():
            gateway = cluster.get(GATEWAY, *place)
            yield from _conflicts(gateway, mine) if gateway else ()


def _refused(cluster: Cluster, gateway: Gateway, item: ListenerSet) -> str:
    """Why a Gateway does not allow a set; nothing where it does, or that is not known."""
    allowed = gateway.spec.allowed_listeners.namespaces
    match allowed.from_:
        case "All":
            return ""
        case "Same":
            return "" if gateway.namespace == item.namespace else "it allows those of its own namespace alone"
        case "Selector":
            space = cluster.get(NAMESPACE, "", item.namespace) if cluster.readable(NAMESPACE) else None
            if space is None or selects(allowed.selector, space.metadata.labels):
                return ""
            return f"namespace {item.namespace} does not have the labels that it asks for ({allowed.selector})"
    return "its spec.allowedListeners allows none"


Claim = tuple[Parent, Listener]


def _conflicts(gateway: Gateway, sets: Sets) -> Iterator[Finding]:
    """Listeners that exclude each other: the Gateway's own come first, then those of the older set, then by name.

    Two of one object are left out: the API server, or its controller, refuses those.
    """
    oldest = sorted(sets, key=lambda each: (str(each[1].metadata.creation_timestamp or ""), each[1].namespace, each[1].name))
    claims: list[Claim] = [((GATEWAY.name, gateway.namespace, gateway.name), each) for each in gateway.spec.listeners]
    for kind, item in oldest:
        own = (kind, item.namespace, item.name)
        for listener in item.spec.listeners:
            found = ((claim, why) for claim in claims if claim[0] != own and (why := _excluded(claim[1], listener)))
            if first := next(found, None):
                (owner, other), why = first
                owning = refs([owner])[0]
                names = {"listener": listener.name, "other": other.name, "owner": owning, "why": why}
                yield CONFLICT.on(Subject.of(kind, item), names, served=f"that of {owning}")
        claims += [(own, listener) for listener in item.spec.listeners]


TLS = frozenset({"HTTPS", "TLS"})
"""Protocols that can share a port: the name that the client asks for tells them apart."""


def _excluded(one: Listener, other: Listener) -> str:
    """Why two listeners can't both be served; nothing where they can."""
    datagrams = [each.protocol == "UDP" for each in (one, other)]
    if one.port != other.port or not one.port or datagrams[0] != datagrams[1]:
        return ""
    if one.protocol != other.protocol and not {one.protocol, other.protocol} <= TLS:
        return f"port {one.port} is for {one.protocol} or for {other.protocol}"
    if one.protocol in ("TCP", "UDP"):
        return f"both are for {one.protocol} port {one.port}"
    return f"both are for {one.hostname or 'any host'} on port {one.port}" if one.hostname == other.hostname else ""


CODES = (NOT_ALLOWED, CONFLICT)
