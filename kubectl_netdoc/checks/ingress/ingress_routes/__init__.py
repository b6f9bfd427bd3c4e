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
    Check,
    Facts,
    Finding,
    Needs,
    Skip,
    Unseen,
    counted,
    some,
)
from kubectl_netdoc.checks.ingress.ingress_routes import backends, conflicts
from kubectl_netdoc.components import ingress_backends, ingress_controllers
from kubectl_netdoc.components.ingress_backends import Backend
from kubectl_netdoc.components.service_backends import KINDS as WORKLOAD_KINDS


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Ingress, each Service that they send requests to, and the paths that they claim."""
    cluster = facts.cluster
    routes = ingress_controllers.ingresses(cluster)
    if not routes:
        raise Skip("there is no Ingress", not_applicable=True)
    every = [backend for route in routes for backend in ingress_backends.of_ingress(route.ingress)]
    unmade: list[Backend] = []
    for route in routes:
        yield from backends.analyse(cluster, route.ingress, every, unmade)
    if unmade:
        what = counted(len(unmade), "backend of an Ingress", "backends of Ingresses")
        yield Unseen(what, f"these manifests do not contain its Service: {some(unmade, backends.SHOWN)}")
    yield from backends.endpoints(cluster, routes)
    known = cluster.origin != "manifests" and not cluster.unreadable(INGRESS_CLASS)
    yield from conflicts.analyse(routes if known else [route for route in routes if route.controller])


check = Check(
    id="ingress_routes",
    title="Ingresses send requests to Services that can answer",
    prefix="ING",
    needs=Needs(kinds=(INGRESS, SERVICE), optional=(INGRESS_CLASS, ENDPOINT_SLICE, POD), hints=WORKLOAD_KINDS),
    codes=(*backends.CODES, *conflicts.CODES),
    analyse=analyse,
)
