# SPDX-License-Identifier: Apache-2.0
"""Backends of routes that do not exist or may not be used, and Services of routes without a ready endpoint."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    INFERENCE_POOL,
    REFERENCE_GRANT,
    SERVICE,
    Cluster,
    Code,
    Finding,
    ObjectRef,
    Reference,
    Risk,
    Route,
    Severity,
    Subject,
    Unseen,
    joined,
    patches,
    some,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import joined_reasons, lasts
from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.components.ingress_backends import Backend

SHOWN = 5
"""Backends or routes that a message names at most."""

BAD_BACKEND = Code(
    id="GWR008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route with a backend that it can't use",
    message="{kind} {namespace}/{name} names backends that it can't use: {backends}",
    fix="Name a Service and port that exist. For a Service of another namespace, have a ReferenceGrant created there.",
    commands=("kubectl -n {space} get services", "kubectl -n {namespace} edit {kind} {name}"),
    rows=("K2", "K3"),
)
UNRESOLVED = Code(
    id="GWR009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route with a reference that its controller can't resolve",
    message="The controller of {kind} {namespace}/{name} can't resolve a reference of it: {why}",
    fix="Correct what the reason names.",
    commands=("kubectl -n {namespace} describe {kind} {name}",),
)
NO_ENDPOINT = Code(
    id="GWR010",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Route to a Service without a ready endpoint",
    message="Service {namespace}/{name} has no ready endpoint ({why}), and routes send requests to it: {routes}",
    fix="Bring up the pods behind the Service. Until then clients get HTTP 500 or 503.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {namespace} get pods",
    ),
    rows=("K2",),
)
NO_PODS_WANTED = Code(
    id="GWR020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route to a Service whose workload wants no pod",
    message="Service {namespace}/{name} has no pod and should have none ({why}), and routes send requests to it: {routes}",
    fix="If the Service should answer, scale its workload up. Otherwise remove it from the routes.",
)
PATCH = "kubectl -n {namespace} patch {kind} {name} --type json -p {patch}"

Routes = dict[tuple[str, str], list[Subject]]
"""The routes to each Service, or InferencePool (namespace, name)."""


def of(route: Route) -> list[Backend]:
    """Return the backends of a route."""
    return [_backend(route, reference) for _, reference in _references(route)]


def analyse(
    cluster: Cluster, kind: str, route: Route, every: list[Backend], routes: Routes, pools: Routes
) -> Iterator[Finding | Unseen]:
    """Judge the backends of a route; ``every``: those of all routes; ``routes`` takes the Services that it can use, ``pools`` the
    InferencePools.

    In manifests a Service may be made elsewhere, unless a typing error explains it.
    """
    subject = Subject.of(kind, route)
    yield from _others(cluster, subject, route)
    bad: dict[str, ObjectRef] = {}
    unmade: list[str] = []
    patch = ""
    for pointer, reference in _references(route):
        backend = _backend(route, reference)
        if not (_judged(cluster, reference) and ingress_backends.in_scope(cluster, backend.namespace)):
            continue
        why, meant = _wrong(cluster, kind, route, reference, every)
        if not why:
            (pools if reference.pool else routes).setdefault((backend.namespace, backend.service), []).append(subject)
        elif meant is None and cluster.origin == "manifests":
            unmade.append(why)
        else:
            bad[why] = ObjectRef("InferencePool", backend.service, backend.namespace) if reference.pool else backend.ref
            patch = patch or (patches.replace({f"{pointer}/name": (reference.name, meant)}) if meant else "")
    if unmade:
        what = f"the backends of {kind} {route.namespace}/{route.name}"
        yield Unseen(what, f"they may be made outside of these manifests: {some(unmade, SHOWN)}")
    if bad:
        commands = (BAD_BACKEND.commands[0], PATCH) if patch else None
        names = {"backends": list(bad)[:SHOWN], "space": next(iter(bad.values())).namespace, "patch": patch}
        yield BAD_BACKEND.on(subject, names, commands=commands, objects=bad.values())
    elif cluster.origin != "manifests":
        yield from _unresolved(cluster, subject, route)


def _others(cluster: Cluster, subject: Subject, route: Route) -> Iterator[Unseen]:
    """Backends that are neither Services nor pools: they are not looked behind, even where the controller resolves them."""
    used = [reference for _, reference in _references(route) if reference.weight and not _judged(cluster, reference)]
    kinds = dict.fromkeys(f"{reference.kind}.{reference.group}" for reference in used)
    if kinds:
        said = [c.status for parent in route.status.parents for c in parent.conditions if c.type == "ResolvedRefs"]
        resolved = bool(said) and all(status == "True" for status in said)
        why = "its controller finds them, and netdoc does not look behind them" if resolved else "netdoc does not look at them"
        yield Unseen(f"backends of {subject}", f"{joined(kinds)}: {why}", expected=not resolved)


def _judged(cluster: Cluster, reference: Reference) -> bool:
    """Whether a backend gets requests and is of a kind that is looked behind."""
    return bool(reference.weight) and (reference.service or (reference.pool and cluster.readable(INFERENCE_POOL)))


def _unresolved(cluster: Cluster, subject: Subject, route: Route) -> Iterator[Finding]:
    """References that the controller can't resolve, for reasons that netdoc does not see."""
    said = [c for parent in route.status.parents for c in parent.conditions if c.type == "ResolvedRefs" and c.status == "False"]
    if lasting := [condition for condition in said if lasts(cluster, condition)]:
        yield UNRESOLVED.on(subject, why=joined_reasons(lasting))


