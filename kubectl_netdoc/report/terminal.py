# SPDX-License-Identifier: Apache-2.0
"""Makes strings from a cluster safe to print: no escape sequence, no control or invisible direction mark gets through."""

from __future__ import annotations

import unicodedata

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that act instead of being seen: controls, format and direction marks, lone surrogates, line breaks."""


def safe(text: str) -> str:
    """Return ``text`` on one line with every character that a terminal might act on shown as its code."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if unicodedata.category(char) not in _UNSAFE else _shown(char) for char in text)


def _shown(char: str) -> str:
    return " " if char in "\n\t" else f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
