# SPDX-License-Identifier: Apache-2.0
"""Services without a ready endpoint in one of their IP families."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kubectl_netdoc.api import (
    POD,
    SETTLING,
    Cluster,
    Code,
    EndpointSlice,
    Explains,
    Finding,
    Risk,
    Service,
    Severity,
    Subject,
    counted,
    ip_families,
    patches,
)
from kubectl_netdoc.probes.service_targets import CONTROLLER

PRIMARY_MISSING = Code(
    id="EPS001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="No endpoint in a Service's first IP family",
    message="Service {namespace}/{name} has the family {family} (ClusterIP {ip}) and no ready endpoint in {family}; in {other} "
    "it has {ready}",
    fix="Recreate the Service with the family that its pods have, as the first entry of ipFamilies can't be changed; or give "
    "its pods addresses of both families.",
    commands=(
        "kubectl -n {namespace} get service {name} -o yaml",
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
    ),
    rows=("K14",),
    explains=(Explains(("SVC007", "ING003", "GWR010", "CPL001", "CPL002"), "subject"),),
)
SECONDARY_MISSING = Code(
    id="EPS002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="No endpoint in a Service's second IP family",
    message="Service {namespace}/{name} also has the {family} ClusterIP {ip} and no ready endpoint in {family}; in {other} it "
    "has {ready}. Clients that prefer {family} are refused",
    fix="Recreate the pods if they were made before the cluster became dual-stack, or have their nodes give them addresses of "
    "both families. If the Service does not need {family}, make it SingleStack, as the last command does.",
    commands=(
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
        "kubectl -n {namespace} patch service {name} --type merge -p {patch}",
    ),
    rows=("K14",),
)


def analyse(cluster: Cluster, service: Service) -> Iterator[Finding]:
    """Find a family without a ready endpoint, where another one has some, or the pods have no address of that family."""
    slices = [item for item in cluster.slices_of(service) if item.managed_by == CONTROLLER]
    counts = {family: _ready(slices, family) for family in (ip_families.IPV4, ip_families.IPV6)}
    if any(is_new(cluster, item.metadata.creation_timestamp) for item in (service, *slices)):
        return
    for number, (family, ip) in enumerate(_families(service)):
        other = ip_families.IPV4 if family == ip_families.IPV6 else ip_families.IPV6
        without = 0 if number or any(counts.values()) else _pods_without(cluster, service, family)
        if counts[family] or not (counts[other] or without) or (number and service.headless):
            continue
        code = SECONDARY_MISSING if number else PRIMARY_MISSING
        single = {"ipFamilyPolicy": "SingleStack", "ipFamilies": [other], "clusterIPs": [service.spec.cluster_ip]}
        ready = counted(without, "ready pod") if without else counted(counts[other], "ready endpoint")
        names = {"ip": ip, "family": family, "other": other, "count": counts[other] or without, "ready": ready}
        yield code.on(Subject.of("Service", service), names, patch=patches.merge({"spec": single}))


def _ready(items: list[EndpointSlice], family: str) -> int:
    """How many ready endpoints there are in a family."""
    return sum(bool(e.addresses) and e.conditions.ready for item in items if item.address_type == family for e in item.endpoints)


def _families(service: Service) -> list[tuple[str, str]]:
    """A Service's families in its own order, each with its ClusterIP."""
    ips = [ip for ip in service.spec.cluster_ips if ip != "None"]
    known = [family for family in service.spec.ip_families if family in (ip_families.IPV4, ip_families.IPV6)]
    return [(ip_families.of(ip), ip) for ip in ips] or [(family, "None") for family in known]


def _pods_without(cluster: Cluster, service: Service, family: str) -> int:
    """How many ready pods, which are not new, a Service selects, if none of them has an address of a family; otherwise 0."""
    pods = cluster.pods_of(service) if service.spec.selector and cluster.readable(POD) else []
    ready = [pod for pod in pods if pod.ready and pod.ips and not pod.terminating]
    settled = [pod for pod in ready if not is_new(cluster, pod.metadata.creation_timestamp)]
    return 0 if any(ip_families.of(ip) == family for pod in ready for ip in pod.ips) else len(settled)


def is_new(cluster: Cluster, moment: datetime | None) -> bool:
    """Whether something was made so recently that slices may not follow it yet."""
    return cluster.age(moment) < SETTLING


CODES = (PRIMARY_MISSING, SECONDARY_MISSING)
