# SPDX-License-Identifier: Apache-2.0
"""A folder of reports: the newest of each cluster stay, whole, and nothing else is touched."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubectl_netdoc.core.report import Coverage, Report
from kubectl_netdoc.report import json
from kubectl_netdoc.sources import SourceError, reports

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def report(minutes: int = 0, source: str = "context lab", scope: str = "the whole cluster") -> Report:
    when = (BEGAN + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    return Report(1, "0.1.0", source, when, "v1.34.0", Coverage(scope=scope), (), ())


def keep(folder: Path, one: Report, most: int = 3) -> None:
    reports.keep(folder, one, json.render(one), most)


def read(folder: Path, since: float = 0.0) -> tuple[list[Report], list[str]]:
    told: list[str] = []
    return list(reports.kept(folder, told.append, since)), told


def test_the_newest_stay_oldest_first(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    for minutes in (3, 1, 2, 5, 4):
        keep(folder, report(minutes))
    assert read(folder) == ([report(3), report(4), report(5)], [])
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_each_cluster_and_scope_has_its_own_number(tmp_path: Path) -> None:
    others = [report(0, "context other"), report(0, "context LAB"), report(0, scope="namespace shop")]
    for one in (*others, *(report(minutes) for minutes in range(1, 6))):
        keep(tmp_path, one)
    found, _ = read(tmp_path)
    assert sorted(map(repr, found)) == sorted(map(repr, [*others, *(report(minutes) for minutes in (3, 4, 5))]))


@pytest.mark.parametrize("name", ["../../x", "a/b", "\x1b[31m", "x" * 400, "", "arn:aws:eks:eu:1:cluster/prod"])
def test_whatever_a_cluster_is_called_the_file_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    keep(tmp_path / "kept", report(source=name))
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    theirs = [tmp_path / name for name in ("mine.json", "20200101T000000Z.json", "20200101T000000Z-lab.txt")]
    for path in theirs:
        path.write_text("x")
    for minutes in range(5):
        keep(tmp_path, report(minutes), 1)
    assert all(path.read_text() == "x" for path in theirs)
    assert read(tmp_path)[0] == [report(4)]


def test_only_the_last_hour(tmp_path: Path) -> None:
    for minutes in (0, 30, 60, 120):
        keep(tmp_path, report(minutes), 9)
    assert read(tmp_path, 3600)[0] == [report(60), report(120)]


@pytest.mark.parametrize(
    "content",
    [
        '{"netdoc_report": 1, "recorded": "2026-01-01T12:00:00+00:00", "source": "x"',
        '{"netdoc_report": 1, "recorded": "2026-01-01T12:00:00", "source": "x"}',
        '{"netdoc_report": 1, "recorded": "2026-01-01T12:00:00+00:00", "source": "x"}',
        '{"netdoc_report": 1}',
    ],
    ids=["cut", "without a zone", "without findings", "empty"],
)
def test_what_is_damaged_is_told_and_left_out(tmp_path: Path, content: str) -> None:
    keep(tmp_path, report())
    (tmp_path / "x.json").write_text(content)
    found, told = read(tmp_path)
    assert (found, len(told)) == ([report()], 1)


def test_a_folder_without_reports(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SourceError) as error:
        read(tmp_path)
    assert error.value.exit_code == 2


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError):
        keep(tmp_path / "file", report())
