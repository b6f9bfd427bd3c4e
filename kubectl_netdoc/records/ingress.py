# SPDX-License-Identifier: Apache-2.0
"""Ingress, its classes, and the certificates of TLS Secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import field

from kubectl_netdoc.formats import certificate as x509
from kubectl_netdoc.records.base import Kind, Moment, Object, ObjectMeta, Record
from kubectl_netdoc.records.gateway_api import GATEWAY_KINDS, LISTENER_SETS, Gateway, ListenerSet
from kubectl_netdoc.records.services import LoadBalancerStatus


class IngressPort(Record, frozen=True):
    """A port of a Service, by name or by number."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return self.name or str(self.number)


class IngressService(Record, frozen=True):
    """The Service of an Ingress backend."""

    name: str = ""
    port: IngressPort = IngressPort()


class IngressBackend(Record, frozen=True):
    """Where an Ingress sends requests; ``service`` is None if the backend is another resource."""

    service: IngressService | None = None


class IngressPath(Record, frozen=True):
    """A path of a host."""

    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHTTP(Record, frozen=True):
    """The paths of a host."""

    paths: tuple[IngressPath, ...] = ()


class IngressRule(Record, frozen=True):
    """A host; empty is every host."""

    host: str = ""
    http: IngressHTTP = IngressHTTP()


class IngressTLS(Record, frozen=True):
    """Hosts served with TLS, and the name of the Secret with the certificate."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Record, frozen=True):
    """The class and the backends of an Ingress."""

    ingress_class_name: str = ""
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressStatus(Record, frozen=True):
    """The addresses at which its controller serves it."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Ingress(Object, frozen=True):
    """An Ingress of networking.k8s.io/v1."""

    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()

    def services(self) -> dict[str, tuple[str, ...]]:
        """Return its hosts by the names of the Services that they lead to."""
        hosts: dict[str, dict[str, None]] = {}
        if self.spec.default_backend and self.spec.default_backend.service:
            hosts.setdefault(self.spec.default_backend.service.name, {})["*"] = None
        for rule in self.spec.rules:
            for path in rule.http.paths:
                if path.backend.service:
                    hosts.setdefault(path.backend.service.name, {})[rule.host or "*"] = None
        return {name: tuple(found) for name, found in hosts.items()}


MOST_SECRETS = 100
"""Most Secrets that are read; each takes one request."""


class IngressClassSpec(Record, frozen=True):
    """The controller of an IngressClass."""

    controller: str = ""


class IngressClass(Object, frozen=True):
    """An IngressClass of networking.k8s.io/v1."""

    spec: IngressClassSpec = IngressClassSpec()

    @property
    def default(self) -> bool:
        """Tell whether this is the default class."""
        return self.metadata.annotations.default_class == "true"


class TlsData(Record, frozen=True):
    """The one key of a TLS Secret that is decoded; its private key is not."""

    certificate: str = field(name="tls.crt", default="")


class TlsSecret(Object, frozen=True):
    """A TLS Secret as it comes over the wire; only the dates and names of its certificate are kept."""

    type: str = ""
    data: TlsData = TlsData()


class TlsCertificate(Object, frozen=True):
    """The dates and names of a TLS Secret's certificate; empty if it holds no certificate."""

    not_before: Moment | None = None
    not_after: Moment | None = None
    names: tuple[str, ...] = ()


def tls_certificate(raw: TlsSecret) -> TlsCertificate:
    """Return what is kept of a TLS Secret."""
    try:
        pem = base64.b64decode("".join(raw.data.certificate.split()), validate=True)
    except (binascii.Error, ValueError):
        pem = b""
    metadata = ObjectMeta(name=raw.metadata.name, namespace=raw.metadata.namespace)
    found = x509.validities(pem)
    if not found:
        return TlsCertificate(metadata=metadata)
    return TlsCertificate(metadata=metadata, not_before=found[0].begins, not_after=found[0].ends, names=x509.names(pem))


def tls_secrets(objects: Mapping[str, Iterable[Any]]) -> tuple[tuple[str, str], ...]:
    """Return (namespace, name) of the TLS Secrets that entries name, each once, at most ``MOST_SECRETS``."""
    return tuple(dict.fromkeys(_named(objects)))[:MOST_SECRETS]


def _named(objects: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, str]]:
    for ingress in objects.get("Ingress", ()):
        if isinstance(ingress, Ingress):
            yield from ((ingress.namespace, tls.secret_name) for tls in ingress.spec.tls if tls.secret_name)
    for kind in ("Gateway", *(kind.name for kind in LISTENER_SETS)):
        for owner in objects.get(kind, ()):
            if isinstance(owner, Gateway | ListenerSet):
                yield from (secret for listener in owner.spec.listeners for secret in listener.secrets(owner.namespace))


INGRESS_CLASS = Kind("IngressClass", "networking.k8s.io", "v1", "ingressclasses", IngressClass, namespaced=False)
TLS_SECRET = Kind(
    "TlsSecret",
    "",
    "v1",
    "secrets",
    TlsCertificate,
    authored=False,
    pointed=tls_secrets,
    wire=TlsSecret,
    reduce=tls_certificate,
)
"""Secrets are never listed: those that an Ingress or a Gateway names are read one by one, where that is permitted."""

ENTRY_KINDS = (INGRESS_CLASS, *GATEWAY_KINDS, TLS_SECRET)
