# SPDX-License-Identifier: Apache-2.0
"""How lists and numbers are put into sentences, and how texts of others are cut and made safe to print."""

from __future__ import annotations

import unicodedata
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


def some(names: Iterable[object], most: int, between: str = ", ") -> str:
    """Return the first ``most`` of some names, and how many more there are."""
    every = list(map(str, names))
    return between.join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def joined(names: Iterable[object], last: str = "and") -> str:
    """Return names as a list in a sentence: "a", "a and b", "a, b and c"; ``last`` is the word before the last one."""
    *before, end = list(map(str, names)) or [""]
    return f"{', '.join(before)} {last} {end}" if before else end


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 pod", "2 pods"; ``plural``: where that is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that act instead of being seen: controls, format and direction marks, lone surrogates, line breaks."""


def safe(text: str) -> str:
    """Return ``text`` on one line with every character that a terminal might act on shown as its code."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if unicodedata.category(char) not in _UNSAFE else _shown(char) for char in text)


def _shown(char: str) -> str:
    return " " if char in "\n\t" else f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
