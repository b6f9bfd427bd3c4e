# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps, of which only what is named here is read: the Corefile and the root certificate."""

from __future__ import annotations

from msgspec import field

from kubectl_netdoc.formats import corefile, corefile_parser
from kubectl_netdoc.records.base import Object, Record, Traced


class CorefileData(Record, frozen=True):
    """The one key of a DNS server's ConfigMap that is read."""

    corefile: str = field(name="Corefile", default="")


class ConfigMap(Traced, frozen=True):
    """A ConfigMap as it comes over the wire; only its reduced form is kept."""

    data: CorefileData = CorefileData()


class CorefileMap(Traced, frozen=True):
    """A ConfigMap with a Corefile, parsed; arguments of plugins that may hold secrets are gone."""

    corefile: corefile.Corefile = corefile.Corefile()


class CertificateData(Record, frozen=True):
    """The one key of kube-root-ca.crt."""

    pem: str = field(name="ca.crt", default="")


class RootCertificate(Object, frozen=True):
    """The ConfigMap kube-root-ca.crt: the public certificate by which pods know the API server."""

    data: CertificateData = CertificateData()


def corefile_map(raw: ConfigMap) -> CorefileMap:
    """Return what is kept of a DNS server's ConfigMap."""
    return CorefileMap(metadata=raw.metadata, corefile=corefile_parser.parse(raw.data.corefile))
