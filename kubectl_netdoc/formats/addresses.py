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
