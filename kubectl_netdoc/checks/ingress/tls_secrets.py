# SPDX-License-Identifier: Apache-2.0
"""Do the certificates of Ingresses, Gateways and ListenerSets exist, and are they valid?

## What it looks at
The TLS Secrets that Ingresses, Gateways and ListenerSets name, if reading them is permitted. Each is read by its name; its
private key is never decoded, and only the dates and host names of its first certificate are kept. Whether the certificate is
valid and for how long, and whether it is for the hosts that are served with it.

## Why it matters
An expired certificate stops every client that verifies it, all at once. If a Secret is missing, controllers use a certificate of
their own, which no client trusts.

## What it can't see
Which certificate clients really get: a controller may have a default one, or have read the Secret long ago. Whether clients trust
the issuer, and the other certificates of the chain. Certificates outside of Secrets (ACM, Google-managed). Without the right to
get Secrets this check is skipped; no run asks for that right. At most 100 Secrets.

## Sources
RFC 5280; RFC 6125, 6.4.3; Kubernetes: Ingress (TLS); cert-manager: Certificate (renewBefore, a third of its life).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from msgspec import Struct

from kubectl_netdoc.api import (
    GATEWAY,
    INGRESS,
    INGRESS_CLASS,
    LISTENER_SETS,
    SERVICE,
    TLS_SECRET,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Kind,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    TlsCertificate,
    Unavailable,
    Unseen,
    counted,
    tls_secrets,
)
from kubectl_netdoc.components import ingress_backends, ingress_controllers
from kubectl_netdoc.components.ingress_backends import Validity

LEFT = Threshold(
    name="days",
    default=14.0,
    unit="days that a certificate has left",
    source="certbot renews a certificate of 90 days 30 days before its end; half of these have passed then",
)

LISTENING: tuple[Kind[Any], ...] = (GATEWAY, *LISTENER_SETS)
"""The kinds besides Ingress that name certificates."""

ISSUING = timedelta(minutes=10)
"""A certificate for a new Ingress or Gateway may take that long: an ACME order waits for DNS and for the solver."""

MISSING = Code(
    id="TLS001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="TLS Secret that does not exist",
    message="Secret {namespace}/{name} does not exist, though {users} should use its certificate: clients get a certificate "
    "that is not for {hosts}, or none",
    fix="Create the Secret. If something should create it, find out why it does not (cert-manager: look at its Certificate).",
    commands=("kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/tls", "kubectl -n {namespace} get events"),
)
EMPTY = Code(
    id="TLS002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="TLS Secret without a certificate",
    message="Secret {namespace}/{name} has no certificate in tls.crt that can be read, though {users} should use it",
    fix="Recreate it as a TLS Secret, with the keys tls.crt (PEM, the server's certificate first) and tls.key.",
    commands=("kubectl -n {namespace} describe secret {name}",),
)
NOT_VALID = Code(
    id="TLS003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Certificate that is not valid now",
    message="The certificate in Secret {namespace}/{name}, used by {users}, {says} ({date})",
    fix="Renew the certificate. With cert-manager, look at its Certificate, and see whether cert-manager runs.",
    commands=("kubectl -n {namespace} describe secret {name}", "kubectl -n {namespace} get certificates.cert-manager.io"),
)
SOON = Code(
    id="TLS004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Certificate that expires soon",
    message="The certificate in Secret {namespace}/{name}, used by {users}, expires in {left} ({date})",
    fix="Renew the certificate. If cert-manager should renew it, look at its Certificate: it should have done so by now.",
    commands=("kubectl -n {namespace} describe secret {name}", "kubectl -n {namespace} get certificates.cert-manager.io"),
)
OTHER_NAMES = Code(
    id="TLS005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Certificate for other hosts",
    message="The certificate in Secret {namespace}/{name} is for {names} and not for {hosts}, for which {users} should use it",
    fix="Have a certificate issued for these hosts too, or name the Secret that is meant.",
    commands=("kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/tls",),
)


class _Use(Struct):
    """What a Secret is used for: the objects that name it, and the hosts.

    ``new``: all of them were made just now. ``unread``: of none of them it is known whether its controller reads Secrets.
    """

    users: list[Subject]
    hosts: list[str]
    new: bool = True
    unread: bool = True

    @property
    def evidence(self) -> dict[str, list[Any]]:
        """The users and hosts, each once."""
        return {"users": list(dict.fromkeys(self.users)), "hosts": list(dict.fromkeys(self.hosts)) or ["any host"]}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each Secret once, whatever names it."""
    cluster = facts.cluster
    uses = _uses(cluster)
    if not uses:
        raise Skip("no Ingress, Gateway or ListenerSet names a TLS Secret", not_applicable=True)
    listing = cluster.listing(TLS_SECRET)
    if isinstance(listing, Unavailable):
        hint = " (kubectl netdoc rbac --tls-secrets prints the rights)" if listing.grant else ""
        raise Skip(
            f"{counted(len(uses), 'TLS Secret')} of Ingresses and Gateways can't be read: {listing.reason}{hint}",
            not_applicable=True,
        )
    entries = {kind.name: cluster.all(kind) for kind in (INGRESS, *LISTENING) if cluster.readable(kind)}
    asked = set(tls_secrets(entries))
    for (namespace, name), use in sorted(uses.items()):
        subject = Subject("Secret", name, namespace)
        certificate = cluster.get(TLS_SECRET, namespace, name)
        if certificate is not None:
            yield from _judge(facts, subject, certificate, use)
        elif (namespace, name) not in asked or use.new or cluster.origin == "manifests" or listing.undecodable:
            continue
        elif use.unread:
            why = "it does not exist, and its controller may not need it: which one that is, is not known without IngressClasses"
            yield Unseen(f"TLS Secret {namespace}/{name}", why, expected=True)
        else:
            yield MISSING.on(subject, use.evidence)
    if left := len(uses.keys() - asked):
        yield Unseen("TLS Secrets", f"{left} of {len(uses)} were not read: netdoc reads {len(asked)} at most")


