# SPDX-License-Identifier: Apache-2.0
"""What a release is built of: locked by version and hash, and still what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKED = ROOT / "release" / "locked"
FILES = {"run": ROOT / "pyproject.toml", "build": LOCKED / "build.in", "freeze": LOCKED / "freeze.in"}


def wanted(path: Path) -> list[Requirement]:
    if path.suffix == ".toml":
        return [Requirement(line) for line in tomllib.loads(path.read_text())["project"]["dependencies"]]
    return [Requirement(line) for line in path.read_text().splitlines() if not line.startswith("#")]


def locked(name: str) -> dict[str, tuple[Requirement, int]]:
    """Each requirement of a locked file by its name, with the number of its hashes."""
    text = (LOCKED / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [
        (Requirement(line.split("--hash=")[0].strip()), len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line))) for line in lines
    ]
    return {requirement.name.lower(): (requirement, hashes) for requirement, hashes in found}


@pytest.mark.parametrize("name", FILES)
def test_all_that_is_asked_for_is_locked(name: str) -> None:
    there = locked(name)
    for requirement in wanted(FILES[name]):
        (pin,) = there[requirement.name.lower()][0].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement


@pytest.mark.parametrize("name", FILES)
def test_each_has_a_hash(name: str) -> None:
    assert [str(requirement) for requirement, hashes in locked(name).values() if not hashes] == []
    assert "://" not in (LOCKED / f"{name}.txt").read_text()


def test_the_hash_is_asked_for() -> None:
    """Without the flag pip takes what has another."""
    source = (ROOT / "release" / "build.py").read_text()
    assert source.count('"--require-hashes"') == 2
    assert re.findall(r"install\(programs, (?!\"--require-hashes\"|\"--no-deps\")", source) == []
