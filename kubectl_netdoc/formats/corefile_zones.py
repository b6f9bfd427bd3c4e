# SPDX-License-Identifier: Apache-2.0
"""Zones as a Corefile names them: scheme, name and port (CoreDNS: core/dnsserver/address.go, plugin/normalize.go)."""

from __future__ import annotations

import re
from typing import NamedTuple

from kubectl_netdoc.formats.addresses import IPRange, ip_network

TRANSPORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "unix": 53}
"""Schemes that a zone may have, and the port that each has by default (plugin/pkg/transport)."""


class Zone(NamedTuple):
    """A zone as a server block names it: scheme, name (fully qualified) and port."""

    transport: str
    name: str
    port: int

    def __str__(self) -> str:
        scheme = "" if self.transport == "dns" else f"{self.transport}://"
        return f"{scheme}{self.name.rstrip('.') or '.'}:{self.port}"


def _split(zone: str) -> Zone:
    scheme, found, rest = zone.partition("://")
    transport, rest = (scheme, rest) if found and scheme in TRANSPORTS else ("dns", zone)
    name, colon, port = rest.rpartition(":")
    if colon and re.fullmatch("[0-9]{1,5}", port):
        return Zone(transport, name or ".", int(port))
    return Zone(transport, rest, TRANSPORTS[transport])


def zone_and_port(zone: str) -> tuple[str, int]:
    """Split ``dns://example.org:5353`` into its zone and its port (the scheme's where none is given)."""
    parts = _split(zone)
    return parts.name, parts.port


def expanded(zone: str) -> list[Zone]:
    """Return the zones that one is: a CIDR stands for the reverse zones on the next boundary of an octet (or nibble)."""
    whole = _split(zone)
    try:
        network = ip_network(whole.name) if "/" in whole.name else None
    except ValueError:
        network = None
    if network is None:
        return [whole._replace(name=whole.name if whole.name.endswith(".") else f"{whole.name}.")]
    step = 8 if network.version == 4 else 4
    parts = network.subnets(new_prefix=-(-network.prefixlen // step) * step)
    return [whole._replace(name=_reverse(part, step)) for part in parts]


def _reverse(network: IPRange, step: int) -> str:
    labels = network.network_address.reverse_pointer.split(".")
    whole = (32 if network.version == 4 else 128) // step
    return ".".join(labels[whole - network.prefixlen // step :]) + "."


def is_domain(zone: str) -> bool:
    """Tell whether CoreDNS takes it for a zone: labels of 1 to 63 characters, of nearly whatever kind."""
    name = zone_and_port(zone)[0]
    labels = name.removesuffix(".").split(".")
    ends = zone.endswith(":") or name.endswith("\\")
    return name == "." or (not ends and len(name) < 256 and all(0 < len(label) < 64 for label in labels))
