# SPDX-License-Identifier: Apache-2.0
"""Numbers from which on a check speaks, which a user may set."""

from __future__ import annotations

from msgspec import Struct


class Threshold(Struct, frozen=True, kw_only=True):
    """A number from which on a check speaks, which a user may set (.netdoc.yaml, ``--threshold``).

    ``name`` ends in the unit where it has one; ``source``: where the default is from, in a sentence.
    """

    name: str
    default: float
    unit: str
    source: str
    least: float = 0.0
    most: float = float("inf")


class ThresholdSet(Struct, frozen=True):
    """A threshold that is not the check's own in a run, and by whose wish."""

    check: str
    name: str
    value: float
    default: float
    unit: str
    by: str

    def __str__(self) -> str:
        return f"{self.check}.{self.name} is {self.value:g} {self.unit} instead of {self.default:g} (set by {self.by})"
