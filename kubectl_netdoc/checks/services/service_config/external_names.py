# SPDX-License-Identifier: Apache-2.0
"""Services of type ExternalName that are aliases of a missing Service, of themselves, or of an IP address."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    SERVICE,
    Cluster,
    Code,
    Finding,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    is_address,
    typo,
)
from kubectl_netdoc.components import cluster_dns

NO_TARGET = Code(
    id="SVC009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="ExternalName of a Service that does not exist",
    message="Service {namespace}/{name} is an alias of {target}, and there is no Service {wanted}",
    fix="Correct the externalName, or create Service {wanted}.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get services -A"),
    rows=("K16",),
)
ALIAS_LOOP = Code(
    id="SVC010",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="ExternalNames in a loop",
    message="Service {namespace}/{name} is an alias of itself, by way of other aliases: {chain}",
    fix="Change the externalName of one of these Services to a Service that has pods, or to a host name outside the cluster.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)
ALIAS_OF_ADDRESS = Code(
    id="SVC011",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="ExternalName is an IP address",
    message="Service {namespace}/{name} has the IP address {target} as externalName: DNS takes it for a host name, which does "
    "not resolve",
    fix="Make it a Service without a selector, and give it an EndpointSlice with that address.",
    commands=("kubectl -n {namespace} get service {name} -o yaml",),
    rows=("K16",),
)


def analyse(cluster: Cluster, service: Service, unmade: list[str]) -> Iterator[Finding | Unseen]:
    """Judge an alias; ``unmade`` takes those of Services that manifests may not contain.

    Only the Corefile says whether a name in some domain is this cluster's.
    """
    found = list(_alias(cluster, service, unmade))
    target = service.spec.external_name.rstrip(".").lower()
    if found and cluster.unreadable(COREFILE) and target.count(".") > 2 and not is_address(target):
        why = f"whether {target} is a name of this cluster is not known: {COREFILE.plural} can't be read"
        yield Unseen(f"what Service {service.namespace}/{service.name} is an alias of", why, expected=True)
    else:
        yield from found


def _alias(cluster: Cluster, service: Service, unmade: list[str]) -> Iterator[Finding]:
    """Follow an alias from Service to Service."""
    domain, subject = cluster_dns.domain(cluster), Subject.of("Service", service)
    chain, current = [f"{service.namespace}/{service.name}"], service
    while True:
        target = current.spec.external_name.rstrip(".")
        wanted = _in_cluster(target, domain)
        if wanted is None or (cluster.scope.namespaces and wanted[0] not in cluster.scope.namespaces):
            break
        following = cluster.get(SERVICE, *wanted)
        step = f"{wanted[0]}/{wanted[1]}"
        if following is None:
            if current is service:  # an alias further on has a finding of its own
                yield from _no_target(cluster, service, wanted, unmade)
            return
        if step in chain:
            if step == chain[0]:
                yield ALIAS_LOOP.on(subject, chain=" -> ".join((*chain, step)))
            return
        if following.spec.type != "ExternalName":
            return
        chain, current = [*chain, step], following
    if current is service and is_address(target):
        yield ALIAS_OF_ADDRESS.on(subject, target=target)


def _no_target(cluster: Cluster, service: Service, wanted: tuple[str, str], unmade: list[str]) -> Iterator[Finding]:
    """An alias of no Service; in manifests only a typing error tells that from a Service that is made elsewhere."""
    there = [item.name for item in cluster.in_namespace(SERVICE, wanted[0])]
    if cluster.origin == "manifests" and not typo(wanted[1], there):
        unmade.append(f"{service.namespace}/{service.name} (an alias of {wanted[0]}/{wanted[1]})")
    else:
        target = service.spec.external_name.rstrip(".")
        yield NO_TARGET.on(Subject.of("Service", service), target=target, wanted="/".join(wanted))


def _in_cluster(target: str, domain: str) -> tuple[str, str] | None:
    """Return (namespace, name) of the Service that a name such as web.shop.svc.cluster.local means, or None.

    A name that ends in another domain is not this cluster's: clusterset.local is that of all clusters of a set (Multi-Cluster
    Services API), whose Services may be anywhere.
    """
    name, namespace, svc, *rest = (*target.lower().split("."), "", "", "")
    within = [label for label in rest if label]
    return (namespace, name) if svc == "svc" and ".".join(within) in ("", domain) else None


CODES = (NO_TARGET, ALIAS_LOOP, ALIAS_OF_ADDRESS)
