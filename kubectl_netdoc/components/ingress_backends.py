# SPDX-License-Identifier: Apache-2.0
"""What lets requests in from outside: what stands behind an Ingress or a route, and which certificate it shows.

Shared by the checks of Ingress and of the Gateway API.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.components.service_backends import Backends, elsewhere, unread
from kubectl_netdoc.core.closest_match import typo
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.settling import SETTLING
from kubectl_netdoc.formats import certificate as x509
from kubectl_netdoc.records.ingress import TlsCertificate
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, POD, SERVICE
from kubectl_netdoc.records.services import Service

SHARE = 6
"""A certificate ends soon where a smaller share (1/6) of its life is left, if that is shorter than the days given: cert-manager
renews at a third of its life (Certificate, spec.renewBefore): half of that has gone by."""


class Backend(Struct, frozen=True):
    """Where requests go: a port (by number or name) of a Service, and which requests. ``where``: the JSON pointer."""

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

    def __str__(self) -> str:
        return f"{self.route} -> {self.namespace}/{self.service}:{self.port}"


def in_scope(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace was looked at."""
    return not cluster.scope.namespaces or namespace in cluster.scope.namespaces


def wanted(cluster: Cluster, leads_to: Iterable[tuple[str, str]]) -> bool:
    """Whether something that leads to these Services (namespace, name) is to be looked at: the user may have chosen some."""
    wishes = cluster.wishes
    return not (wishes.services or wishes.labels) or any(
        service is not None and wishes.want(service) for service in (cluster.get(SERVICE, *pair) for pair in leads_to)
    )


def has_port(service: Service, backend: Backend) -> bool:
    """Whether a Service has the port that a backend names."""
    if service.spec.type == "ExternalName":  # maps no port, and a name is for the controller to make out
        return True
    return any(
        port.name == backend.port_name if backend.port_name else port.port == backend.number for port in service.spec.ports
    )


def ports(service: Service) -> list[str]:
    """The ports of a Service, with their names."""
    return [f"{port.name}:{port.port}" if port.name else str(port.port) for port in service.spec.ports]


def nobody(cluster: Cluster, service: Service) -> str:
    """Return why nobody is behind a Service, nothing where somebody is, where that can't be known or is too new to be judged."""
    if service.spec.type == "ExternalName" or cluster.origin == "manifests" or not cluster.readable(ENDPOINT_SLICE):
        return ""
    if cluster.age(service.metadata.creation_timestamp) < SETTLING or service.metadata.deletion_timestamp is not None:
        return ""
    states = [endpoint.conditions for item in cluster.slices_of(service) for endpoint in item.endpoints]
    if any(state.ready or (state.serving and state.terminating) for state in states) or elsewhere(
        cluster, service, Backends(cluster, service)
    ):
        return ""
    if cluster.unread(POD):
        return "no endpoint of it is ready"
    pods = cluster.pods_of(service) if cluster.readable(POD) else []
    if pods and all(cluster.age(pod.metadata.creation_timestamp) < SETTLING for pod in pods):
        return ""
    return f"none of {len(pods)} pods is ready" if pods else "it has no pod" if service.spec.selector else "it has no endpoint"


def resting(cluster: Cluster, service: Service) -> str:
    """Return why no pod is wanted behind a Service, in a clause; nothing where one is, or where that can't be known."""
    return Backends(cluster, service).resting if cluster.readable(POD) else ""


def untold(cluster: Cluster, service: Service) -> str:
    """Return why it can't be told whether a Service that nobody answers for rests by wish, or its pods have just begun; nothing
    where it can.
    """
    if cluster.unread(POD) and service.spec.selector:
        held = [item for item in cluster.slices_of(service) if item.endpoints and item.changed]
        settled = any(cluster.age(item.changed) > SETTLING for item in held)
        why = "no endpoint of it is ready, and whether one is wanted can't be seen"
        return "" if settled else f"{why}: {POD.plural} can't be read"
    none = cluster.readable(POD) and service.spec.selector and not cluster.pods_of(service)
    hidden = unread(cluster) if none else []
    return f"it has no pod, and whether one is wanted can't be seen: {', '.join(hidden)} can't be read" if hidden else ""


def meant(cluster: Cluster, backend: Backend, led: Iterable[Backend]) -> str:
    """Return the Service that a backend means which names none: one slip away, with that port, and nobody else's (``led``)."""
    taken = {(other.namespace, other.service) for other in led}
    there = [item for item in cluster.all(SERVICE) if item.namespace == backend.namespace and has_port(item, backend)]
    found = typo(backend.service, (item.name for item in there))
    return "" if (backend.namespace, found) in taken else found


def meant_port(service: Service, backend: Backend) -> int:
    """Return the port of a Service that a backend means which names none: it gives its targetPort. 0 where that tells nothing."""
    written = backend.port_name or backend.number
    found = [port.port for port in service.spec.ports if port.target_port == written]
    return found[0] if len(found) == 1 else 0


def expiry(cluster: Cluster, certificate: TlsCertificate, days: float) -> tuple[str, int]:
    """Return ``over``, ``not yet`` or ``soon`` (nothing where a certificate is well) and the days that are left, or missing."""
    begins, ends = certificate.not_before, certificate.not_after
    if begins is None or ends is None:
        return "", 0
    left = ends - cluster.time
    if left < timedelta(0):
        return "over", -left.days
    if begins > cluster.time:
        return "not yet", (begins - cluster.time).days
    return ("soon", left.days) if left < min(timedelta(days=days), (ends - begins) / SHARE) else ("", left.days)


def uncovered(certificate: TlsCertificate, hosts: Iterable[str]) -> list[str]:
    """Return the hosts that a certificate is not for; a host ``*.x`` is covered by that very name."""
    return [host for host in hosts if not x509.covers(certificate.names, host)]
