# SPDX-License-Identifier: Apache-2.0
"""Does each Ingress lead to something?

## What it looks at
The Service and port of each backend of each Ingress, and whether anybody is behind it; hosts and paths that two Ingresses of one
class claim. Who serves them is `ingress_controllers`, their certificates are `tls_secrets`.

## Why it matters
The API server takes an Ingress that leads nowhere as it takes any other: clients see 404 or 503, and nothing in the cluster says
so.

## What it can't see
What annotations of a controller change about a route. Backends that are no Service (resource:), which are the controller's own
affair. Of an ExternalName, whether anything answers there. Services that are not in manifests: others may make them. Ingresses
of cert-manager's HTTP-01 solvers, which stay for minutes, are left out.

## Sources
Kubernetes: Ingress; ingress-nginx: Canary, and "the oldest rule wins" in Ingress path matching; cert-manager: HTTP01. Failure
catalogue K2, K3.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    POD,
    SERVICE,
    SETTLING,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Ingress,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    patches,
    some,
)
from kubectl_netdoc.components import ingress_backends, ingress_controllers
from kubectl_netdoc.components.ingress_backends import Backend
from kubectl_netdoc.components.ingress_controllers import Classed
from kubectl_netdoc.components.service_backends import KINDS as MAKERS

SHOWN = 5
"""Routes that a message names."""

ACTION = "use-annotation"
"""As a port's name it means an annotation of the AWS Load Balancer Controller, not a Service."""

NO_SERVICE = Code(
    id="ING001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress leads to a Service that is not there",
    message="Ingress {namespace}/{name} leads to a Service that is not there: {routes}",
    fix="Name the Service that is meant, or create it.",
    commands=("kubectl -n {namespace} get services", "kubectl -n {namespace} edit ingress {name}"),
    rows=("K2",),
)
NO_PORT = Code(
    id="ING002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress leads to a port that its Service does not have",
    message="Ingress {namespace}/{name} leads to a port that its Service does not have: {routes}; {service} has {ports}",
    fix="Name a port of the Service (port, not targetPort).",
    commands=("kubectl -n {namespace} get service {service}", "kubectl -n {namespace} edit ingress {name}"),
    rows=("K3",),
)
NOBODY = Code(
    id="ING003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nobody is behind a Service that an Ingress leads to",
    message="Service {namespace}/{name} has no ready endpoint ({why}), and these requests go to it: {routes}",
    fix="Clients get 502 or 503: bring up the pods behind the Service.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {namespace} get pods",
    ),
    rows=("K2",),
)
CONFLICT = Code(
    id="ING004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Two Ingresses claim one path",
    message="Ingress {namespace}/{name} claims what {others} has with another backend: {routes}; only one of them is served",
    fix="Give one of them another path or host, or remove it; ingress-nginx serves the older one.",
    commands=("kubectl -n {namespace} get ingress {name} -o yaml", "kubectl get ingresses -A"),
)
RESTING = Code(
    id="ING020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ingress leads to what rests",
    message="Service {namespace}/{name} has no pod and wants none ({why}), so nobody answers these requests: {routes}",
    fix="Scale it up when it is to serve, or remove the Ingress.",
)
_PATCH = "kubectl -n {namespace} patch ingress {name} --type json -p {patch}"


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Ingress, each Service that some lead to, and what they claim."""
    cluster = facts.cluster
    routes = ingress_controllers.ingresses(cluster)
    if not routes:
        raise Skip("there is no Ingress to look at", moot=True)
    led = [backend for route in routes for backend in _backends(route.ingress)]
    unmade: list[Backend] = []
    for route in routes:
        yield from _missing(cluster, route.ingress, led, unmade)
    if unmade:
        yield Unseen(f"{len(unmade)} backends of Ingresses", f"their Services are not in these manifests: {some(unmade, SHOWN)}")
    yield from _behind(cluster, routes)
    told = cluster.origin != "manifests" and not cluster.unread(INGRESS_CLASS)
    yield from _conflicts(routes if told else [route for route in routes if route.controller])


def _backends(ingress: Ingress) -> Iterator[Backend]:
    """The Services that an Ingress leads to; what is no Service is the controller's own affair."""
    default = ingress.spec.default_backend
    if default and default.service:
        port = default.service.port
        where = "/spec/defaultBackend/service"
        yield Backend(ingress.namespace, default.service.name, port.number, port.name, "anything else", where)
    for number, rule in enumerate(ingress.spec.rules):
        for index, path in enumerate(rule.http.paths):
            service = path.backend.service
            if service and service.port.name != ACTION:
                route, where = f"{rule.host or '*'}{path.path or '/'}", f"/spec/rules/{number}/http/paths/{index}/backend/service"
                yield Backend(ingress.namespace, service.name, service.port.number, service.port.name, route, where)


