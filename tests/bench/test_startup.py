# SPDX-License-Identifier: Apache-2.0
"""The comparison of two programs' start-up: their medians, and no figure of a program that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.startup import compared, of_revision, of_this_tree


def test_the_slower_of_two_programs_is_told(tmp_path: Path) -> None:
    slow, fast = compared(["sh", "-c", "sleep 0.2"], ["true"], (tmp_path, tmp_path), runs=2)
    assert slow > 0.2 > fast


@pytest.mark.parametrize("script", ["exit 3", "echo Traceback >&2; exit 1"])
def test_a_program_that_fails_has_no_figure(script: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended with"):
        compared(["true"], ["sh", "-c", script], (tmp_path, tmp_path), runs=1)


def test_both_trees_are_whole(tmp_path: Path) -> None:
    of_this_tree(tmp_path / "own")
    of_revision(tmp_path / "base", "HEAD")
    for tree in ("own", "base"):
        assert (tmp_path / tree / "pyproject.toml").is_file()
        assert (tmp_path / tree / "demo" / "kube-proxy-hung.json").is_file()
