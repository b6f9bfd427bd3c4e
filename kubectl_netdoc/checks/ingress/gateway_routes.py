# SPDX-License-Identifier: Apache-2.0
"""Do Gateways serve, and do their routes lead to something?

## What it looks at
What the controllers of the Gateway API say in the status of GatewayClasses, Gateways, listeners and routes (HTTP, GRPC, TLS, TCP,
UDP); whether the class and the Gateway that an object names are there; the Services and ports that routes lead to, whether a
ReferenceGrant allows those of other namespaces, and whether anybody is behind them. Certificates are `tls_secrets`'.

## Why it matters
The API server takes all of these whatever they name. What is wrong with one stands in conditions that nobody looks at, and
clients see 404, 500 or no answer.

## What it can't see
What comes before the cluster. Whether a controller that once wrote a status still runs. Routes in a version that netdoc does not
read (TLS, TCP and UDP: v1alpha2). Backends other than Services, routes of a mesh (with a Service as parent), ListenerSets.

## Sources
Gateway API: GatewayClass, Gateway (conditions Accepted, Programmed; listeners: Conflicted, ResolvedRefs), HTTPRoute (Accepted,
ResolvedRefs), ReferenceGrant. Failure catalogue K2, K3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    POD,
    REFERENCE_GRANT,
    ROUTES,
    SERVICE,
    SETTLING,
    Check,
    Cluster,
    Code,
    Condition,
    Facts,
    Finding,
    Gateway,
    Needs,
    Reference,
    Risk,
    Route,
    Severity,
    Skip,
    Subject,
    Unavailable,
    Unseen,
    patches,
    some,
    typo,
)
from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.components.ingress_backends import Backend
from kubectl_netdoc.components.service_backends import KINDS as MAKERS

PROGRAMMING = timedelta(minutes=5)
"""Load balancers of clouds take some minutes for a Gateway."""

UNADDRESSED = "AddressNotAssigned"
"""Reason of Programmed=False where a Gateway has no address (Gateway API: GatewayReasonAddressNotAssigned)."""

SHOWN, LONGEST = 5, 200
"""Backends that a message names, and characters of a controller's own words."""

