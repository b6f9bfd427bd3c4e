# SPDX-License-Identifier: Apache-2.0
"""What a filter of traffic control says (tc-u32(8), tc-bpf(8) …), in words like those of tc and nft.

Sources: linux/rtnetlink.h (struct tcmsg), linux/pkt_cls.h, linux/tc_act/tc_mirred.h and tc_gact.h; `tc filter show`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.formats import netlink
from kubectl_netdoc.formats.addresses import prefixed
from kubectl_netdoc.formats.netlink import Attributes

PROTOCOLS = {0x0003: "all", 0x0800: "ip", 0x86DD: "ipv6", 0x0806: "arp", 0x8100: "802.1Q"}
ACTIONS = {"u32": 7, "bpf": 1, "flower": 3, "matchall": 2, "fw": 4, "basic": 3, "cgroup": 1, "flow": 9, "route": 6}
"""The attribute in which a kind of filter has its actions (TCA_U32_ACT …)."""

CLASS = {"u32": 1, "bpf": 3, "flower": 1, "matchall": 1, "fw": 1, "basic": 1, "flow": 3, "route": 1}
"""The attribute of the class that it puts packets into."""

RESULTS = {0: "pass", 1: "reclassify", 2: "drop", 3: "pipe", 4: "stolen", 7: "redirect", 8: "trap"}
"""What an action says to do with a packet (TC_ACT_*)."""

VERDICTS = {"pass": "accept", "drop": "drop", "stolen": "steal", "trap": "steal"}
REDIRECTS = frozenset({1, 3})
"""Of struct tc_mirred what sends the packet itself to another interface (TCA_EGRESS_REDIR, TCA_INGRESS_REDIR), and no copy."""

PORT = 20
"""Where u32 looks for ports: behind an IPv4 header without options."""

FLOWER = {10: "ip saddr", 12: "ip daddr", 14: "ip6 saddr", 16: "ip6 daddr", 18: "tcp sport", 19: "tcp dport", 20: "udp sport",
          21: "udp dport"}  # fmt: skip
"""Fields that flower compares (TCA_FLOWER_KEY_*); the mask of an address is the next attribute."""


class FilterWords(Struct, frozen=True):
    """A filter in words. ``handle``: how tc names it on its interface; ``verdict``: what it does with the packet."""

    text: str
    verdict: str
    protocol: str
    handle: str


def read(message: bytes, label: str) -> FilterWords:
    """Return a filter, from its message (struct tcmsg, attributes). ``label``: its program, or the interface that it sends to."""
    number, info = struct.unpack_from("<I", message, 8)[0], struct.unpack_from("<I", message, 16)[0]
    found = netlink.by_type(message[20:])
    kind, options = _word(found.get(1, b"")), netlink.by_type(found.get(2, b""))
    protocol = int.from_bytes((info & 0xFFFF).to_bytes(2, "little"), "big")
    actions = [netlink.by_type(one) for _, one in netlink.each(options.get(ACTIONS.get(kind, -1), b""))]
    verdict, told = "", []
    for action in actions:
        word, what = _action(action, label)
        told.append(what)
        verdict = verdict or word
    if kind == "bpf":
        verdict = verdict or "bpf"
    elif CLASS.get(kind) in options:
        (of,) = struct.unpack_from("<I", options[CLASS[kind]].ljust(4, b"\0"))
        told.append(f"class {of >> 16:x}:{of & 0xFFFF:x}")
    conditions = list(_conditions(kind, options, label))
    return FilterWords(
        " ".join([kind, *conditions, *told]), verdict, PROTOCOLS.get(protocol, hex(protocol)), _handle(kind, number, info, found)
    )


def _handle(kind: str, number: int, info: int, found: Attributes) -> str:
    (chain,) = struct.unpack("<I", found.get(11, b"")[:4].ljust(4, b"\0"))
    table, bucket, node = number >> 20, number >> 12 & 0xFF, number & 0xFFF
    shown = f"{table:x}:{f'{bucket:x}' if bucket else ''}:{node:x}" if kind == "u32" else f"{number:#x}"
    return f"{f'chain {chain} ' if chain else ''}pref {info >> 16} handle {shown} {kind}"


def _action(action: Attributes, label: str) -> tuple[str, str]:
    """Return the verdict of an action ("": the packet goes on) and its words."""
    kind, told = _word(action.get(1, b"")), netlink.by_type(action.get(2, b""))
    if kind == "mirred":
        (way,) = struct.unpack_from("<i", told.get(2, b"").ljust(28, b"\0"), 20)
        return ("steal", f"redirect to {label}") if way in REDIRECTS else ("", f"mirror to {label}")
    if kind == "gact":
        (number,) = struct.unpack_from("<i", told.get(2, b"").ljust(20, b"\0"), 8)
        word = RESULTS.get(number, str(number))
        return VERDICTS.get(word, ""), word
    return ("drop" if kind == "police" else ""), kind


def _conditions(kind: str, options: Attributes, label: str) -> Iterator[str]:
    if kind == "u32":
        yield from _u32(options.get(5, b""))
    elif kind == "bpf":
        yield label
        if options.get(8, b"\0")[0] & 1:
            yield "direct-action"
    elif kind == "flower":
        yield from _flower(options)


def _u32(selector: bytes) -> Iterator[str]:
    """Yield the words of each key of a selector (struct tc_u32_sel)."""
    for number in range(selector[2] if len(selector) > 2 else 0):
        key = selector[16 + 16 * number : 32 + 16 * number]
        if len(key) < 16:
            return
        mask, value, at = key[:4], key[4:8], struct.unpack_from("<i", key, 8)[0]
        if any(mask):
            yield _key(mask, value, at)


def _key(mask: bytes, value: bytes, at: int) -> str:
    if at in (12, 16):
        return f"ip {'saddr' if at == 12 else 'daddr'} {prefixed(value, mask)}"
    if at == PORT and mask in (b"\xff\xff\0\0", b"\0\0\xff\xff"):
        return f"dport {int.from_bytes(value, 'big')}" if mask[3] else f"sport {int.from_bytes(value[:2], 'big')}"
    if at == 8 and mask == b"\0\xff\0\0":
        return f"ip protocol {value[1]}"
    return f"match {value.hex()}/{mask.hex()} at {at}"


def _flower(options: Attributes) -> Iterator[str]:
    for kind, name in FLOWER.items():
        value = options.get(kind)
        if value is not None:
            address = name.endswith("addr")
            yield f"{name} {prefixed(value, options.get(kind + 1, b'')) if address else int.from_bytes(value, 'big')}"


def _word(data: bytes) -> str:
    return data.split(b"\0")[0].decode(errors="replace")
