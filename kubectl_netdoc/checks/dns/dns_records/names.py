# SPDX-License-Identifier: Apache-2.0
"""The names that are looked up, and the addresses that they should have by the API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    POD,
    STATEFUL_SET,
    Cluster,
    Endpoint,
    EndpointSlice,
    Pod,
    Service,
    Subject,
    ip_families,
)
from kubectl_netdoc.components import cluster_dns

MOST = 6
"""Names of each sort that are looked up; those that changed last show best whether a server learns of changes."""

CACHED = timedelta(seconds=35)
"""Names that changed within this time are not looked up: servers may answer from their cache for 30 s, and a margin."""


class Sort(StrEnum):
    """What a name is the name of."""

    SERVICE = "service"
    HEADLESS = "headless service"
    POD = "pod"


class Name(Struct, frozen=True):
    """A name, the addresses ``want`` that it should have, and when those last changed.

    ``service``: of a pod's name, the name of its Service.
    """

    subject: Subject
    sort: Sort
    fqdn: str
    rtype: str
    want: frozenset[str]
    changed: datetime
    service: str = ""


def expected_names(cluster: Cluster) -> list[Name]:
    """Return the names to look up, of each sort those that changed last, though not just now."""
    domain = cluster_dns.domain(cluster)
    sorts: defaultdict[Sort, list[Name]] = defaultdict(list)
    for service in cluster.services():
        if service.metadata.deletion_timestamp is None and service.spec.type != "ExternalName":
            for name in _names_of(cluster, service, f"{service.name}.{service.namespace}.svc.{domain}."):
                if cluster.age(name.changed) > CACHED:
                    sorts[name.sort].append(name)
    latest = (sorted(names, key=lambda name: (name.changed, name.fqdn), reverse=True) for names in sorts.values())
    return [name for names in latest for name in names[:MOST]]


def _names_of(cluster: Cluster, service: Service, fqdn: str) -> Iterator[Name]:
    """Yield the names that exist because of a Service."""
    created = service.metadata.creation_timestamp or cluster.time - timedelta(days=1)
    subject = Subject.of("Service", service)
    if not service.headless:
        ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
        yield from _by_family(subject, Sort.SERVICE, fqdn, [ip for ip in ips if ip], created)
    elif cluster.readable(ENDPOINT_SLICE):
        slices = [item for item in cluster.slices_of(service) if item.address_type in ("IPv4", "IPv6")]
        endpoints = [endpoint for item in slices for endpoint in item.endpoints]
        if any(endpoint.conditions.terminating for endpoint in endpoints):
            return
        changed = max([created, *(moment for item in slices for moment in _changes(item))])
        ready = [(endpoint, address) for endpoint in endpoints if endpoint.conditions.ready for address in endpoint.addresses]
        yield from _by_family(subject, Sort.HEADLESS, fqdn, [address for _, address in ready], changed)
        for endpoint, address in ready:
            yield from _pod_names(cluster, service, fqdn, endpoint, address)


def _pod_names(cluster: Cluster, service: Service, fqdn: str, endpoint: Endpoint, address: str) -> Iterator[Name]:
    """Yield the name of an endpoint's pod if a StatefulSet gives it one in this Service."""
    pod = _stateful_pod(cluster, service, endpoint.target_ref.name) if endpoint.target_ref else None
    if pod is not None:
        created = service.metadata.creation_timestamp or cluster.time - timedelta(days=1)
        since = max([_ready_since(pod, created), created])
        yield from _by_family(Subject.of("Pod", pod), Sort.POD, f"{pod.name}.{fqdn}", [address], since, fqdn)


def _by_family(
    subject: Subject, sort: Sort, fqdn: str, addresses: Iterable[str], changed: datetime, service: str = ""
) -> Iterator[Name]:
    families: defaultdict[str, set[str]] = defaultdict(set)
    for address in addresses:
        families[ip_families.of(address)].add(address)
    for family, want in sorted(families.items()):
        yield Name(subject, sort, fqdn, "A" if family == ip_families.IPV4 else "AAAA", frozenset(want), changed, service)


def _changes(item: EndpointSlice) -> Iterator[datetime]:
    """Yield when a slice was created, and when its endpoints last changed."""
    if item.metadata.creation_timestamp:
        yield item.metadata.creation_timestamp
    if item.changed:
        yield item.changed


def _stateful_pod(cluster: Cluster, service: Service, name: str) -> Pod | None:
    """Return the pod if it belongs to a StatefulSet whose serviceName is this Service, and is not being deleted."""
    pod = cluster.get(POD, service.namespace, name) if cluster.readable(POD) else None
    if pod is None or pod.terminating or not cluster.readable(STATEFUL_SET):
        return None
    owners = [owner.name for owner in pod.metadata.owner_references if owner.kind == "StatefulSet" and owner.controller]
    sets = [cluster.get(STATEFUL_SET, service.namespace, owner) for owner in owners]
    return pod if any(item and item.spec.service_name == service.name for item in sets) else None


def _ready_since(pod: Pod, otherwise: datetime) -> datetime:
    condition = pod.condition("Ready")
    return (condition and condition.last_transition_time) or pod.metadata.creation_timestamp or otherwise