NO_CLASS = Code(
    id="GWR001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Gateway of a class that is not there",
    message="Gateway {namespace}/{name} is of class {cls}, which is not there (there are: {there})",
    fix="Name a GatewayClass that is there, or install the controller that brings this one.",
    commands=("kubectl get gatewayclasses", "kubectl -n {namespace} edit gateway {name}"),
)
CLASS_REFUSED = Code(
    id="GWR002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="GatewayClass that no controller serves",
    message="GatewayClass {name} ({controller}) is not accepted: {why}; Gateways of it: {gateways}",
    fix="See whether its controller runs, and what its log says.",
    commands=("kubectl get gatewayclass {name} -o yaml",),
)
GATEWAY_DOWN = Code(
    id="GWR003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Gateway that is not served",
    message="Gateway {namespace}/{name} is not served: {why}",
    fix="See what its controller says of it, and whether its pods and its Service have what they need.",
    commands=("kubectl -n {namespace} describe gateway {name}",),
)
LISTENER_DOWN = Code(
    id="GWR004",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Listener of a Gateway that does not work",
    message="Gateway {namespace}/{name} has listeners that do not work: {listeners}",
    fix="Mend what the reason names: a Secret (and its ReferenceGrant), a port or host that two listeners claim, a protocol.",
    commands=("kubectl -n {namespace} describe gateway {name}",),
)
NO_GATEWAY = Code(
    id="GWR005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route of a Gateway that is not there",
    message="{kind} {namespace}/{name} belongs to a Gateway that is not there: {parents}",
    fix="Name a Gateway that is there (parentRefs has a namespace where it is not the route's own).",
    commands=("kubectl get gateways -A", "kubectl -n {namespace} get {kind} {name} -o yaml"),
)
REFUSED = Code(
    id="GWR006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route that no Gateway accepts",
    message="{kind} {namespace}/{name} is accepted by none of its Gateways: {why}",
    fix="Have the listener allow it (allowedRoutes, hostname), or the route name a listener that is there.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
UNTAKEN = Code(
    id="GWR007",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Route that no controller has taken up",
    message="{kind} {namespace}/{name} has no status after {minutes} minutes: no controller has taken it up for {parents}",
    fix="See whether the Gateway's controller runs and serves routes of this kind.",
    commands=("kubectl -n {namespace} get {kind} {name} -o yaml",),
)
BAD_BACKEND = Code(
    id="GWR008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route leads nowhere",
    message="{kind} {namespace}/{name} leads to what it can't reach: {backends}",
    fix="Name a Service and port that are there; for one of another namespace, have a ReferenceGrant made there.",
    commands=("kubectl -n {space} get services", "kubectl -n {namespace} edit {kind} {name}"),
    rows=("K2", "K3"),
)
UNRESOLVED = Code(
    id="GWR009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route with a reference that its controller can't follow",
    message="{kind} {namespace}/{name} has a reference that its controller can't follow: {why}",
    fix="Mend what the reason names.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
NOBODY = Code(
    id="GWR010",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nobody is behind a Service that a route leads to",
    message="Service {namespace}/{name} has no ready endpoint ({why}), and these routes lead to it: {routes}",
    fix="Clients get 500 or 503: bring up the pods behind the Service.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {namespace} get pods",
    ),
    rows=("K2",),
)
RESTING = Code(
    id="GWR020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route leads to what rests",
    message="Service {namespace}/{name} has no pod and wants none ({why}), and these routes lead to it: {routes}",
    fix="Scale it up when it is to serve, or remove the route.",
)
PARTLY = Code(
    id="GWR021",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route that one of its Gateways refuses",
    message="{kind} {namespace}/{name} is accepted by one of its Gateways and refused by another: {why}",
    fix="Nothing where that is meant; else remove the parent or have it allow the route.",
)
NO_ROUTES = Code(
    id="GWR022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Gateway without routes",
    message="Gateway {namespace}/{name} has {listeners} listeners, and no route is attached to any",
    fix="Nothing where routes are still to come; else see whether they name it, and whether it allows their namespaces.",
)

Loads = dict[tuple[str, str], list[str]]
_PATCH = "kubectl -n {namespace} patch {kind} {name} --type json -p {patch}"


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the classes, then the Gateways, then the routes, then what is behind them."""
    cluster = facts.cluster
    missing = cluster.listing(GATEWAY)
    if isinstance(missing, Unavailable) and missing.by_design:
        raise Skip("there is no Gateway API here", moot=True)
    gateways = [
        g
        for g in cluster.all(GATEWAY)
        if ingress_backends.in_scope(cluster, g.namespace) and g.metadata.deletion_timestamp is None
    ]
    routes = list(_routes(cluster))
    if not (gateways or routes):
        raise Skip("there is no Gateway and no route to look at", moot=True)
    dead: set[tuple[str, str]] = set()
    if cluster.origin != "manifests":
        yield from _classes(cluster, gateways, dead)
        for gateway in gateways:
            if (gateway.namespace, gateway.name) not in dead:
                yield from _gateway(cluster, gateway)
    leading: Loads = {}
    led = [_backend(route, reference) for _, route in routes for _, reference in _references(route)]
    for kind, route in routes:
        if cluster.age(route.metadata.creation_timestamp) > SETTLING:
            yield from _attached(cluster, kind, route, dead)
            yield from _backends(cluster, kind, route, led, leading)
    yield from _behind(cluster, leading)


def _routes(cluster: Cluster) -> Iterator[tuple[str, Route]]:
    for kind in ROUTES:
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            here = ingress_backends.in_scope(cluster, route.namespace) and route.metadata.deletion_timestamp is None
            if here and _parents(route) and ingress_backends.wanted(cluster, route.services()):
                yield kind.name, route


def _parents(route: Route) -> list[Reference]:
    """The Gateways among a route's parents."""
    return [parent for parent in route.spec.parent_refs if parent.kind in ("", "Gateway")]


def _of(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type_), None)


def _says(condition: Condition) -> str:
    """A condition in the controller's own words."""
    return f"{condition.type}={condition.status} {condition.reason}: {condition.message[:LONGEST]}".rstrip(": ")


def _lasts(cluster: Cluster, condition: Condition) -> bool:
    """Whether a condition has stood for so long that it is no step on the way."""
    return cluster.age(condition.last_transition_time) > SETTLING


def _classes(cluster: Cluster, gateways: list[Gateway], dead: set[tuple[str, str]]) -> Iterator[Finding]:
    """Classes that are not there or not served; ``dead`` takes the Gateways of them, which are judged no further."""
    if not cluster.readable(GATEWAY_CLASS):
        return
    classes = {item.name: item for item in cluster.all(GATEWAY_CLASS)}
    users: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        users.setdefault(gateway.spec.gateway_class_name, []).append(gateway)
    for name, mine in sorted(users.items()):
        own = classes.get(name)
        if own is None:
            dead |= {(gateway.namespace, gateway.name) for gateway in mine}
            for gateway in mine:
                subject = Subject("Gateway", gateway.name, gateway.namespace)
                meant = typo(name, classes)
                patch = patches.replace({"/spec/gatewayClassName": (name, meant)}) if meant else ""
                try_ = (NO_CLASS.commands[0], _PATCH) if meant else None
                yield NO_CLASS.on(subject, try_=try_, cls=name, there=sorted(classes) or ["none"], patch=patch)
            continue
        accepted = _of(own.status.conditions, "Accepted")
        if accepted and accepted.status == "True":
            continue
        dead |= {(gateway.namespace, gateway.name) for gateway in mine}
        if cluster.age(own.metadata.creation_timestamp) > SETTLING:
            why = _says(accepted) if accepted else "no controller has written its status"
            shown = [f"{gateway.namespace}/{gateway.name}" for gateway in mine]
            yield CLASS_REFUSED.on(Subject("GatewayClass", name), controller=own.spec.controller_name, why=why, gateways=shown)


