# SPDX-License-Identifier: Apache-2.0
"""Are the certificates that Ingresses and Gateways show there, and good?

## What it looks at
The TLS Secrets that Ingresses and Gateways name, where reading them is permitted: each is read by its name,
its private key is never decoded, and only the dates and host names of its first certificate are kept. Whether the certificate is
valid, and for how long; whether it is for the hosts that are served with it.

## Why it matters
An expired certificate stops every client that verifies, all at once. Where a Secret is missing, controllers show a certificate of
their own, which no client trusts.

## What it can't see
What is really shown: a controller may have a default certificate, or have read the Secret long ago. Whether clients trust the
issuer, and the certificates above. Certificates outside of Secrets (ACM, Google-managed). Without the right to get Secrets
nothing is looked at; no run asks for that right. At most 100 Secrets.

## Sources
RFC 5280; RFC 6125, 6.4.3; Kubernetes: Ingress (TLS); cert-manager: Certificate (renewBefore, a third of its life).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec import Struct

from kubectl_netdoc.api import (
    GATEWAY,
    INGRESS,
    INGRESS_CLASS,
    SERVICE,
    TLS_SECRET,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    TlsCertificate,
    Unavailable,
    Unseen,
    tls_secrets,
)
from kubectl_netdoc.components import ingress_backends, ingress_controllers

LEFT = Threshold(
    name="days",
    default=14.0,
    unit="days that a certificate has left",
    source="certbot renews 30 days of 90 before the end: half of that has gone by",
)

ISSUING = timedelta(minutes=10)
"""What makes certificates may take that long for a new Ingress or Gateway: an ACME order waits for DNS and for the solver."""

MISSING = Code(
    id="TLS001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="TLS Secret that is not there",
    message="Secret {namespace}/{name}, with which {users} is to be served, is not there: clients get a certificate that is not "
    "for {hosts}, or none",
    fix="Create it, or see why what makes it does not (cert-manager: its Certificate).",
    commands=("kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/tls", "kubectl -n {namespace} get events"),
)
EMPTY = Code(
    id="TLS002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="TLS Secret without a certificate",
    message="Secret {namespace}/{name}, with which {users} is to be served, has no certificate in tls.crt that can be read",
    fix="Create it as a TLS Secret: with the keys tls.crt (PEM, the server's certificate first) and tls.key.",
    commands=("kubectl -n {namespace} describe secret {name}",),
)
NOT_VALID = Code(
    id="TLS003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Certificate that is not valid now",
    message="The certificate in Secret {namespace}/{name} {says} ({date}); {users} is served with it",
    fix="Renew it; with cert-manager see what its Certificate says, and whether cert-manager runs.",
    commands=("kubectl -n {namespace} describe secret {name}", "kubectl -n {namespace} get certificates.cert-manager.io"),
)
SOON = Code(
    id="TLS004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Certificate that ends soon",
    message="The certificate in Secret {namespace}/{name} ends in {days} days ({date}); {users} is served with it",
    fix="Renew it; what renews by itself should have done so by now: see what cert-manager's Certificate says.",
    commands=("kubectl -n {namespace} describe secret {name}", "kubectl -n {namespace} get certificates.cert-manager.io"),
)
OTHER_NAMES = Code(
    id="TLS005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Certificate for other hosts",
    message="The certificate in Secret {namespace}/{name} is for {names}, not for {hosts}, which {users} serves with it",
    fix="Have a certificate issued for these hosts too, or name the Secret that is meant.",
    commands=("kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/tls",),
)


class _Use(Struct):
    """What a Secret is for: who names it, for which hosts, and whether all of that is new, or may be nobody's who reads it."""

    users: list[str]
    hosts: list[str]
    new: bool = True
    unread: bool = True

    @property
    def named(self) -> dict[str, list[str]]:
        """As evidence, each once."""
        return {"users": list(dict.fromkeys(self.users)), "hosts": list(dict.fromkeys(self.hosts)) or ["any host"]}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Secret once, whoever names it."""
    cluster = facts.cluster
    uses = _uses(cluster)
    if not uses:
        raise Skip("no Ingress or Gateway names a TLS Secret", moot=True)
    listing = cluster.listing(TLS_SECRET)
    if isinstance(listing, Unavailable):
        hint = " (kubectl netdoc rbac --tls-secrets: the rights)" if listing.grant else ""
        raise Skip(f"the TLS Secrets that are named ({len(uses)}) are not read: {listing.reason}{hint}", moot=True)
    gateways = cluster.all(GATEWAY) if cluster.readable(GATEWAY) else ()
    asked = set(tls_secrets({"Ingress": cluster.all(INGRESS), "Gateway": gateways}))
    for (namespace, name), use in sorted(uses.items()):
        subject = Subject("Secret", name, namespace)
        certificate = cluster.get(TLS_SECRET, namespace, name)
        if certificate is not None:
            yield from _judge(facts, subject, certificate, use)
        elif (namespace, name) not in asked or use.new or cluster.origin == "manifests" or listing.undecodable:
            continue
        elif use.unread:
            why = "it is not there, and the controller may have certificates from elsewhere: IngressClasses can't be read"
            yield Unseen(f"TLS Secret {namespace}/{name}", why, asked=True)
        else:
            yield MISSING.on(subject, use.named)
    if left := len(uses.keys() - asked):
        yield Unseen("TLS Secrets", f"{left} of {len(uses)} were not read: {len(asked)} are at most")


def _uses(cluster: Cluster) -> dict[tuple[str, str], _Use]:
    """What each Secret is for. Some controllers have their certificates from elsewhere."""
    uses: dict[tuple[str, str], _Use] = {}

    def note(secret: tuple[str, str], user: str, hosts: tuple[str, ...], new: bool, unread: bool = False) -> None:
        use = uses.setdefault(secret, _Use([], []))
        use.users.append(user)
        use.hosts += hosts
        use.new, use.unread = use.new and new, use.unread and unread

    for route in ingress_controllers.ingresses(cluster):
        ingress = route.ingress
        new = cluster.age(ingress.metadata.creation_timestamp) < ISSUING
        unread = route.controller is None and cluster.unread(INGRESS_CLASS)
        for tls in ingress.spec.tls if route.controller is None or route.controller.secrets else ():
            if tls.secret_name:
                note((ingress.namespace, tls.secret_name), f"Ingress {ingress.namespace}/{ingress.name}", tls.hosts, new, unread)
    for gateway in cluster.all(GATEWAY) if cluster.readable(GATEWAY) else ():
        new = cluster.age(gateway.metadata.creation_timestamp) < ISSUING
        for listener in gateway.spec.listeners if ingress_backends.in_scope(cluster, gateway.namespace) else ():
            hosts = (listener.hostname,) if listener.hostname and len(listener.tls.certificate_refs) == 1 else ()
            for secret in listener.secrets(gateway.namespace):
                note(secret, f"Gateway {gateway.namespace}/{gateway.name}", hosts, new)
    return uses


def _judge(facts: Facts, subject: Subject, certificate: TlsCertificate, use: _Use) -> Iterator[Finding]:
    if certificate.not_after is None or certificate.not_before is None:
        yield EMPTY.on(subject, use.named)
        return
    state, days = ingress_backends.expiry(facts.cluster, certificate, facts.threshold(LEFT))
    begins, ends = (moment.isoformat(timespec="minutes") for moment in (certificate.not_before, certificate.not_after))
    if state == "over":
        yield NOT_VALID.on(subject, use.named, says=f"ended {days} days ago", date=ends, days=-days)
    elif state == "not yet":
        yield NOT_VALID.on(subject, use.named, says=f"is valid in {days} days only", date=begins, days=days)
    elif state == "soon":
        yield SOON.on(subject, use.named, days=days, date=ends)
    if others := ingress_backends.uncovered(certificate, dict.fromkeys(use.hosts)):
        names = list(certificate.names) or ["no host"]
        yield OTHER_NAMES.on(subject, names=names, hosts=others, users=use.named["users"])


check = Check(
    id="tls_secrets",
    title="Certificates of Ingresses and Gateways are valid",
    prefix="TLS",
    needs=Needs(kinds=(INGRESS,), hints=(TLS_SECRET, GATEWAY, INGRESS_CLASS, SERVICE)),
    codes=(MISSING, EMPTY, NOT_VALID, SOON, OTHER_NAMES),
    analyse=analyse,
    thresholds=(LEFT,),
)
