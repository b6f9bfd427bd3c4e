# SPDX-License-Identifier: Apache-2.0
"""BackendTLSPolicies whose Services or certificates are not there, or which Gateways refuse."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    BACKEND_TLS_POLICY,
    CA_CERTIFICATES,
    SERVICE,
    SETTLING,
    BackendTLSPolicy,
    Cluster,
    Code,
    Finding,
    ObjectRef,
    Reference,
    Risk,
    Route,
    Severity,
    Subject,
    Unavailable,
    Unseen,
    ca_config_maps,
    joined,
)
from kubectl_netdoc.checks.ingress.gateway_routes.status import joined_reasons, lasts
from kubectl_netdoc.components import ingress_backends

NO_TARGET = Code(
    id="GWR013",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="BackendTLSPolicy for a Service or port that does not exist",
    message="BackendTLSPolicy {namespace}/{name} is for what does not exist: {targets}. Gateways don't speak TLS with a Service "
    "that no policy names",
    fix="Name a Service of this namespace that exists, and as sectionName the name of one of its ports, or remove the policy.",
    commands=("kubectl -n {namespace} get services", "kubectl -n {namespace} get backendtlspolicy {name} -o yaml"),
    rows=("K3",),
)
NO_CERTIFICATE = Code(
    id="GWR014",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="BackendTLSPolicy without a certificate to verify backends by",
    message="BackendTLSPolicy {namespace}/{name} has no certificate to verify its backends by: {why}. Gateways answer requests "
    "to {services} with an error",
    fix="Put the certificate of the authority into the ConfigMap, as ca.crt (PEM), or find out what should do so.",
    commands=("kubectl -n {namespace} get configmaps", "kubectl -n {namespace} describe backendtlspolicy {name}"),
)
REFUSED = Code(
    id="GWR015",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="BackendTLSPolicy that a Gateway refuses",
    message="BackendTLSPolicy {namespace}/{name} is refused: {why}",
    fix="Correct what the reason names.",
    commands=("kubectl -n {namespace} describe backendtlspolicy {name}",),
)

PLAIN = Code(
    id="GWR023",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Route that may speak plain HTTP to a port with TLS",
    message="{kind} {namespace}/{name} sends requests to {ports}, which should speak TLS by name or number, and no "
    "BackendTLSPolicy is for them: most Gateways then speak plain HTTP, and clients get 400, 502 or 503",
    fix="There is nothing to do if requests are answered (some controllers go by appProtocol, or by settings of their own). "
    "Otherwise name the Service in a BackendTLSPolicy, or a port without TLS in the route.",
    commands=("kubectl -n {space} get backendtlspolicies", "kubectl -n {space} get service {service} -o yaml"),
)
TLS_NUMBERS, TLS_NAMES = (443, 8443, 6443), ("https", "tls")
"""Ports that speak TLS (IANA: https, pcsync-https; Kubernetes: the API server), and beginnings of ports' names."""

OVER_HTTP = ("HTTPRoute", "GRPCRoute")


def of(cluster: Cluster) -> list[BackendTLSPolicy]:
    """Return the policies to judge."""
    every = cluster.all(BACKEND_TLS_POLICY) if cluster.readable(BACKEND_TLS_POLICY) else ()
    return [
        item
        for item in every
        if ingress_backends.in_scope(cluster, item.namespace)
        and item.metadata.deletion_timestamp is None
        and ingress_backends.selected(cluster, ((item.namespace, target.name) for target in item.spec.target_refs))
    ]


def analyse(cluster: Cluster, policy: BackendTLSPolicy) -> Iterator[Finding | Unseen]:
    """Judge a policy by what it names, or else by what Gateways say of it."""
    if cluster.age(policy.metadata.creation_timestamp) < SETTLING:
        return
    subject = Subject.of(BACKEND_TLS_POLICY.name, policy)
    found = list(_targets(cluster, subject, policy))
    found += () if any(isinstance(each, Finding) for each in found) else _certificates(cluster, subject, policy)
    yield from found
    said = (c for each in policy.status.ancestors for c in each.conditions if c.type in ("Accepted", "ResolvedRefs"))
    refused = [condition for condition in said if condition.status == "False" and lasts(cluster, condition)]
    if refused and not any(isinstance(each, Finding) for each in found):
        yield REFUSED.on(subject, why=joined_reasons(refused))


Covered = frozenset[tuple[str, str, str]]
"""Ports of Services that Gateways speak TLS with: namespace, Service, and the port's name, "" for all."""


def covered(cluster: Cluster) -> Covered | None:
    """Return what BackendTLSPolicies are for; None where they can't be read."""
    if cluster.unreadable(BACKEND_TLS_POLICY):
        return None
    policies = cluster.all(BACKEND_TLS_POLICY) if cluster.readable(BACKEND_TLS_POLICY) else ()  # where it is not installed: none
    every = ((policy.namespace, target) for policy in policies for target in policy.spec.target_refs)
    return frozenset((namespace, target.name, target.section_name) for namespace, target in every)