def _gateway(cluster: Cluster, gateway: Gateway) -> Iterator[Finding]:
    """A Gateway is told from its listeners where one of those is the reason."""
    subject, age = Subject("Gateway", gateway.name, gateway.namespace), cluster.age(gateway.metadata.creation_timestamp)
    if age < SETTLING:
        return
    bad = [
        f"{listener.name} ({_says(condition)})"
        for listener in gateway.status.listeners
        for condition in listener.conditions
        if condition.status == ("True" if condition.type == "Conflicted" else "False")
        and condition.type in ("Accepted", "Conflicted", "ResolvedRefs")
        and _lasts(cluster, condition)
    ]
    conditions = [
        c
        for c in gateway.status.conditions
        if c.type in ("Accepted", "Programmed")
        and c.status != "True"
        and _lasts(cluster, c)
        and not (c.reason == UNADDRESSED and _pending(cluster, gateway))
    ]
    pending = [c for c in conditions if c.status == "Unknown" or c.reason in ("Pending", UNADDRESSED)]
    wrong = conditions if age > PROGRAMMING else [c for c in conditions if c not in pending]
    if bad:
        yield LISTENER_DOWN.on(subject, listeners=bad[:SHOWN])
    elif wrong:
        yield GATEWAY_DOWN.on(subject, why="; ".join(map(_says, wrong)))
    elif not gateway.status.conditions and age > PROGRAMMING:
        yield GATEWAY_DOWN.on(subject, why="no controller has written its status")
    elif gateway.status.listeners and not any(listener.attached_routes for listener in gateway.status.listeners):
        yield NO_ROUTES.on(subject, listeners=len(gateway.status.listeners))


def _pending(cluster: Cluster, gateway: Gateway) -> bool:
    """Whether a load balancer that was made for a Gateway has no address: service_config tells that of its Service."""
    return any(
        service.spec.type == "LoadBalancer"
        and not service.status.load_balancer.ingress
        and any("gateway" in key and value == gateway.name for key, value in service.metadata.labels.items())
        for service in cluster.all(SERVICE)
    )


