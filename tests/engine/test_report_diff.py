# SPDX-License-Identifier: Apache-2.0
"""Two reports compared: what is new, gone, worse and better, and what nobody knows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.engine.report_diff import Change, between
from kubectl_netdoc.remediation.commands import Risk

BUNDLES = Path(__file__).parents[1] / "bundles"
FAIL, WARN, INFO = Severity.FAIL, Severity.WARN, Severity.INFO


def finding(name: str, severity: Severity = FAIL, explained_by: str = "") -> Finding:
    return Finding(
        "X001", severity, Subject("Service", name, "shop"), "m", {}, "f", (), Risk.SAFE, check="x", explained_by=explained_by
    )


def report(*findings: Finding, state: State = State.PASS) -> Report:
    results = (CheckResult("x", "X", state),)
    return Report(1, "0", "a", "2026-01-01T00:00:00+00:00", "v1", Coverage(), results, findings)


ROWS = [
    ("the same", report(finding("a")), report(finding("a")), [], False),
    ("new", report(), report(finding("a")), [(Change.NEW, "a")], True),
    ("new and only a warning", report(), report(finding("a", WARN)), [(Change.NEW, "a")], False),
    ("a new effect", report(), report(finding("a", explained_by="b")), [(Change.NEW, "a")], False),
    ("gone", report(finding("a")), report(), [(Change.GONE, "a")], False),
    ("worse", report(finding("a", WARN)), report(finding("a")), [(Change.WORSE, "a")], True),
    ("better", report(finding("a")), report(finding("a", WARN)), [(Change.BETTER, "a")], False),
    ("advice is left out", report(finding("a", INFO)), report(finding("b", INFO)), [], False),
    ("advice became a failure", report(finding("a", INFO)), report(finding("a")), [(Change.NEW, "a")], True),
    ("not looked at is not gone", report(finding("a")), report(state=State.SKIPPED), [(Change.UNSEEN, "a")], False),
    ("unknown is not gone", report(finding("a")), report(state=State.UNKNOWN), [(Change.UNSEEN, "a")], False),
    ("crashed is not gone", report(finding("a")), report(state=State.CRASHED), [(Change.UNSEEN, "a")], False),
    ("another subject", report(finding("a")), report(finding("b")), [(Change.NEW, "b"), (Change.GONE, "a")], True),
]


@pytest.mark.parametrize(("old", "new", "changes", "worse"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_between(old: Report, new: Report, changes: list[tuple[Change, str]], worse: bool) -> None:
    found = between(old, new)
    assert [(changed.change, changed.subject.name) for changed in found.changes] == changes
    assert found.worse() == worse


def netdoc(*args: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl-netdoc", *args], input=given, capture_output=True, text=True, timeout=60)


def test_two_recordings_of_one_cluster() -> None:
    healthy, broken = str(BUNDLES / "healthy.json"), str(BUNDLES / "coredns-zero.json")
    told = netdoc("diff", healthy, broken, "-o", "json")
    changes = json.loads(told.stdout)["changes"]
    assert told.returncode == 1
    assert ("new", "DNC001") in {(changed["change"], changed["code"]) for changed in changes}
    back = netdoc("diff", broken, healthy, "-o", "json")
    assert back.returncode == 0
    assert {changed["change"] for changed in json.loads(back.stdout)["changes"]} <= {"gone"}
    assert netdoc("diff", broken, broken).returncode == 0


def test_a_report_stands_for_its_bundle() -> None:
    broken = str(BUNDLES / "coredns-zero.json")
    written = netdoc("check", "--from", broken, "-o", "json").stdout
    told = netdoc("diff", broken, "-", "-o", "json", given=written)
    assert (told.returncode, json.loads(told.stdout)["changes"]) == (0, [])


@pytest.mark.parametrize("content", ["", '{"netdoc_report": 1', '{"netdoc_report": 99}', '{"netdoc_report": "x"}'])
def test_a_damaged_report_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(content)
    told = netdoc("diff", str(BUNDLES / "healthy.json"), str(file))
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (2, "", 1)
    assert netdoc("diff", "nowhere", "nowhere").returncode == 2
    assert netdoc("diff", "-", "-").returncode == 2


def test_a_difference_survives_json() -> None:
    found = between(report(), report(finding("a")))
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
