# SPDX-License-Identifier: Apache-2.0
"""Which paths and loads are chosen, and what they take at most."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster, Unavailable
from kubectl_netdoc.measurements.bench import Bench, BenchLoad, Kind, Route
from kubectl_netdoc.performance.paths import NoSuchBench, Wanted, bounds, choose, nodes_of
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.records.nodes import Node, NodeAddress
from kubectl_netdoc.testing import make_cluster, make_node


def node(name: str, zone: str = "", ready: bool = True, addresses: tuple[str, ...] = ("192.0.2.1",), **spec: Any) -> Any:
    """Return a node with a zone and addresses."""
    kind, made = cast("tuple[Any, Node]", make_node(name, ready=ready, **({"podCIDRs": ("10.1.0.0/16",)} | spec)))
    status = msgspec.structs.replace(made.status, addresses=tuple(NodeAddress("InternalIP", one) for one in addresses))
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return kind, msgspec.structs.replace(made, status=status, metadata=msgspec.structs.replace(made.metadata, labels=labels))


def ways(cluster: Cluster, **wanted: Any) -> list[tuple[str, str, str, str]]:
    """Return the ends, routes and families that are chosen."""
    return [(one.node, one.to, one.route.name, one.family) for one in choose(cluster, Wanted(**wanted))]


TWO = make_cluster(node("a"), node("b"))


def test_two_nodes_have_every_route() -> None:
    assert ways(TWO) == [
        ("a", "a", "SAME_NODE", "IPv4"),
        *(("a", "b", route, "IPv4") for route in ("POD", "CLUSTER_IP", "NODE_PORT", "HOST")),
    ]


def test_a_node_of_the_same_zone_comes_first_and_one_of_another_besides() -> None:
    cluster = make_cluster(node("a", "x"), node("b", "y"), node("c", "x"))
    assert ways(cluster, routes=(Route.POD, Route.CLUSTER_IP)) == [
        ("a", "c", "POD", "IPv4"),
        ("a", "c", "CLUSTER_IP", "IPv4"),
        ("a", "b", "POD", "IPv4"),
    ]


def test_only_other_zones() -> None:
    cluster = make_cluster(node("a", "x"), node("b", "y"), node("c", "z"))
    assert ways(cluster, routes=(Route.POD,)) == [("a", "b", "POD", "IPv4")]


def test_named_nodes_are_used() -> None:
    cluster = make_cluster(node("a", "x"), node("b", "x"), node("c", "y"))
    assert ways(cluster, routes=(Route.POD,), source="b", target="c") == [("b", "c", "POD", "IPv4")]
    assert ways(cluster, routes=(Route.POD,), source="b") == [("b", "a", "POD", "IPv4"), ("b", "c", "POD", "IPv4")]
    assert ways(cluster, routes=(Route.POD,), target="a") == [("b", "a", "POD", "IPv4")]


def test_nodes_of_the_control_plane_are_used_only_where_there_are_no_others() -> None:
    taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    cluster = make_cluster(node("a", taints=taints), node("b", unschedulable=True), node("c"), node("d"))
    assert ways(cluster, routes=(Route.POD,)) == [("c", "d", "POD", "IPv4")]
    assert ways(make_cluster(node("a", taints=taints), node("c")), routes=(Route.POD,)) == [("c", "a", "POD", "IPv4")]


def test_one_node_has_the_path_within_it() -> None:
    assert ways(make_cluster(node("a"), node("b", ready=False))) == [("a", "a", "SAME_NODE", "IPv4")]


def test_both_families_where_pods_have_them() -> None:
    dual = ("10.1.0.0/16", "fd00::/64")
    cluster = make_cluster(node("a", podCIDRs=dual), node("b", addresses=("192.0.2.2", "2001:db8::2"), podCIDRs=dual))
    found = choose(cluster, Wanted(routes=(Route.POD, Route.HOST)))
    assert [(one.route.name, one.family, one.at) for one in found] == [
        ("POD", "IPv4", ""),
        ("HOST", "IPv4", "192.0.2.2"),
        ("POD", "IPv6", ""),
        ("HOST", "IPv6", "2001:db8::2"),
    ]


def test_a_family_that_the_node_lacks_has_no_route_to_it() -> None:
    cluster = make_cluster(node("a", podCIDRs=("fd00::/64",)), node("b", podCIDRs=("fd00::/64",)))
    assert ways(cluster, routes=(Route.POD, Route.NODE_PORT, Route.HOST)) == [("a", "b", "POD", "IPv6")]


def test_families_are_the_nodes_own_where_ipam_uses_no_ranges() -> None:
    cluster = make_cluster(*(node(name, podCIDRs=(), addresses=("2001:db8::1",)) for name in "ab"))
    assert {way[3] for way in ways(cluster)} == {"IPv6"}


@pytest.mark.parametrize(
    ("cluster", "wanted", "what"),
    [
        (TWO, {"source": "z"}, "there is no node z"),
        (make_cluster(node("a", ready=False)), {}, "no node is ready"),
        (make_cluster(node("a", ready=False), node("b")), {"target": "a"}, "there is no node a"),
        (make_cluster(unavailable={NODE: Unavailable("refused")}), {}, "can't be read"),
        (TWO, {"tool": "netperf", "routes": (Route.CLUSTER_IP,)}, "nothing is left"),
        (make_cluster(node("a")), {"routes": (Route.POD,)}, "nothing is left"),
    ],
)
def test_nothing_to_measure_is_told(cluster: Cluster, wanted: dict[str, Any], what: str) -> None:
    with pytest.raises(NoSuchBench, match=what):
        choose(cluster, Wanted(**wanted))


def kinds(**wanted: Any) -> list[str]:
    """Return the loads between two pods."""
    (one,) = choose(TWO, Wanted(routes=(Route.POD,), **wanted))
    return [str(load) for load in one.loads]


def test_loads_are_those_that_are_asked_for_and_nothing_is_first() -> None:
    assert kinds(loads=("tcp", "crr"), streams=3) == [
        "nothing",
        "TCP, 1 stream",
        "TCP, 3 streams",
        "TCP connect/request/response, 1 B",
    ]
    assert kinds(loads=("tcp",), streams=1) == ["nothing", "TCP, 1 stream"]


def test_a_tool_has_the_loads_that_it_carries() -> None:
    assert kinds(tool="iperf3") == [
        "nothing",
        *("TCP, 1 stream", "TCP, 4 streams", "UDP, full size, all that goes", "UDP, 64 B, all that goes", "UDP, 200 B, 1000/s"),
    ]
    assert kinds(tool="netperf", loads=("tcp", "udp")) == ["nothing", "TCP, 1 stream", "UDP, 64 B, all that goes"]


def test_bounds_count_every_sample_and_what_it_may_send() -> None:
    loads = (BenchLoad(Kind.QUIET), BenchLoad(Kind.STREAM), BenchLoad(Kind.RR, size=1), BenchLoad(Kind.RR, size=16384))
    one = Bench("a", "b", Route.POD, "IPv4", loads, samples=3, seconds=0.6, most_bytes=1000)
    found = bounds((one, one))
    assert found.seconds == pytest.approx(2 * 3 * 4 * 1.0)
    assert found.bytes == 2 * 3 * 2 * 1000


def test_the_source_carries_the_second_pod() -> None:
    assert nodes_of(choose(TWO, Wanted(source="b"))) == ("b", "a")
