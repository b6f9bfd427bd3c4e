# SPDX-License-Identifier: Apache-2.0
"""Does each Ingress send requests to a Service that can answer?

## What it looks at
The Service and port of each backend of each Ingress, and whether the Service has a ready endpoint; hosts and paths that two
Ingresses of one class claim. `ingress_controllers` checks what serves them, and `tls_secrets` their certificates.

## Why it matters
The API server accepts an Ingress whatever Service it names: clients then see 404 or 503, and nothing in the cluster says why.

## What it can't see
What a controller's annotations change about a route. Backends that are no Service (resource:), which only the controller knows.
Whether anything answers behind an ExternalName. Services that are not in manifests, as they may be made elsewhere. Ingresses of
cert-manager's HTTP-01 solvers, which exist for some minutes, are left out.

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
    ObjectRef,
    Risk,
    Severity,
    Skip,
    Subject,
    Unseen,
    counted,
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
"""A port of this name means an annotation of the AWS Load Balancer Controller, and no Service."""

NO_SERVICE = Code(
    id="ING001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress names a Service that does not exist",
    message="Ingress {namespace}/{name} sends requests to a Service that does not exist: {routes}",
    fix="Name the Service that is meant, or create it.",
    commands=("kubectl -n {namespace} get services", "kubectl -n {namespace} edit ingress {name}"),
    rows=("K2",),
)
NO_PORT = Code(
    id="ING002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress names a port that its Service does not have",
    message="Ingress {namespace}/{name} sends requests to a port that Service {service} does not have: {routes}. The Service "
    "has {ports}",
    fix="Name a port of the Service (its port, not its targetPort).",
    commands=("kubectl -n {namespace} get service {service}", "kubectl -n {namespace} edit ingress {name}"),
    rows=("K3",),
)
NO_ENDPOINT = Code(
    id="ING003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Ingress to a Service without a ready endpoint",
    message="Service {namespace}/{name} has no ready endpoint ({why}), and Ingresses send requests to it: {routes}",
    fix="Bring up the pods behind the Service. Until then clients get HTTP 502 or 503.",
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
    message="Ingress {namespace}/{name} and {others} claim the same path for different backends: {routes}. Only one of them "
    "gets the requests",
    fix="Give one of them another path or host, or delete it. ingress-nginx serves the older one.",
    commands=("kubectl -n {namespace} get ingress {name} -o yaml", "kubectl get ingresses -A"),
)
NO_PODS_WANTED = Code(
    id="ING020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ingress to a Service whose workload wants no pod",
    message="Service {namespace}/{name} has no pod and should have none ({why}), and Ingresses send requests to it: {routes}",
    fix="If the Service should answer, scale its workload up. Otherwise remove it from the Ingress.",
)
_PATCH = "kubectl -n {namespace} patch ingress {name} --type json -p {patch}"


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Ingress, each Service that they send requests to, and the paths that they claim."""
    cluster = facts.cluster
    routes = ingress_controllers.ingresses(cluster)
    if not routes:
        raise Skip("there is no Ingress", moot=True)
    every = [backend for route in routes for backend in _backends(route.ingress)]
    unmade: list[Backend] = []
    for route in routes:
        yield from _missing(cluster, route.ingress, every, unmade)
    if unmade:
        what = counted(len(unmade), "backend of an Ingress", "backends of Ingresses")
        yield Unseen(what, f"these manifests do not contain its Service: {some(unmade, SHOWN)}")
    yield from _behind(cluster, routes)
    known = cluster.origin != "manifests" and not cluster.unread(INGRESS_CLASS)
    yield from _conflicts(routes if known else [route for route in routes if route.controller])


def _backends(ingress: Ingress) -> Iterator[Backend]:
    """The Services that an Ingress sends requests to; backends that are no Service are left out."""
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


