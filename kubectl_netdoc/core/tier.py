# SPDX-License-Identifier: Apache-2.0
"""Where a check measures from."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """Where a check measures from, each tier a superset of the one before (design.md §4)."""

    API = "api"
    PODS = "pods"
    NODES = "nodes"
    PRIVILEGED = "privileged"

    def covers(self, other: Tier) -> bool:
        """Whether this is ``other`` or a superset of it."""
        order = list(Tier)
        return order.index(self) >= order.index(other)
