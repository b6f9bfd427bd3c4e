# SPDX-License-Identifier: Apache-2.0
"""IP addresses and ranges, as texts: the one place that parses them.

Kubernetes (k8s.io/utils/net: ParseIPSloppy, ParseCIDRSloppy) takes more than one text for an address: it drops leading zeros,
reads IPv4 in IPv6 (``::ffff:10.2.0.1``) as the IPv4 address, and the host bits of a range as zero. Since 1.36 API servers refuse
such texts (StrictIPCIDRValidation) and keep those that they have. Others read them otherwise: Go's net and Python refuse leading
zeros, the C library takes them for octal. So records keep the canonical text, which all read alike; ``odd`` tells of the others.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (  # for the other modules, which import none of it
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    summarize_address_range,
)

__all__ = [
    "IPAddress",
    "IPRange",
    "IPv4Address",
    "IPv4Network",
    "IPv6Address",
    "IPv6Network",
    "canonical",
    "in_any",
    "ip_address",
    "ip_network",
    "ip_range",
    "is_address",
    "is_plain",
    "is_range",
    "odd",
    "packed",
    "prefixed",
    "summarize_address_range",
]

IPAddress = IPv4Address | IPv6Address
IPRange = IPv4Network | IPv6Network

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PLAIN = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII)
_ZEROS = re.compile(r"(^|[.:])0+(?=[0-9a-fA-F])")
_LENGTH = re.compile(r"0*(\d{1,3})", re.ASCII)

MAPPED = 96
"""Bits before an IPv4 address in IPv6 (RFC 4291, 2.5.5.2)."""


def ip_address(text: str) -> IPAddress:
    """Return an address as Kubernetes reads it; raises ``ValueError`` where it is none."""
    return _written(text)[0]


@lru_cache(maxsize=1 << 16)
def _written(text: str) -> tuple[IPAddress, int]:
    """Return an address, and the bits of the form that it is written in."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    if _PLAIN.fullmatch(text):  # several times as fast, for large clusters
        return IPv4Address(socket.inet_aton(text)), 32
    found = ipaddress.ip_address(_ZEROS.sub(r"\1", text))
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found, found.max_prefixlen


@lru_cache(maxsize=1 << 16)
def ip_network(text: str) -> IPRange:
    """Return a range as Kubernetes reads it, host bits cleared; raises ``ValueError`` where it is none."""
    plain, slash, end = text.partition("/")
    address, size = _written(plain)
    length = int(found[1]) if (found := _LENGTH.fullmatch(end)) else size + 1
    if not slash or length > size:
        raise ValueError(f"{text!r} is not a range of IP addresses")
    if size != address.max_prefixlen and length >= MAPPED:
        length -= MAPPED
    elif size != address.max_prefixlen:  # wider than the IPv4 addresses in IPv6
        return IPv6Network((int(address) | 0xFFFF << 32, length), strict=False)
    return (IPv4Network if address.version == 4 else IPv6Network)((int(address), length), strict=False)


def ip_range(text: str) -> IPRange:
    """Return a range, or an address as a range, as kernels and their tools write both; raises ``ValueError`` where it is none."""
    if "/" in text:
        return ip_network(text)
    address = ip_address(text)
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


@lru_cache(maxsize=1 << 16)
def canonical(text: str) -> str:
    """Return an address or a range as all programs read it; any other text as it is."""
    if _PLAIN.fullmatch(text):
        return text
    try:  # ten times as fast, for large clusters; not for IPv4 in IPv6, nor for what only Kubernetes takes
        written = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text)) if ":" in text else "."
    except OSError:
        written = "."
    if "." not in written:
        return written
    try:
        return str(ip_network(text) if "/" in text else ip_address(text))
    except ValueError:
        return text


def odd(text: str) -> str:
    """Return what Kubernetes takes an address or a range for, where not all programs read the text so; else ""."""
    plain, slash, length = text.partition("/")
    if not (is_range(text) if slash else is_address(text)):
        return ""
    try:
        alike = ipaddress.ip_address(plain) == ip_address(plain)
    except ValueError:  # leading zeros
        alike = False
    return "" if alike and (length == "0" or not length.startswith("0")) else canonical(text)


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    if _PLAIN.fullmatch(text):
        return True
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def is_plain(text: str) -> bool:
    """Tell whether a text is an IP address to all programs, and the same one: that of a server that is no part of Kubernetes."""
    return is_address(text) and not odd(text)


def is_range(text: str) -> bool:
    """Tell whether a text is a range of IP addresses."""
    try:
        return bool(ip_network(text))
    except ValueError:
        return False


def in_any(ip: str, ranges: Iterable[str]) -> bool:
    """Tell whether an address lies in one of these ranges; texts that are none don't."""
    try:
        address = ip_address(ip)
        return any(address in ip_range(text) for text in ranges)
    except ValueError:
        return False


def packed(value: bytes) -> IPAddress:
    """Return the address of 4 or 16 bytes."""
    return ipaddress.ip_address(value)


def prefixed(value: bytes, mask: bytes = b"") -> str:
    """Return an address with the length of its prefix, or alone where the mask has every bit (or none is given)."""
    bits = int.from_bytes(mask, "big").bit_count() if any(mask) else 8 * len(value)
    return f"{packed(value)}" + (f"/{bits}" if bits != 8 * len(value) else "")
