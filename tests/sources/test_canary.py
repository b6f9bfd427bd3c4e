# SPDX-License-Identifier: Apache-2.0
"""The canary's sequence, with a made-up network that heeds or ignores the policy. Real engines: tests/networks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.measurements.base import Lost, Outcome, Peer
from kubectl_netdoc.measurements.canary import Canary, CanaryReply, CanaryTrial
from kubectl_netdoc.measurements.connect import Echo, EchoReply, EchoSample
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.sources.agent_protocol import Targets
from kubectl_netdoc.sources.live import canary
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.debug_pods import DebugPod, Session

NODES = ("n1", "n2")
FAR_AWAY = 3600.0


CREATE = Grant("create", "networkpolicies", "networking.k8s.io", "netdoc-x")


class Network:
    """Stands for pods, policy and engine. ``heeds``: whether a connection between two pods is stopped while denied."""

    def __init__(
        self, heeds: Callable[[DebugPod, DebugPod], bool], *, how: Outcome = Outcome.TIMEOUT, forgets: bool = True
    ) -> None:
        self.heeds, self.how, self.forgets = heeds, how, forgets
        self.denied, self.ever, self.refused, self.reachable = False, False, False, True
        pods = [
            DebugPod(f"{kind}-{node}", node, canary=kind == "canary", nonce="x", ip="10.0.0.1")
            for node in NODES
            for kind in ("echo", "canary")
        ]
        for pod in pods:
            pod.running = True
        self.pods = {pod.name: pod for pod in pods}
        self.session = Session("netdoc-x", pods, Targets(port=1), cast("Any", self))

    right = CREATE

    def create(self) -> None:
        if self.refused:
            raise ApiError(403, f'User "jane" cannot {CREATE.verb} resource "{CREATE.resource}" in API group "{CREATE.group}"')
        self.denied = self.ever = True

    def delete(self) -> bool:
        self.denied = False
        return True

    def run(self, client: Client, namespace: str, pod: str, requests: tuple[Echo, ...], *more: Any) -> agent_exec.ExecResult:
        return agent_exec.ExecResult({request: self.reply(self.pods[pod], request) for request in requests})

    def reply(self, source: DebugPod, request: Echo) -> Reply:
        assert isinstance(request.to, Peer)
        target = self.pods[request.to.node]
        in_force = self.denied or (self.ever and not self.forgets)
        stopped = not self.reachable or (in_force and self.heeds(source, target))
        sample = EchoSample(self.how, 1.0) if stopped else EchoSample(Outcome.OK, 1.0, target.name)
        return EchoReply("x", (sample,))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ENFORCED", 0.2), ("LIFTED", 0.2), ("LATE", 0.4), ("PAUSE", 0.01)):
        monkeypatch.setattr(canary, name, seconds)


def flown(monkeypatch: pytest.MonkeyPatch, network: Network, deadline: float = FAR_AWAY) -> dict[str, Any]:
    monkeypatch.setattr(agent_exec, "run", network.run)
    requests = [Canary("n1", "n2"), Canary("n2", "n1")]
    flight = canary.Flight(cast("Client", None), network.session, requests, time.monotonic() + deadline)
    found = {cast("Canary", request).node: reply for request, reply in flight.fly().items()}
    assert not network.denied, "the policy is gone at the end, whatever happened"
    return found


def trials(reply: Any) -> tuple[CanaryTrial, ...]:
    assert isinstance(reply, CanaryReply)
    return reply.trials


def ends(source: DebugPod, target: DebugPod) -> tuple[DebugPod, DebugPod]:
    """The subject and the other end."""
    return (source, target) if source.canary else (target, source)


@pytest.mark.parametrize("how", [Outcome.TIMEOUT, Outcome.REFUSED])
def test_engine_that_works(monkeypatch: pytest.MonkeyPatch, how: Outcome) -> None:
    for reply in flown(monkeypatch, Network(lambda a, b: True, how=how)).values():
        assert {(t.direction, t.other) for t in trials(reply)} == {(way, node) for way in ("Ingress", "Egress") for node in NODES}
        assert all(t.before and t.stopped >= 0 and t.again >= 0 and t.how == how for t in trials(reply))


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for reply in flown(monkeypatch, Network(lambda a, b: False)).values():
        assert all(t.before and t.stopped == -1 for t in trials(reply))


def test_engine_on_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    found = flown(monkeypatch, Network(lambda a, b: ends(a, b)[0].node == "n1"))
    assert all(t.stopped >= 0 for t in trials(found["n1"]))
    assert all(t.stopped == -1 for t in trials(found["n2"]))


def test_engine_that_knows_ingress_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = flown(monkeypatch, Network(lambda source, target: target.canary))
    stopped = {t.direction: t.stopped >= 0 for reply in found.values() for t in trials(reply)}
    assert stopped == {"Ingress": True, "Egress": False}


def test_engine_that_does_not_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for reply in flown(monkeypatch, Network(lambda a, b: True, forgets=False)).values():
        assert all(t.stopped >= 0 and t.again == -1 for t in trials(reply))


def test_pods_on_the_nodes_own_network_are_no_counterparts(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: not (a.host or b.host))
    hosts = [DebugPod(f"host-{node}", node, host=True, nonce="x", ip="192.0.2.1", running=True) for node in NODES]
    network.pods |= {pod.name: pod for pod in hosts}
    network.session.pods += hosts
    assert all(t.stopped >= 0 for reply in flown(monkeypatch, network).values() for t in trials(reply))


def test_engine_that_is_late_on_one_node_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    found = flown(monkeypatch, Network(lambda a, b: ends(a, b)[0].node == "n1" or time.monotonic() > begun + 0.3))
    assert all(t.stopped >= 0 for reply in found.values() for t in trials(reply))


def test_a_look_without_an_answer_is_no_open_way(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: True)
    run = network.run

    def cut(client: Client, namespace: str, pod: str, requests: tuple[Echo, ...], *more: Any) -> agent_exec.ExecResult:
        deaf = network.ever and pod.endswith("n2")
        return (
            agent_exec.ExecResult(dict.fromkeys(requests, Lost("cut"))) if deaf else run(client, namespace, pod, requests, *more)
        )

    monkeypatch.setattr(network, "run", cut)
    for reply in flown(monkeypatch, network).values():
        assert all(t.stopped >= 0 for t in trials(reply))


def test_where_nothing_passes_before_no_policy_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: True)
    network.reachable = False
    for reply in flown(monkeypatch, network).values():
        assert not any(t.before for t in trials(reply))
    assert not network.ever


def test_policy_that_may_not_be_made_is_lost_with_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: True)
    network.refused = True
    for reply in flown(monkeypatch, network).values():
        assert isinstance(reply, Lost)
        assert "create networkpolicies.networking.k8s.io in namespace netdoc-x" in reply.reason


def test_no_canary_pod_is_lost_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: True)
    network.session.pods = [pod for pod in network.session.pods if not pod.canary]
    for reply in flown(monkeypatch, network).values():
        assert isinstance(reply, Lost)
        assert not reply.sent


def test_time_that_is_up_takes_the_policy_away(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(lambda a, b: False)
    for reply in flown(monkeypatch, network, deadline=0.0).values():
        assert isinstance(reply, Lost)
    assert network.ever
