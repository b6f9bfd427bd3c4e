# SPDX-License-Identifier: Apache-2.0
"""Compares what the user selected with what exists, and lists what is left out in a large cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import msgspec

from kubectl_netdoc.core.cluster import Cluster, Selection
from kubectl_netdoc.core.finding import Unseen
from kubectl_netdoc.formats.text import some
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.measurements.connect import Connect
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes import service_targets
from kubectl_netdoc.records import label_selector
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NAMESPACE, SERVICE
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.sources import SourceError

SHOWN = 5
"""Most names that a message lists."""


def settle(cluster: Cluster, wanted: Selection | None) -> tuple[Unseen, ...]:
    """Give the cluster its selection, by the user or else as recorded; return what can't be done.

    Raises ``SourceError`` if a named namespace or Service does not exist: a report about nothing would look like a good one.
    """
    recorded = cluster.selection
    if wanted is not None:
        fields = msgspec.structs.asdict(recorded) | {
            name: value for name, value in msgspec.structs.asdict(wanted).items() if value
        }
        cluster.selection = Selection(**fields)
    missing: tuple[Unseen, ...] = ()
    if cluster.origin != "live" and wanted is not None and wanted.external:
        measured = {_folded(name): name for name in recorded.external}
        there = tuple(measured[_folded(name)] for name in wanted.external if _folded(name) in measured)
        reason = (
            "manifests can't be measured" if cluster.origin == "manifests" else "it was not measured when the bundle was recorded"
        )
        missing = tuple(Unseen(f"--external {name}", reason) for name in wanted.external if _folded(name) not in measured)
        cluster.selection = msgspec.structs.replace(cluster.selection, external=there or recorded.external)
    _namespaces(cluster)
    _services(cluster)
    return missing


def _folded(name: str) -> str:
    return name.casefold().rstrip(".")


def _namespaces(cluster: Cluster) -> None:
    """Raise ``SourceError`` if a selected namespace does not exist; if Namespaces can't be read, that is not known."""
    wanted = cluster.scope.namespaces if cluster.scope.why == "as asked" and cluster.readable(NAMESPACE) else ()
    there = {item.name for item in cluster.index.items(NAMESPACE)}
    for name in wanted:
        if there and name not in there:
            raise SourceError(f"there is no namespace {name!r}; {_nearest(name, there)}", 2)


def _services(cluster: Cluster) -> None:
    """Raise ``SourceError`` if a named Service does not exist, or no Service has the selected labels."""
    selection = cluster.selection
    if not (selection.services or selection.labels) or not cluster.readable(SERVICE):
        return
    spaces = cluster.scope.namespaces
    inside = [item for item in cluster.all(SERVICE) if not spaces or item.namespace in spaces]
    there = {f"{item.namespace}/{item.name}" for item in inside}
    bare = {name.partition("/")[2]: name for name in sorted(there, reverse=True)}
    for name in selection.services:
        if name not in (there if "/" in name else bare):
            raise SourceError(f"there is no Service {name} in {cluster.scope}; {_nearest(name, there, bare)}", 2)
    if not cluster.services():
        names = f"Service {', '.join(selection.services)}" if selection.services else "Service"
        raise SourceError(f"no {names} in {cluster.scope} has labels {label_selector.text(selection.labels)!r}", 2)


def _nearest(name: str, there: Iterable[str], bare: dict[str, str] | None = None) -> str:
    known = sorted(there)
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    # The right name in a wrong namespace, or a bare one.
    near = near if not bare else [bare[n] for n in get_close_matches(name.rpartition("/")[2], bare, n=1, cutoff=0.6)] or near
    if near:
        return f"did you mean {near[0]!r}?"
    return f"available: {some(known, SHOWN)}" if known else "there are none at all"


def in_words(cluster: Cluster) -> str:
    """Return what was looked at as text: the namespaces, and the Services if the user selected some."""
    selection = cluster.selection
    if not (selection.services or selection.labels):
        return str(cluster.scope)
    chosen = [f"{item.namespace}/{item.name}" for item in _chosen(cluster)] or list(selection.services)
    what = f"Services with {label_selector.text(selection.labels)} only"
    if selection.services:
        what = f"Service{'s' if len(chosen) > 1 else ''} {some(chosen, SHOWN)} only"
    return f"{cluster.scope}, {what}" if cluster.scope.namespaces else what


def _chosen(cluster: Cluster) -> list[Service]:
    return cluster.services() if cluster.readable(SERVICE) else []


def left_out(cluster: Cluster, requests: Iterable[Request]) -> Iterator[Unseen]:
    """Yield what was not measured because there is too much of it: ports of Services, and their endpoints.

    Nothing if no check measures all Services: checks of cluster DNS alone measure few addresses.
    """
    asked = {request.to for request in requests if isinstance(request, Connect)}
    if not asked or not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
        return
    ports = service_targets.all_targets(cluster)
    measured = [port for port in ports if _asked(port, asked)]
    hint = "choose with --service, -n or -l"
    if len(ports) > service_targets.MOST_PORTS and 2 * len(measured) >= service_targets.MOST_PORTS:
        reason = (
            f"only {len(measured)} of {len(ports)}, an even sample, were measured (limit: {service_targets.MOST_PORTS}); {hint}"
        )
        yield Unseen("ports of Services", reason)
    services = {(port.service.namespace, port.service.name): port.service for port in measured}
    ips = {address.ip for address in asked}
    ready = [address for service in services.values() for address in _ready(cluster, service, ips)]
    reached = sum(address in ips for address in ready)
    if reached < len(ready):
        most = service_targets.MOST_ENDPOINTS
        yield Unseen(
            "endpoints of Services", f"only {reached} of {len(ready)} were measured (limit: {most} of each port); {hint}"
        )


def _asked(port: service_targets.Target, asked: set[Address]) -> bool:
    return not asked.isdisjoint((*port.cluster_ips, *(endpoint.address for endpoint in port.endpoints)))


def _ready(cluster: Cluster, service: Service, asked: set[str]) -> set[str]:
    """Return the addresses of a Service's ready endpoints; none if all of them are measured, or none should be."""
    families: dict[str, set[str]] = {}
    for item in cluster.slices_of(service):
        ready = (e.addresses[0] for e in item.endpoints if e.addresses and e.conditions.ready)
        families.setdefault(item.address_type, set()).update(ready)
    many = [ips for ips in families.values() if len(ips) > service_targets.MOST_ENDPOINTS and not ips.isdisjoint(asked)]
    return {ip for ips in many for ip in ips}
