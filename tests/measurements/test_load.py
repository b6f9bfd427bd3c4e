# SPDX-License-Identifier: Apache-2.0
"""What netdoc puts on a network: the bounds hold in the agent whatever is asked, Services get no payload, and it is all told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import coverage, plan
from kubectl_netdoc.measurements import load
from kubectl_netdoc.measurements.base import Address, Lost, OwnService, Peer, ResolvConfNameserver
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Certificate, Connect, Echo, HttpGet
from kubectl_netdoc.measurements.dns import DnsLookup, ResolvConf
from kubectl_netdoc.measurements.path import Burst, PathMtu
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, SERVICE
from kubectl_netdoc.sources import agent_protocol
from kubectl_netdoc.testing import Case, make_cluster, make_dns_reply, make_service
from tests.agent.test_functions import agent
from tests.checks import cases_of, registered
from tests.support.clock import Clock

__all__ = ["agent"]

SERVER = Address("10.0.0.53")


# The bounds


@pytest.fixture
def clock(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have the agent's pace follow such a clock."""
    made = Clock()
    monkeypatch.setattr(agent.time, "perf_counter", made.perf_counter)
    monkeypatch.setattr(agent.time, "sleep", made.sleep)
    return made


def waited(pace: Any, clock: Clock, targets: list[tuple[str, int]], count: int = 1) -> list[float]:
    """Return when each of these began."""
    began = []
    for target in targets:
        pace.wait(*target, count)
        began.append(round(clock.now - 100, 6))
    return began


def test_what_begins_to_one_target_is_kept_apart(agent: ModuleType, clock: Clock) -> None:
    assert waited(agent.Pace(0.002, 0.005), clock, [("a", 1)] * 4) == [0, 0.005, 0.01, 0.015]


def test_what_begins_at_all_is_kept_apart(agent: ModuleType, clock: Clock) -> None:
    assert waited(agent.Pace(0.002, 0.005), clock, [("a", 1), ("b", 1), ("a", 2), ("c", 1)]) == [0, 0.002, 0.004, 0.006]


def test_two_at_once_take_two_turns(agent: ModuleType, clock: Clock) -> None:
    assert waited(agent.Pace(0.002, 0.005), clock, [("a", 1)] * 3, 2) == [0, 0.01, 0.02]


def test_time_that_passed_is_not_made_up_for(agent: ModuleType, clock: Clock) -> None:
    pace = agent.Pace(0.002, 0.005)
    pace.wait("a", 1)
    clock.now += 10
    assert waited(pace, clock, [("a", 1)] * 2) == [10, 10.005]


@pytest.mark.parametrize("nodes", [1, 3, 10, 30, 500])
def test_the_bounds_together(nodes: int) -> None:
    apart = load.spacing(range(nodes))
    assert 1 / apart <= load.PER_TARGET_AND_NODE
    assert nodes / apart <= load.PER_TARGET * (1 + 1e-9) or nodes <= load.PER_TARGET / load.PER_TARGET_AND_NODE


@pytest.fixture
def sink() -> Iterator[tuple[int, list[float]]]:
    """A UDP server that notes when something comes and answers with it."""
    came: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, peer = sock.recvfrom(65535)
                if data == b"end":
                    return
                came.append(time.perf_counter())
                sock.sendto(data, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()[1], came
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"end", sock.getsockname())
        thread.join(10)


APART = 0.02
EXTRA: dict[str, dict[str, Any]] = {
    "one by one": {},
    "in pairs": {"group": 2},
    "as a trickle": {"interval": 0.001},
}


@pytest.mark.parametrize("how", EXTRA)
def test_the_agent_keeps_to_its_pace(agent: ModuleType, sink: tuple[int, list[float]], how: str) -> None:
    port, came = sink
    agent.PACE.target_spacing = APART
    payloads = [agent.base64.b64encode(b"%c%cxx" % (n, n)).decode() for n in range(1, 9)]
    ask = {"op": "udp", "to": ["127.0.0.1", port], "payloads": payloads, "timeout": 2, "give_up": 2, **EXTRA[how]}
    start = time.perf_counter()
    reply = agent.answer(ask, time.monotonic() + 30)
    assert [sample[0] for sample in reply["samples"]] == ["ok"] * len(reply["samples"])
    turns = len(payloads) - (2 if how == "in pairs" else 1)
    assert len(came) == len(payloads)
    assert came[-1] - start >= turns * APART


