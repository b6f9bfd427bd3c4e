# SPDX-License-Identifier: Apache-2.0
"""The shape of the package: files and functions that are read in one go, and who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import kubectl_netdoc

PACKAGE = Path(kubectl_netdoc.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
CHECKS = [path for path in FILES if path.is_relative_to(PACKAGE / "checks") and len(path.relative_to(PACKAGE).parts) > 2]
LONGEST_FILE, LONGEST_FUNCTION = 400, 45
TYPICAL_CHECK, TYPICAL_FUNCTION = 200, 8


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> list[int]:
    """The lengths of a file's functions and methods in lines."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [(node.end_lineno or 0) - node.lineno + 1 for node in nodes if isinstance(node, ast.FunctionDef)]


def test_no_file_is_too_long_to_read() -> None:
    assert {str(path.relative_to(PACKAGE)) for path in FILES if lines(path) > LONGEST_FILE} == set()


def test_checks_and_functions_are_small() -> None:
    assert median(lines(path) for path in CHECKS) < TYPICAL_CHECK
    lengths = [length for path in FILES for length in functions(path)]
    assert median(lengths) <= TYPICAL_FUNCTION
    assert max(lengths) <= LONGEST_FUNCTION


def test_a_room_imports_only_from_rooms_below_it() -> None:
    """The contracts of pyproject.toml; ``lint-imports`` prints what breaks them."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]


def test_addresses_are_parsed_in_one_place() -> None:
    """Kubernetes reads more texts as addresses than Python does, and what is connected to must be canonical."""
    found = {
        str(path.relative_to(PACKAGE)) for path in FILES if re.search(r"^\s*(?:import|from) ipaddress\b", path.read_text(), re.M)
    }
    assert found == {"formats/addresses.py"}
