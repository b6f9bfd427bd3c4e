# SPDX-License-Identifier: Apache-2.0
"""The attributes of netlink messages (netlink(7), struct nlattr), as a node of a little-endian machine sends them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Attributes = dict[int, bytes]

TYPE = 0x3FFF
"""The bits of an attribute's type without its flags (NLA_TYPE_MASK)."""


def each(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes as (type, value); what is cut off is the end."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("<HH", data, at)
        if length < 4:
            return
        yield kind & TYPE, data[at + 4 : at + length]
        at += (length + 3) & ~3


def by_type(data: bytes) -> Attributes:
    """Return the values by type; of a type that comes again the last."""
    return dict(each(data))


def number(data: bytes) -> int:
    """Return the number in a value of netfilter's, which are big-endian."""
    return int.from_bytes(data, "big")


def word(data: bytes) -> str:
    """Return the text of a value."""
    return data.rstrip(b"\0").decode(errors="replace")
