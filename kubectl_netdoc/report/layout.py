# SPDX-License-Identifier: Apache-2.0
"""Lays text out in the cells of a terminal: measures it, pads it, wraps it, and draws tables.

tabulate measures with wcwidth, so everything here does. Both are imported where they are used first: most runs need neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubectl_netdoc.formats.text import safe

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cells(text: str) -> int:
    """Return how many cells a text takes: a Chinese character two, a combining mark none. Control characters are not measured."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return wcswidth(text)


def padded(text: str, width: int) -> str:
    """Return a text with blanks after it, so that it takes ``width`` cells."""
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> Iterator[str]:
    """Yield a text in lines of at most ``width`` cells, the first after ``first``, others after ``rest``; blanks become one.

    Words are not broken, so that names can be copied: a longer one has a line to itself. ANSI colours in ``first`` take no room.
    """
    line, used, begun = first, cells(_COLOUR.sub("", first)), False
    for word in safe(text).split():
        size = cells(word)
        if begun and used + 1 + size > width:
            yield line
            line, used, begun = rest, cells(rest), False
        line += f" {word}" if begun else word
        used += size + begun
        begun = True
    yield line


def table(head: Iterable[str], rows: Iterable[Iterable[str]], form: str = "plain") -> str:
    """Return a table in one of tabulate's forms."""
    from tabulate import tabulate

    cells_of_rows = [[safe(cell) for cell in row] for row in rows]
    return tabulate(cells_of_rows, headers=[safe(cell) for cell in head], tablefmt=form, disable_numparse=True)
