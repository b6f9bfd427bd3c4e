# SPDX-License-Identifier: Apache-2.0
"""The entries of iptables' old tables: struct ipt_entry and ip6t_entry (linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from msgspec import Struct


class _Layout(NamedTuple):
    """Where an entry has its parts: the size of an address, the first match, the target's offset, and the inverting flags."""

    size: int
    head: int
    offsets: int
    inverted: int


_LAYOUTS = {"ip": _Layout(4, 112, 88, 83), "ip6": _Layout(16, 168, 140, 132)}

INVERTED = {"iifname": 1, "oifname": 2, "saddr": 8, "daddr": 16, "protocol": 64}
"""Flags of what is inverted (IPT_INV_*, IP6T_INV_*)."""


class OldEntry(Struct, frozen=True):
    """An entry. ``addresses``, ``links``: of the conditions that it has, by name; ``inverted``: those that must not hold.

    ``matches`` and the ``target``: name, revision and parameters. ``verdict``: a standard target's number, else None.
    """

    addresses: dict[str, tuple[bytes, bytes]]
    links: dict[str, str]
    inverted: frozenset[str]
    protocol: int
    matches: tuple[tuple[str, bytes], ...]
    target: str
    revision: int
    data: bytes
    verdict: int | None


def read(entry: bytes, family: str) -> OldEntry:
    """Return an entry; ``family``: ``ip`` or ``ip6``. Raises ``struct.error`` for one that is cut off."""
    size, head, offsets, flags = _LAYOUTS[family]
    target_at, following = struct.unpack_from("<HH", entry, offsets)
    masked = {name: (entry[at : at + size], entry[at + 2 * size : at + 3 * size]) for name, at in (("saddr", 0), ("daddr", size))}
    links = {name: _word(entry[at : at + 16]) for name, at in (("iifname", 4 * size), ("oifname", 4 * size + 16))}
    target, data = _word(entry[target_at + 2 : target_at + 31]), entry[target_at + 32 : following]
    return OldEntry(
        addresses={name: both for name, both in masked.items() if any(both[1])},
        links={name: link for name, link in links.items() if link},
        inverted=frozenset(name for name, bit in INVERTED.items() if entry[flags] & bit),
        protocol=struct.unpack_from("<H", entry, 4 * size + 64)[0],
        matches=tuple(_matches(entry, head, target_at)),
        target=target,
        revision=entry[target_at + 31],
        data=data,
        verdict=None if target else struct.unpack_from("<i", data)[0],
    )


def translation(data: bytes, revision: int, family: str) -> tuple[bytes, int]:
    """Return the address and port to which a target DNAT translates: nf_nat_range2, of revision 0 the form of IPv4 alone."""
    data = data.ljust(40, b"\0")
    if revision == 0:
        return data[8:12], struct.unpack_from("!H", data, 16)[0]
    return data[4 : 4 + _LAYOUTS[family].size], struct.unpack_from("!H", data, 36)[0]


def _matches(entry: bytes, at: int, end: int) -> list[tuple[str, bytes]]:
    found = []
    while at + 32 <= end:
        size = struct.unpack_from("<H", entry, at)[0]
        found.append((_word(entry[at + 2 : at + 31]), entry[at + 32 : at + size]))
        at += max(size, 32)
    return found


def _word(data: bytes) -> str:
    return data.split(b"\0")[0].decode(errors="replace")
