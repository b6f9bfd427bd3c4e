# SPDX-License-Identifier: Apache-2.0
"""What a rule of a packet filter says: the expressions of nf_tables, and the entries of iptables' old tables, in words of nft.

Sources: linux/netfilter/nf_tables.h and x_tables.h, linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h. It is
text for a reader, not for a parser: an expression that is not known is shown by its name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

from kubectl_netdoc.formats import netlink, old_entries
from kubectl_netdoc.formats.addresses import packed
from kubectl_netdoc.formats.netlink import Attributes

VERDICTS = {0: "drop", 1: "accept", 3: "queue", -1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
"""Verdicts of nf_tables (NF_* and NFT_*), by their signed number."""

OLD_VERDICTS = {-1: "drop", -2: "accept", -4: "queue", -5: "return"}
"""Those of a standard target of the old tables: -NF_* - 1, and XT_RETURN. What is positive is a jump."""

META = {
    0: "length", 1: "protocol", 3: "mark", 4: "iif", 5: "oif", 6: "iifname", 7: "oifname", 8: "iiftype", 10: "skuid",
    15: "nfproto", 16: "l4proto", 17: "ibrname", 18: "obrname", 19: "pkttype", 20: "cpu", 24: "random", 25: "secpath",
}  # fmt: skip
"""Keys of a meta expression (NFT_META_*)."""

CT = {0: "state", 1: "direction", 2: "status", 3: "mark", 6: "helper", 7: "l3proto", 8: "src", 9: "dst", 10: "protocol",
      11: "proto-src", 12: "proto-dst", 17: "zone"}  # fmt: skip
"""Keys of a ct expression (NFT_CT_*)."""

STATES = {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}
IMPLIED = ("nfproto ", "iiftype ")
"""Words that nft adds by itself so that other words can be compared."""

OPERATORS = {0: "", 1: "!= ", 2: "< ", 3: "<= ", 4: "> ", 5: ">= "}

FIELDS = {
    (0, 0, 6): "ether daddr", (0, 6, 6): "ether saddr", (0, 12, 2): "ether type",
    (1, 1, 1): "ip dscp", (1, 2, 2): "ip length", (1, 6, 1): "ip6 nexthdr", (1, 6, 2): "ip frag-off", (1, 7, 1): "ip6 hoplimit",
    (1, 8, 1): "ip ttl", (1, 8, 16): "ip6 saddr", (1, 9, 1): "ip protocol", (1, 12, 4): "ip saddr", (1, 16, 4): "ip daddr",
    (1, 24, 16): "ip6 daddr",
    (2, 0, 1): "icmp type", (2, 0, 2): "sport", (2, 0, 4): "ports", (2, 2, 2): "dport", (2, 4, 2): "udp length",
    (2, 13, 1): "tcp flags",
}  # fmt: skip
"""Fields of a packet by base (0 link, 1 network, 2 transport), offset and length."""

REJECTING = frozenset({"reject", "REJECT"})


class RuleWords(Struct, frozen=True):
    """A rule in words. ``verdict``: what it does with the packet, in lower case; ``chain``: where a jump goes.

    ``to``: the address to which it translates, where it names one.
    """

    text: str
    verdict: str
    chain: str = ""
    to: str = ""


def nft(expressions: bytes, family: str = "ip") -> RuleWords:
    """Return a rule of nf_tables, from the value of its attribute NFTA_RULE_EXPRESSIONS; ``family``: of its table."""
    reader = _Nft(family)
    for _, element in netlink.each(expressions):
        parts = netlink.by_type(element)
        reader.take(netlink.word(parts.get(1, b"")), netlink.by_type(parts.get(2, b"")))
    return RuleWords(" ".join(_plain(reader.words)), reader.verdict, reader.chain, reader.to)


def _plain(words: list[str]) -> Iterator[str]:
    """Yield the words as a person writes them: without the family, which other words imply, and a port with its protocol."""
    protocol = ""
    for word in words:
        if word.startswith(IMPLIED):
            continue
        if protocol and word.startswith(("sport", "dport")):
            word = f"{protocol} {word}"
        elif protocol and not word.startswith(f"{protocol} "):
            yield protocol
        protocol = word.removeprefix("l4proto ") if word.startswith("l4proto ") else ""
        if not protocol:
            yield word
    if protocol:
        yield protocol


def policy(accepts: bool) -> RuleWords:
    """Return the policy of a base chain."""
    verdict = "accept" if accepts else "drop"
    return RuleWords(f"policy {verdict}", verdict)


def legacy(entry: bytes, family: str) -> RuleWords:
    """Return an entry of an old table; ``family``: ``ip`` or ``ip6``."""
    found = old_entries.read(entry, family)
    verdict = found.target.lower() if found.verdict is None else OLD_VERDICTS.get(found.verdict, "jump")
    matches = (f"-m {_match(name, data)}" for name, data in found.matches)
    to, shown = "", ""
    if found.target == "DNAT":
        to, shown = _destination(*old_entries.translation(found.data, found.revision, family))
    return RuleWords(" ".join([*_old_conditions(found, family), *matches, verdict, *shown.split()]), verdict, to=to)


def _destination(address: bytes, port: int) -> tuple[str, str]:
    """Return the address to which a rule translates, and that in words; nothing where it names none."""
    if len(address) not in (4, 16) or not any(address):
        return "", ""
    to = str(packed(address))
    host = f"[{to}]" if ":" in to and port else to
    return to, f"to {host}:{port}" if port else f"to {host}"


class _Nft:
    """Reads the expressions of one rule in their order; registers keep the name of what was loaded into them."""

    def __init__(self, family: str) -> None:
        self.family = "ip6" if family == "ip6" else "ip"
        self.words: list[str] = []
        self.verdict = ""
        self.chain = ""
        self.registers: dict[int, str] = {}
        self.values: dict[int, bytes] = {}
        self.constants: dict[int, bytes] = {}
        self.to = ""

    def take(self, name: str, data: Attributes) -> None:
        """Read one expression."""
        reader = _READERS.get(name)
        if reader is not None:
            reader(self, data)
        elif name in _ENDS:
            self._end(_ENDS[name])
        elif name in ("numgen", "fib", "hash", "osf", "socket", "rt", "exthdr"):
            self._load(data, 1, name)
        elif name not in ("counter", "objref", "log", "nop"):
            self.words.append(name)

    def _end(self, verdict: str) -> None:
        self.verdict = verdict
        self.words.append(verdict)

    def _load(self, data: Attributes, register: int, name: str) -> None:
        self.registers[netlink.number(data.get(register, b""))] = name

    def payload(self, data: Attributes) -> None:
        """Read an expression of this name."""
        if 5 in data:  # NFTA_PAYLOAD_SREG: it writes
            field = FIELDS.get(tuple(netlink.number(data.get(key, b"")) for key in (2, 3, 4)), "a field")  # type: ignore[arg-type]
            self.words.append(f"set {field}")
            return
        base, offset, length = (netlink.number(data.get(key, b"")) for key in (2, 3, 4))
        default = f"@{('ll', 'nh', 'th')[base] if base < 3 else 'ih'},{offset * 8},{length * 8}"
        self._load(data, 1, FIELDS.get((base, offset, length), _prefix(base, offset, length) or default))

    def meta(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = META.get(netlink.number(data.get(2, b"")), f"meta {netlink.number(data.get(2, b''))}")
        if 3 in data:
            self.words.append(f"set {name}")
        else:
            self._load(data, 1, name)

    def ct(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = CT.get(netlink.number(data.get(2, b"")), "")
        if 4 in data:
            self.words.append(f"set ct {name}".rstrip())
        else:
            self._load(data, 1, f"ct {name}".rstrip())

    def bitwise(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = self.registers.get(netlink.number(data.get(1, b"")), "?")
        self.registers[netlink.number(data.get(2, b""))] = name
        self.values[netlink.number(data.get(2, b""))] = netlink.by_type(data.get(4, b"")).get(1, b"")

    def compare(self, data: Attributes) -> None:
        """Read an expression of this name."""
        register = netlink.number(data.get(1, b""))
        name = self.registers.get(register, "?")
        value = netlink.by_type(data.get(3, b"")).get(1, b"")
        mask = self.values.pop(register, b"")
        operator = OPERATORS.get(netlink.number(data.get(2, b"")), "? ")
        if name == "ct state" and operator == "!= ":  # a test of bits
            self.words.append(f"ct state {_states(mask)}")
        else:
            self.words.append(f"{name} {operator}{_value(name, value, mask)}")

    def range(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = self.registers.get(netlink.number(data.get(1, b"")), "?")
        low, high = (netlink.by_type(data.get(key, b"")).get(1, b"") for key in (3, 4))
        self.words.append(f"{name} {_value(name, low)}-{_value(name, high)}")

    def lookup(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = self.registers.get(netlink.number(data.get(2, b"")), "?")
        flags = "!= " if netlink.number(data.get(5, b"")) & 1 else ""
        kind = "vmap " if 3 in data and not netlink.number(data[3]) else ""
        if kind:
            self.verdict = self.verdict or "vmap"
        self.words.append(f"{name} {flags}{kind}@{netlink.word(data.get(1, b''))}")

    def immediate(self, data: Attributes) -> None:
        """Read an expression of this name."""
        value = netlink.by_type(data.get(2, b""))
        if 2 not in value:
            self.constants[netlink.number(data.get(1, b""))] = value.get(1, b"")
            return
        verdict = netlink.by_type(value[2])
        code = int.from_bytes(verdict.get(1, b""), "big", signed=True)
        self.verdict, self.chain = VERDICTS.get(code, str(code)), netlink.word(verdict.get(2, b""))
        self.words.append(f"{self.verdict} {self.chain}".rstrip())

    def nat(self, data: Attributes) -> None:
        """Read an expression of this name."""
        address, port = (self.constants.get(netlink.number(data.get(key, b"")), b"") for key in (3, 5))
        self._translate("snat" if netlink.number(data.get(1, b"")) == 0 else "dnat", address, netlink.number(port))

    def _translate(self, verdict: str, address: bytes, port: int) -> None:
        self._end(verdict)
        self.to, shown = _destination(address, port)
        self.words += [shown] if shown else []

    def limit(self, data: Attributes) -> None:
        """Read an expression of this name."""
        over = "over " if netlink.number(data.get(5, b"")) & 1 else ""
        self.words.append(f"limit {over}{netlink.number(data.get(1, b''))} per {netlink.number(data.get(2, b''))} s")

    def match(self, data: Attributes) -> None:
        """Read an expression of this name."""
        self.words.append(f"-m {_match(netlink.word(data.get(1, b'')), data.get(3, b''))}")

    def target(self, data: Attributes) -> None:
        """Read an expression of this name."""
        name = netlink.word(data.get(1, b""))
        if name == "DNAT":
            self._translate("dnat", *old_entries.translation(data.get(3, b""), netlink.number(data.get(2, b"")), self.family))
        else:
            self._end(name.lower())


_READERS: dict[str, Callable[[_Nft, Attributes], None]] = {
    "payload": _Nft.payload,
    "meta": _Nft.meta,
    "ct": _Nft.ct,
    "cmp": _Nft.compare,
    "bitwise": _Nft.bitwise,
    "immediate": _Nft.immediate,
    "lookup": _Nft.lookup,
    "range": _Nft.range,
    "limit": _Nft.limit,
    "nat": _Nft.nat,
    "match": _Nft.match,
    "target": _Nft.target,
}

_ENDS = {"masq": "masquerade", "redir": "redirect"} | {
    name: name for name in ("reject", "notrack", "tproxy", "dup", "queue", "fwd", "synproxy")
}


def _prefix(base: int, offset: int, length: int) -> str:
    """Return the name of an address of which only the first bytes are compared: nft does so for prefixes of whole bytes."""
    four = {(1, 12): "ip saddr", (1, 16): "ip daddr"}.get((base, offset), "") if length < 4 else ""
    return four or ({(1, 8): "ip6 saddr", (1, 24): "ip6 daddr"}.get((base, offset), "") if length > 4 else "")


def _states(mask: bytes) -> str:
    bits = int.from_bytes(mask, "little")
    return ",".join(name for bit, name in STATES.items() if bits & bit) or str(bits)


def _value(name: str, value: bytes, mask: bytes = b"") -> str:
    """Return a compared value as its field is written."""
    field = name.rpartition(" ")[2]
    if name.startswith("ether") and len(value) == 6:
        return value.hex(":")
    if field in ("saddr", "daddr", "src", "dst"):
        return _address(value, mask, 16 if name.startswith("ip6") or len(value) > 4 else 4)
    if field in ("iifname", "oifname", "ibrname", "obrname"):
        return f'"{netlink.word(value)}{"" if value.endswith(bytes(1)) else "*"}"'
    if field in ("l4proto", "protocol", "nexthdr") and len(value) == 1:
        return PROTOCOLS.get(value[0], str(value[0]))
    if name == "ports" and len(value) == 4:
        return f"{netlink.number(value[:2])}-{netlink.number(value[2:])}"
    order = "little" if field in ("mark", "iif", "oif", "skuid", "state", "status", "length") else "big"
    number = int.from_bytes(value, order)  # type: ignore[arg-type]
    masked = f"& {int.from_bytes(mask, order):#x} == " if mask else ""  # type: ignore[arg-type]
    return f"{masked}{number:#x}" if field in ("mark", "flags") or masked else str(number)


def _address(value: bytes, mask: bytes, size: int) -> str:
    if len(value) < size:
        return f"{packed(value.ljust(size, bytes(1)))}/{len(value) * 8}"
    bits = bin(int.from_bytes(mask, "big")).count("1") if mask else 0
    return f"{packed(value)}" + (f"/{bits}" if mask else "")


def _old_conditions(found: old_entries.OldEntry, family: str) -> Iterator[str]:
    """Yield the conditions in the head of an old entry: addresses, interfaces, protocol."""
    for name, (address, mask) in found.addresses.items():
        yield f"{family} {name} {'!= ' if name in found.inverted else ''}{_address(address, mask, len(address))}"
    for name, link in found.links.items():
        yield f'{name} {"!= " if name in found.inverted else ""}"{link}"'
    if found.protocol:
        yield f"{'!= ' if 'protocol' in found.inverted else ''}{PROTOCOLS.get(found.protocol, f'protocol {found.protocol}')}"


def _match(name: str, data: bytes) -> str:
    """Return a match of iptables in words: its name, and of ipset's the set's number (struct xt_set_info)."""
    return f"set #{struct.unpack_from('<H', data)[0]}" if name == "set" and len(data) >= 2 else name
