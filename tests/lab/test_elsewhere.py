# SPDX-License-Identifier: Apache-2.0
"""Other people's lists of faults, mechanism by mechanism, against the faults of the lab."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from lab.faults.model import FOLDER, names

LISTS: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "elsewhere.toml").read_text())


def mechanisms(of: dict[str, Any]) -> Iterator[tuple[str, list[str] | str]]:
    """Each mechanism of a list, with names of faults or why there is none."""
    for part in of.values():
        if isinstance(part, dict):
            yield from part.items()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_all_its_mechanisms(name: str) -> None:
    every = list(mechanisms(LISTS[name]))
    assert len(every) == LISTS[name]["mechanisms"]
    assert LISTS[name]["what"]
    assert len({mechanism for mechanism, _ in every}) == len(every)


@pytest.mark.parametrize("name", LISTS)
def test_each_mechanism_is_a_fault_that_there_is_or_has_a_reason(name: str) -> None:
    for mechanism, answer in mechanisms(LISTS[name]):
        if isinstance(answer, str):
            assert len(answer.split()) > 3, mechanism
        else:
            assert answer, mechanism
            assert set(answer) <= set(names()), mechanism
