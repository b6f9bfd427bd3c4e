# SPDX-License-Identifier: Apache-2.0
"""How lists are put into words."""

from __future__ import annotations

from collections.abc import Iterable


def ending(text: str, most: int) -> str:
    """Return the last words of a text in at most ``most`` characters, marked where something is left out; blanks become one."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    end = text[2 - most :]
    return f"… {end if text[1 - most] == ' ' else end.partition(' ')[2] or end}"


def beginning(text: str, most: int) -> str:
    """Return the first words of a text in at most ``most`` characters, marked where something is left out; blanks become one."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    start = text[: most - 2]
    return f"{start if text[most - 2] == ' ' else start.rpartition(' ')[0] or start} …"


def some(names: Iterable[object], most: int) -> str:
    """Return the first ``most`` of some names, and how many more there are."""
    every = list(map(str, names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
