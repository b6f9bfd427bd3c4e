# SPDX-License-Identifier: Apache-2.0
"""Where a check measures from."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """Where a check measures from; each tier includes the one before."""

    API = "api"
    PODS = "pods"
    NODES = "nodes"
    PRIVILEGED = "privileged"

    def covers(self, other: Tier) -> bool:
        """Tell whether this tier is or includes ``other``."""
        order = list(Tier)
        return order.index(self) >= order.index(other)
