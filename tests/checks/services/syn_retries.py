# SPDX-License-Identifier: Apache-2.0
"""Cases of syn_retries: where connects gather that took just over a second."""

from collections.abc import Callable

import msgspec

from kubectl_netdoc.api import (
    Burst,
    BurstReply,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    Outcome,
    Peer,
    Reply,
    Request,
    Round,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Built, Case, make_cluster, make_pod, make_service, make_slice, measured

NODES = ("n1", "n2", "n3")
ENDS = {"10.0.1.1": "web-1", "10.0.2.1": "web-2", "10.0.3.1": "web-3"}
API = {"10.0.2.2": "api-1"}
SERVICES = {"10.96.0.1": "web", "10.96.0.2": "api", "10.96.0.3": "admin"}
LATE, BUSY = 1012.0, 600.0


def _slice(service: str, ends: dict[str, str], port: int = 8080) -> Built:
    """Every endpoint on the node that its address tells."""
    kind, item = make_slice(service, addresses=ends, name=f"{service}-slice", port=port)
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in item.ports)  # type: ignore[attr-defined]
    placed = tuple(msgspec.structs.replace(e, node_name=f"n{e.addresses[0][5]}") for e in item.endpoints)  # type: ignore[attr-defined]
    return kind, msgspec.structs.replace(item, ports=ports, endpoints=placed)


C = make_cluster(
    *(make_pod(name, ip=ip) for ip, name in (ENDS | API).items()),
    *(make_service(name, selector={"app": name}, cluster_ip=ip) for ip, name in SERVICES.items()),
    _slice("web", ENDS),
    _slice("api", API),
    _slice("admin", {"10.0.2.1": "web-2"}, 9090),
    vantages=NODES,
)
Took = Callable[[str, str], float]
"""Milliseconds from a node to a node or an address; 0 for the usual time, less for none at all."""


def _measure(took: Took = lambda node, to: 0.0, *, lost: int = 0, throttled: float = 0) -> Measured:
    """``lost``: datagrams of every burst."""

    def answer(request: Request) -> Reply:
        if isinstance(request, Connect):
            late = took(request.node, request.to.ip)
            return ConnectReply(Outcome.TIMEOUT if late < 0 else Outcome.OK, late or 0.5)
        assert isinstance(request, (Echo, Burst))
        assert isinstance(request.to, Peer)
        if isinstance(request, Burst):
            return BurstReply((Round(40, (0.5,) * (40 - lost)),) * (2 if lost else 1))
        sample = EchoSample(Outcome.OK, took(request.node, request.to.node) or 0.5, request.to.node)
        return EchoReply("x", (sample,) * request.samples)

    return measured(registry.load().choose(["syn_retries"])[0], C, answer, throttled=throttled)


def _late(*paths: tuple[str, str]) -> Took:
    return lambda node, to: LATE if (node, to) in paths or (node, f"n{to[5:6]}") in paths else 0.0


def _case(name: str, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, C, frozenset(expect), facts, state)


def _busy(node: str, to: str) -> float:
    return LATE if (node, to) == ("n1", "n2") else BUSY


PAIR = _late(("n1", "n2"), ("n2", "n1"))
CASES = [
    _case("healthy", _measure()),
    _case("between two nodes", _measure(PAIR), ("SYN001", "NodePair n1--n2")),
    _case("at one node", _measure(_late(("n1", "n2"), ("n1", "n3"))), ("SYN001", "Node n1")),
    _case("one lost packet", _measure(lambda node, to: LATE if (node, to) == ("n1", "10.0.3.1") else 0.0)),
    _case("every packet may get lost", _measure(PAIR, lost=4)),
    _case("packets get lost, too few for a verdict of their own", _measure(PAIR, lost=1)),
    _case("a busy machine", _measure(_busy), state="unknown"),
    _case("a throttled debug pod", _measure(PAIR, throttled=1.0)),
    _case("slow, and no retry", _measure(lambda node, to: 250.0)),
    _case(
        "one pod takes connections late",
        _measure(lambda node, to: LATE if to == "10.0.2.1" else 0.0),
        ("SYN002", "Pod shop/web-2"),
    ),
    _case(
        "through Services of one node",
        _measure(lambda node, to: LATE if node == "n1" and to.startswith("10.96") else 0.0),
        ("SYN003", "Node n1"),
    ),
    _case(
        "an endpoint that n1 can't reach, and retries that meet another one",
        _measure(lambda node, to: 0.0 if node != "n1" else LATE if to.startswith("10.96") else -1.0 if to == "10.0.3.1" else 0.0),
    ),
    _case("one lost packet to a Service", _measure(lambda node, to: LATE if (node, to) == ("n1", "10.96.0.1") else 0.0)),
    _case(
        "one lost packet to a Service from each node",
        _measure(lambda node, to: LATE if to == "10.96.0.1" and node != "n3" else 0.0),
    ),
    _case(
        "one pod takes connections late, through its Services as well",
        _measure(lambda node, to: LATE if to in ("10.0.2.1", "10.96.0.1", "10.96.0.3") else 0.0),
        ("SYN002", "Pod shop/web-2"),
    ),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
