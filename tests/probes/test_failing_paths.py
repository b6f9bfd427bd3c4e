# SPDX-License-Identifier: Apache-2.0
"""Which failing paths a run traces: a few, different in kind, none that a policy forbids."""

from __future__ import annotations

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured, Vantage
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import Address, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.connect import Connect, ConnectReply, Echo, EchoReply, EchoSample
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, DnsSample
from kubectl_netdoc.measurements.path import Burst, BurstReply, Round
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.measurements.trace import Trace
from kubectl_netdoc.probes import failing_paths
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import NODE, SERVICE
from kubectl_netdoc.testing import make_cluster, make_node, make_pod, make_policy, make_service, make_slice

NODES = ("n1", "n2", "n3")
LOST = EchoReply("10.0.0.9", (EchoSample(Outcome.TIMEOUT, 1000.0),))
FINE = EchoReply("10.0.0.9", (EchoSample(Outcome.OK, 1.0, "n2", "10.0.0.1"),))
DEAD = ConnectReply(Outcome.TIMEOUT, 2000.0)
SILENT = DnsReply("10.96.0.10", (DnsSample(Outcome.TIMEOUT, 1000.0),) * 3)
LOSSY = BurstReply((Round(40, (0.5,) * 20), Round(40, (0.5,) * 22)))
WEB = make_service(cluster_ip="10.96.0.7")
SLICE = make_slice(addresses={"10.0.0.5": "web-1"})


def cluster(tier: Tier = Tier.PRIVILEGED, *more: object) -> Cluster:
    nodes = [make_node(name) for name in NODES]
    return make_cluster(*nodes, make_pod(ip="10.0.0.5", node="n2"), WEB, SLICE, *more, vantages=NODES, tier=tier)  # type: ignore[arg-type]


def facts(replies: dict[Request, Reply], where: Cluster | None = None) -> Facts:
    pods = tuple(Vantage(node, True, ip=f"10.0.{number}.9") for number, node in enumerate(NODES))
    return Facts(where or cluster(), Measured(replies, pods, pods, wanted=True))


def traces(told: Facts) -> list[Trace]:
    return failing_paths.FailingPaths(told).traces()


def paths(where: Cluster | None = None) -> failing_paths.FailingPaths:
    return failing_paths.FailingPaths(facts({}, where))


def kinds(replies: dict[Request, Reply]) -> list[tuple[str, str]]:
    return [(trace.node, trace.protocol) for trace in traces(facts(replies))]


def test_a_healthy_run_traces_nothing() -> None:
    replies: dict[Request, Reply] = {
        Echo("n1", Peer("n2")): FINE,
        Connect("n1", Address("10.0.0.5", 80)): ConnectReply(Outcome.OK, 1.0),
    }
    assert traces(facts(replies)) == []


def test_nothing_is_traced_below_the_privileged_tier() -> None:
    replies: dict[Request, Reply] = {Echo("n1", Peer("n2")): LOST}
    assert traces(facts(replies, cluster(Tier.NODES))) == []
    assert len(traces(facts(replies))) == 1


def test_one_of_each_kind_and_three_at_most() -> None:
    replies: dict[Request, Reply] = {
        Connect("n1", Address("10.96.0.7", 80)): DEAD,
        DnsLookup("n1", Address("10.96.0.10", 53), "a.example."): SILENT,
        Echo("n1", Peer("n2")): LOST,
        Echo("n1", Peer("n3")): LOST,
        Echo("n1", Peer("n1", twin=True)): LOST,
        Connect("n1", Address("10.0.0.5", 80)): DEAD,
    }
    assert [(trace.node, trace.to) for trace in traces(facts(replies))] == [
        ("n1", Peer("n2")),
        ("n1", Peer("n1", twin=True)),
        ("n1", Address("10.0.0.5", 80)),
    ]


def test_a_refusal_and_the_controls_are_no_failing_paths() -> None:
    replies: dict[Request, Reply] = {
        Connect("n1", Address("10.0.0.5", 80)): ConnectReply(Outcome.REFUSED, 1.0),
        Echo("n1", Peer("n2", closed=True)): LOST,
        Echo("n1", OwnService(empty=True)): LOST,
        Connect("n1", Address("192.0.2.1", 443)): DEAD,
    }
    assert kinds(replies) == []


def test_a_refusal_of_what_accepts_others_is_one_and_silence_comes_first() -> None:
    web, other = Address("10.0.0.5", 80), Address("10.0.0.5", 81)
    replies: dict[Request, Reply] = {
        Connect("n1", web): ConnectReply(Outcome.REFUSED, 1.0),
        Connect("n3", web): ConnectReply(Outcome.OK, 1.0),
    }
    assert [(trace.node, trace.to) for trace in traces(facts(replies))] == [("n1", web)]
    assert [(trace.node, trace.to) for trace in traces(facts(replies | {Connect("n3", other): DEAD}))] == [("n3", other)]


def test_a_path_that_loses_some_gets_more_packets() -> None:
    (trace,) = traces(facts({Burst("n1", Peer("n2")): LOSSY}))
    assert (trace.protocol, trace.count) == ("UDP", failing_paths.MANY)


def test_the_ends_listen_and_those_behind_a_service() -> None:
    (trace,) = traces(facts({Connect("n3", Address("10.96.0.7", 80)): DEAD}))
    assert set(trace.listening[:2]) == {"n3", "n2"}


def test_a_path_that_a_policy_forbids_is_not_traced() -> None:
    deny = make_policy("{podSelector: {}, policyTypes: [Ingress]}")
    where = cluster(Tier.PRIVILEGED, deny)
    assert traces(facts({Connect("n1", Address("10.0.0.5", 80)): DEAD}, where)) == []
    assert len(traces(facts({Connect("n1", Address("10.0.0.5", 80)): DEAD}))) == 1


def test_a_nodes_own_failure_is_sent_from_the_node() -> None:
    (trace,) = traces(facts({Echo("n1", Peer("n2"), host=True): LOST}))
    assert trace.own_network


def test_where_services_lead() -> None:
    assert paths().leads_to(Address("10.96.0.7", 80)) == {"10.0.0.5"}
    assert paths().leads_to(Address("10.96.0.8", 80)) == frozenset()


def test_node_ports_lead_to_a_services_endpoints() -> None:
    node = (
        NODE,
        convert(NODE, {"metadata": {"name": "n9"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.9"}]}}),
    )
    port = {"port": 80, "targetPort": 8080, "protocol": "TCP", "nodePort": 30080}
    service = (
        SERVICE,
        convert(SERVICE, {"metadata": {"name": "np", "namespace": "shop"}, "spec": {"type": "NodePort", "ports": [port]}}),
    )
    where = cluster(Tier.PRIVILEGED, node, service, make_slice("np", addresses={"10.0.0.6": "np-1"}))
    assert paths(where).leads_to(Address("172.18.0.9", 30080)) == {"10.0.0.6"}
    assert paths(where).leads_to(Address("172.18.0.9", 10250)) == frozenset()


def test_nodes_of_addresses() -> None:
    assert paths().nodes["10.0.0.5"] == "n2"
