# SPDX-License-Identifier: Apache-2.0
"""Services of Ingresses that do not exist, lack the port, or have no ready endpoint."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Finding,
    Ingress,
    Risk,
    Severity,
    Subject,
    Unseen,
    patches,
    some,
)
from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.components.ingress_backends import Backend
from kubectl_netdoc.components.ingress_controllers import Classed

SHOWN = 5
"""Routes that a message names."""

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
NO_PODS_WANTED = Code(
    id="ING020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Ingress to a Service whose workload wants no pod",
    message="Service {namespace}/{name} has no pod and should have none ({why}), and Ingresses send requests to it: {routes}",
    fix="If the Service should answer, scale its workload up. Otherwise remove it from the Ingress.",
)
_PATCH = "kubectl -n {namespace} patch ingress {name} --type json -p {patch}"


def analyse(cluster: Cluster, ingress: Ingress, every: list[Backend], unmade: list[Backend]) -> Iterator[Finding]:
    """Services that do not exist, and ports that they don't have. ``every``: all backends of all Ingresses.

    In manifests a Service may be made elsewhere, unless a typing error explains it; ``unmade`` takes those.
    """
    if cluster.age(ingress.metadata.creation_timestamp) < SETTLING:
        return
    subject = Subject.of("Ingress", ingress)
    backends = ingress_backends.of_ingress(ingress)
    gone = [backend for backend in backends if cluster.get(SERVICE, backend.namespace, backend.service) is None]
    meant = {backend.where: ingress_backends.intended_service(cluster, backend, every) for backend in gone}
    if cluster.origin == "manifests":
        unmade += [backend for backend in gone if not meant[backend.where]]
        gone = [backend for backend in gone if meant[backend.where]]
    if gone:
        names = {f"{b.where}/name": (b.service, meant[b.where]) for b in gone if meant[b.where]}
        patch = patches.replace(names)
        commands = (NO_SERVICE.commands[0], _PATCH) if patch else None
        yield NO_SERVICE.on(subject, commands=commands, routes=some(gone, SHOWN), patch=patch, objects=[b.ref for b in gone])
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
            commands = (NO_PORT.commands[0], _PATCH) if patch else None
            yield NO_PORT.on(
                subject,
                commands=commands,
                routes=some(wrong, SHOWN),
                service=name,
                ports=ingress_backends.ports(service),
                patch=patch,
            )


def _written(backend: Backend) -> dict[str, object]:
    """The port as the Ingress names it."""
    return {"name": backend.port_name} if backend.port_name else {"number": backend.number}


def endpoints(cluster: Cluster, routes: list[Classed]) -> Iterator[Finding | Unseen]:
    """Services without a ready endpoint, each once with all routes to it."""
    by_service: dict[tuple[str, str], list[Backend]] = {}
    for route in routes:
        for backend in ingress_backends.of_ingress(route.ingress):
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


CODES = (NO_SERVICE, NO_PORT, NO_ENDPOINT, NO_PODS_WANTED)
