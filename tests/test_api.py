# SPDX-License-Identifier: Apache-2.0
"""The door for authors of checks: built-in checks stand on it and on the rooms it names, and it holds nothing they don't use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from kubectl_netdoc import api
from tests.checks import CASES, CHECKS


def imported(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the file, the module and the name of each import of netdoc's own."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kubectl_netdoc"):
                yield from ((path, str(node.module), alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name, "") for alias in node.names if alias.name.startswith("kubectl_netdoc"))


def test_the_example_stands_on_the_same_rooms() -> None:
    example = CHECKS.parents[1] / "examples" / "netdoc-plugin-example" / "netdoc_plugin_example"
    assert {module for _, module, _ in imported(example)} == {"kubectl_netdoc.api"}


def test_the_door_holds_what_the_checks_and_their_cases_use_and_nothing_else() -> None:
    used = {name for folder in (CHECKS, CASES) for _, module, name in imported(folder) if module == "kubectl_netdoc.api"}
    assert set(api.__all__) == used
