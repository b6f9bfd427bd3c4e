# SPDX-License-Identifier: Apache-2.0
"""Do Gateways work, and do their routes send requests to Services that can answer?

## What it looks at
What the controllers of the Gateway API write into the status of GatewayClasses, Gateways, listeners and routes (HTTP, GRPC, TLS,
TCP, UDP); whether the class and the Gateway that an object names exist; the Services and ports of routes, whether a
ReferenceGrant allows those of other namespaces, and whether they have a ready endpoint. `tls_secrets` checks certificates.

## Why it matters
The API server accepts all of these objects whatever they name. What is wrong is written into conditions that nobody reads, and
clients see 404, 500 or no answer.

## What it can't see
What is in front of the cluster. Whether a controller that once wrote a status still runs. Routes in a version that netdoc does
not read (TLS, TCP and UDP: it reads v1alpha2). Backends other than Services, routes of a mesh (with a Service as parent),
ListenerSets.

## Sources
Gateway API: GatewayClass, Gateway (conditions Accepted, Programmed; listeners: Conflicted, ResolvedRefs), HTTPRoute (Accepted,
ResolvedRefs), ReferenceGrant. Failure catalogue K2, K3.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    Facts,
    Finding,
    Needs,
    Route,
    Skip,
    Unseen,
)
from kubectl_netdoc.checks.ingress.gateway_routes import attachment, backends, gateways
from kubectl_netdoc.checks.ingress.gateway_routes.status import parent_gateways
from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.components.service_backends import KINDS as WORKLOAD_KINDS


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the classes, then the Gateways, then the routes, then the Services behind them."""
    cluster = facts.cluster
    if not any(cluster.readable(kind) or cluster.unreadable(kind) for kind in (GATEWAY, *ROUTES)):
        raise Skip("the Gateway API is not installed", not_applicable=True)
    found = [
        item
        for item in (cluster.all(GATEWAY) if cluster.readable(GATEWAY) else ())
        if ingress_backends.in_scope(cluster, item.namespace) and item.metadata.deletion_timestamp is None
    ]
    routes = list(_routes(cluster))
    unread = [kind for kind in (GATEWAY, *ROUTES) if cluster.unreadable(kind)]
    if not (found or routes or unread):
        raise Skip("there is no Gateway and no route", not_applicable=True)
    broken: set[tuple[str, str]] = set()
    if cluster.origin != "manifests":
        yield from gateways.classes(cluster, found, broken)
        for gateway in found:
            if (gateway.namespace, gateway.name) not in broken:
                yield from gateways.analyse(cluster, gateway)
    by_service: backends.Routes = {}
    every = [backend for _, route in routes for backend in backends.of(route)]
    for kind, route in routes:
        if cluster.age(route.metadata.creation_timestamp) > SETTLING:
            yield from attachment.analyse(cluster, kind, route, broken)
            yield from backends.analyse(cluster, kind, route, every, by_service)
    yield from backends.endpoints(cluster, by_service)


def _routes(cluster: Cluster) -> Iterator[tuple[str, Route]]:
    """Each route of a Gateway, with its kind."""
    for kind in ROUTES:
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            here = ingress_backends.in_scope(cluster, route.namespace) and route.metadata.deletion_timestamp is None
            if here and parent_gateways(route) and ingress_backends.selected(cluster, route.services()):
                yield kind.name, route


check = Check(
    id="gateway_routes",
    title="Gateways work, and their routes go to Services that can answer",
    prefix="GWR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(GATEWAY, GATEWAY_CLASS, *ROUTES, REFERENCE_GRANT, ENDPOINT_SLICE, POD),
        hints=WORKLOAD_KINDS,
    ),
    codes=(*gateways.CODES, *attachment.CODES, *backends.CODES),
    analyse=analyse,
)
