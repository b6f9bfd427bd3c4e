# SPDX-License-Identifier: Apache-2.0
"""The door for authors of checks: built-in checks stand on it and on the rooms it names, and it holds nothing they don't use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_netdoc import api
from tests.checks import CASES, CHECKS

ROOMS = ("cni", "components", "policy", "probes", "routing")
"""What checks may import besides ``kubectl_netdoc.api`` and their own parts."""


def imported(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the file, the module and the name of each import of netdoc's own."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kubectl_netdoc"):
                yield from ((path, str(node.module), alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name, "") for alias in node.names if alias.name.startswith("kubectl_netdoc"))


@pytest.mark.parametrize("folder", [CHECKS, CHECKS.parents[1] / "examples"], ids=["built-in", "example"])
def test_checks_import_from_the_door_and_the_rooms_it_names(folder: Path) -> None:
    allowed = {f"kubectl_netdoc.{name}" for name in ("api", "checks", *ROOMS)}
    outside = {
        (path.name, module)
        for path, module, name in imported(folder)
        if "tests" not in path.parts
        and ".".join((f"{module}.{name}" if module == "kubectl_netdoc" else module).split(".")[:2]) not in allowed
    }
    assert outside == set()


def test_the_door_holds_what_the_checks_and_their_cases_use_and_nothing_else() -> None:
    used = {name for folder in (CHECKS, CASES) for _, module, name in imported(folder) if module == "kubectl_netdoc.api"}
    assert set(api.__all__) == used
