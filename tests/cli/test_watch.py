# SPDX-License-Identifier: Apache-2.0
"""``check --watch``: what each round says, how it ends, and what can't be meant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubectl_netdoc.cli import rounds as loop
from kubectl_netdoc.cli.main import Interrupted
from tests.support.commandline import LONGEST, Netdoc, complaint, in_process
from tests.support.kubeconfigs import FakeApi, kubeconfig, thing
from tests.support.terminal import Terminal

SERVICES = "/api/v1/services"
BROKEN = {"items": [thing("web", "shop", spec={"selector": {"app": "wbe"}, "ports": [{"port": 80}]})]}
GONE = [500, {"kind": "Status", "message": "etcd is away"}]
WATCH = ("check", "service_config", "--no-pods", "-w", "--every", "10s")


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return in_process(monkeypatch, capsys)


def stopping_after(rounds: int, slept: list[float]) -> object:
    """Return what takes the place of sleeping: it interrupts once so many rounds were."""

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == rounds:
            raise Interrupted

    return sleep


def test_each_round_says_what_has_changed_since_the_one_before(
    netdoc: Netdoc, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=stopping_after(5, slept)))
    api.answer(SERVICES, {"items": []}, BROKEN, BROKEN, GONE, {"items": []})
    done = netdoc(*WATCH, "--kubeconfig", kubeconfig(tmp_path, api.url))
    _, *rounds = done.out.split("round ")
    assert [one[0] for one in rounds] == ["1", "2", "3", "4", "5"]
    changed = [[word for word in ("new  ", "gone  ", "unseen ", "nothing changed") if word in one] for one in rounds]
    assert changed == [[], ["new  "], ["nothing changed"], ["unseen "], ["nothing changed"]]
    assert [("SVC" in one) for one in rounds] == [False, True, True, True, False]
    assert (done.code, slept, loop.CLEAR in done.out) == (130, [10.0] * 5, False)


def test_a_round_that_fails_is_told_and_the_next_one_tried(
    netdoc: Netdoc, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=stopping_after(3, [])))
    api.answer("/version", {"gitVersion": "v1.34.0"}, [401, {"kind": "Status", "message": "no"}], {"gitVersion": "v1.34.0"})
    api.answer(SERVICES, {"items": []}, BROKEN)
    done = netdoc(*WATCH, "--kubeconfig", kubeconfig(tmp_path, api.url))
    _, first, second, third = done.out.split("round ")
    assert "Unauthorized" in second
    assert "\n" not in second.strip()
    assert ("new  " in third, "new  " in first) == (True, False)


def test_a_first_round_that_fails_ends_it(netdoc: Netdoc, tmp_path: Path) -> None:
    complaint(netdoc(*WATCH, "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1")), 3)


@pytest.mark.parametrize("arguments", [("--from", "x.json"), ("-o", "json"), ("--every", "9s"), ("--every", "0")], ids=" ".join)
def test_what_can_not_be_watched_is_one_line(netdoc: Netdoc, arguments: tuple[str, ...]) -> None:
    assert arguments[0] in complaint(netdoc("check", "-w", *arguments), 2)


def command(api: FakeApi, tmp_path: Path) -> list[str]:
    """Return the command as a process."""
    return [sys.executable, "-m", "kubectl_netdoc", *WATCH, "--kubeconfig", str(kubeconfig(tmp_path, api.url))]


def test_it_ends_with_ctrl_c_in_one_line_and_as_documented(api: FakeApi, tmp_path: Path) -> None:
    program = subprocess.Popen(command(api, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert "round 1" in program.stdout.readline()
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=LONGEST)
    assert (program.returncode, said.count("\n"), "Traceback" in said) == (130, 1, False)


def test_a_terminal_is_redrawn(api: FakeApi, tmp_path: Path) -> None:
    terminal = Terminal(command(api, tmp_path), {**os.environ, "TERM": "xterm"})
    try:
        assert terminal.shows("round 1")
        assert loop.CLEAR in terminal.screen
    finally:
        terminal.close()
