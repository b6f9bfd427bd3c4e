# SPDX-License-Identifier: Apache-2.0
"""What an XFRM policy says (ip-xfrm(8)), in the words of `ip xfrm policy`.

Source: linux/xfrm.h (struct xfrm_userpolicy_info, xfrm_user_tmpl, xfrm_mark).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.formats import netlink
from kubectl_netdoc.formats.addresses import prefixed

SIZE, TEMPLATE = 168, 64
"""Bytes of a policy before its attributes, and of a template."""

DIRECTIONS = ("in", "out", "fwd")
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "icmpv6", 108: "comp", 132: "sctp"}
MODES = ("transport", "tunnel", "ro", "in_trigger", "beet")


class PolicyWords(Struct, frozen=True):
    """A policy in words. ``verdict``: ``block``, ``transform`` (by its templates) or ``accept``; ``source``, ``to``: its ranges.

    ``handle``: how `ip xfrm policy` names it.
    """

    text: str
    verdict: str
    source: str
    to: str
    handle: str


def read(message: bytes) -> PolicyWords:
    """Return a policy, from its message."""
    (family,) = struct.unpack_from("<H", message, 40)
    size = 16 if family == socket.AF_INET6 else 4
    to, source = _range(message[:size], message[42]), _range(message[16 : 16 + size], message[43])
    priority, index, direction, action = struct.unpack_from("<IIBB", message, 152)
    found = netlink.by_type(message[SIZE:])
    templates = [found[5][at : at + TEMPLATE] for at in range(0, len(found.get(5, b"")), TEMPLATE)]
    verdict = "block" if action else "transform" if any(not each[50] for each in templates if len(each) > 50) else "accept"
    mark = list(_mark(found))
    words = [f"src {source} dst {to}", *_ports(message), verdict if verdict != "transform" else "", f"priority {priority}"]
    words += [*map(_template, templates), *mark]
    way = DIRECTIONS[direction] if direction < len(DIRECTIONS) else str(direction)
    return PolicyWords(" ".join(filter(None, words)), verdict, source, to, " ".join([f"index {index} dir {way}", *mark]))


def _range(address: bytes, bits: int) -> str:
    return f"{prefixed(address)}/{bits}"


def _ports(message: bytes) -> Iterator[str]:
    to, to_mask, port, mask = struct.unpack_from("!4H", message, 32)
    if message[44]:
        yield f"proto {PROTOCOLS.get(message[44], message[44])}"
    if mask:
        yield f"sport {port}"
    if to_mask:
        yield f"dport {to}"


def _mark(found: netlink.Attributes) -> Iterator[str]:
    if 21 in found:
        value, mask = struct.unpack_from("<II", found[21])
        yield f"mark {value:#x} mask {mask:#x}"
    if 31 in found:
        yield f"if_id {struct.unpack_from('<I', found[31])[0]:#x}"


def _template(data: bytes) -> str:
    if len(data) < TEMPLATE:
        return ""
    size = 16 if struct.unpack_from("<H", data, 24)[0] == socket.AF_INET6 else 4
    mode = MODES[data[48]] if data[48] < len(MODES) else str(data[48])
    ends = f"src {prefixed(data[28 : 28 + size])} dst {prefixed(data[:size])}"
    number = struct.unpack_from("<I", data, 44)[0]
    return f"tmpl {ends} proto {PROTOCOLS.get(data[20], data[20])} reqid {number} mode {mode}"
