# SPDX-License-Identifier: Apache-2.0
"""Rates with the bounds that so many tries allow: Clopper and Pearson, one-sided."""

import math

LIMIT = 0.05
"""One-sided error of the bounds: 95 % confidence."""


def at_most(hits: int, tries: int) -> float:
    """Return the largest rate that ``hits`` of ``tries`` allow: Clopper and Pearson's one-sided upper bound."""
    low, high = hits / tries, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        seen = sum(math.comb(tries, k) * middle**k * (1 - middle) ** (tries - k) for k in range(hits + 1))
        low, high = (middle, high) if seen > LIMIT else (low, middle)
    return high


def share(hits: int, tries: int) -> str:
    """Say a rate with its numbers, and the least that they allow."""
    return f"{hits} of {tries} ({hits / tries:.0%}; at least {1 - at_most(tries - hits, tries):.0%})" if tries else "-"


def most(hits: int, tries: int) -> str:
    """Say a rate with its numbers, and the most that they allow."""
    return f"{hits} of {tries} ({hits / tries:.0%}; at most {at_most(hits, tries):.0%})" if tries else "-"
