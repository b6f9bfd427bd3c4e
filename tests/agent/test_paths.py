"""Path MTU and bursts: the agent against an echo server on loopback, and against paths that a fake makes narrow or lossy."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc.requests import Burst, BurstReply, Outcome, PathMtu, PathMtuReply, Peer
from tests.agent.process import AGENT
from tests.agent.test_echo import asked, echo, places

__all__ = ["echo"]  # the fixture


@pytest.fixture
def agent() -> ModuleType:
    """The agent as a module of its own."""
    spec = importlib.util.spec_from_file_location("netdoc_agent_paths", AGENT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_loopback_carries_its_own_mtu(echo: int) -> None:
    reply = asked(PathMtu("n1", Peer("n2")), places(echo))
    assert isinstance(reply, PathMtuReply)
    assert reply.outcome is Outcome.OK
    assert 0 < reply.carried == reply.own
    assert not reply.impostor


def test_a_path_mtu_of_somebody_else_is_an_impostors(echo: int) -> None:
    reply = asked(PathMtu("n1", Peer("n2")), places(echo, nonce="f" * 16))
    assert isinstance(reply, PathMtuReply)
    assert reply.impostor


def test_a_burst_comes_back(echo: int) -> None:
    reply = asked(Burst("n1", Peer("n2"), count=10), places(echo))
    assert isinstance(reply, BurstReply)
    assert [(each.sent, each.lost) for each in reply.rounds] == [(10, 0)]


Arrives = Callable[[int, int], bool]


def pmtu(agent: ModuleType, monkeypatch: pytest.MonkeyPatch, own: int, arrives: Arrives) -> list[Any]:
    """The agent's sample where ``arrives(size, turn)`` tells whether a size gets through in its nth turn."""
    turns = itertools.count()

    class Prober:
        def __init__(self, host: str, port: int) -> None:
            self.family, self.own, self.told, self.line = agent.socket.AF_INET, own, 0, b""
            self.sock = agent.socket.socket()

        def arrived(self, sizes: list[int], timeout: float, enough: int = 0) -> set[int]:
            turn = next(turns)
            return {size for size in sizes if arrives(size, turn)}

    monkeypatch.setattr(agent, "Prober", Prober)
    reply = agent.pmtu({"to": ["127.0.0.1", 1], "timeout": 0.0}, agent.time.monotonic() + 60)
    return list(reply["samples"][0])


@pytest.mark.parametrize("carried", [576, 577, 1280, 1349, 1350, 1448, 1449])
def test_the_exact_size_is_found(agent: ModuleType, monkeypatch: pytest.MonkeyPatch, carried: int) -> None:
    assert pmtu(agent, monkeypatch, 1450, lambda size, turn: size <= carried)[2:4] == [1450, carried]


def test_what_was_lost_by_chance_is_asked_again(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pmtu(agent, monkeypatch, 1450, lambda size, turn: turn > 0 or size < 1450)[2:4] == [1450, 1450]


def test_nothing_arrives(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = pmtu(agent, monkeypatch, 1450, lambda size, turn: False)
    assert (sample[0], sample[3]) == ("timeout", 0)


@pytest.mark.parametrize(("interface", "route", "own"), [(1500, 1450, 1450), (1450, 65535, 1450)], ids=["route", "interface"])
def test_the_own_mtu_is_what_applications_use(
    agent: ModuleType, monkeypatch: pytest.MonkeyPatch, interface: int, route: int, own: int
) -> None:
    """Cilium leaves the interface at 1500 and has the route say 1450."""

    class Socket:
        setsockopt = connect = lambda *_: None

        def getsockopt(self, level: int, option: int) -> int:
            return route

        def getsockname(self) -> tuple[str, int]:
            return "10.0.0.1", 1

    monkeypatch.setattr(agent.socket, "socket", lambda *_: Socket())
    monkeypatch.setattr(agent, "interface_mtu", lambda *_: interface)
    assert agent.Prober("10.0.0.2", 1).own == own


@pytest.mark.parametrize(("losses", "rounds"), [([0], 1), ([3, 0], 2), ([3, 4], 2)])
def test_a_round_that_loses_is_repeated_once(
    agent: ModuleType, monkeypatch: pytest.MonkeyPatch, losses: list[int], rounds: int
) -> None:
    left = iter(losses)
    monkeypatch.setattr(agent, "volley", lambda host, port, count, *_: [0.1] * (count - next(left)))
    reply = agent.burst({"to": ["h", 1], "count": 10, "interval": 0.0, "timeout": 0.0}, agent.time.monotonic() + 9)
    assert [10 - len(sample[3]) for sample in reply["samples"]] == losses
    assert len(reply["samples"]) == rounds
