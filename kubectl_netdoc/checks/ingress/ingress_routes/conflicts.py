# SPDX-License-Identifier: Apache-2.0
"""Paths that two Ingresses claim for different backends."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Finding, Ingress, ObjectRef, Risk, Severity, Subject, some
from kubectl_netdoc.checks.ingress.ingress_routes.backends import SHOWN
from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.components.ingress_backends import Backend, of_rules
from kubectl_netdoc.components.ingress_controllers import Classed

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


def analyse(routes: list[Classed]) -> Iterator[Finding]:
    """Paths that Ingresses of one class claim for different backends.

    Canaries, and Ingresses with a load balancer each, may claim one path; a controller that is not known may tell them apart by
    annotations. Manifests that name no controller may be samples to choose from.
    """
    claims: dict[tuple[str, ...], list[tuple[Ingress, Backend]]] = {}
    for route in sorted(routes, key=lambda r: (str(r.ingress.metadata.creation_timestamp), r.ingress.namespace, r.ingress.name)):
        apart = route.controller.own if route.controller else route.found is not None
        if route.ingress.metadata.annotations.canary == "true" or apart:
            continue
        for path, backend in of_rules(route.ingress):
            written = backend.route.rstrip("/") if path.path_type == "Prefix" else backend.route
            for entry in _entry_points(route):
                claims.setdefault((route.cls, written, path.path_type, *entry), []).append((route.ingress, backend))
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


CODES = (CONFLICT,)
