# SPDX-License-Identifier: Apache-2.0
"""The members of sets: of nf_tables (NFTA_SET_ELEM_*) and of ipset (IPSET_ATTR_*), in words like those of nft and ipset.

Sources: linux/netfilter/nf_tables.h, linux/netfilter/ipset/ip_set.h; nftables, include/datatype.h (enum datatypes, TYPE_BITS).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.formats import netlink
from kubectl_netdoc.formats.addresses import packed, summarize_address_range
from kubectl_netdoc.formats.filter_rules import PROTOCOLS, VERDICTS

NAMES = {7: "ipv4_addr", 8: "ipv6_addr", 9: "ether_addr", 12: "inet_proto", 13: "inet_service", 19: "mark", 41: "ifname"}
LENGTHS = {7: 4, 8: 16, 9: 6, 12: 1, 13: 2, 19: 4, 41: 16}
"""Types of keys by nft's own numbers, which the kernel keeps for it, and their bytes."""

BITS = 6
"""Bits of a type's number: that of a concatenation has several after each other."""

INTERVAL, END = 4, 1
"""NFT_SET_INTERVAL; NFT_SET_ELEM_INTERVAL_END."""


def types(number: int) -> list[int]:
    """Return the types of a key, in their order."""
    found: list[int] = []
    while number:
        found.insert(0, number & ((1 << BITS) - 1))
        number >>= BITS
    return found


def type_name(number: int) -> str:
    """Return the type of a key as nft writes it."""
    return " . ".join(NAMES.get(each, f"type {each}") for each in types(number))


def nft(elements: Iterable[bytes], number: int, flags: int) -> Iterator[str]:
    """Yield the members of a set of nf_tables with keys of a type."""
    rows = [netlink.by_type(element) for element in elements]
    kinds = types(number)
    if not flags & INTERVAL or len(kinds) > 1:
        for row in rows:
            yield _key(_value(row, 1), kinds) + _to(_value(row, 10), kinds) + _data(row)
        return
    bounds = sorted(((_value(row, 1), not _is_end(row), row) for row in rows), key=lambda bound: bound[:2])
    for (key, begins, row), (end, _, _) in zip(bounds, [*bounds[1:], (b"", False, {})], strict=True):
        if begins:
            yield _interval(key, end, kinds) + _data(row)


def _is_end(row: netlink.Attributes) -> bool:
    return bool(int.from_bytes(row.get(3, b""), "big") & END)


def _value(row: netlink.Attributes, kind: int) -> bytes:
    return netlink.by_type(row.get(kind, b"")).get(1, b"")


def _interval(key: bytes, end: bytes, kinds: list[int]) -> str:
    """Return a range that ends before ``end`` (b"": the largest value); nft writes a prefix where it is one."""
    first = int.from_bytes(key, "big")
    last = (int.from_bytes(end, "big") if end else 1 << 8 * len(key)) - 1
    if len(key) in (4, 16) and kinds[0] in (7, 8):
        low, high = packed(key), packed(last.to_bytes(len(key), "big"))
        ranges = list(summarize_address_range(low, high)) if low.version == high.version else []
        if len(ranges) == 1:
            return str(low) if first == last else str(ranges[0])
    shown = _key(key, kinds)
    return shown if first == last else f"{shown}-{_key(last.to_bytes(len(key), 'big'), kinds)}"


def _to(key: bytes, kinds: list[int]) -> str:
    return f" - {_key(key, kinds)}" if key else ""


def _key(key: bytes, kinds: list[int]) -> str:
    parts = []
    for kind in kinds:
        size = LENGTHS.get(kind, len(key))
        parts.append(_part(key[:size], kind))
        key = key[(size + 3) & ~3 :]
    return " . ".join(parts)


def _part(value: bytes, kind: int) -> str:
    if kind in (7, 8) and len(value) in (4, 16):
        return str(packed(value))
    if kind == 41:
        return value.split(b"\0")[0].decode(errors="replace")
    if kind == 12 and len(value) == 1:
        return PROTOCOLS.get(value[0], str(value[0]))
    if kind == 9:
        return value.hex(":")
    if kind == 19:
        return hex(int.from_bytes(value, "little"))
    return str(int.from_bytes(value, "big")) if kind == 13 else value.hex()


def _data(row: netlink.Attributes) -> str:
    """Return what a map gives for a key: a verdict, or a value."""
    found = netlink.by_type(row.get(2, b""))
    if 2 in found:
        verdict = netlink.by_type(found[2])
        code = int.from_bytes(verdict.get(1, b""), "big", signed=True)
        chain = verdict.get(2, b"").rstrip(b"\0").decode(errors="replace")
        return f" : {VERDICTS.get(code, code)} {chain}".rstrip()
    return f" : {found[1].hex()}" if 1 in found else ""


def ipset(data: bytes) -> str:
    """Return a member of a set of ipset, from the value of its IPSET_ATTR_DATA."""
    found = netlink.by_type(data)
    parts = [*_range(found, 1, 2, 3), *_ports(found), *_range(found, 20, 22, 21)]
    parts += [found[kind].split(b"\0")[0].decode(errors="replace") for kind in (23, 18) if kind in found]  # IFACE, NAME
    if 17 in found:
        parts.append(found[17].hex(":"))
    if 10 in found:
        parts.append(hex(int.from_bytes(found[10], "big")))
    nomatch = int.from_bytes(found.get(8, b""), "big") & 4
    return ",".join(parts) + (" nomatch" if nomatch else "")


def _range(found: netlink.Attributes, first: int, last: int, bits: int) -> Iterator[str]:
    addresses = [ip for kind in (first, last) if kind in found for ip in netlink.by_type(found[kind]).values()]
    shown = "-".join(str(packed(ip)) for ip in addresses if len(ip) in (4, 16))
    if shown:
        yield shown + (f"/{found[bits][0]}" if bits in found and found[bits][0] < 8 * len(addresses[0]) else "")


def _ports(found: netlink.Attributes) -> Iterator[str]:
    if 4 not in found:
        return
    protocol = f"{PROTOCOLS.get(found[7][0], found[7][0])}:" if 7 in found else ""
    yield f"{protocol}{'-'.join(str(int.from_bytes(found[kind], 'big')) for kind in (4, 5) if kind in found)}"
