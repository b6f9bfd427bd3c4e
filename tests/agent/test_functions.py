# SPDX-License-Identifier: Apache-2.0
"""Parts of the agent that a process can't be made to show: its files under /etc and /sys, and rare socket errors."""

from __future__ import annotations

import ast
import errno
import io
import itertools
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc import agent as package
from tests.support.agent_process import agent_module


@pytest.fixture
def agent() -> ModuleType:
    """The agent as a module of its own, as it has no part in the package when it runs."""
    return agent_module()


@pytest.mark.parametrize(
    ("text", "nameserver"),
    [
        (b"search a b\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:5\n", "10.96.0.10"),
        (b"# nameserver 1.1.1.1\n;nameserver 1.1.1.1\n#nameserver 1.1.1.1\nnameserver\t169.254.20.10", "169.254.20.10"),
        (b"nameserver\nnameserver fd00:10:96::a\n", "fd00:10:96::a"),
        (b"nameserver fe80::1%eth0\n", "fe80::1"),
        (b"# caf\xe9, not UTF-8\nnameserver 10.0.0.10 # trailing\r\n", "10.0.0.10"),
    ],
    ids=["first", "comments", "ipv6", "scope", "latin-1"],
)
def test_resolv_conf(agent: ModuleType, tmp_path: Path, text: bytes, nameserver: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_bytes(text)
    assert agent.resolv_conf_nameserver(str(file)) == nameserver


@pytest.mark.parametrize("text", ["", "search a\n", "nameserver\n", "Nameserver 10.0.0.1\n"])
def test_resolv_conf_without_a_nameserver(agent: ModuleType, tmp_path: Path, text: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    with pytest.raises(ValueError):
        agent.resolv_conf_nameserver(str(file))


def test_resolv_conf_is_where_a_symbolic_target_goes(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def exchange(*args: Any) -> list[Any]:
        sent.append(args[:2])
        return ["ok", 1.0, ""]

    monkeypatch.setattr(agent, "resolv_conf_nameserver", lambda: "192.0.2.1")
    monkeypatch.setattr(agent, "exchange", exchange)
    ask = {"id": 0, "op": "udp", "to": "resolv.conf", "payloads": ["AAAA"], "timeout": 1, "give_up": 1}
    assert agent.answer(ask, agent.time.monotonic() + 9)["to"] == "192.0.2.1"
    assert sent == [("192.0.2.1", 53)]


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.EAFNOSUPPORT, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.EPERM, "permission"),
        (errno.EACCES, "permission"),
        (errno.ECONNREFUSED, "refused"),
        (errno.ENOBUFS, "unreachable"),
    ],
)
@pytest.mark.parametrize("step", ["socket", "connect", "send", "recv"])
def test_socket_errors_have_a_word(agent: ModuleType, monkeypatch: pytest.MonkeyPatch, number: int, word: str, step: str) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(number, "no")

    class Fake:
        def __init__(self, *_: Any) -> None:
            if step == "socket":
                fail()

        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *_: Any) -> None: ...

        def settimeout(self, seconds: float) -> None: ...

        connect = fail if step == "connect" else lambda *_: None
        send = fail if step == "send" else lambda *_: None
        recv = fail if step == "recv" else lambda *_: b"ab"

    monkeypatch.setattr(agent.socket, "socket", Fake)
    assert agent.exchange("fd00::1", 53, [b"ab"], 1.0)[0] == word


def test_other_peoples_answers_do_not_hold_up_the_end_of_a_sample(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Flood:
        def settimeout(self, seconds: float) -> None: ...

        def recv(self, size: int) -> bytes:
            assert next(received) < 100
            return b"xx"

    clock, received = itertools.count(0.0, 0.1), itertools.count()
    monkeypatch.setattr(agent.time, "perf_counter", lambda: next(clock))
    with pytest.raises(socket.timeout):
        agent.own_answers(Flood(), {b"ab"}, 1.0)


def test_timeout_is_told_from_other_errors(agent: ModuleType) -> None:
    assert agent.outcome(socket.timeout()) == "timeout"  # noqa: UP041 - on 3.8 another class than TimeoutError


@pytest.mark.parametrize(
    ("files", "seconds"),
    [
        ({"/sys/fs/cgroup/cpu.stat": "usage_usec 9\nnr_throttled 2\nthrottled_usec 1500000\n"}, 1.5),
        ({"/sys/fs/cgroup/cpu/cpu.stat": "nr_periods 4\nthrottled_time 250000000\n"}, 0.25),
        ({"/sys/fs/cgroup/cpu.stat": "usage_usec 9\n", "/sys/fs/cgroup/cpu/cpu.stat": "x\n"}, 0.0),
        ({}, 0.0),
    ],
    ids=["v2", "v1", "neither tells", "no cgroup"],
)
def test_throttled(agent: ModuleType, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], seconds: float) -> None:
    def fake_open(path: str) -> io.StringIO:
        if path not in files:
            raise FileNotFoundError(path)
        return io.StringIO(files[path])

    monkeypatch.setattr(agent, "open", fake_open, raising=False)
    assert agent.throttled() == seconds


@pytest.mark.parametrize("host", [False, True])
def test_program_is_python_3_8_and_needs_only_the_standard_library(host: bool) -> None:
    tree = ast.parse(package.source(host), feature_version=(3, 8))
    imported = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {(node.module or ".").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
    assert "__future__" not in imported  # it is compiled in the middle of another program's text


@pytest.mark.parametrize("host", [False, True])
def test_program_is_plain_ascii(host: bool) -> None:
    assert package.source(host).isascii()  # a container without a locale may read it as anything
