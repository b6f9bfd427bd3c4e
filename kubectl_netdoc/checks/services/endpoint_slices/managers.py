# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices of several managers for one Service, and EndpointSlices of a Service that does not exist."""

from __future__ import annotations

from collections.abc import Container, Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    SERVICE,
    Cluster,
    Code,
    EndpointSlice,
    Finding,
    Risk,
    Service,
    Severity,
    Subject,
)
from kubectl_netdoc.checks.services.endpoint_slices.families import is_new
from kubectl_netdoc.probes.service_targets import CONTROLLER, MIRRORING_CONTROLLER

MANAGERS = ("", CONTROLLER, MIRRORING_CONTROLLER)
"""Managers whose slices must have a Service; slices of other managers may belong to another cluster."""

SHOWN = 5
"""Addresses that a message names at most."""

DOUBLED = Code(
    id="EPS003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Two controllers write the same endpoint",
    message="Service {namespace}/{name} has {addresses} in EndpointSlices of different managers ({slices}): when one of them "
    "removes an address, the Service still sends traffic there",
    fix="Delete the slice whose owner no longer exists. It is often the mirror of an old Endpoints object, or an operator left "
    "it behind.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} --show-labels",
        "kubectl -n {namespace} delete endpointslice {extra}",
    ),
    rows=("K14",),
)
ORPHANED = Code(
    id="EPS010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="EndpointSlice of no Service",
    message="EndpointSlice {namespace}/{name} (managed by {manager}) belongs to Service {service}, which does not exist",
    fix="Delete the slice if nothing needs it: a new Service of that name would send traffic to its endpoints, too ({count}).",
    commands=("kubectl -n {namespace} get endpointslice {name} -o yaml", "kubectl -n {namespace} delete endpointslice {name}"),
    rows=("K14",),
)


def doubled(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """Find addresses in slices of two managers; those of Services without a selector are meant (prometheus-operator)."""
    if not service.spec.selector:
        return
    holders: dict[tuple[str, str, int], dict[str, EndpointSlice]] = {}
    for item in cluster.slices_of(service):
        if item.metadata.deletion_timestamp is not None or is_new(cluster, item.metadata.creation_timestamp):
            continue
        addresses = [address for end in item.endpoints if end.conditions.ready for address in end.addresses]
        for address in addresses:
            for port in item.numbered:
                holders.setdefault((address, port.protocol, port.port), {}).setdefault(item.managed_by, item)
    twice = {key: found for key, found in holders.items() if len(found) > 1}
    if twice:
        slices = {item.name: item for found in twice.values() for item in found.values()}
        extra = sorted(name for name, item in slices.items() if item.managed_by != CONTROLLER)
        shown = [f"{name} by {item.managed_by or 'nobody'}" for name, item in sorted(slices.items())]
        names = {"addresses": sorted({address for address, _, _ in twice})[:SHOWN], "slices": shown, "extra": extra[0]}
        objects = [Subject.of("EndpointSlice", item) for item in slices.values()]
        yield DOUBLED.on(Subject.of("Service", service), names, objects=objects)


def orphaned(cluster: Cluster, meant: Container[tuple[str, str, str]]) -> Iterator[Finding]:
    """Find slices of a Service that does not exist: the controller's own go with it, so something else made or kept these.

    ``meant``: those of which another finding says that they are to be labelled, not deleted.
    """
    for item in cluster.all(ENDPOINT_SLICE):
        if (ENDPOINT_SLICE.name, item.namespace, item.name) in meant:
            continue
        if is_new(cluster, item.metadata.creation_timestamp) or item.metadata.deletion_timestamp is not None:
            continue
        if item.managed_by not in MANAGERS or not item.service or cluster.get(SERVICE, item.namespace, item.service) is not None:
            continue
        names = {"manager": item.managed_by or "nobody", "service": item.service, "count": len(item.endpoints)}
        yield ORPHANED.on(Subject.of("EndpointSlice", item), names)


CODES = (DOUBLED, ORPHANED)