def _uses(cluster: Cluster) -> dict[tuple[str, str], _Use]:
    """What each Secret is used for; some controllers get their certificates from elsewhere and use none."""
    uses: dict[tuple[str, str], _Use] = {}

    def note(secret: tuple[str, str], user: Subject, hosts: tuple[str, ...], new: bool, unread: bool = False) -> None:
        use = uses.setdefault(secret, _Use([], []))
        use.users.append(user)
        use.hosts += hosts
        use.new, use.unread = use.new and new, use.unread and unread

    for route in ingress_controllers.ingresses(cluster):
        ingress = route.ingress
        new = cluster.age(ingress.metadata.creation_timestamp) < ISSUING
        unread = route.controller is None and cluster.unreadable(INGRESS_CLASS)
        for tls in ingress.spec.tls if route.controller is None or route.controller.secrets else ():
            if tls.secret_name:
                note((ingress.namespace, tls.secret_name), Subject.of("Ingress", ingress), tls.hosts, new, unread)
    for kind in LISTENING:
        for owner in cluster.all(kind) if cluster.readable(kind) else ():
            new = cluster.age(owner.metadata.creation_timestamp) < ISSUING
            for listener in owner.spec.listeners if ingress_backends.in_scope(cluster, owner.namespace) else ():
                hosts = (listener.hostname,) if listener.hostname and len(listener.tls.certificate_refs) == 1 else ()
                for secret in listener.secrets(owner.namespace):
                    note(secret, Subject.of(kind.name, owner), hosts, new)
    return uses


def _judge(facts: Facts, subject: Subject, certificate: TlsCertificate, use: _Use) -> Iterator[Finding]:
    if certificate.not_after is None or certificate.not_before is None:
        yield EMPTY.on(subject, use.evidence)
        return
    state, days = ingress_backends.validity(facts.cluster, certificate, facts.threshold(LEFT))
    begins, ends = (moment.isoformat(timespec="minutes") for moment in (certificate.not_before, certificate.not_after))
    left = counted(days, "day")
    if state is Validity.EXPIRED:
        yield NOT_VALID.on(subject, use.evidence, says=f"expired {left} ago", date=ends, days=-days)
    elif state is Validity.NOT_YET:
        yield NOT_VALID.on(subject, use.evidence, says=f"becomes valid in {left}", date=begins, days=days)
    elif state is Validity.EXPIRES_SOON:
        yield SOON.on(subject, use.evidence, days=days, left=left, date=ends)
    if others := ingress_backends.uncovered(certificate, dict.fromkeys(use.hosts)):
        names = list(certificate.names) or ["no host"]
        yield OTHER_NAMES.on(subject, names=names, hosts=others, users=use.evidence["users"])


check = Check(
    id="tls_secrets",
    title="Certificates of Ingresses and Gateways are valid",
    prefix="TLS",
    needs=Needs(kinds=(INGRESS,), hints=(TLS_SECRET, *LISTENING, INGRESS_CLASS, SERVICE)),
    codes=(MISSING, EMPTY, NOT_VALID, SOON, OTHER_NAMES),
    analyse=analyse,
    thresholds=(LEFT,),
)
