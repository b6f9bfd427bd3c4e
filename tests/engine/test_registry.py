# SPDX-License-Identifier: Apache-2.0
"""Checks of third parties: a real distribution, installed and run, and bad ones, each a row of the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "netdoc-plugin-example"
BUNDLE = str(ROOT / "tests" / "bundles" / "healthy.json")

CHECK = '''"""A page."""
from itertools import count
from kubectl_netdoc.api import NODE, Check, Code, DnsLookup, Needs, ResolvConfNameserver, Risk, Severity, Subject, Tier

CODE = Code(id="{code}", severity=Severity.FAIL, risk=Risk.SAFE, title="t", message="m", fix="f")


def analyse(facts):
    {analyse}


def plan(cluster):
    {plan}


needs = Needs(kinds=(NODE,), tier=Tier.PODS)
check = Check(id="{id}", title="T", prefix="BAD", needs=needs, codes=(CODE,), analyse=analyse, plan=plan)
'''


def module(id_: str = "bad", code: str = "BAD001", analyse: str = "yield from ()", plan: str = "yield from ()") -> str:
    """The text of a plugin's module."""
    return CHECK.format(id=id_, code=code, analyse=analyse, plan=plan)


def netdoc(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run netdoc as it is where the distributions in a folder are installed too."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(["kubectl-netdoc", *args], env=environment, capture_output=True, text=True, timeout=120)


def report(folder: Path, *checks: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of a check of the healthy bundle."""
    done = netdoc(folder, "check", "--from", BUNDLE, "-o", "json", *checks)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed by pip."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*command, str(EXAMPLE)], check=True, timeout=120)
    return folder


def test_the_example_is_found_run_and_explained(installed: Path) -> None:
    listed = json.loads(netdoc(installed, "list", "-o", "json").stdout)
    assert "node_labels" in {check["id"] for check in listed}
    code, told = report(installed, "node_labels")
    assert (code, [(row["check"], row["state"]) for row in told["results"]]) == (0, [("node_labels", "skipped")])
    assert "EXA001" in netdoc(installed, "explain", "EXA001").stdout


def test_the_examples_own_tests_pass(installed: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests")]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A distribution of one module, as pip would have left it there."""
    package = tmp_path / "bad_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bad.py").write_text(request.param)
    metadata = tmp_path / "bad_plugin-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[kubectl_netdoc.checks]\nbad = bad_plugin\n")
    return tmp_path


BAD = {
    "import error": "import nowhere_to_be_found",
    "syntax error": "def (",
    "exit at import": "import sys; sys.exit(3)",
    "no check": "check = 1",
    "crash": module(analyse="raise ZeroDivisionError"),
    "wrong type": module(analyse="yield 1"),
    "no iterator": module(analyse="return 1"),
    "crash in plan": module(plan="raise ZeroDivisionError"),
    "wrong request": module(plan="yield 1"),
    "unhashable request": module(plan="yield []"),
    "exit": module(analyse="raise SystemExit(0)"),
    "exit in plan": module(plan="raise SystemExit(0)"),
    "recursion": module(analyse="return analyse(facts)"),
    "no memory": module(analyse="return [0] * (1 << 60)"),
    "nothing at all": module(analyse="return None"),
    "endless plan": module(
        plan="n = 0\n    while True:\n        n += 1\n        yield DnsLookup(str(n), ResolvConfNameserver(), 'a.')"
    ),
    "endless findings": module(analyse="while True:\n        yield CODE.on(Subject('Node', 'n'))"),
    "the name of another": module(id_="dns_config"),
    "the code of another": module(code="DNC001"),
}


@pytest.mark.parametrize("plugin", BAD.values(), ids=BAD.keys(), indirect=True)
def test_a_bad_plugin_is_a_row_and_takes_nothing_else_along(plugin: Path) -> None:
    code, told = report(plugin)
    states = [row["state"] for row in told["results"]]
    assert (code, states.count("crashed")) == (4, 1)
    (row,) = [row for row in told["results"] if row["state"] == "crashed"]
    assert row["error"]
    assert len(states) > 40


@pytest.mark.parametrize("plugin", ["print('at import')\n" + module(analyse="print('gossip'); return []")], indirect=True)
def test_what_a_plugin_prints_is_not_in_the_report(plugin: Path) -> None:
    _code, told = report(plugin)
    assert len(told["results"]) > 40
