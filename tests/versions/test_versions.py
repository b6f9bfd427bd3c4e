# SPDX-License-Identifier: Apache-2.0
"""The table of versions: how versions are read and compared, and that nothing else of the package knows versions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kubectl_netdoc
from kubectl_netdoc import versions
from tools.versions_page import PAGE, page

PACKAGE = Path(kubectl_netdoc.__file__).parent
NAMED = re.compile(
    r"(?:Kubernetes|[Kk]ernel|Linux|Calico|Cilium|containerd|CRI-O|CoreDNS|kubeadm|since|from|before) v?\d+\.\d+\b"
)
MINOR = re.compile(r"(?<![\d.])v?1\.[1-4]\d(?![\d.]*\d)")
"""A version of a component by its name, and a minor version of Kubernetes without one."""

SOURCES = {
    "measurements/rule_owners.py": "names of owners as they were called in some versions of Cilium",
    "policy/rules.py": "how older objects are read",
}
"""Files in which a version is where something was read, and nothing is decided by it."""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.34.4", (1, 34, 4)),
        ("v1.36.1-gke.1234567", (1, 36, 1)),
        ("v1.30.4+k3s1", (1, 30, 4)),
        ("6.18.0-2-amd64", (6, 18, 0)),
        ("containerd://2.1.4", (2, 1, 4)),
        ("cri-o://1.34.0", (1, 34, 0)),
        ("1.27", (1, 27)),
        ("latest", ()),
        ("sha256:0123456789abcdef", ()),
        ("", ()),
    ],
)
def test_a_version_is_found_in_what_the_api_says(text: str, version: versions.Version) -> None:
    assert versions.parse(text) == version


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("v1.33.12", False),
        ("v1.34.7", False),
        ("v1.34.8", True),
        ("v1.35.4", False),
        ("v1.35.5", True),
        ("v1.36.0", False),
        ("v1.36.1", True),
        ("v1.37.0-beta.0", True),
        ("v1.41.0", True),
        ("", False),
    ],
)
def test_a_patch_release_counts_for_its_own_line_alone(text: str, reached: bool) -> None:
    assert versions.change("kube-proxy-full-sync").reached("small", text) is reached


def test_stages_are_in_order_and_each_change_has_a_source() -> None:
    for name, change in versions.table().changes.items():
        assert change.sources, name
        firsts = [stage.first for stage in change.stages.values() if stage.versions]
        assert firsts == sorted(firsts), name
        assert all(bool(stage.versions) != bool(stage.date) for stage in change.stages.values()), name


def test_what_is_later_than_the_sources_is_a_plan() -> None:
    table = versions.table()
    ipvs = table.changes["kube-proxy-ipvs"]
    assert [name for name, stage in ipvs.stages.items() if table.planned(ipvs, stage)] == ["off", "gone"]


def test_the_page_is_made_of_the_table() -> None:
    assert PAGE.read_text() == page(), "python -m tools.versions_page"


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts that a file says or decides by: without docstrings, but with those of checks, which are their pages."""
    tree = ast.parse(path.read_text())
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, owners)]
    silent = {id(node.body[0].value) for node in documented if node.body and isinstance(node.body[0], ast.Expr)}
    page = ast.get_docstring(tree) if "checks" in path.relative_to(PACKAGE).parts else None
    if page and "## What it looks at" in page:
        yield 1, page
    for node in ast.walk(tree):
        bodies = [value for value in ast.iter_child_nodes(node) if isinstance(value, ast.Expr)]
        silent |= {id(value.value) for value in bodies}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.lineno, node.value


def test_nothing_else_says_or_decides_by_versions() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in SOURCES
        for line, text in _texts(path)
        if NAMED.search(text) or MINOR.search(text)
    ]
    assert found == []
