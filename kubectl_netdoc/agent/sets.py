# SPDX-License-Identifier: Apache-2.0
"""The agent's reading of the sets that some rules use: those of nf_tables, and ipset's.

A set is a list ["nft" or "ipset", family, its table or number, name, type, number of members, whether that is not all of them,
[base64 of each member that is kept...]]. type: of nf_tables "KEY TYPE/FLAGS", of ipset its name, "hash:net" for example.
Nothing is loaded: ipset is asked by its socket option first, which no module is loaded for (net/netfilter/nf_sockopt.c), while a
message of its kind would load it (nfnetlink_rcv_msg in net/netfilter/nfnetlink.c).
"""

import socket
import struct

from kubectl_netdoc.agent.host import NETFILTER, Full, attribute, attributes, dumped, each_attribute, option
from kubectl_netdoc.agent.rules import FAMILIES, OLD_TABLES, encoded, number, word

GET_SETS, GET_ELEMENTS, LIST_IPSET = 0xA0A, 0xA0D, 0x607
SO_IP_SET, GET_BY_INDEX = 83, 7
MOST_SETS, MOST_MEMBERS, MOST_COUNTED = 50, 50, 10000


def in_use(rules_):
    """Which sets the rules use: {(family's number, table, name)...} of nf_tables, {number...} of ipset."""
    numbers = {name: family for family, name in FAMILIES.items()}
    nft, ipset = set(), set()
    for (backend, family, table, _, handle), (_, raw) in rules_:
        if backend == "legacy":
            ipset.update(of_legacy(raw, *next(row[2:4] for row in OLD_TABLES if row[4] == family)))
        elif backend == "nft" and handle != "policy":
            for _, element in each_attribute(raw):
                parts = attributes(element)
                kind, data = word(parts.get(1, b"")), attributes(parts.get(2, b""))
                if kind in ("lookup", "dynset"):
                    nft.add((numbers.get(family, 0), table, word(data.get(1, b""))))
                elif kind in ("match", "target") and word(data.get(1, b"")) in ("set", "SET") and len(data.get(3, b"")) >= 2:
                    ipset.add(struct.unpack_from("=H", data[3])[0])
    return sorted(nft)[:MOST_SETS], sorted(ipset)[:MOST_SETS]


def of_legacy(entry, at, offsets):
    """The sets in the matches of an entry of the old tables: struct xt_set_info has the number first."""
    end = struct.unpack_from("=H", entry, offsets)[0]
    while at + 34 <= end:
        size = struct.unpack_from("=H", entry, at)[0]
        if entry[at + 2 : at + 31].split(b"\0")[0] == b"set":
            yield struct.unpack_from("=H", entry, at + 32)[0]
        at += max(size, 32)


def name_of(index):
    """The name of an ipset by its number; "" where there is none, or no ipset in this kernel."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            found = option(sock, 0, SO_IP_SET, struct.pack("=II32s", GET_BY_INDEX, 6, struct.pack("=H", index)))
    except OSError:
        return ""
    return word(found[8:40].split(b"\0")[0])


def counted_members(members, ends=False):
    """How many members there are as far as they are counted, whether not all are kept, and those that are.

    ends: an element of nf_tables may be the end of a range (NFT_SET_ELEM_INTERVAL_END), which is no member.
    """
    kept, count, seen = [], 0, 0
    for one in members:
        seen += 1
        count += not (ends and number(attributes(one).get(3, b"")) & 1)
        if seen <= MOST_MEMBERS:
            kept.append(encoded(one))
        if seen >= MOST_COUNTED:
            break
    return [count, seen > len(kept), kept]


def nft_sets(wanted):
    """Some sets of nf_tables."""
    if not wanted:
        return
    for message in dumped(NETFILTER, GET_SETS, bytes(4)):
        parts = attributes(message, 20)
        key = (message[16], word(parts.get(1, b"")), word(parts.get(2, b"")))
        if key in wanted:
            kind = "%d/%d" % (number(parts.get(4, b"")), number(parts.get(3, b"")))
            yield ["nft", FAMILIES.get(key[0], str(key[0])), key[1], key[2], kind] + counted_members(elements(*key), True)


def elements(family, table, name):
    """The elements of a set of nf_tables (NFTA_SET_ELEM_LIST_ELEMENTS)."""
    body = struct.pack("=BBH", family, 0, 0) + attribute(1, table.encode() + b"\0") + attribute(2, name.encode() + b"\0")
    for message in dumped(NETFILTER, GET_ELEMENTS, body):
        for _, one in each_attribute(attributes(message, 20).get(3, b"")):
            yield one


def ip_sets(wanted):
    """Some sets of ipset."""
    for index in wanted:
        name = name_of(index)
        if name:
            told = []  # type: ignore[var-annotated]
            members = counted_members(of_ipset(name, told))
            kind, family = (told + ["", 0])[:2]
            yield ["ipset", {2: "ip", 10: "ip6"}.get(family, ""), str(index), name, kind] + members


def of_ipset(name, told):
    """The members of a set of ipset (IPSET_ATTR_ADT); its type and family are noted."""
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attribute(1, b"\x06") + attribute(2, name.encode() + b"\0")
    for message in dumped(NETFILTER, LIST_IPSET, body):
        parts = attributes(message, 20)
        if 3 in parts:
            told[:] = [word(parts[3]), parts.get(5, b"\0")[0]]
        for _, one in each_attribute(parts.get(8, b"")):
            yield one


def sets(rules_):
    """The sets that rules use; what goes while it is read is left out, and what is larger than is taken."""
    nft, ipset = in_use(rules_)
    found = []
    for read in (nft_sets(set(nft)), ip_sets(ipset)):
        try:
            found += list(read)
        except (OSError, Full):
            continue
    return found
