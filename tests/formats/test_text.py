# SPDX-License-Identifier: Apache-2.0
"""Lists and numbers in sentences."""

from __future__ import annotations

import pytest

from kubectl_netdoc.formats.text import counted, joined


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), (range(2), "0 and 1")]
)
def test_names_are_joined_as_in_a_sentence(names: list[object], text: str) -> None:
    assert joined(names) == text
    assert joined(names, "or") == text.replace(" and ", " or ")


@pytest.mark.parametrize(("number", "text"), [(0, "0 pods"), (1, "1 pod"), (2, "2 pods")])
def test_a_number_has_its_noun_in_the_right_form(number: int, text: str) -> None:
    assert counted(number, "pod") == text
    assert counted(number, "entry", "entries").startswith(f"{number} entr")
