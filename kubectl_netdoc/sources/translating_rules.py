# SPDX-License-Identifier: Apache-2.0
"""One rule that may translate a Service's address: what it asks of a packet's destination, and where it leads."""

from __future__ import annotations

import socket
import struct

from msgspec import Struct

from kubectl_netdoc.formats import netlink, old_entries
from kubectl_netdoc.formats.netlink import Attributes

WITHOUT_EFFECT = frozenset(
    {
        *("counter", "log", "nop", "notrack", "limit", "last", "quota", "connlimit", "objref", "masq", "dynset", "match"),
        *("ct", "fib", "rt", "socket", "hash", "osf", "exthdr", "range", "byteorder"),
    }
)
"""Expressions that change nothing about where a packet goes: conditions, counters, and masquerading of its source."""

HARMLESS_TARGETS = frozenset({"MARK", "MASQUERADE", "LOG", "NFLOG", "CONNMARK", "CT", "SNAT", "recent", "NOTRACK"})
"""Targets of iptables of which the same is true."""

DNAT = 1
"""NFT_NAT_DNAT."""

REGISTER = 8
"""NFT_REG32_00: a register of four bytes; NFT_REG_1 to NFT_REG_4 are 16 bytes each in the same place."""


class Step(Struct):
    """One rule: what it asks of a packet's destination, and where it leads."""

    protocol: int = 0
    daddr: bytes = b""
    dport: int = 0
    chain: str = ""
    offset: int = -1
    verdicts: str = ""
    map: str = ""
    address: bytes = b""
    port: int = 0
    refuses: bool = False
    unknown: bool = False


class _Loaded(Struct, frozen=True):
    """What is in a register: a field of the packet, a value, or what a map holds."""

    name: str = ""
    value: bytes = b""
    map: str = ""


_FIELDS = {(1, 16, 4): "daddr", (1, 24, 16): "daddr", (2, 2, 2): "dport", (1, 9, 1): "protocol", (1, 6, 1): "protocol"}
"""Fields of a packet by base, offset and length."""


def nft(expressions: bytes, family: int) -> Step:
    """Return a rule of nf_tables, from the value of its attribute NFTA_RULE_EXPRESSIONS."""
    step, registers = Step(), dict[int, _Loaded]()
    for _, element in netlink.each(expressions):
        parts = netlink.by_type(element)
        name, data = netlink.word(parts.get(1, b"")), netlink.by_type(parts.get(2, b""))
        if name == "payload":
            place = (netlink.number(data.get(2, b"")), netlink.number(data.get(3, b"")), netlink.number(data.get(4, b"")))
            registers[_register(data, 1)] = _Loaded(_FIELDS.get(place, ""))
        elif name == "meta":
            registers[_register(data, 1)] = _Loaded("protocol" if netlink.number(data.get(2, b"")) == 16 else "")
        elif name == "cmp":
            _compared(step, registers.get(_register(data, 1), _Loaded()), data)
        elif name == "bitwise":
            registers[_register(data, 2)] = _Loaded()
        elif name == "numgen":
            registers[_register(data, 1)] = _Loaded()
        elif name == "lookup":
            _looked_up(step, registers, data)
        elif name == "immediate":
            _immediate(step, registers, data)
        elif name == "nat":
            _translated(step, registers, data)
        elif name == "reject":
            step.refuses = True
        elif name == "target":
            _target(step, family, netlink.word(data.get(1, b"")), data.get(3, b""), netlink.number(data.get(2, b"")))
        elif name == "match" and netlink.word(data.get(1, b"")) in ("tcp", "udp", "sctp"):
            _ports(step, data.get(3, b""))
        elif name not in WITHOUT_EFFECT:
            step.unknown = True
    return step


def _register(data: Attributes, key: int) -> int:
    """Return a register by its place among those of four bytes."""
    number = netlink.number(data.get(key, b""))
    return REGISTER + (number - 1) * 4 if 1 <= number <= 4 else number


def _compared(step: Step, loaded: _Loaded, data: Attributes) -> None:
    value = netlink.by_type(data.get(3, b"")).get(1, b"")
    if netlink.number(data.get(2, b"")):  # not NFT_CMP_EQ
        return
    if loaded.name == "daddr" and len(value) in (4, 16):
        step.daddr = value
    elif loaded.name == "dport":
        step.dport = netlink.number(value)
    elif loaded.name == "protocol":
        step.protocol = value[0] if value else 0


def _looked_up(step: Step, registers: dict[int, _Loaded], data: Attributes) -> None:
    """A lookup without a register for what it finds is a condition; into register 0 it finds a verdict."""
    if 3 in data:
        name = netlink.word(data.get(1, b""))
        if netlink.number(data[3]) == 0:
            step.verdicts = name
        else:
            registers[_register(data, 3)] = _Loaded(map=name)


def _immediate(step: Step, registers: dict[int, _Loaded], data: Attributes) -> None:
    value = netlink.by_type(data.get(2, b""))
    if 2 in value:
        verdict = netlink.by_type(value[2])
        step.chain = netlink.word(verdict.get(2, b""))
        step.refuses = step.refuses or int.from_bytes(verdict.get(1, b""), "big", signed=True) == 0
    else:
        registers[_register(data, 1)] = _Loaded(value=value.get(1, b""))


def _translated(step: Step, registers: dict[int, _Loaded], data: Attributes) -> None:
    if netlink.number(data.get(1, b"")) != DNAT:
        return
    address, port = (registers.get(_register(data, key), _Loaded()) for key in (3, 5))
    if address.map:
        step.map = address.map
    elif len(address.value) in (4, 16) and len(port.value) == 2:
        step.address, step.port = address.value, netlink.number(port.value)
    else:
        step.unknown = True


def _target(step: Step, family: int, name: str, data: bytes, revision: int) -> None:
    """Read a target of iptables."""
    if name == "DNAT":
        step.address, step.port = old_entries.translation(data, revision, family_name(family))
    elif name == "REJECT":
        step.refuses = True
    elif name not in HARMLESS_TARGETS:
        step.unknown = True


def _ports(step: Step, data: bytes) -> None:
    """Read the match tcp or udp of iptables (xt_tcp, xt_udp): the first and last source port, the same of the destination."""
    low, high = struct.unpack_from("<4xHH", data)
    if low == high:
        step.dport = low


def old(entry: bytes, family: int) -> Step:
    """Return a rule of an old table."""
    found, step = old_entries.read(entry, family_name(family)), Step()
    address, mask = found.addresses.get("daddr", (b"", b""))
    if all(byte == 255 for byte in mask) and "daddr" not in found.inverted:
        step.daddr = address
    step.protocol = 0 if "protocol" in found.inverted else found.protocol
    for name, data in found.matches:
        if name in ("tcp", "udp", "sctp"):
            _ports(step, data)
    if found.verdict is None:
        _target(step, family, found.target, found.data, found.revision)
    elif found.verdict >= 0:
        step.offset = found.verdict
    else:
        step.refuses = found.verdict == -1
    return step


def family_name(family: int) -> str:
    """Return the name of an address family as tools of packet filters have it."""
    return "ip6" if family == socket.AF_INET6 else "ip"
