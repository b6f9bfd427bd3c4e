# SPDX-License-Identifier: Apache-2.0
"""The Services behind Ingresses and Gateway API routes, and the certificates that clients get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import Enum, auto

from msgspec import Struct

from kubectl_netdoc.components.service_backends import Backends, NoPodsWanted, elsewhere, unread
from kubectl_netdoc.core.closest_match import typo
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.formats import certificate as x509
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.ingress import Ingress, IngressPath, TlsCertificate
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, POD, SERVICE
from kubectl_netdoc.records.services import Service

SHARE = 6
"""A certificate expires soon where less than this part (1/6) of its life is left, if that is shorter than the days given:
cert-manager renews at a third of the life (Certificate, spec.renewBefore), and half of that has passed then."""

ACTION = "use-annotation"
"""A port of this name means an annotation of the AWS Load Balancer Controller, and no Service."""


class Backend(Struct, frozen=True):
    """A port (by number or name) of a Service that requests go to. ``route``: which requests; ``where``: its JSON pointer."""

    namespace: str
    service: str
    number: int = 0
    port_name: str = ""
    route: str = ""
    where: str = ""

    @property
    def port(self) -> str:
        """The port as it is written."""
        return self.port_name or str(self.number)

    @property
    def ref(self) -> ObjectRef:
        """The Service, as evidence points at it."""
        return ObjectRef("Service", self.service, self.namespace)

    def __str__(self) -> str:
        return f"{self.route} -> {self.namespace}/{self.service}:{self.port}"


def of_ingress(ingress: Ingress) -> list[Backend]:
    """Return the Services that an Ingress sends requests to; backends that are no Service are left out."""
    rest = ingress.spec.default_backend.service if ingress.spec.default_backend else None
    found = [backend for _, backend in of_rules(ingress)]
    if rest is None:
        return found
    where = "/spec/defaultBackend/service"
    return [Backend(ingress.namespace, rest.name, rest.port.number, rest.port.name, "anything else", where), *found]


def of_rules(ingress: Ingress) -> Iterator[tuple[IngressPath, Backend]]:
    """Yield the paths of an Ingress's rules, each with its Service."""
    for number, rule in enumerate(ingress.spec.rules):
        for index, path in enumerate(rule.http.paths):
            service = path.backend.service
            if service and service.port.name != ACTION:
                route, where = f"{rule.host or '*'}{path.path or '/'}", f"/spec/rules/{number}/http/paths/{index}/backend/service"
                yield path, Backend(ingress.namespace, service.name, service.port.number, service.port.name, route, where)


def in_scope(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace is among those that were read."""
    return not cluster.scope.namespaces or namespace in cluster.scope.namespaces


def selected(cluster: Cluster, services: Iterable[tuple[str, str]]) -> bool:
    """Whether the user chose all Services, or one of these (namespace, name)."""
    selection = cluster.selection
    return not (selection.services or selection.labels) or any(
        service is not None and selection.includes(service) for service in (cluster.get(SERVICE, *pair) for pair in services)
    )


def has_port(service: Service, backend: Backend) -> bool:
    """Whether a Service has the port that a backend names."""
    if service.spec.type == "ExternalName":  # has no ports of its own, and the controller resolves the name
        return True
    return any(
        port.name == backend.port_name if backend.port_name else port.port == backend.number for port in service.spec.ports
    )


def ports(service: Service) -> list[str]:
    """The ports of a Service, with their names."""
    return [f"{port.name}:{port.port}" if port.name else str(port.port) for port in service.spec.ports]


def no_ready_endpoint(cluster: Cluster, service: Service) -> str:
    """Return why no endpoint of a Service is ready; nothing where one is, or that is not known, or the Service is new."""
    if service.spec.type == "ExternalName" or cluster.origin == "manifests" or not cluster.readable(ENDPOINT_SLICE):
        return ""
    if cluster.age(service.metadata.creation_timestamp) < SETTLING or service.metadata.deletion_timestamp is not None:
        return ""
    states = [endpoint.conditions for item in cluster.slices_of(service) for endpoint in item.endpoints]
    if any(state.ready or (state.serving and state.terminating) for state in states) or elsewhere(
        cluster, service, Backends(cluster, service)
    ):
        return ""
    if cluster.unreadable(POD):
        return "its pods can't be read"
    pods = cluster.pods_of(service) if cluster.readable(POD) else []
    if pods and all(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in pods):
        return ""
    return f"0 of {len(pods)} pods are ready" if pods else "it has no pod" if service.spec.selector else "it has no endpoint"


def no_pods_wanted(cluster: Cluster, service: Service) -> NoPodsWanted | None:
    """Return why no workload wants a pod for a Service; None where one does, or that is not known."""
    return Backends(cluster, service).no_pods_wanted if cluster.readable(POD) else None


def undetermined(cluster: Cluster, service: Service) -> str:
    """Return why it is not known whether a Service without a ready endpoint should have one; nothing where it is known."""
    if cluster.unreadable(POD) and service.spec.selector:
        held = [item for item in cluster.slices_of(service) if item.endpoints and item.changed]
        settled = any(cluster.age(item.changed) > SETTLING for item in held)
        why = "no endpoint of it is ready, and whether one should be is not known"
        return "" if settled else f"{why}: {POD.plural} can't be read"
    none = cluster.readable(POD) and service.spec.selector and not cluster.pods_of(service)
    hidden = unread(cluster) if none else []
    return f"it has no pod, and whether it should have one is not known: {joined(hidden)} can't be read" if hidden else ""


def intended_service(cluster: Cluster, backend: Backend, every: Iterable[Backend]) -> str:
    """Return the Service that a backend misses by a typing error; nothing where there is none.

    It has the backend's port, and is the backend of no other route (``every``: all of them).
    """
    taken = {(other.namespace, other.service) for other in every}
    there = [item for item in cluster.in_namespace(SERVICE, backend.namespace) if has_port(item, backend)]
    found = typo(backend.service, (item.name for item in there))
    return "" if (backend.namespace, found) in taken else found


def intended_port(service: Service, backend: Backend) -> int:
    """Return the port of a Service whose targetPort a backend names in place of the port; 0 where there is none, or several."""
    written = backend.port_name or backend.number
    found = [port.port for port in service.spec.ports if port.target_port == written]
    return found[0] if len(found) == 1 else 0


class Validity(Enum):
    """Whether a certificate is valid at a time."""

    EXPIRED = auto()
    NOT_YET = auto()
    EXPIRES_SOON = auto()
    VALID = auto()


def validity(cluster: Cluster, certificate: TlsCertificate, days: float) -> tuple[Validity, int]:
    """Return whether a certificate is valid, and for how many days it will be, or has not been, or is not yet.

    ``days``: those that it must have left not to expire soon.
    """
    begins, ends = certificate.not_before, certificate.not_after
    if begins is None or ends is None:
        return Validity.VALID, 0
    left = ends - cluster.time
    if left < timedelta(0):
        return Validity.EXPIRED, -left.days
    if begins > cluster.time:
        return Validity.NOT_YET, (begins - cluster.time).days
    soon = left < min(timedelta(days=days), (ends - begins) / SHARE)
    return (Validity.EXPIRES_SOON if soon else Validity.VALID), left.days


def uncovered(certificate: TlsCertificate, hosts: Iterable[str]) -> list[str]:
    """Return the hosts that a certificate is not for; a host ``*.x`` is covered by that very name."""
    return [host for host in hosts if not x509.covers(certificate.names, host)]