def _missing(cluster: Cluster, ingress: Ingress, every: list[Backend], unmade: list[Backend]) -> Iterator[Finding]:
    """Services that do not exist, and ports that they don't have. ``every``: all backends of all Ingresses.

    In manifests a Service may be made elsewhere, unless a typing error explains it; ``unmade`` takes those.
    """
    if cluster.age(ingress.metadata.creation_timestamp) < SETTLING:
        return
    subject = Subject("Ingress", ingress.name, ingress.namespace)
    backends = list(_backends(ingress))
    gone = [backend for backend in backends if cluster.get(SERVICE, backend.namespace, backend.service) is None]
    meant = {backend.where: ingress_backends.intended_service(cluster, backend, every) for backend in gone}
    if cluster.origin == "manifests":
        unmade += [backend for backend in gone if not meant[backend.where]]
        gone = [backend for backend in gone if meant[backend.where]]
    if gone:
        names = {f"{b.where}/name": (b.service, meant[b.where]) for b in gone if meant[b.where]}
        patch = patches.replace(names)
        try_ = (NO_SERVICE.commands[0], _PATCH) if patch else None
        yield NO_SERVICE.on(subject, try_=try_, routes=some(gone, SHOWN), patch=patch, objects=[b.ref for b in gone])
    for name in sorted({backend.service for backend in backends}):
        service = cluster.get(SERVICE, ingress.namespace, name)
        wrong = [b for b in backends if b.service == name and service and not ingress_backends.has_port(service, b)]
        if service and wrong:
            ports = {
                f"{b.where}/port": (_written(b), {"number": p})
                for b in wrong
                if (p := ingress_backends.intended_port(service, b))
            }
            patch = patches.replace(ports)
            try_ = (NO_PORT.commands[0], _PATCH) if patch else None
            yield NO_PORT.on(
                subject, try_=try_, routes=some(wrong, SHOWN), service=name, ports=ingress_backends.ports(service), patch=patch
            )


def _written(backend: Backend) -> dict[str, object]:
    """The port as the Ingress names it."""
    return {"name": backend.port_name} if backend.port_name else {"number": backend.number}


def _behind(cluster: Cluster, routes: list[Classed]) -> Iterator[Finding | Unseen]:
    """Services without a ready endpoint, each once with all routes to it."""
    by_service: dict[tuple[str, str], list[Backend]] = {}
    for route in routes:
        for backend in _backends(route.ingress):
            by_service.setdefault((backend.namespace, backend.service), []).append(backend)
    for pair, backends in sorted(by_service.items()):
        service = cluster.get(SERVICE, *pair)
        if service is None or not (why := ingress_backends.no_ready_endpoint(cluster, service)):
            continue
        subject = Subject.of("Service", service)
        if none := ingress_backends.no_pods_wanted(cluster, service):
            yield NO_PODS_WANTED.on(subject, why=none.why, routes=some(backends, SHOWN), objects=(none.workload,))
        elif unknown := ingress_backends.undetermined(cluster, service):
            yield Unseen(f"what is behind Service {service.namespace}/{service.name}", unknown)
        else:
            yield NO_ENDPOINT.on(subject, why=why, routes=some(backends, SHOWN))


def _conflicts(routes: list[Classed]) -> Iterator[Finding]:
    """Paths that Ingresses of one class claim for different backends.

    Canaries, and Ingresses with a load balancer each, may claim one path; a controller that is not known may tell them apart by
    annotations. Manifests that name no controller may be samples to choose from.
    """
    claims: dict[tuple[str, ...], list[tuple[Ingress, Backend]]] = {}
    for route in sorted(routes, key=lambda r: (str(r.ingress.metadata.creation_timestamp), r.ingress.namespace, r.ingress.name)):
        apart = route.controller.own if route.controller else route.found is not None
        if route.ingress.metadata.annotations.canary == "true" or apart:
            continue
        types = {b.where: p for b, p in zip(_ruled(route.ingress), _types(route.ingress), strict=True)}
        for backend in _ruled(route.ingress):
            path = backend.route.rstrip("/") if types[backend.where] == "Prefix" else backend.route
            for entry in _entry_points(route):
                claims.setdefault((route.cls, path, types[backend.where], *entry), []).append((route.ingress, backend))
    found: dict[tuple[str, str], dict[str, tuple[Ingress, Backend]]] = {}
    for (first, winner), *rest in claims.values():
        for ingress, backend in rest:
            if (backend.namespace, backend.service, backend.port) != (winner.namespace, winner.service, winner.port):
                found.setdefault((ingress.namespace, ingress.name), {})[backend.where] = first, backend
    for (namespace, name), losers in sorted(found.items()):
        others = sorted({ObjectRef.to("Ingress", first) for first, _ in losers.values()})
        claimed = some((backend for _, backend in losers.values()), SHOWN)
        yield CONFLICT.on(Subject("Ingress", name, namespace), others=others, routes=claimed)


def _entry_points(route: Classed) -> set[tuple[str, str]]:
    """The entry points at which Traefik takes requests for an Ingress, with or without TLS; one for all other controllers.

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
    title="Ingresses send requests to Services that can answer",
    prefix="ING",
    needs=Needs(kinds=(INGRESS, SERVICE), optional=(INGRESS_CLASS, ENDPOINT_SLICE, POD), hints=MAKERS),
    codes=(NO_SERVICE, NO_PORT, NO_ENDPOINT, CONFLICT, NO_PODS_WANTED),
    analyse=analyse,
)