def _attached(cluster: Cluster, kind: str, route: Route, dead: set[tuple[str, str]]) -> Iterator[Finding]:
    """What the Gateways of a route say of it. Of those that are down themselves nothing is expected."""
    subject = Subject(kind, route.name, route.namespace)
    named = {(parent.namespace or route.namespace, parent.name) for parent in _parents(route)}
    gone = {pair for pair in named if ingress_backends.in_scope(cluster, pair[0]) and cluster.get(GATEWAY, *pair) is None}
    if cluster.origin == "manifests":  # Gateways are often kept elsewhere
        return
    if gone:
        yield NO_GATEWAY.on(subject, parents=sorted("/".join(pair) for pair in gone))
    alive = named - gone - dead - _unclassed(cluster)
    if not alive:
        return
    said = [
        condition
        for parent in route.status.parents
        if (parent.parent_ref.namespace or route.namespace, parent.parent_ref.name) in alive
        for condition in parent.conditions
        if condition.type == "Accepted"
    ]
    refused = [condition for condition in said if condition.status == "False" and _lasts(cluster, condition)]
    minutes = int(cluster.age(route.metadata.creation_timestamp).total_seconds() // 60)
    if refused:
        code = PARTLY if any(condition.status == "True" for condition in said) else REFUSED
        yield code.on(subject, why="; ".join(dict.fromkeys(map(_says, refused))))
    elif not said and cluster.age(route.metadata.creation_timestamp) > PROGRAMMING:
        yield UNTAKEN.on(subject, minutes=minutes, parents=sorted("/".join(pair) for pair in alive))


def _unclassed(cluster: Cluster) -> set[tuple[str, str]]:
    """Gateways of which nobody has said anything, where their classes can't be read: those may have no controller."""
    gateways = cluster.all(GATEWAY) if cluster.unread(GATEWAY_CLASS) else ()
    silent = (g for g in gateways if all(condition.status == "Unknown" for condition in g.status.conditions))
    return {(gateway.namespace, gateway.name) for gateway in silent}


def _backends(cluster: Cluster, kind: str, route: Route, led: list[Backend], leading: Loads) -> Iterator[Finding | Unseen]:
    """Services that are not there, have no such port, or may not be referred to; ``leading`` takes those that are.

    ``led``: what all routes lead to. In manifests only a slip tells a Service that is not there from one that is made elsewhere.
    """
    subject = Subject(kind, route.name, route.namespace)
    bad: dict[str, str] = {}
    unmade: list[str] = []
    patch = ""
    for pointer, reference in _references(route):
        backend = _backend(route, reference)
        if not (reference.service and reference.weight and ingress_backends.in_scope(cluster, backend.namespace)):
            continue
        why, meant = _wrong(cluster, kind, route, reference, led)
        if not why:
            leading.setdefault((backend.namespace, backend.service), []).append(f"{kind} {route.namespace}/{route.name}")
        elif meant is None and cluster.origin == "manifests":
            unmade.append(why)
        else:
            bad[why] = backend.namespace
            patch = patch or (patches.replace({f"{pointer}/name": (reference.name, meant)}) if meant else "")
    told = [c for parent in route.status.parents for c in parent.conditions if c.type == "ResolvedRefs" and c.status == "False"]
    if unmade:
        yield Unseen(f"what {kind} {route.namespace}/{route.name} leads to", f"not in these manifests: {some(unmade, SHOWN)}")
    if bad:
        try_ = (BAD_BACKEND.commands[0], _PATCH) if patch else None
        yield BAD_BACKEND.on(subject, try_=try_, backends=list(bad)[:SHOWN], space=next(iter(bad.values())), patch=patch)
    elif (lasting := [c for c in told if _lasts(cluster, c)]) and cluster.origin != "manifests":
        yield UNRESOLVED.on(subject, why="; ".join(dict.fromkeys(map(_says, lasting))))


def _backend(route: Route, reference: Reference) -> Backend:
    return Backend(reference.namespace or route.namespace, reference.name, number=reference.port)


def _wrong(cluster: Cluster, kind: str, route: Route, reference: Reference, led: list[Backend]) -> tuple[str, str | None]:
    """What is wrong with a reference (nothing where it is well), and the Service that is meant; None: others may mend it."""
    backend = _backend(route, reference)
    service = cluster.get(SERVICE, backend.namespace, backend.service)
    shown = f"{backend.namespace}/{backend.service}:{backend.port}"
    if service is None:
        return f"Service {shown} is not there", ingress_backends.meant(cluster, backend, led) or None
    if reference.port and not ingress_backends.has_port(service, backend):
        return f"Service {shown} has no such port (it has {', '.join(ingress_backends.ports(service))})", ""
    if backend.namespace != route.namespace and not _granted(cluster, kind, route, reference):
        return f"no ReferenceGrant in {backend.namespace} lets it refer to Service {shown}", None
    return "", ""


def _references(route: Route) -> Iterator[tuple[str, Reference]]:
    """A route's backends, each with its JSON pointer."""
    for number, rule in enumerate(route.spec.rules):
        for index, reference in enumerate(rule.backend_refs):
            yield f"/spec/rules/{number}/backendRefs/{index}", reference


def _granted(cluster: Cluster, kind: str, route: Route, reference: Reference) -> bool:
    """Whether a ReferenceGrant allows it; taken to where those can't be read."""
    if not cluster.readable(REFERENCE_GRANT):
        return True
    grants = [grant for grant in cluster.all(REFERENCE_GRANT) if grant.namespace == reference.namespace]
    return any(grant.allows(kind, route.namespace, ("Service", reference.name)) for grant in grants)


def _behind(cluster: Cluster, leading: Loads) -> Iterator[Finding | Unseen]:
    """Services with nobody behind them, each once with all that leads to it."""
    for (namespace, name), routes in sorted(leading.items()):
        service = cluster.get(SERVICE, namespace, name)
        if service is None or not (why := ingress_backends.nobody(cluster, service)):
            continue
        subject, shown = Subject("Service", name, namespace), list(dict.fromkeys(routes))[:SHOWN]
        if rests := ingress_backends.resting(cluster, service):
            yield RESTING.on(subject, why=rests, routes=shown)
        elif untold := ingress_backends.untold(cluster, service):
            yield Unseen(f"what is behind Service {namespace}/{name}", untold)
        else:
            yield NOBODY.on(subject, why=why, routes=shown)


check = Check(
    id="gateway_routes",
    title="Gateways serve, and their routes lead to Services that do",
    prefix="GWR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(GATEWAY, GATEWAY_CLASS, *ROUTES, REFERENCE_GRANT, ENDPOINT_SLICE, POD),
        hints=MAKERS,
    ),
    codes=(
        NO_CLASS,
        CLASS_REFUSED,
        GATEWAY_DOWN,
        LISTENER_DOWN,
        NO_GATEWAY,
        REFUSED,
        UNTAKEN,
        BAD_BACKEND,
        UNRESOLVED,
        NOBODY,
        RESTING,
        PARTLY,
        NO_ROUTES,
    ),
    analyse=analyse,
)
