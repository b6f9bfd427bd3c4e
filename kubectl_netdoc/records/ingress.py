# SPDX-License-Identifier: Apache-2.0
"""What Ingress and the Gateway API hang on: their classes, what may be referred to, and the certificates of TLS Secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import field

from kubectl_netdoc import x509
from kubectl_netdoc.records.base import Condition, Kind, Moment, Object, ObjectMeta, Record
from kubectl_netdoc.records.routes import Gateway, Ingress

MOST_SECRETS = 100
"""Secrets that are read at most: one request each."""


class IngressClassSpec(Record, frozen=True):
    """Who serves the Ingresses of a class."""

    controller: str = ""


class IngressClass(Object, frozen=True):
    """An IngressClass of networking.k8s.io/v1."""

    spec: IngressClassSpec = IngressClassSpec()

    @property
    def default(self) -> bool:
        """Whether Ingresses without a class are of this one."""
        return self.metadata.annotations.default_class == "true"


class GatewayClassSpec(Record, frozen=True):
    """Who serves the Gateways of a class."""

    controller_name: str = ""


class GatewayClassStatus(Record, frozen=True):
    """What its controller says of it."""

    conditions: tuple[Condition, ...] = ()


class GatewayClass(Object, frozen=True):
    """A GatewayClass."""

    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


class GrantFrom(Record, frozen=True):
    """Whose references are allowed."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTo(Record, frozen=True):
    """What may be referred to; no name is every one."""

    group: str = ""
    kind: str = ""
    name: str = ""


class ReferenceGrantSpec(Record, frozen=True):
    """Who may refer to what."""

    from_: tuple[GrantFrom, ...] = field(name="from", default=())
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True):
    """A ReferenceGrant: it lets objects of other namespaces refer to those of its own."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()

    def allows(self, kind: str, namespace: str, to: tuple[str, str]) -> bool:
        """Whether a route (by its kind and namespace) may refer to an object of the core group, by kind and name."""
        who = any(one.kind == kind and one.namespace == namespace for one in self.spec.from_)
        return who and any(not one.group and one.kind == to[0] and one.name in ("", to[1]) for one in self.spec.to)


class TlsData(Record, frozen=True):
    """The one key of a TLS Secret that is decoded; its private key is not."""

    certificate: str = field(name="tls.crt", default="")


class TlsSecret(Object, frozen=True):
    """A TLS Secret as it comes over the wire; only the dates and names of its certificate are kept."""

    type: str = ""
    data: TlsData = TlsData()


class TlsCertificate(Object, frozen=True):
    """What is kept of a TLS Secret: its certificate's dates and names, none where it holds no certificate."""

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
    """Return (namespace, name) of the TLS Secrets that Ingresses and Gateways name, each once, at most ``MOST_SECRETS``."""
    return tuple(dict.fromkeys(_named(objects)))[:MOST_SECRETS]


def _named(objects: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, str]]:
    for ingress in objects.get("Ingress", ()):
        if isinstance(ingress, Ingress):
            yield from ((ingress.namespace, tls.secret_name) for tls in ingress.spec.tls if tls.secret_name)
    for gateway in objects.get("Gateway", ()):
        if isinstance(gateway, Gateway):
            yield from (secret for listener in gateway.spec.listeners for secret in listener.secrets(gateway.namespace))


_GATEWAY = "gateway.networking.k8s.io"
INGRESS_CLASS = Kind("IngressClass", "networking.k8s.io", "v1", "ingressclasses", IngressClass, namespaced=False)
GATEWAY_CLASS = Kind("GatewayClass", _GATEWAY, "v1", "gatewayclasses", GatewayClass, namespaced=False, extension=True)
REFERENCE_GRANT = Kind("ReferenceGrant", _GATEWAY, "v1beta1", "referencegrants", ReferenceGrant, extension=True)
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

ENTRY_KINDS = (INGRESS_CLASS, GATEWAY_CLASS, REFERENCE_GRANT, TLS_SECRET)
