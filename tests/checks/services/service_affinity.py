# SPDX-License-Identifier: Apache-2.0
"""Cases of service_affinity: how many backends one client meets."""

from kubectl_netdoc.api import Echo, EchoReply, EchoSample, Lost, Outcome, OwnService, Reply, Request
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_service, measured

NODES = ("n1", "n2")
NOTHING = EchoReply("10.96.0.51", (EchoSample(Outcome.TIMEOUT, 1000.0),))


def _cluster(affinity: str = "ClientIP") -> Cluster:
    return make_cluster(make_service(sessionAffinity=affinity), vantages=NODES)


def _met(*who: str, itself: bool = False) -> EchoReply:
    found = [EchoSample(Outcome.OK, 1.0, node, itself=itself and number % 2 == 1) for number, node in enumerate(who)]
    return EchoReply("10.96.0.51", tuple(found))


def _measure(**met: Reply) -> Measured:
    def answer(request: Request) -> Reply:
        assert isinstance(request, Echo)
        assert request.to == OwnService(sticky=True)
        return met.get(request.node) or _met("n1", "n1")

    return measured(registry.load().choose(["service_affinity"])[0], _cluster(), answer)


def _case(name: str, facts: Measured, *expect: tuple[str, str], state: str = "", affinity: str = "ClientIP") -> Case:
    return Case(name, _cluster(affinity), frozenset(expect), facts, state)


CASES = [
    _case("healthy", _measure()),
    _case("two clients may have two backends", _measure(n1=_met("n1", "n1"), n2=_met("n2", "n2"))),
    _case("one node does not keep its client", _measure(n1=_met("n1", "n2", "n1")), ("SVA001", "Node n1")),
    _case("one switch, while the new Service settles", _measure(n1=_met("n1", "n2", "n2", "n2"))),
    _case("the pod itself and its neighbour are two", _measure(n1=_met("n1", "n1", "n1", itself=True)), ("SVA001", "Node n1")),
    _case("nobody does", _measure(n1=_met("n1", "n2", "n1"), n2=_met("n2", "n1", "n2")), ("SVA001", "Cluster session affinity")),
    _case("nothing answers", _measure(n1=NOTHING), state="unknown"),
    _case("an answer was cut", _measure(n1=Lost("cut")), state="unknown"),
    _case("nobody relies on it", _measure(), affinity="None", state="skipped"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
