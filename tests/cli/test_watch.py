# SPDX-License-Identifier: Apache-2.0
"""``check --watch`` and ``watch``: what each round says and serves, how it ends, and what can't be meant."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubectl_netdoc.cli import rounds as loop
from kubectl_netdoc.cli.main import Interrupted
from kubectl_netdoc.cli.serving import Address, Health, serve
from tests.support.commandline import LONGEST, Netdoc, complaint, in_process
from tests.support.kubeconfigs import FakeApi, kubeconfig, thing
from tests.support.stored_objects import storing
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


def stopping_after(rounds: int, slept: list[float]) -> Callable[[float], None]:
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


# watch: where nobody sits


ALWAYS = ("watch", "service_config", "--no-pods")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def values(port: int) -> dict[tuple[str, str], float]:
    """What is scraped, by name and the value of the only label."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LONGEST).read().decode()
    samples = [one for family in text_string_to_metric_families(page) for one in family.samples]
    return {(one.name, "".join(one.labels.values())): one.value for one in samples}


def test_the_last_numbers_are_served_while_the_api_server_is_away(
    netdoc: Netdoc, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scraped: list[dict[tuple[str, str], float]] = []
    slept: list[float] = []
    port = free_port()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        scraped.append(values(port))
        if len(slept) == 5:
            raise Interrupted

    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=sleep))
    away = [401, {"kind": "Status", "message": "no"}]
    api.answer("/version", {"gitVersion": "v1.34.0"}, away, away, away, {"gitVersion": "v1.34.0"})
    api.answer(SERVICES, BROKEN, {"items": []})
    run = (*ALWAYS, "--kubeconfig", kubeconfig(tmp_path, api.url), "--serve", f"127.0.0.1:{port}", "--keep", tmp_path / "kept")
    done = netdoc(*run)
    assert slept == [300.0, 10.0, 20.0, 40.0, 300.0]
    assert [each["netdoc_findings", "warn"] for each in scraped] == [1, 1, 1, 1, 0]
    assert [each["netdoc_last_run_success", ""] for each in scraped] == [1, 0, 0, 0, 1]
    assert [each["netdoc_runs_total", "error"] for each in scraped] == [0, 1, 2, 3, 3]
    ended = [each["netdoc_last_success_timestamp_seconds", ""] for each in scraped]
    assert ended[0] == ended[3] < ended[4]
    assert (done.code, done.out.count("Unauthorized"), done.out.count("gone ")) == (130, 3, 1)
    assert len(list((tmp_path / "kept").iterdir())) >= 1


@pytest.mark.parametrize(("every", "waits"), [("10s", [10.0] * 6), ("1m", [10.0, 20.0, 40.0, 60.0, 60.0, 60.0])])
def test_what_fails_from_the_beginning_is_tried_sooner_but_never_more_often_than_usual(
    netdoc: Netdoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: str, waits: list[float]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=stopping_after(6, slept)))
    done = netdoc(*ALWAYS, "--every", every, "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1"))
    assert (slept, done.code, done.out.count("\n")) == (waits, 130, 6)


def test_a_run_while_another_one_has_the_lease_is_skipped(
    netdoc: Netdoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with storing() as store:
        lease = {"holderIdentity": "other", "leaseDurationSeconds": 600, "renewTime": then}
        store.put("/apis/coordination.k8s.io/v1/namespaces/shop/leases/netdoc", {"spec": lease})
        port, scraped = free_port(), []

        def sleep(seconds: float) -> None:
            scraped.append(values(port))
            raise Interrupted

        monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=sleep))
        path = kubeconfig(tmp_path, store.url)
        done = netdoc(*ALWAYS, "--lease", "--kubeconfig", path, "--serve", f"127.0.0.1:{port}")
        assert scraped[0]["netdoc_runs_total", "skipped"] == 1
        assert ("netdoc_last_run_success", "") not in scraped[0]
        assert ("other" in done.out, done.code) == (True, 130)
        assert {method for method, _ in store.requests} == {"GET"}
        assert "other" in complaint(netdoc("check", "service_config", "--no-pods", "--lease", "--kubeconfig", path), 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "--every", "9s"),
        ("watch", "--serve", "9469"),
        ("watch", "--serve", ":99999"),
        ("watch", "--serve", "192.0.2.1:9469", "--no-pods"),
        ("watch", "--no-pods"),
        ("watch", "dns_latancy"),
        ("check", "--from", "x.json", "--lease"),
        ("check", "--from", "x.json", "--events"),
        ("check", "--contexts", "a", "--events"),
    ],
    ids=" ".join,
)
def test_what_can_not_be_meant_ends_it_at_once(netdoc: Netdoc, arguments: tuple[str, ...]) -> None:
    complaint(netdoc(*arguments), 2)


def test_it_is_healthy_while_it_gets_on() -> None:
    health, port = Health(1000.0), free_port()
    server = serve("127.0.0.1", port, lambda: "", health)
    try:
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=LONGEST).status == 200
        health._patience = 0.0
        with pytest.raises(urllib.error.HTTPError) as stuck:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=LONGEST)
        assert stuck.value.code == 503
        health._patience = 1000.0
        health.beat()
        with pytest.raises(urllib.error.HTTPError) as unknown:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/../etc/passwd", timeout=LONGEST)
        assert unknown.value.code == 404
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("text", "address"),
    [(":9469", ("", 9469)), ("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), ("localhost:1", ("localhost", 1))],
)
def test_where_to_listen(text: str, address: tuple[str, int]) -> None:
    assert Address().convert(text, None, None) == address


def test_settings_are_read_for_each_run(netdoc: Netdoc, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, slept = tmp_path / "settings.yaml", list[float]()
    settings.write_text("ignore: [{code: SVC002, why: known}]")

    def sleep(seconds: float) -> None:
        settings.write_text("ignore: []")
        stopping(seconds)

    stopping = stopping_after(2, slept)
    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=sleep))
    api.answer(SERVICES, BROKEN)
    done = netdoc(*ALWAYS, "--config", settings, "--kubeconfig", kubeconfig(tmp_path, api.url))
    assert [line.split()[0] for line in done.out.splitlines() if "SVC002" in line] == ["new"]


def test_what_was_named_and_has_gone_since_does_not_end_it(
    netdoc: Netdoc, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "time", SimpleNamespace(sleep=stopping_after(3, [])))
    api.answer(SERVICES, BROKEN, {"items": []}, BROKEN)
    run = (*ALWAYS, "--kubeconfig", kubeconfig(tmp_path, api.url))
    assert netdoc(*run, "--service", "shop/web").code == 130
    complaint(netdoc(*run, "--service", "shop/webb"), 2)
