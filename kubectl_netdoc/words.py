# SPDX-License-Identifier: Apache-2.0
"""How lists are put into words."""

from __future__ import annotations

from collections.abc import Iterable


def some(names: Iterable[object], most: int) -> str:
    """Return the first ``most`` of some names, and how many more there are."""
    every = list(map(str, names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
