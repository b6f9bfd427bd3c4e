"""What an ICMP message does to the sends that come after it."""

from __future__ import annotations

import errno
import importlib.util

from tests.agent.process import AGENT


def test_a_send_that_is_told_of_an_earlier_datagram_is_made_again() -> None:
    """Linux reports the error on the next send of the socket, which then sends nothing."""
    spec = importlib.util.spec_from_file_location("netdoc_agent_icmp", AGENT)
    assert spec
    assert spec.loader
    agent = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(agent)
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
