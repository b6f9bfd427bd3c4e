# SPDX-License-Identifier: Apache-2.0
"""``check --contexts``: a row a cluster, none of which waits for another, and one exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kubectl_netdoc.cli import clusters
from kubectl_netdoc.core.fleet import ClusterReport
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.report import State
from kubectl_netdoc.sources.live import kubeconfig
from tests.support.commandline import LONGEST, Netdoc, complaint, in_process, process
from tests.support.kubeconfigs import FakeApi, fake_api, kubeconfig_of_several, thing

SERVICES = "/api/v1/services"
UNSELECTED = thing("web", "shop", spec={"selector": {"app": "wbe"}, "ports": [{"port": 80}]})
SILENT = "http://127.0.0.1:1"
ONE_CHECK = ("check", "service_config", "--no-pods")


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return in_process(monkeypatch, capsys)


@pytest.fixture
def broken() -> Iterator[FakeApi]:
    """A second API server, of a cluster with a Service that selects nothing."""
    with fake_api() as server:
        server.lists(SERVICES, UNSELECTED)
        yield server


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_row_a_cluster_with_its_report_behind_it(api: FakeApi, broken: FakeApi, hanging: str, tmp_path: Path) -> None:
    path = kubeconfig_of_several(tmp_path, good=api.url, silent=SILENT, hung=hanging, bad=broken.url)
    done = process(*ONE_CHECK, "--kubeconfig", path, "--all-contexts", "-o", "json", "--request-timeout", "2s")
    told = json.loads(done.out)
    rows = {row["context"]: row for row in told["clusters"]}
    assert list(rows) == ["good", "silent", "hung", "bad"]
    assert {name: row["state"] for name, row in rows.items()} == {
        "good": "pass",
        "silent": "unknown",
        "hung": "unknown",
        "bad": "warn",
    }
    assert (
        {name for name, row in rows.items() if row["report"] is None}
        == {"silent", "hung"}
        == {name for name, row in rows.items() if row["error"]}
    )
    worst = next(each for each in rows["bad"]["report"]["findings"] if each["id"] == rows["bad"]["cause"])
    assert (worst["code"], rows["bad"]["fail"], rows["bad"]["warn"]) == ("SVC002", 0, 1)
    assert all("\n" not in row["error"] for row in rows.values())
    assert done.code == 3


@pytest.mark.parametrize(
    ("chosen", "flags", "code"),
    [
        ("good", (), 0),
        ("good,bad", (), 0),
        ("good,bad", ("--fail-on", "warn"), 1),
        ("good,silent", (), 3),
        ("bad,silent", ("--fail-on", "warn"), 1),
        ("good", ("--strict",), 0),
    ],
)
def test_the_exit_code_is_that_of_the_cluster_that_counts_most(
    api: FakeApi, broken: FakeApi, tmp_path: Path, chosen: str, flags: tuple[str, ...], code: int
) -> None:
    path = kubeconfig_of_several(tmp_path, good=api.url, silent=SILENT, bad=broken.url)
    done = process(*ONE_CHECK, "--kubeconfig", path, "--contexts", chosen, *flags)
    assert (done.code, done.err) == (code, "")


def test_the_worst_stands_last_and_the_rest_on_demand(api: FakeApi, broken: FakeApi, tmp_path: Path) -> None:
    path = kubeconfig_of_several(tmp_path, bad=broken.url, good=api.url)
    flags = (*ONE_CHECK, "--kubeconfig", path, "--all-contexts")
    short, whole = process(*flags).out, process(*flags, "-v").out
    assert short.index(" good ") < short.index(" bad ") < short.index("SVC002")
    assert short.count("SVC002") == 1
    assert "--context bad" in short
    assert whole.count("SVC002") > 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--contexts", "a", "--all-contexts"),
        ("--contexts", "a", "--context", "b"),
        ("--contexts", "a", "--user", "b"),
        ("--contexts", "a", "--from", "x.json"),
        ("--contexts", "a", "-w"),
        ("--all-contexts", "-o", "html"),
        ("--contexts", ""),
        ("--all-contexts", "--kubeconfig", "/nowhere"),
    ],
    ids=" ".join,
)
def test_what_can_not_be_meant_is_one_line(netdoc: Netdoc, arguments: tuple[str, ...]) -> None:
    complaint(netdoc("check", *arguments), 2)


def test_a_context_that_is_not_there_is_answered_with_the_nearest(netdoc: Netdoc, tmp_path: Path) -> None:
    path = kubeconfig_of_several(tmp_path, production=SILENT, staging=SILENT)
    assert "'staging'" in complaint(netdoc("check", "--kubeconfig", path, "--contexts", "production,stagign"), 2)


def test_a_kubeconfig_is_read_once_for_all_its_contexts(tmp_path: Path) -> None:
    path = kubeconfig_of_several(tmp_path, a="http://127.0.0.1:1", b="http://127.0.0.1:2")
    known = kubeconfig.read(str(path))
    path.unlink()
    found = [kubeconfig.access(kubeconfig.Options(context=name), known).configuration.host for name in known.contexts]
    assert found == ["http://127.0.0.1:1", "http://127.0.0.1:2"]


# What becomes of one run is no matter of the others


@contextmanager
def unseen() -> Iterator[Progress]:
    yield Progress()


def one(context: str) -> ClusterReport:
    """Play the run of a cluster that has the name of its fate."""
    if context == "hangs":
        time.sleep(600)
    if context == "dies":
        os._exit(9)
    if context == "fails":
        raise ValueError("something\nelse")
    return ClusterReport(context, State.PASS)


def test_a_run_that_hangs_dies_or_fails_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LEAVING", 5.0)
    rows = clusters.gathered(["hangs", "good", "dies", "fails", "fine"], one, 1.0, unseen)
    assert [(row.context, row.state) for row in rows] == [
        ("hangs", State.UNKNOWN),
        ("good", State.PASS),
        ("dies", State.CRASHED),
        ("fails", State.CRASHED),
        ("fine", State.PASS),
    ]


def test_more_clusters_than_places_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "AT_ONCE", 2)
    names = [f"c{number}" for number in range(7)]
    assert [row.context for row in clusters.gathered(names, one, 60.0, unseen)] == names


def test_one_signal_ends_all_runs(hanging: str, tmp_path: Path) -> None:
    path = kubeconfig_of_several(tmp_path, a=hanging, b=hanging)
    command = [sys.executable, "-m", "kubectl_netdoc", *ONE_CHECK, "--kubeconfig", str(path), "--all-contexts"]
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    until = time.monotonic() + LONGEST
    while len(children.read_text().split()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    program.send_signal(signal.SIGTERM)
    out, said = program.communicate(timeout=LONGEST)
    assert (program.returncode, out, said.count("\n"), "Traceback" in said) == (130, "", 1, False)
