# SPDX-License-Identifier: Apache-2.0
"""Small sums over samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")

STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom (NIST Handbook of Statistical Methods, 1.3.6.7.2)."""

NORMAL = 1.96
"""The same for more: that of the normal distribution, which differs by 4 % at most."""


class Estimate(Struct, frozen=True, omit_defaults=True):
    """The mean of samples and half the width of its 95 % confidence interval; None: one sample tells no interval."""

    mean: float
    half: float | None = None

    def apart(self, other: Estimate) -> bool:
        """Tell whether the two intervals don't overlap."""
        if self.half is None or other.half is None:
            return False
        return abs(self.mean - other.mean) > self.half + other.half


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value with the 95 % confidence interval of Student's t."""
    freedom = len(values) - 1
    if not freedom:
        return Estimate(values[0])
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / freedom) ** 0.5
    quantile = STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL
    return Estimate(mean, quantile * deviation / len(values) ** 0.5)


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
