# SPDX-License-Identifier: Apache-2.0
"""Text in the cells of a terminal, against rich's measure of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report.layout import cells, padded, table, wrapped

LETTERS = st.characters(categories=["L", "N", "P", "Sm", "Sc", "Zs", "Cc", "Cf"]) | st.characters(
    min_codepoint=0x300, max_codepoint=0x36F
)
TEXT = st.text(LETTERS).map(safe)
"""Letters, digits and accents. Of emoji, and of marks of Indian scripts, rich and wcwidth think differently, as terminals do."""


@given(TEXT)
def test_cells_are_those_of_rich(text: str) -> None:
    assert cells(text) == cell_len(text)


@pytest.mark.parametrize(
    ("text", "want"), [("web", 3), ("世界", 4), ("e\u0301", 1), ("a\u200bb", len(r"a\u200bb")), ("\x1b[31m", len(r"\x1b[31m"))]
)
def test_cells_of_what_is_shown(text: str, want: int) -> None:
    assert cells(safe(text)) == want


@given(st.lists(st.text("ab世e\u0301-", min_size=1, max_size=12), max_size=20), st.integers(10, 40))
def test_lines_are_as_wide_as_they_may_be(words: list[str], width: int) -> None:
    lines = list(wrapped("  ".join(words), width, "\x1b[31mhead\x1b[0m ", "    "))
    lines[0] = lines[0].replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert [word for line in lines for word in line[4:].split()] == words
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        assert cells(line) <= width or len(line[4:].split()) == 1
        assert not after or cells(line) + 1 + cells(after[4:].split()[0]) > width


def test_columns_begin_in_the_same_cell() -> None:
    rows = [("世界", "x"), ("e\u0301", "x"), ("web\n", "x")]
    *_, one, two, three = table(("NAME", "B"), rows).split("\n")
    assert [one, two, three] == [padded(name, 8) + "x" for name in ("世界", "e\u0301", "web")]
