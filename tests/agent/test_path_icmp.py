# SPDX-License-Identifier: Apache-2.0
"""What an ICMP message does to the sends that come after it."""

from __future__ import annotations

import errno
from types import ModuleType

import pytest

from tests.support.agent_process import agent_module


@pytest.fixture
def agent() -> ModuleType:
    return agent_module()


def test_a_send_that_is_told_of_an_earlier_datagram_is_made_again(agent: ModuleType) -> None:
    """Linux reports the error on the next send of the socket, which then sends nothing."""
    left: list[int] = []

    class Socket:
        pending = False

        def send(self, data: bytes) -> int:
            if self.pending:
                self.pending = False
                raise OSError(errno.EMSGSIZE, "told")
            self.pending = len(data) > 1000
            left.append(len(data))
            return len(data)

        def getsockopt(self, level: int, option: int) -> int:
            return 1000

    prober = agent.Prober.__new__(agent.Prober)
    prober.sock, prober.level, prober.mtu, prober.told = Socket(), 0, 14, 0
    for size in (1450, 576, 1450, 576):
        prober.sent(b"s" * size)
    assert left == [1450, 576, 1450, 576]
    assert prober.told == 1000


def test_what_a_path_was_told_of_meanwhile_is_not_the_pods_own_mtu(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer's transfer may have the kernel learn of a smaller MTU before this path is measured."""
    learnt = iter([1450, 1350])

    class Socket:
        setsockopt = connect = __exit__ = lambda *_: None

        def __enter__(self) -> Socket:
            return self

        def getsockopt(self, level: int, option: int) -> int:
            return next(learnt)

        def getsockname(self) -> tuple[str, int]:
            return "10.0.0.1", 1

    monkeypatch.setattr(agent.socket, "socket", lambda *_: Socket())
    monkeypatch.setattr(agent, "interface_mtu", lambda *_: 1500)
    agent.note_routes([{"op": "pmtu", "to": ["10.0.0.2", 1]}, {"op": "tcp"}, None])
    assert agent.Prober("10.0.0.2", 1).own == 1450