def plain(cluster: Cluster, kind: str, route: Route, spoken: Covered | None) -> Iterator[Finding]:
    """Report a route whose backends should speak TLS and that no policy is for; ports that say their protocol are left alone.

    ``spoken``: what policies are for.
    """
    if kind not in OVER_HTTP or spoken is None:
        return
    found: list[ObjectRef] = []
    for reference in (each for rule in route.spec.rules for each in rule.backend_refs if each.service and each.weight):
        where = (reference.namespace or route.namespace, reference.name)
        service = cluster.get(SERVICE, *where)
        for port in service.spec.ports if service else ():
            named = port.name.startswith(TLS_NAMES) or (not port.name and port.port in TLS_NUMBERS)
            own = {(*where, ""), (*where, port.name)} & spoken
            if port.port == reference.port and named and not (port.app_protocol or own):
                found.append(ObjectRef("Service", where[1], where[0], port.port))
    if found:
        names: dict[str, object] = {"ports": [f"port {ref.port} of Service {ref.namespace}/{ref.name}" for ref in found]}
        names |= {"space": found[0].namespace, "service": found[0].name}
        yield PLAIN.on(Subject.of(kind, route), names, objects=found)


def _targets(cluster: Cluster, subject: Subject, policy: BackendTLSPolicy) -> Iterator[Finding | Unseen]:
    others = [target for target in policy.spec.target_refs if not target.service]
    if others:
        kinds = joined(dict.fromkeys(f"{target.kind}.{target.group}" for target in others))
        yield Unseen(f"targets of {subject}", f"{kinds}: netdoc does not look at them", expected=True)
    wrong = {why: target for target in policy.spec.target_refs if target.service and (why := _wrong(cluster, policy, target))}
    away = [why for why, target in wrong.items() if cluster.get(SERVICE, policy.namespace, target.name) is None]
    if away and cluster.origin == "manifests":
        yield Unseen(f"targets of {subject}", f"they may be made outside of these manifests: {joined(away)}")
        wrong = {why: target for why, target in wrong.items() if why not in away}
    if wrong:
        named = [ObjectRef("Service", target.name, policy.namespace) for target in wrong.values()]
        yield NO_TARGET.on(subject, targets=list(wrong), objects=named)


def _wrong(cluster: Cluster, policy: BackendTLSPolicy, target: Reference) -> str:
    service = cluster.get(SERVICE, policy.namespace, target.name)
    if service is None:
        return f"Service {policy.namespace}/{target.name}"
    if not target.section_name or any(port.name == target.section_name for port in service.spec.ports):
        return ""
    return f"port {target.section_name} of Service {service.namespace}/{service.name}"


def _certificates(cluster: Cluster, subject: Subject, policy: BackendTLSPolicy) -> Iterator[Finding | Unseen]:
    references = policy.spec.validation.ca_certificate_refs
    named = policy.config_maps()
    if len(named) < len(references):
        yield Unseen(f"certificates of {subject}", "netdoc looks at those in ConfigMaps alone", expected=True)
    if not named or len(named) < len(references):
        return
    listing = cluster.listing(CA_CERTIFICATES)
    if isinstance(listing, Unavailable):
        yield Unseen(f"certificates of {subject}", listing.reason, listing.grant)
        return
    asked = ca_config_maps({BACKEND_TLS_POLICY.name: cluster.all(BACKEND_TLS_POLICY)})
    if left := [place for place in named if place not in asked]:
        yield Unseen(f"certificates of {subject}", f"{len(left)} were not read: netdoc reads {len(asked)} ConfigMaps at most")
        return
    whys = [_unusable(cluster, *place) for place in named]
    if listing.undecodable or not all(whys):  # one that is usable is enough for the Gateway to go on
        return
    away = all(cluster.get(CA_CERTIFICATES, *place) is None for place in named)
    if cluster.origin == "manifests" and away:
        yield Unseen(f"certificates of {subject}", f"they may be made outside of these manifests: {joined(whys)}")
        return
    services = [ObjectRef("Service", target.name, policy.namespace) for target in policy.spec.target_refs if target.service]
    yield NO_CERTIFICATE.on(subject, why=joined(whys), services=services or ["its targets"])


def _unusable(cluster: Cluster, namespace: str, name: str) -> str:
    """Why no certificate of a ConfigMap can be used; nothing where one can."""
    found = cluster.get(CA_CERTIFICATES, namespace, name)
    if found is None:
        return f"ConfigMap {namespace}/{name} does not exist"
    if not found.certificates:
        return f"ConfigMap {namespace}/{name} has no certificate in ca.crt"
    if all(each.ends < cluster.time for each in found.certificates):
        return f"the certificates in ConfigMap {namespace}/{name} have expired"
    return ""


CODES = (NO_TARGET, NO_CERTIFICATE, REFUSED, PLAIN)
