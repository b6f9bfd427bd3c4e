# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is in a benchmark, and what becomes of ends that are not there, are late, or say what can't be read."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.measurements.base import Lost, OwnService
from kubectl_netdoc.measurements.bench import BENCH_PORT, Bench, BenchLoad, BenchReply, Kind, Route
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.sources.agent_protocol import EchoServer, ServiceAddresses, Targets
from kubectl_netdoc.sources.live import bench
from kubectl_netdoc.sources.live.conversation import ConversationBroken
from kubectl_netdoc.sources.live.debug_pods import DebugPod, Session

ONE, SMALL, QUIET = BenchLoad(Kind.STREAM), BenchLoad(Kind.RR, size=1), BenchLoad(Kind.QUIET)
NODE = {"seconds": 1.0, "busy": 0.5, "softirq": 0.1}
PART = {"outcome": "ok", "bytes": 10, "first": 1.0, "last": 2.0, "transactions": 5, "sent": 5, "p50": 1.0}


class Agents:
    """Plays all agents: writes orders down, and answers each as it is told to."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.tools: tuple[str, ...] = ()
        self.outcome = "ok"
        self.late = ""
        self.odd = ""

    def orders(self) -> list[tuple[str, str]]:
        """Return who was told to send what."""
        return [(pod, words["kind"]) for pod, words in self.said if words.get("do") == "send"]

    def told(self, pod: str) -> Any:
        """Return what a pod's agent tells."""
        if pod == self.late:
            raise ConversationBroken("the agent's output did not end in time")
        return {} if pod == self.odd else {"outcome": self.outcome, "node": NODE, "parts": [PART | {"outcome": self.outcome}]}


def run(monkeypatch: pytest.MonkeyPatch, agents: Agents, *requests: Bench, seconds: float = 60.0, **more: Any) -> list[Reply]:
    """Return the replies to requests in a session of two nodes."""

    class Talk:
        def __init__(self, client: Any, namespace: str, pod: str, data: bytes, seconds: float) -> None:
            self.pod = pod

        def __enter__(self) -> Talk:
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def say(self, words: dict[str, Any]) -> None:
            agents.said.append((self.pod, words))

        def hear(self, key: str, deadline: float) -> Any:
            ready = {"port": 4000, "cpus": 2, "machine": self.pod, "tools": agents.tools}
            return {"ready": ready, "listening": True}.get(key) or agents.told(self.pod)

    monkeypatch.setattr(bench, "Conversation", Talk)
    pods = [
        DebugPod("a", "n1", running=True),
        DebugPod("b", "n2", running=True),
        DebugPod("twin", "n1", twin=True, running=True),
        DebugPod("host-b", "n2", host=True, running=True),
    ]
    servers = {("n1", False): "10.0.0.1", ("n2", False): "10.0.0.2", ("n1", True): "10.0.0.3"}
    known = {place: EchoServer((ip,), "x") for place, ip in servers.items()}
    session = Session("netdoc-x", pods, Targets(known, **more), cast("Any", None))
    found = bench.BenchRun(cast("Any", None), session, Progress(), time.monotonic() + seconds).run(requests)
    return [found[request] for request in requests]


def asked(route: Route = Route.POD, *loads: BenchLoad, samples: int = 2, tool: str = "", family: str = "IPv4") -> Bench:
    to = "n1" if route is Route.SAME_NODE else "n2"
    return Bench("n1", to, route, family, loads or (ONE, SMALL), samples, 1.0, 100, "192.0.2.2", tool)


def test_paths_alternate_within_a_load_and_loads_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    run(monkeypatch, agents, asked(), asked(Route.SAME_NODE))
    first = [(pod, words["to"][0], words["kind"]) for pod, words in agents.said if words["do"] == "take"]
    assert first == 2 * [
        *(("b", "10.0.0.2", "stream"), ("twin", "10.0.0.3", "stream")),
        *(("b", "10.0.0.2", "rr"), ("twin", "10.0.0.3", "rr")),
    ]


def test_both_ends_of_a_sample_have_a_token_that_no_other_sample_has(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    (reply,) = run(monkeypatch, agents, asked())
    tokens = [words["token"] for _, words in agents.said]
    assert tokens[::2] == tokens[1::2]
    assert len(set(tokens)) == 4
    assert isinstance(reply, BenchReply)
    assert [len(one.samples) for one in reply.loads] == [2, 2]
    assert (reply.one_machine, reply.cpus) == (False, (2, 2))


def test_a_failure_ends_a_loads_turns_and_two_end_the_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    agents.outcome = "timeout"
    (reply,) = run(monkeypatch, agents, asked(Route.POD, ONE, SMALL, QUIET))
    assert agents.orders() == [("a", "stream"), ("a", "rr")]
    assert isinstance(reply, BenchReply)
    assert [one.problem for one in reply.loads] == ["the connection timed out"] * 2 + ["not tried: the loads before it failed"]


def test_an_end_that_was_late_is_not_asked_again_by_any_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says next may be about the sample before."""
    agents = Agents()
    agents.late = "b"
    replies = run(monkeypatch, agents, asked(), asked(Route.SAME_NODE))
    assert agents.orders() == [("a", "stream")]
    for reply in replies:
        assert isinstance(reply, BenchReply)
        assert {one.problem for one in reply.loads} == {"the agent's output did not end in time"}


def test_what_can_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    agents.odd = "a"
    (reply,) = run(monkeypatch, agents, asked())
    assert isinstance(reply, BenchReply)
    assert reply.loads[0].problem.startswith("what the ends told can't be read")


def test_the_time_limit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    (reply,) = run(monkeypatch, agents, asked(), seconds=2.0)
    assert agents.said == []
    assert isinstance(reply, BenchReply)
    assert {one.problem for one in reply.loads} == {bench.OUT_OF_TIME}


OWN = OwnService(bench=True)


@pytest.mark.parametrize(
    ("request_", "services", "why"),
    [
        (asked(Route.HOST), {}, "no debug pod ran on node n1"),
        (asked(family="IPv6"), {}, "netdoc's pod on node n2 has no IPv6 address"),
        (asked(Route.CLUSTER_IP), {}, "this run created no Service"),
        (asked(Route.NODE_PORT), {OWN: ServiceAddresses(("10.96.0.9",), "x", {"TCP": 30001, "UDP": 0})}, "got no node port"),
        (asked(tool="iperf3"), {}, "has no iperf3 (on node n1); name another with --image"),
    ],
)
def test_what_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, request_: Bench, services: dict[OwnService, ServiceAddresses], why: str
) -> None:
    (reply,) = run(monkeypatch, Agents(), request_, services=services)
    assert isinstance(reply, Lost)
    assert why in reply.reason


def test_a_node_port_of_each_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    services = {OWN: ServiceAddresses(("10.96.0.9",), "x", {"TCP": 30001, "UDP": 30002})}
    run(monkeypatch, agents, asked(Route.NODE_PORT, ONE, BenchLoad(Kind.UDP), samples=1), services=services)
    assert [words["to"] for _, words in agents.said if words["do"] == "send"] == [["192.0.2.2", 30001], ["192.0.2.2", 30002]]


def test_a_tool_is_offered_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents()
    agents.tools = ("iperf3",)
    run(monkeypatch, agents, asked(Route.POD, QUIET, ONE, samples=1, tool="iperf3"))
    words = [(pod, said.get("do"), said.get("port")) for pod, said in agents.said]
    assert words == [
        *(("b", "take", None), ("a", "send", None)),
        *(("b", "offer", BENCH_PORT), ("a", "run", None), ("b", None, None)),
    ]