def _backend(route: Route, reference: Reference) -> Backend:
    return Backend(reference.namespace or route.namespace, reference.name, number=reference.port)


def _wrong(cluster: Cluster, kind: str, route: Route, reference: Reference, every: list[Backend]) -> tuple[str, str | None]:
    """What is wrong with a reference (nothing if it is right), and the Service that is meant.

    None as the Service that is meant: what is missing may be made elsewhere.
    """
    backend = _backend(route, reference)
    if reference.pool:
        found = cluster.get(INFERENCE_POOL, backend.namespace, backend.service)
        return "" if found else f"InferencePool {backend.namespace}/{backend.service} does not exist", None
    service = cluster.get(SERVICE, backend.namespace, backend.service)
    shown = f"{backend.namespace}/{backend.service}:{backend.port}"
    if service is None:
        return f"Service {shown} does not exist", ingress_backends.intended_service(cluster, backend, every) or None
    if reference.port and not ingress_backends.has_port(service, backend):
        return f"Service {shown} has no such port (it has {', '.join(ingress_backends.ports(service))})", ""
    if backend.namespace != route.namespace and not _granted(cluster, kind, route, reference):
        return f"no ReferenceGrant in {backend.namespace} allows it to use Service {shown}", None
    return "", ""


def _references(route: Route) -> Iterator[tuple[str, Reference]]:
    """A route's backend references, each with its JSON pointer."""
    for number, rule in enumerate(route.spec.rules):
        for index, reference in enumerate(rule.backend_refs):
            yield f"/spec/rules/{number}/backendRefs/{index}", reference


def _granted(cluster: Cluster, kind: str, route: Route, reference: Reference) -> bool:
    """Whether a ReferenceGrant allows a reference; assumed where ReferenceGrants can't be read."""
    if not cluster.readable(REFERENCE_GRANT):
        return True
    grants = cluster.in_namespace(REFERENCE_GRANT, reference.namespace)
    return any(grant.allows(kind, route.namespace, ("Service", reference.name)) for grant in grants)


def endpoints(cluster: Cluster, routes: Routes) -> Iterator[Finding | Unseen]:
    """Judge the Services of the routes by whether they have a ready endpoint."""
    for (namespace, name), users in sorted(routes.items()):
        service = cluster.get(SERVICE, namespace, name)
        if service is None or not (why := ingress_backends.no_ready_endpoint(cluster, service)):
            continue
        subject, shown = Subject("Service", name, namespace), list(dict.fromkeys(users))[:SHOWN]
        if none := ingress_backends.no_pods_wanted(cluster, service):
            yield NO_PODS_WANTED.on(subject, why=none.why, routes=shown, objects=(none.workload,))
        elif unknown := ingress_backends.undetermined(cluster, service):
            yield Unseen(f"what is behind Service {namespace}/{name}", unknown)
        else:
            yield NO_ENDPOINT.on(subject, why=why, routes=shown)


CODES = (BAD_BACKEND, UNRESOLVED, NO_ENDPOINT, NO_PODS_WANTED)