def test_trickles_at_once_share_the_pace(agent: ModuleType, sink: tuple[int, list[float]]) -> None:
    port, came = sink
    agent.PACE.target_spacing = APART
    start = time.perf_counter()
    threads = [
        threading.Thread(target=agent.trickle, args=("127.0.0.1", port, [b"%c%cxx" % (n, m) for m in range(4)], 0.001, 2, 1e9))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(came) == 16
    assert came[-1] - start >= 15 * APART


def test_probes_of_a_path_mtu_keep_to_the_pace(agent: ModuleType, sink: tuple[int, list[float]]) -> None:
    port, came = sink
    agent.PACE.target_spacing = APART
    start = time.perf_counter()
    prober = agent.Prober("127.0.0.1", port)
    with prober.sock:
        prober.arrived([600, 601, 602, 603], 0.3)
    assert len(came) == 8
    assert came[-1] - start >= 7 * APART


def test_two_queries_of_one_id_are_sent_once(agent: ModuleType, sink: tuple[int, list[float]]) -> None:
    port, came = sink
    samples = agent.trickle("127.0.0.1", port, [b"aa1", b"bb2", b"aa3"], 0.001, 2, 1e9)
    assert [sample[0] for sample in samples] == ["ok"] * 3
    assert len(came) == 2


def test_a_burst_keeps_to_the_bound_of_its_target() -> None:
    servers = {(f"n{n}", False): agent_protocol.EchoServer(("10.0.0.1",), f"x{n}") for n in range(100)}
    targets = agent_protocol.Targets(servers, {}, 19376)
    assert (
        agent_protocol.ask(0, Burst("n1", Peer("n2"), interval=0.0001), targets)["interval"] == load.spacing(range(100)) == 0.05
    )


# What it comes to


def lookup(samples: int = 10, **more: Any) -> DnsLookup:
    """A lookup of whom pods ask."""
    return DnsLookup("n1", ResolvConfNameserver(), "x.", samples=samples, **more)


@pytest.mark.parametrize(
    ("request_", "total"),
    [
        (lookup(), 10),
        (lookup(parallel=True), 20),
        (Burst("n1", Peer("n2"), count=40), 40),
        (PathMtu("n1", Peer("n2")), load.MTU_DATAGRAMS),
        (Echo("n1", OwnService(), samples=3), 3),
        (Connect("n1", SERVER), 1),
        (ResolvConf("n1"), 0),
        (Canary("n1"), 0),
    ],
    ids=repr,
)
def test_what_a_request_comes_to(request_: Request, total: int) -> None:
    assert load.of([request_]).total == total


def test_most_to_one_target() -> None:
    found = load.of([lookup(), Connect("n1", SERVER), Connect("n2", SERVER)])
    assert (found.total, found.most, found.target) == (12, 10, "the nameserver of resolv.conf")


def test_nothing_is_nothing() -> None:
    assert (load.of([]).total, load.of([]).most, load.of([]).target) == (0, 0, "")


def test_nameserver_counts_by_its_address_and_what_was_not_asked_not_at_all() -> None:
    replies: dict[Request, Reply] = {
        lookup(): make_dns_reply(server="10.0.0.53"),
        Connect("n1", SERVER): Lost("cut"),
        Connect("n2", SERVER): Lost("no debug pod", sent=False),
    }
    found = load.sent(replies)
    assert (found.total, found.most, found.target) == (11, 11, "10.0.0.53:53")
    words = load.in_words(found)
    assert words.startswith("load: 11 datagrams")
    assert all(text in words for text in ("500/s", "200/s", "2,000/s", "10.0.0.53:53 with 11"))


def test_the_load_is_in_the_report() -> None:
    found = coverage(make_cluster(), Measured({lookup(): make_dns_reply(server="10.0.0.53")})).load
    assert (found.total, found.per_node, found.per_target) == (10, load.PER_NODE, load.PER_TARGET)


# A Service is never sent a payload


def cases() -> Iterator[tuple[str, Case]]:
    """Every case of every check."""
    for check in registered():
        for case in cases_of(check.id):
            yield check.id, case


def payloads(cluster: Cluster, requests: tuple[Request, ...]) -> list[Request]:
    """Return the requests that send something to a Service or to what is behind one.

    Connects send nothing. DNS servers are asked what they are there for and give their own metrics, and the API server shows its
    certificate; node ports of the machinery (kube-proxy's health) are no Service's.
    """
    index = cluster.index
    dns = cluster_dns.service(cluster) if cluster.readable(SERVICE) else None
    ours = {("default", "kubernetes"): (Certificate,)} | ({(dns.namespace, dns.name): (DnsLookup, HttpGet)} if dns else {})
    allowed: dict[str, tuple[type, ...]] = {}
    for item in index.items(SERVICE):
        for ip in item.spec.cluster_ips or (item.spec.cluster_ip,):
            allowed[ip] = allowed.get(ip, ()) + ours.get((item.namespace, item.name), ())
    for slice_ in index.items(ENDPOINT_SLICE):
        for ip in (ip for endpoint in slice_.endpoints for ip in endpoint.addresses):
            allowed[ip] = allowed.get(ip, ()) + ours.get((slice_.namespace, slice_.service), ())
    bad: list[Request] = []
    for request in requests:
        to = request.server if isinstance(request, DnsLookup) else getattr(request, "to", None)
        if isinstance(to, Address) and to.ip in allowed and not isinstance(request, (Connect, *allowed[to.ip])):
            bad.append(request)
    return bad


@pytest.mark.parametrize("check", registry.load().checks, ids=lambda check: check.id)
def test_no_check_sends_a_payload_to_a_service(check: Any) -> None:
    for name, case in cases():
        if name == check.id:
            plans = plan((check,), case.cluster)
            assert not [outcome.error for outcome in plans.failed.values() if outcome.error]
            assert payloads(case.cluster, plans.requests) == []


def test_the_cases_plan_connects_to_services() -> None:
    known = registry.load().checks
    planned = [request for _, case in cases() for request in plan(known, case.cluster).requests]
    assert len([request for request in planned if isinstance(request, Connect)]) > 20


@pytest.mark.parametrize(
    "make",
    [
        lambda to: HttpGet("n1", to),
        lambda to: Certificate("n1", to, "x", "y"),
        lambda to: DnsLookup("n1", to, "x."),
    ],
    ids=["http", "tls", "dns"],
)
def test_a_payload_to_a_service_would_be_seen(make: Callable[[Address], Request]) -> None:
    cluster = make_cluster(make_service("web", cluster_ip="10.96.0.9"))
    assert payloads(cluster, (make(Address("10.96.0.9", 80)), Connect("n1", Address("10.96.0.9", 80)))) == [
        make(Address("10.96.0.9", 80))
    ]


def test_an_echo_can_not_even_name_a_service_of_others() -> None:
    assert Echo.__annotations__["to"] == "Peer | OwnService"
