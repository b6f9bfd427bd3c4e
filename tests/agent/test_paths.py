# SPDX-License-Identifier: Apache-2.0
"""Path MTU and bursts: the agent's sums against echo servers of loopback that lose what they are told to lose."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc.measurements.base import Lost, Outcome, Peer
from kubectl_netdoc.measurements.load import MTU_DATAGRAMS
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.sources import agent_protocol
from kubectl_netdoc.sources.agent_protocol import AgentReply, EchoServer, Targets
from tests.agent.test_echo import NONCE, asked, echo, targets
from tests.support.agent_process import agent_module
from tests.support.udp_servers import closed_port

__all__ = ["echo"]  # the echo server of test_echo, as a fixture

HEADERS = {"127.0.0.1": 28, "::1": 48}
OWN = 1450
LOOPBACK = int(Path("/sys/class/net/lo/mtu").read_text())
IPV4 = min(LOOPBACK, 65535)
"""No IPv4 route has an MTU above it."""
Passes = Callable[[int, int], int]
"""From the size of a packet with its headers, and how many of that size came before it, to how often it is answered."""


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The agent as a module, in a pod whose interface has an MTU of 1450."""
    module = agent_module()
    monkeypatch.setattr(module, "interface_mtu", lambda family, address: OWN)
    return module


@contextmanager
def echoes(passes: Passes, host: str = "127.0.0.1") -> Iterator[tuple[int, list[int]]]:
    """Give the port of an echo server that gets of what is sent only what ``passes``, and the list of sizes that were sent."""
    seen: list[int] = []
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    data, client = sock.recvfrom(65535)
                except OSError:
                    continue
                size = len(data) + HEADERS[host]
                answer = f"netdoc {NONCE} pod-1 {client[0]} {len(data)}\n".encode().ljust(128, b"x")
                for _ in range(passes(size, seen.count(size))):
                    sock.sendto(answer, client)
                seen.append(size)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(sock.getsockname()[1]), seen
        over.set()
        thread.join(5)


def path_mtu(agent: ModuleType, port: int, host: str = "127.0.0.1", timeout: float = 0.15, time_left: float = 30) -> list[Any]:
    reply = agent.pmtu({"to": [host, port], "timeout": timeout}, time.monotonic() + time_left)
    sample: list[Any] = reply["samples"][0]
    return sample


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_path_that_carries_all_takes_sixteen_datagrams(agent: ModuleType, host: str) -> None:
    with echoes(lambda size, before: 1, host) as (port, seen):
        word, _, own, carried, told, line, large, under = path_mtu(agent, port, host)
    assert (word, own, carried, told) == ("ok", OWN, OWN, 0)
    assert len(seen) <= MTU_DATAGRAMS
    assert line
    assert (large, under) == ([[12, 12]], [])


@pytest.mark.parametrize("limit", [577, 1400, 1449])
def test_a_limit_is_held_against_many_sizes(agent: ModuleType, limit: int) -> None:
    with echoes(lambda size, before: int(size <= limit)) as (port, _):
        large, under = path_mtu(agent, port)[6:]
    above, below = min(12, OWN - limit), min(12, limit - 576 + 1)
    assert (large, under) == ([[above, 0]], [[below, below]])
    assert PathMtuReply(Outcome.OK, OWN, limit, large=((above, 0),), under=((below, below),)).sharp


@pytest.mark.parametrize("every", [2, 3, 5])
def test_random_loss_of_large_datagrams_is_counted(agent: ModuleType, every: int) -> None:
    """Every n-th above 1000 bytes is lost, whatever its size."""
    counted = iter(range(1, 10_000))
    with echoes(lambda size, before: int(size <= 1000 or next(counted) % every != 0)) as (port, _):
        sample = path_mtu(agent, port)
    reply = PathMtuReply(
        Outcome.OK, sample[2], sample[3], sample[4], large=tuple(map(tuple, sample[6])), under=tuple(map(tuple, sample[7]))
    )
    assert node_pairs.loses_large(reply)
    sent, came = (sum(numbers) for numbers in zip(*reply.large, strict=True))
    assert 0.5 / every < (sent - came) / sent < 2 / every


