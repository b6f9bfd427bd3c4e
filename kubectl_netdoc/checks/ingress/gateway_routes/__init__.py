# SPDX-License-Identifier: Apache-2.0
"""Do Gateways work, and do their routes send requests to Services that can answer?

## What it looks at
What the controllers of the Gateway API write into the status of GatewayClasses, Gateways, ListenerSets, listeners, routes (HTTP,
GRPC, TLS, TCP, UDP) and BackendTLSPolicies; whether the class and the parents that an object names exist; whether a Gateway takes
its ListenerSets, and in manifests whether their listeners claim the same place; the Services and ports of routes, whether a
ReferenceGrant allows those of other namespaces, and whether they have a ready endpoint; the Services and, where reading them is
permitted, the ConfigMaps with certificates of BackendTLSPolicies; the pods of InferencePools, and their endpoint
pickers. `tls_secrets` checks certificates of listeners.

## Why it matters
The API server accepts all of these objects whatever they name. What is wrong is written into conditions that nobody reads, and
clients see 404, 500 or no answer.

## What it can't see
What is in front of the cluster. Whether a controller that once wrote a status still runs. What is behind backends that are not
Services or InferencePools (XBackend, ServiceImport): they are named. Backends of filters (mirrors). Whether a mesh has taken a
route with a Service as parent that has no status.

## Sources
Gateway API: GatewayClass, Gateway (conditions Accepted, Programmed; listeners: Conflicted, ResolvedRefs), HTTPRoute (Accepted,
ResolvedRefs), ListenerSet, BackendTLSPolicy, ReferenceGrant; its Inference Extension, InferencePool. Failure catalogue K2, K3.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    BACKEND_TLS_POLICY,
    CA_CERTIFICATES,
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    INFERENCE_POOL,
    INGRESS,
    LISTENER_SETS,
    NAMESPACE,
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
from kubectl_netdoc.checks.ingress.gateway_routes import (
    attachment,
    backend_tls,
    backends,
    gateways,
    inference_pools,
    listener_sets,
    moves,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import Parent
from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.components.service_backends import KINDS as WORKLOAD_KINDS

PARTS = (gateways, listener_sets, attachment, backends, backend_tls, inference_pools, moves)
KINDS = (GATEWAY, *LISTENER_SETS, *ROUTES, BACKEND_TLS_POLICY)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the classes, then the Gateways and their sets of listeners, then the routes, then what is behind them."""
    cluster = facts.cluster
    if not any(cluster.readable(kind) or cluster.unreadable(kind) for kind in (GATEWAY, *ROUTES)):
        raise Skip("the Gateway API is not installed", not_applicable=True)
    found = [
        item
        for item in (cluster.all(GATEWAY) if cluster.readable(GATEWAY) else ())
        if ingress_backends.in_scope(cluster, item.namespace) and item.metadata.deletion_timestamp is None
    ]
    routes, sets, policies = list(_routes(cluster)), listener_sets.of(cluster), backend_tls.of(cluster)
    if not (found or routes or sets or policies or any(cluster.unreadable(kind) for kind in KINDS)):
        raise Skip("there is no Gateway and no route", not_applicable=True)
    broken: set[Parent] = set()
    if cluster.origin != "manifests":
        yield from gateways.classes(cluster, found, broken)
        for gateway in found:
            if (GATEWAY.name, gateway.namespace, gateway.name) not in broken:
                yield from gateways.analyse(cluster, gateway, {item.gateway for _, item in sets})
    yield from listener_sets.analyse(cluster, sets, broken)
    spoken = backend_tls.covered(cluster)
    by_service: backends.Routes = {}
    pools: backends.Routes = {}
    every = [backend for _, route in routes for backend in backends.of(route)]
    for kind, route in routes:
        if cluster.age(route.metadata.creation_timestamp) > SETTLING:
            yield from attachment.analyse(cluster, kind, route, broken)
            yield from backends.analyse(cluster, kind, route, every, by_service, pools)
            yield from backend_tls.plain(cluster, kind, route, spoken)
    yield from backends.endpoints(cluster, by_service)
    if cluster.origin != "manifests":
        yield from inference_pools.analyse(cluster, pools)
        yield from moves.analyse(cluster, routes)
    for policy in policies:
        yield from backend_tls.analyse(cluster, policy)


def _routes(cluster: Cluster) -> Iterator[tuple[str, Route]]:
    """Each route that is attached to something, with its kind."""
    for kind in ROUTES:
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            here = ingress_backends.in_scope(cluster, route.namespace) and route.metadata.deletion_timestamp is None
            if here and route.spec.parent_refs and ingress_backends.selected(cluster, route.services()):
                yield kind.name, route


check = Check(
    id="gateway_routes",
    title="Gateways work, and their routes go to Services that can answer",
    prefix="GWR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(*KINDS, GATEWAY_CLASS, REFERENCE_GRANT, INFERENCE_POOL, ENDPOINT_SLICE, POD),
        hints=(*WORKLOAD_KINDS, NAMESPACE, CA_CERTIFICATES, INGRESS),
    ),
    codes=(
        *gateways.CODES,
        *listener_sets.CODES,
        *attachment.CODES,
        *backends.CODES,
        *backend_tls.CODES,
        *inference_pools.CODES,
        *moves.CODES,
    ),
    analyse=analyse,
)