def _missing(cluster: Cluster, ingress: Ingress, led: list[Backend], unmade: list[Backend]) -> Iterator[Finding]:
    """Services that are not there, and ports that they don't have. ``led``: all backends of all Ingresses.

    In manifests only a slip tells a Service that is not there from one that is made elsewhere; ``unmade`` takes those.
    """
    if cluster.age(ingress.metadata.creation_timestamp) < SETTLING:
        return
    subject = Subject("Ingress", ingress.name, ingress.namespace)
    backends = list(_backends(ingress))
    gone = [backend for backend in backends if cluster.get(SERVICE, backend.namespace, backend.service) is None]
    meant = {backend.where: ingress_backends.meant(cluster, backend, led) for backend in gone}
    if cluster.origin == "manifests":
        unmade += [backend for backend in gone if not meant[backend.where]]
        gone = [backend for backend in gone if meant[backend.where]]
    if gone:
        names = {f"{b.where}/name": (b.service, meant[b.where]) for b in gone if meant[b.where]}
        patch = patches.replace(names)
        try_ = (NO_SERVICE.commands[0], _PATCH) if patch else None
        yield NO_SERVICE.on(subject, try_=try_, routes=some(gone, SHOWN), patch=patch)
    for name in sorted({backend.service for backend in backends}):
        service = cluster.get(SERVICE, ingress.namespace, name)
        wrong = [b for b in backends if b.service == name and service and not ingress_backends.has_port(service, b)]
        if service and wrong:
            ports = {
                f"{b.where}/port": (_written(b), {"number": p}) for b in wrong if (p := ingress_backends.meant_port(service, b))
            }
            patch = patches.replace(ports)
            try_ = (NO_PORT.commands[0], _PATCH) if patch else None
            yield NO_PORT.on(
                subject, try_=try_, routes=some(wrong, SHOWN), service=name, ports=ingress_backends.ports(service), patch=patch
            )


def _written(backend: Backend) -> dict[str, object]:
    """The port as the Ingress has it."""
    return {"name": backend.port_name} if backend.port_name else {"number": backend.number}


def _behind(cluster: Cluster, routes: list[Classed]) -> Iterator[Finding | Unseen]:
    """Services with nobody behind them, each once with all that leads to it."""
    leading: dict[tuple[str, str], list[Backend]] = {}
    for route in routes:
        for backend in _backends(route.ingress):
            leading.setdefault((backend.namespace, backend.service), []).append(backend)
    for pair, backends in sorted(leading.items()):
        service = cluster.get(SERVICE, *pair)
        if service is None or not (why := ingress_backends.nobody(cluster, service)):
            continue
        subject = Subject("Service", service.name, service.namespace)
        if rests := ingress_backends.resting(cluster, service):
            yield RESTING.on(subject, why=rests, routes=some(backends, SHOWN))
        elif untold := ingress_backends.untold(cluster, service):
            yield Unseen(f"what is behind Service {service.namespace}/{service.name}", untold)
        else:
            yield NOBODY.on(subject, why=why, routes=some(backends, SHOWN))


def _conflicts(routes: list[Classed]) -> Iterator[Finding]:
    """Canaries, and controllers with a load balancer for each Ingress, may claim one path more than once; one that is not known
    may tell them apart by annotations. Manifests that name no controller may be samples to choose from.
    """
    claims: dict[tuple[str, ...], list[tuple[Ingress, Backend]]] = {}
    for route in sorted(routes, key=lambda r: (str(r.ingress.metadata.creation_timestamp), r.ingress.namespace, r.ingress.name)):
        apart = route.controller.own if route.controller else route.found is not None
        if route.ingress.metadata.annotations.canary == "true" or apart:
            continue
        types = {b.where: p for b, p in zip(_ruled(route.ingress), _types(route.ingress), strict=True)}
        for backend in _ruled(route.ingress):
            path = backend.route.rstrip("/") if types[backend.where] == "Prefix" else backend.route
            for door in _doors(route):
                claims.setdefault((route.cls, path, types[backend.where], *door), []).append((route.ingress, backend))
    found: dict[tuple[str, str], dict[str, tuple[Ingress, Backend]]] = {}
    for (first, winner), *rest in claims.values():
        for ingress, backend in rest:
            if (backend.namespace, backend.service, backend.port) != (winner.namespace, winner.service, winner.port):
                found.setdefault((ingress.namespace, ingress.name), {})[backend.where] = first, backend
    for (namespace, name), losers in sorted(found.items()):
        others = sorted({f"{first.namespace}/{first.name}" for first, _ in losers.values()})
        claimed = some((backend for _, backend in losers.values()), SHOWN)
        yield CONFLICT.on(Subject("Ingress", name, namespace), others=others, routes=claimed)


def _doors(route: Classed) -> set[tuple[str, str]]:
    """Where Traefik takes requests for an Ingress: its entry points, and with TLS or without; all by one door elsewhere.

    (Traefik: Kubernetes Ingress, router.entrypoints and router.tls: "a router with TLS ignores requests without".)
    """
    notes = route.ingress.metadata.annotations
    if route.controller is not ingress_controllers.TRAEFIK and not notes.traefik_entrypoints:
        return {("", "")}
    tls = "TLS" if route.ingress.spec.tls or notes.traefik_tls == "true" else ""
    return {(point.strip(), tls) for point in notes.traefik_entrypoints.split(",")}


def _ruled(ingress: Ingress) -> list[Backend]:
    return [backend for backend in _backends(ingress) if backend.where.startswith("/spec/rules")]


def _types(ingress: Ingress) -> list[str]:
    paths = [path for rule in ingress.spec.rules for path in rule.http.paths]
    return [path.path_type for path in paths if path.backend.service and path.backend.service.port.name != ACTION]


check = Check(
    id="ingress_routes",
    title="Ingresses lead to Services that serve",
    prefix="ING",
    needs=Needs(kinds=(INGRESS, SERVICE), optional=(INGRESS_CLASS, ENDPOINT_SLICE, POD), hints=MAKERS),
    codes=(NO_SERVICE, NO_PORT, NOBODY, CONFLICT, RESTING),
    analyse=analyse,
)
