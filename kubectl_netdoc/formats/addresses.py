# SPDX-License-Identifier: Apache-2.0
"""IP addresses and ranges, as texts."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network


@lru_cache(maxsize=1 << 16)
def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def is_range(text: str) -> bool:
    """Tell whether a text is an IP range."""
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


def prefixed(value: bytes, mask: bytes = b"") -> str:
    """Return an address with the length of its prefix, or alone where the mask has every bit (or none is given)."""
    bits = int.from_bytes(mask, "big").bit_count() if any(mask) else 8 * len(value)
    return f"{ip_address(value)}" + (f"/{bits}" if bits != 8 * len(value) else "")
