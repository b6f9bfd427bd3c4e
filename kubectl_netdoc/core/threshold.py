# SPDX-License-Identifier: Apache-2.0
"""Numbers from which a check reports something; the user can change them."""

from __future__ import annotations

from msgspec import Struct


class Threshold(Struct, frozen=True, kw_only=True):
    """A number from which a check reports something; the user can change it (.netdoc.yaml, ``--threshold``).

    ``name`` ends with the unit, if it has one; ``source``: a sentence that says where the default comes from.
    """

    name: str
    default: float
    unit: str
    source: str
    least: float = 0.0
    most: float = float("inf")


class ThresholdSet(Struct, frozen=True):
    """A threshold that was changed for a run, and by what (a flag or a file)."""

    check: str
    name: str
    value: float
    default: float
    unit: str
    by: str

    def __str__(self) -> str:
        return f"{self.check}.{self.name} is {self.value:g} {self.unit} instead of {self.default:g} (set by {self.by})"
