# SPDX-License-Identifier: Apache-2.0
"""What a run asks of an API server, seen from the server: nothing twice, no watch that stays open, and not too fast."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_netdoc.sources.live import rate_limit
from tests.support.api_server import NODE, Heard, Server, api_server
from tests.support.commandline import Netdoc, in_process
from tests.support.kubeconfigs import kubeconfig

DEADLINE = 10.0


@pytest.fixture
def server() -> Iterator[Server]:
    with api_server() as server:
        yield server


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def run(netdoc: Netdoc, server: Server, folder: Path, *flags: str) -> None:
    done = netdoc("check", "--kubeconfig", kubeconfig(folder, server.url), "--timeout", "10s", *flags)
    assert done.code in (0, 1), done.err


def asked(heard: Heard) -> str:
    return " ".join((heard.path, *(f"{key}={value}" for key, value in sorted(heard.query.items()))))


@pytest.mark.parametrize("flags", [("--no-pods",), (), ("--privileged",)])
def test_nothing_is_read_twice(netdoc: Netdoc, server: Server, tmp_path: Path, flags: tuple[str, ...]) -> None:
    run(netdoc, server, tmp_path, *flags)
    read = Counter(asked(heard) for heard in server.heard if heard.verb == "get")
    assert len(read) > 20
    assert [what for what, times in read.items() if times > 1] == []


def test_lists_are_asked_for_in_pages(netdoc: Netdoc, server: Server, tmp_path: Path) -> None:
    run(netdoc, server, tmp_path, "--no-pods")
    lists = [heard for heard in server.heard if heard.verb == "get" and heard.path.endswith(("/pods", "/services", "/nodes"))]
    assert len(lists) >= 3
    assert [heard.path for heard in lists if not int(heard.query.get("limit", 0))] == []


def test_no_watch_stays_open(netdoc: Netdoc, server: Server, tmp_path: Path) -> None:
    run(netdoc, server, tmp_path)
    assert {watch.path.rpartition("/")[2] for watch in server.watches} == {"pods", "events"}
    end = time.monotonic() + DEADLINE
    while any(watch.open for watch in server.watches) and time.monotonic() < end:
        time.sleep(0.02)
    assert [watch.path for watch in server.watches if watch.open] == []


def test_no_watch_is_without_an_end(netdoc: Netdoc, server: Server, tmp_path: Path) -> None:
    """The server ends it where we can't: a run that is killed leaves none for long."""
    run(netdoc, server, tmp_path)
    assert {int(heard.query["timeoutSeconds"]) < 300 for heard in server.heard if heard.verb == "watch"} == {True}


def test_every_request_goes_through_the_pace(
    netdoc: Netdoc, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request of a run goes through the one bucket."""
    waits: list[float] = []
    real = rate_limit.RateLimit.wait

    def counted(self: rate_limit.RateLimit) -> None:
        waits.append(time.monotonic())
        real(self)

    monkeypatch.setattr(rate_limit.RateLimit, "wait", counted)
    run(netdoc, server, tmp_path)
    assert len(waits) == len(server.heard) > 20
    assert NODE["metadata"]["name"] in str(server.made("pods"))