@pytest.mark.parametrize("limit", [576, 577, 1279, 1400, 1430, 1448, 1449])
def test_the_size_that_passes_is_found_to_the_byte(agent: ModuleType, limit: int) -> None:
    with echoes(lambda size, before: int(size <= limit)) as (port, seen):
        assert path_mtu(agent, port)[:1] + path_mtu(agent, port)[2:4] == ["ok", OWN, limit]
    assert len(seen) < 200  # of two searches


@pytest.mark.parametrize("limit", [1280, 1299, 1449])
def test_the_size_that_passes_over_ipv6(agent: ModuleType, limit: int) -> None:
    with echoes(lambda size, before: int(size <= limit), "::1") as (port, _):
        assert path_mtu(agent, port, "::1")[3] == limit


def test_the_last_two_sizes_are_told_apart(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 576 to 610 it goes in steps of two, which leaves one size between the two that are known."""
    monkeypatch.setattr(agent, "interface_mtu", lambda family, address: 610)
    with echoes(lambda size, before: int(size <= 577)) as (port, _):
        assert path_mtu(agent, port)[3] == 577


@pytest.mark.parametrize(("host", "least"), [("127.0.0.1", 576), ("::1", 1280)])
def test_below_the_least_size_nothing_is_carried(agent: ModuleType, host: str, least: int) -> None:
    with echoes(lambda size, before: int(size < least), host) as (port, _):
        sample = path_mtu(agent, port, host)
    assert (sample[0], sample[2], sample[3]) == ("timeout", OWN, 0)


def test_a_large_datagram_that_is_lost_by_chance_makes_no_black_hole(agent: ModuleType) -> None:
    """Both of the first volley, and no other."""
    with echoes(lambda size, before: int(size < OWN or before >= 2)) as (port, _):
        assert path_mtu(agent, port)[3] == OWN


def test_a_route_that_allows_less_than_the_interface_counts(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "interface_mtu", lambda family, address: 9_000_000)
    with echoes(lambda size, before: 1) as (port, _):
        assert path_mtu(agent, port)[2] == IPV4


def test_what_icmp_tells_is_noted(agent: ModuleType) -> None:
    """The kernel turns ICMP's message into EMSGSIZE, and keeps the MTU that it told for the socket to ask."""

    def too_big(argument: object) -> None:
        raise OSError(errno.EMSGSIZE, "Message too long")

    with echoes(lambda size, before: 1) as (port, _):
        prober = agent.Prober("127.0.0.1", port)
        with prober.sock:
            assert prober.told == 0
            assert prober.tolerant(too_big, b"") is None
            assert prober.told == IPV4


@pytest.mark.parametrize(("largest_told", "told"), [(OWN, 1400), (OWN - 1, 0), (1404, 0)])
def test_icmp_about_smaller_packets_alone_tells_nothing(
    agent: ModuleType, monkeypatch: pytest.MonkeyPatch, largest_told: int, told: int
) -> None:
    """A link swallows what is larger than it carries; what tells behind it sees the rest only (Calico's veths)."""
    sent = agent.Prober.sent

    def some_told(prober: Any, data: bytes) -> None:
        sent(prober, data)
        prober.told = 1400 if 1400 < len(data) + HEADERS["127.0.0.1"] <= largest_told else prober.told

    monkeypatch.setattr(agent.Prober, "sent", some_told)
    with echoes(lambda size, before: int(size <= 1400)) as (port, _):
        assert path_mtu(agent, port)[2:5] == [OWN, 1400, told]


def test_nobody_there(agent: ModuleType) -> None:
    """An ICMP error to one datagram is no end: the path's other sizes are still tried."""
    with closed_port() as (host, port):
        assert path_mtu(agent, port, host)[::2][:2] == ["timeout", OWN]
        assert path_mtu(agent, port, host)[3] == 0


def test_a_search_without_time_is_no_result(agent: ModuleType) -> None:
    with echoes(lambda size, before: int(size <= 1000)) as (port, _), pytest.raises(agent.OutOfTime):
        path_mtu(agent, port, timeout=0.2, time_left=0.3)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_mtu_of_this_machines_loopback(host: str) -> None:
    module = agent_module()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    assert module.interface_mtu(family, host) == LOOPBACK
    with pytest.raises(ValueError, match="no interface"):
        module.interface_mtu(family, "2001:db8::1" if ":" in host else "192.0.2.1")


def test_a_path_mtu_over_the_whole_way(echo: int) -> None:
    """Loopback's MTU is above what a datagram can be, so not all of it is carried, but nearly."""
    reply = asked(PathMtu("n1", Peer("n2"), timeout=0.2), targets(echo))
    assert isinstance(reply, PathMtuReply)
    assert reply.outcome is Outcome.OK
    assert reply.own == IPV4
    assert 60_000 < reply.carried <= 65535
    assert not reply.impostor


def test_another_echo_than_asked_for_is_an_impostor(echo: int) -> None:
    reply = asked(PathMtu("n1", Peer("n2"), timeout=0.2), targets(echo, nonce="f" * 16))
    assert isinstance(reply, PathMtuReply)
    assert reply.impostor


def rounds(agent: ModuleType, port: int, count: int = 20, interval: float = 0.002, left: float = 30) -> list[list[Any]]:
    ask = {"to": ["127.0.0.1", port], "count": count, "interval": interval, "timeout": 0.1}
    found: list[list[Any]] = agent.burst(ask, time.monotonic() + left)["samples"]
    return found


def test_a_burst_that_comes_back_whole_is_not_repeated(agent: ModuleType) -> None:
    with echoes(lambda size, before: 1) as (port, seen):
        (only,) = rounds(agent, port)
    assert only[0] == "ok"
    assert (only[2], len(only[3]), len(seen)) == (20, 20, 20)
    assert only[3] == sorted(only[3])
    assert only[1] >= 19 * 2  # milliseconds: the datagrams left one by one


def test_what_is_lost_again_is_told_from_what_was_lost_by_chance(agent: ModuleType) -> None:
    with echoes(lambda size, before: int(size % 4 > 0)) as (port, _):
        assert [len(each[3]) for each in rounds(agent, port)] == [15, 15]
    with echoes(lambda size, before: int(size % 4 > 0 or before > 0)) as (port, _):
        assert [len(each[3]) for each in rounds(agent, port)] == [15, 20]


def test_an_answer_that_comes_twice_counts_once(agent: ModuleType) -> None:
    """Half get lost and half are answered twice: no loss would be seen by counting answers."""
    with echoes(lambda size, before: 2 * (size % 2)) as (port, _):
        assert [len(each[3]) for each in rounds(agent, port)] == [10, 10]


def test_a_burst_to_a_closed_port_is_lost_whole(agent: ModuleType) -> None:
    with closed_port() as (_, port):
        assert [each[2:] for each in rounds(agent, port)] == [[20, []], [20, []]]


def test_a_burst_without_time_is_no_result(agent: ModuleType) -> None:
    with echoes(lambda size, before: 0) as (port, _), pytest.raises(agent.OutOfTime):
        rounds(agent, port, left=0.2)


def test_a_burst_over_the_whole_way(echo: int) -> None:
    reply = asked(Burst("n1", Peer("n2"), count=30), targets(echo))
    assert isinstance(reply, BurstReply)
    assert [(each.sent, each.lost) for each in reply.rounds] == [(30, 0)]


@pytest.mark.parametrize("times", [[0.1, 0.2, 0.3], [-1.0], [float("nan")]])
def test_a_burst_that_can_not_be_is_lost(times: list[float]) -> None:
    """More came back than was sent, or before it was sent."""
    there = Targets({("n2", False): EchoServer(("127.0.0.1",), NONCE)}, port=1)
    line = AgentReply(id=0, to="127.0.0.1", samples=[["ok", 1.0, 2, times]])
    assert isinstance(agent_protocol.reply(Burst("n1", Peer("n2"), count=2), line, there), Lost)
