# SPDX-License-Identifier: Apache-2.0
"""Half a minute in a second or two: the agent against echo servers on loopback that misbehave on purpose."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kubectl_netdoc.agent import echo as echo_module
from kubectl_netdoc.measurements.base import Address, Lost, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.over_time import OverTime, OverTimeReply
from kubectl_netdoc.sources.agent_protocol import asks
from kubectl_netdoc.sources.live.exec import resolvable
from tests.agent.test_echo import NONCE, asked, echo, targets
from tests.support.agent_process import agent_module

__all__ = ["echo"]
SHORT: dict[str, Any] = {"seconds": 2.0, "every": 0.1, "idle": 0.5, "together": 12, "size": 200_000, "timeout": 0.3}


@contextmanager
def server(serve: Callable[[socket.socket, int], None]) -> Iterator[int]:
    """Give the port of a server that treats each connection, by its number, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(0.05)
    over = threading.Event()

    def accept() -> None:
        number = 0
        while not over.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                continue
            threading.Thread(target=serve, args=(sock, number), daemon=True).start()
            number += 1

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    over.set()
    thread.join(5)
    listener.close()


def greet(sock: socket.socket, number: int, idle: float = 9.0, rate: float = 0.0) -> None:
    """An echo server, which forgets a connection that is idle for longer, and sends so many bytes a second."""
    with sock:
        try:
            sock.sendall(f"netdoc {NONCE} pod-1 127.0.0.1\n".encode())
            sock.settimeout(idle)
            left = int(sock.makefile("rb").readline(16) or 0)
            while left > 0:
                part = min(left, 10_000)
                sock.sendall(b"x" * part)
                left -= part
                time.sleep(part / rate if rate else 0)
        except (OSError, ValueError):
            pass


def seen(port: int, echoes: bool = True, **more: Any) -> dict[str, Any]:
    module = agent_module()
    ask = SHORT | more | {"places": [["127.0.0.1", port, echoes]]}
    places = module.over_time(ask, time.monotonic() + 30)["samples"][0][2]
    found: dict[str, Any] = places[0]
    return found


def test_all_is_well() -> None:
    with server(greet) as port:
        found = seen(port, idle=1.0)
    assert [row[2] for row in found["looks"]].count("ok") >= 16  # of 20 on a busy machine
    assert found["idle"] == [["ok", "ok"]] * 2
    assert found["together"] == [[12, 12]] * 2
    assert [row[0] for row in found["bulk"]] == [200_000] * 2


def test_a_connection_that_is_forgotten_when_idle() -> None:
    with server(lambda sock, number: greet(sock, number, idle=0.3)) as port:
        found = seen(port)
    assert all(fresh == "ok" != word for word, fresh in found["idle"])
    assert len(found["idle"]) == 2


def test_a_server_that_is_out_now_and_then() -> None:
    start = time.monotonic()

    def moody(sock: socket.socket, number: int) -> None:
        if (time.monotonic() - start) % 0.8 < 0.3:
            time.sleep(0.5)
            sock.close()
        else:
            greet(sock, number)

    with server(moody) as port:
        words = [row[2] for row in seen(port)["looks"]]
    assert 0 < words.count("ok") < len(words)


def test_a_limit_of_connections_at_once() -> None:
    lock, held = threading.Lock(), [0]

    def limited(sock: socket.socket, number: int) -> None:
        with lock:
            held[0] += 1
            allowed = held[0] <= 8
        try:
            greet(sock, number) if allowed else time.sleep(2)
        finally:
            with lock:
                held[0] -= 1
            sock.close()

    with server(limited) as port:
        rounds = seen(port, seconds=4.0)["together"]
    assert all(asked_ == 12 and 0 < came < 12 for asked_, came in rounds)


def test_a_slow_pipe() -> None:
    with server(lambda sock, number: greet(sock, number, rate=50_000.0)) as port:
        rows = seen(port, seconds=8.0, every=1.0)["bulk"]
    assert all(got < 200_000 and ms >= 2900 for got, ms in rows)


def test_an_address_gets_no_payload() -> None:
    got: list[bytes] = []

    def listens(sock: socket.socket, number: int) -> None:
        with sock:
            sock.settimeout(1.0)
            got.append(sock.recv(100))

    with server(listens) as port:
        found = seen(port, echoes=False)
    assert {row[2] for row in found["looks"]} == {"ok"}
    assert (found["idle"], found["together"], found["bulk"]) == ([], [], [])
    assert set(got) == {b""}


def test_no_time_is_no_answer() -> None:
    module = agent_module()
    with pytest.raises(module.OutOfTime):
        module.over_time(SHORT | {"places": []}, time.monotonic() + 1)


@pytest.mark.parametrize("place", [Peer("n2"), OwnService(), None])
def test_over_the_whole_way(echo: int, place: Peer | OwnService | None) -> None:
    """Framed, run as a process, decoded."""
    to = place or Address("127.0.0.1", echo)
    request = OverTime("n1", (to,), seconds=2.0, every=0.2, idle=0.5, together=4, size=100_000)
    reply = asked(request, targets(echo))
    assert isinstance(reply, OverTimeReply)
    (one,) = reply.places
    assert {look.outcome for look in one.looks} == {Outcome.OK}
    assert [bulk.got for bulk in one.bulk] == ([100_000] * 2 if place else [])
    assert [use.outcome for use in one.idle] == ([Outcome.OK] * 2 if place else [])


def test_the_echo_server_waits_for_an_idle_connection() -> None:
    assert OverTime("", ()).idle + 3.0 < echo_module.PATIENCE
    assert OverTime("", ()).size <= echo_module.MOST_BYTES


def test_without_its_targets_nothing_is_sent(echo: int) -> None:
    _, unresolved = resolvable((OverTime("n1", (Peer("n9"),)),), targets(echo))
    assert all(isinstance(reply, Lost) for reply in unresolved.values())
    assert asks.ordered((OverTime("n1", ()),))
