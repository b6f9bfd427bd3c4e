# SPDX-License-Identifier: Apache-2.0
"""The view of a run under way: on a terminal and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from kubectl_netdoc.cli.plain import LONG, Plain
from kubectl_netdoc.cli.show import FEWEST, Show
from kubectl_netdoc.core.report import State

BUNDLE = str(Path(__file__).parents[2] / "demo" / "kube-proxy-hung.json")
COMMAND = ["kubectl-netdoc", "check", "--from", BUNDLE, "-o", "json"]


def test_a_terminal_sees_checks_settle_and_a_pipe_nothing() -> None:
    piped = subprocess.run(COMMAND, capture_output=True, timeout=60)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm", "LINES": "99", "COLUMNS": "99"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end of a terminal that is closed
            break
        shown += chunk
    assert process.stdout
    written = process.stdout.read()
    assert (process.wait(), piped.returncode) == (1, 1)
    assert (piped.stderr, b"\x1b" in written) == (b"", False)
    assert without_time(written) == without_time(piped.stdout)
    assert b"reading the cluster" in shown
    assert b"dns_config" in shown


def without_time(report: bytes) -> list[bytes]:
    return [line for line in report.splitlines() if b'"seconds"' not in line[:14]]


def drawn(height: int, checks: int) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=height)
    with Show(console) as show:
        show.stage("reading")
        show.stage("measuring")
        for number in range(checks):
            show.settled(f"check{number}\x1b[2J", State.PASS)
        view = show._view()
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_the_last_lines_are_shown_and_nothing_of_a_cluster_acts() -> None:
    lines = drawn(height=10, checks=30).splitlines()
    assert len(lines) == 9
    assert "check29" in lines[-2]
    assert "check21" not in "".join(lines)
    assert "[2J" in lines[-2]
    assert "\x1b[2J" not in lines[-2]
    assert len(drawn(height=3, checks=30).splitlines()) == FEWEST + 1


def test_what_is_waited_for_is_shown_with_its_seconds() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=10)
    with Show(console) as show:
        show.stage("measuring")
        show.waiting("pulling img:1\x1b[2J on 3 nodes", 23.4)
        view = show._view()
        show.note("another image")
    with console.capture() as capture:
        console.print(view)
    assert "on 3 nodes, 23 s" in " ".join(capture.get().split())
    assert "\x1b[2J" not in capture.get()


def test_without_a_terminal_a_wait_is_said_once_and_only_where_it_is_long(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Plain()
    for seconds in (0.5, LONG - 0.1):
        plain.waiting("pulling img:1 on 3 nodes", seconds)
    assert capsys.readouterr().err == ""
    for seconds in (LONG, LONG + 1):
        plain.waiting("pulling img:1 on 3 nodes", seconds)
    said = capsys.readouterr().err
    assert said.startswith("kubectl-netdoc: pulling img:1 on 3 nodes; with --image")
    assert said.count("\n") == 1
