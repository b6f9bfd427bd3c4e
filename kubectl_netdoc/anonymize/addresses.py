# SPDX-License-Identifier: Apache-2.0
"""Replaces addresses and preserves shared prefixes (as in Crypto-PAn: Xu, Fan, Ammar, Moon, 2002).

Each bit is flipped or not by a keyed hash of the bits before it. Two things are kept, because checks judge by them: the sort of
address (private, shared, link-local, multicast …; of a public one the first eight bits, or sixteen in IPv6), and the last eight
bits (sixteen in IPv6), by which networks, gateways and hand-picked addresses are recognised.
"""

from __future__ import annotations

import hmac
import re
from functools import cache

from kubectl_netdoc.formats.addresses import (
    IPAddress,
    IPRange,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

V4_KEPT = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24"),
            *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "192.192.192.192/32",
        ),
    )
)
V6_KEPT = tuple(map(IPv6Network, ("::/96", "ff00::/8", "64:ff9b::/96", "64:ff9b:1::/48", "100::/63", "2001::/23", "3fff::/20")))
"""Special-purpose ranges (IANA) that belong to nobody, and the placeholder in endpoints of Cilium's Gateways; not changed."""

V4_SORTS = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
V6_SORTS = tuple(map(IPv6Network, ("fe80::/64", "fc00::/7", "2001:db8::/32")))
"""Ranges whose addresses stay within them."""

SORTS: tuple[IPRange, ...] = (*V4_KEPT, *V4_SORTS, *V6_KEPT, *V6_SORTS)

TAIL = {4: 8, 6: 16}
HEAD = {4: 8, 6: 16}

_OCTET = r"0*(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_V4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
PATTERN = re.compile(
    rf"(?<![\w.:-])(?P<mac>(?:[0-9a-fA-F]{{2}}:){{5}}[0-9a-fA-F]{{2}})(?![\w:])"
    rf"|(?<![\w.])(?P<v4>{_V4})(?P<v4bits>/\d\d?)?(?![\w])(?!\.\d)"
    rf"|(?<![\w:])(?P<v6>(?:[0-9a-fA-F]{{0,4}}:){{2,7}}(?:{_V4}|[0-9a-fA-F]{{0,4}}))(?P<v6bits>/\d{{1,3}})?(?![\w:])"
    rf"|(?<![\w])(?P<dashed>(?:\d{{1,3}}-){{3}}\d{{1,3}})(?![\w])"
)
"""An address in a text: MAC, IPv4 or IPv6 with or without a prefix length, or IPv4 with dashes, as in names of pods and nodes."""


def _public(address: IPAddress) -> bool:
    return not any(address in sort for sort in SORTS if sort.version == address.version)


def _spelled(like: str, text: str) -> str:
    """Write an IPv4 address with a leading zero wherever another has some, as not all programs read those alike."""
    octets = like.split(".")
    if len(octets) != 4 or ":" in like:
        return text
    return ".".join(
        f"0{new}" if old.startswith("0") and old != "0" else new for old, new in zip(octets, text.split("."), strict=True)
    )


class Addresses:
    """Replaces addresses; ``changed``: the new address by the old one."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.changed: dict[str, str] = {}
        self._flip = cache(self._bit)

    def replace(self, text: str) -> str:
        """Return a text with all its addresses replaced."""
        return PATTERN.sub(lambda match: self._one(match), text)

    def _one(self, match: re.Match[str]) -> str:
        kind, told = next((kind, match[kind]) for kind in ("mac", "v4", "v6", "dashed") if match[kind])
        if kind == "mac":
            return self._note(told, self.mac(told))
        plain = told.replace("-", ".") if kind == "dashed" else told
        try:
            bits = match[f"{kind}bits"] if kind != "dashed" else None
            if bits:
                return self._note(plain, _spelled(plain, self.prefix(f"{plain}{bits}").partition("/")[0])) + bits
            other = self._note(plain, _spelled(plain, str(self.address(plain))))
        except ValueError:
            return match[0]  # not a valid address
        return other.replace(".", "-") if kind == "dashed" else other

    def _note(self, told: str, other: str) -> str:
        if other != told:
            self.changed[told] = other
        return other

    def mac(self, text: str) -> str:
        """Return another hardware address, a locally administered one; zero and broadcast stay."""
        plain = text.lower()
        if plain in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff") or int(plain[:2], 16) & 1:
            return text
        digest = hmac.digest(self.key, f"mac {plain}".encode(), "sha256")
        return ":".join(f"{byte:02x}" for byte in (digest[0] & 0xFC | 2, *digest[1:6]))

    def prefix(self, text: str) -> str:
        """Return another address or network with the same length: the host bits of a network stay zero."""
        plain, _, length = text.partition("/")
        ip_network(text)  # raises ValueError
        moved, old = self.address(plain), ip_address(plain)
        free = moved.max_prefixlen - int(length)
        if not int(old) % (1 << free):
            moved = type(moved)(int(moved) >> free << free)
        return f"{moved}/{length}"

    def address(self, text: str) -> IPAddress:
        """Return another address; raises ``ValueError`` for an invalid one."""
        old = ip_address(text)
        if ":" in text and isinstance(old, IPv4Address):
            return IPv6Address(f"::ffff:{self.address(str(old))}")
        if isinstance(old, IPv4Address):
            if any(old in kept for kept in V4_KEPT):
                return old
            head = next((sort.prefixlen for sort in V4_SORTS if old in sort), HEAD[4])
        else:
            if any(old in kept for kept in V6_KEPT):
                return old
            head = next((max(sort.prefixlen, 8) for sort in V6_SORTS if old in sort), HEAD[6])
        moved = self._moved(old, head)
        while _public(old) and not _public(moved):
            moved = self._moved(moved, head)
        return moved

    def _moved(self, old: IPAddress, head: int) -> IPAddress:
        """Return the address with its bits between ``head`` and the tail flipped or not."""
        size, moved = old.max_prefixlen, int(old)
        for place in range(head, size - TAIL[old.version]):
            if self._flip(old.version, place, int(old) >> (size - place)):
                moved ^= 1 << (size - 1 - place)
        return type(old)(moved)

    def _bit(self, version: int, place: int, before: int) -> bool:
        return bool(hmac.digest(self.key, f"{version} {place} {before}".encode(), "sha256")[0] & 1)
