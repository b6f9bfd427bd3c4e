# SPDX-License-Identifier: Apache-2.0
"""CONTRIBUTING.md, followed to the letter: the check and the cases that stand there are well-formed, and find what they say."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc.contract import violations
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.engine.registry import Registry
from kubectl_netdoc.report import check_pages
from kubectl_netdoc.testing import described, outcome, pairs

ROOT = Path(__file__).parents[2]
STEP = re.compile(r"^\*\*\d\. `(?P<path>[^`]+\.py)`\*\*[^\n]*\n\n```python\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The files that a newcomer is told to write, by their paths."""
    return {match["path"]: match["text"] for match in STEP.finditer((ROOT / "CONTRIBUTING.md").read_text())}


def load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written(files: dict[str, str], tmp_path: Path) -> tuple[Check, list[Any], str]:
    """The check, its cases, and the check's text."""
    check = next(iter(files))
    for number, (path, text) in enumerate(files.items()):
        (tmp_path / f"{'cases' if number else Path(path).stem}.py").write_text(text)
    module = load(Path(check).stem, tmp_path / Path(check).name)
    return described(module), list(load("cases", tmp_path / "cases.py").CASES), files[check]


def test_it_names_the_check_and_its_cases(files: dict[str, str]) -> None:
    assert [Path(path).parent.as_posix() for path in files] == ["kubectl_netdoc/checks/nodes", "tests/checks/nodes"]
    assert len({Path(path).name for path in files}) == 1


def test_the_check_keeps_the_contract(written: tuple[Check, list[Any], str]) -> None:
    assert violations(*written) == []


def test_its_cases_come_out(written: tuple[Check, list[Any], str]) -> None:
    check, cases, _ = written
    assert [pairs(outcome(check, case.cluster, case.measured).findings) for case in cases] == [case.expect for case in cases]
    assert any(case.expect for case in cases)


def test_it_is_explained(written: tuple[Check, list[Any], str]) -> None:
    check, _, _ = written
    assert check.codes[0].title in check_pages.page(Registry((check,)), check.id)
