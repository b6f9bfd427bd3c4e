# SPDX-License-Identifier: Apache-2.0
"""Lays text out in the cells of a terminal: measures it, pads it, wraps it, and draws tables.

tabulate measures with wcwidth, so everything here does. Both are imported where they are used first: most runs need neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubectl_netdoc.formats.text import safe

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MARK = 2
"""Cells of the mark that says that a text goes on."""


def cells(text: str) -> int:
    """Return how many cells a text takes: a Chinese character two, a combining mark none. Control characters are not measured."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return wcswidth(text)


def shown(line: str) -> int:
    """Return how many cells a line of the report takes; ANSI colours take none."""
    return cells(_COLOUR.sub("", line))


def rows(lines: Iterable[str], width: int) -> int:
    """Return how many rows of a terminal of that width these lines take."""
    return sum(max(1, -(-shown(line) // width)) for line in lines)


def padded(text: str, width: int) -> str:
    """Return a text with blanks after it, so that it takes ``width`` cells."""
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int, first: str = "", rest: str = "", most: int = 0) -> Iterator[str]:
    """Yield a text in lines of at most ``width`` cells, the first after ``first``, others after ``rest``; blanks become one.

    Words are not broken, so that names can be copied: a longer one has a line to itself. ANSI colours in ``first`` take no room.
    ``most``: at most so many lines, 0 for all; the last one is marked where something is left out.
    """
    line, used, begun, number = first, shown(first), False, 1
    words = safe(text).split()
    for left, word in zip(range(len(words), 0, -1), words, strict=True):
        size = cells(word)
        if begun and used + 1 + size > width - (MARK if number == most and left > 1 else 0):
            if number == most:
                yield f"{line} …"
                return
            yield line
            line, used, begun, number = rest, cells(rest), False, number + 1
        line += f" {word}" if begun else word
        used += size + begun
        begun = True
    yield line


def table(head: Iterable[str], rows: Iterable[Iterable[str]], form: str = "plain") -> str:
    """Return a table in one of tabulate's forms."""
    from tabulate import tabulate

    cells_of_rows = [[safe(cell) for cell in row] for row in rows]
    return tabulate(cells_of_rows, headers=[safe(cell) for cell in head], tablefmt=form, disable_numparse=True)
