# SPDX-License-Identifier: Apache-2.0
"""Small sums over samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile (NIST): the smallest value that ``percent`` % of all don't exceed; 0 for no values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = max(1, -(-int(percent * len(ordered)) // 100))
    return ordered[min(rank, len(ordered)) - 1]


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return ``most`` evenly spaced items, including the first; all if there are no more."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]
