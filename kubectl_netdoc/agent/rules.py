# SPDX-License-Identifier: Apache-2.0
"""The agent's reading of every rule that may take packets: nf_tables, the old tables of iptables, and those of traffic.py.

A rule is a list [backend, family, table, chain, handle or number, packets or -1 without a counter, base64 of its expressions].
backend: "nft" or "legacy". A chain's policy is a rule too, with the handle "policy" and its verdict as expressions.
Nothing is loaded or changed: nf_tables and the old tables (/proc/net/ip_tables_names) are read only where the kernel has them.
"""

import base64
import errno
import socket
import struct

from kubectl_netdoc.agent.host import MOST_RULES, NETFILTER, Full, attributes, dumped, each_attribute, has_nf_tables, option, text
from kubectl_netdoc.agent.traffic import takers

FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
GET_CHAINS, GET_RULES, GET_COUNTERS = 0xA04, 0xA07, 0xA13
HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def word(packed):
    """The text of a netlink string."""
    return packed.rstrip(b"\0").decode(errors="replace")


def number(packed):
    """The number in a big-endian attribute."""
    return int.from_bytes(packed, "big")


def encoded(data):
    """Bytes as text."""
    return base64.b64encode(data).decode()


def named_counters():
    """The packets of each named counter, by family, table and name."""
    found = {}
    for message in dumped(NETFILTER, GET_COUNTERS, bytes(4)):
        parts = attributes(message, 20)
        if number(parts.get(3, b"")) == 1:
            packets = number(attributes(parts.get(4, b"")).get(2, b""))
            found[message[16], word(parts.get(1, b"")), word(parts.get(2, b""))] = packets
    return found


def counted(expressions, family, table, named):
    """The packets that a rule's first counter has seen; -1 without one."""
    for _, element in each_attribute(expressions):
        parts = attributes(element)
        data, name = attributes(parts.get(2, b"")), word(parts.get(1, b""))
        if name == "counter":
            return number(data.get(2, b""))
        if name == "objref" and number(data.get(1, b"")) == 1:
            return named.get((family, table, word(data.get(2, b""))), -1)
    return -1


def nft_chains():
    """Of each base chain: [family, table, chain, hook number, priority, policy, packets that the policy decided or -1, type]."""
    for message in dumped(NETFILTER, GET_CHAINS, bytes(4)):
        parts = attributes(message, 20)
        if 4 not in parts:
            continue
        hook, counters = attributes(parts[4]), attributes(parts.get(8, b""))
        priority = struct.unpack("!i", hook.get(2, bytes(4)))[0]
        yield [
            FAMILIES.get(message[16], str(message[16])),
            word(parts.get(1, b"")),
            word(parts.get(3, b"")),
            number(hook.get(1, b"")),
            priority,
            number(parts.get(5, b"\1")),
            number(counters[2]) if 2 in counters else -1,
            word(parts.get(7, b"")),
        ]


def nft_rules():
    """Every rule of nf_tables."""
    named = named_counters()
    for message in dumped(NETFILTER, GET_RULES, bytes(4)):
        parts = attributes(message, 20)
        table, expressions = word(parts.get(1, b"")), parts.get(4, b"")
        packets = counted(expressions, message[16], table, named)
        family = FAMILIES.get(message[16], str(message[16]))
        yield ["nft", family, table, word(parts.get(2, b"")), number(parts.get(3, b"")), packets, expressions]


OLD_TABLES = ((socket.AF_INET, 0, 112, 88, "ip"), (socket.AF_INET6, 41, 168, 140, "ip6"))
"""Family, level of the socket options, size of an entry's head, and where that has the offset of the entry's target."""


def legacy_rules():
    """Every rule of the old tables (linux/netfilter_ipv4/ip_tables.h)."""
    for family, level, head, offsets, name in OLD_TABLES:
        for table in (text("/proc/net/%s_tables_names" % name) or "").split():
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                yield from of_a_table(sock, level, head, offsets, name, table)


def of_a_table(sock, level, head, offsets, family, table):
    """The rules of one old table."""
    for chain, place, _, entry in entries(sock, level, head, offsets, table):
        yield ["legacy", family, table, chain, place, struct.unpack_from("=Q", entry, head - 16)[0], entry]


def entries(sock, level, head, offsets, table):
    """Of each rule of an old table, in their order: [chain, number or "policy", offset, entry].

    A built-in chain's last rule is its policy.
    """
    info = option(sock, level, 64, table.encode().ljust(84, b"\0"))
    entry, underflow = struct.unpack_from("=5I", info, 36), struct.unpack_from("=5I", info, 56)
    valid, size = struct.unpack_from("=I", info, 32)[0], struct.unpack_from("=I", info, 80)[0]
    found = option(sock, level, 65, table.encode().ljust(32, b"\0") + struct.pack("=I", size) + bytes(4 + size))[40:]
    begins = {entry[hook]: HOOKS[hook] for hook in range(5) if valid & 1 << hook}
    ends = {underflow[hook] for hook in range(5) if valid & 1 << hook}
    at, chain, line = 0, "", 0
    while at + head <= size:
        target_at, following = struct.unpack_from("=HH", found, at + offsets)
        if at in begins:
            chain, line = begins[at], 0
        if found[at + target_at + 2 : at + target_at + 8] == b"ERROR\0":
            chain, line = word(found[at + target_at + 32 : at + following].split(b"\0")[0]), 0
        else:
            line += 1
            yield chain, "policy" if at in ends else line, at, found[at : at + following]
        at += max(following, head)


def every_rule():
    """Every rule of all kinds, and the policies of base chains."""
    yield from takers()
    try:
        if has_nf_tables():
            for family, table, chain, _, _, policy, packets, _ in list(nft_chains()):
                yield ["nft", family, table, chain, "policy", packets, b"\1" if policy else b"\0"]
            yield from nft_rules()
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):  # a kernel without nf_tables
            raise
    yield from legacy_rules()


def all_rules():
    """The rules by their place, as far as they are taken: {(backend, family, table, chain, handle): [packets, expressions]}."""
    found = {}  # type: ignore[var-annotated]
    for one in every_rule():
        if len(found) >= MOST_RULES:
            raise Full
        found[tuple(one[:5])] = one[5:]
    return found


def shown(place, found):
    """A rule as it is sent."""
    return list(place) + [found[0], encoded(found[1])]


def base_chains():
    """The base chains of nf_tables; none in a kernel without it."""
    try:
        return list(nft_chains()) if has_nf_tables() else []
    except OSError:
        return []


def foreign(place, raw, owned):
    """Whether none of the patterns owns a rule: ["" for packet filters or backend, table prefix, chain's or label's prefix]."""
    backend, table, word_ = place[0], place[2], place[3]
    if backend in ("nft", "legacy"):
        backend = ""
    else:
        word_ = word(raw.split(b"\0")[0])
    return not any(backend == of and table.startswith(start) and word_.startswith(prefix) for of, start, prefix in owned)
