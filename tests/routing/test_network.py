# SPDX-License-Identifier: Apache-2.0
"""Routing: where tables lead, as the kernel reads them."""

from __future__ import annotations

from kubectl_netdoc.api import KernelRoute as Route
from kubectl_netdoc.api import Link, Neighbour, Outcome, RtnetlinkReply
from kubectl_netdoc.routing.tables import NextHop, Tables, range_route


def tables(*routes: Route, links: tuple[Link, ...] = (), neighbours: tuple[Neighbour, ...] = ()) -> Tables:
    """Return the tables of a node."""
    return Tables(RtnetlinkReply(Outcome.OK, 1.0, links=links, routes=routes, neighbours=neighbours))


def led(found: Tables, to: str) -> str:
    """Where a range goes."""
    route = found.lookup(to)
    return route.via or route.type if route else ""


def test_the_longest_prefix_that_contains_the_whole_range_counts() -> None:
    found = tables(
        Route("0.0.0.0/0", "gate"), Route("10.0.0.0/8", "wide"), Route("10.1.0.0/16", "near"), Route("10.1.2.0/25", "part")
    )
    assert led(found, "10.1.2.0/24") == "near"
    assert led(found, "10.1.2.0/25") == "part"
    assert led(found, "10.2.0.0/24") == "wide"
    assert led(found, "192.0.2.1/32") == "gate"


def test_families_do_not_mix() -> None:
    found = tables(Route("0.0.0.0/0", "gate"), Route("fd00:1::/64", "six"))
    assert led(found, "fd00:1::/80") == "six"
    assert led(found, "fd00:2::/64") == ""


def test_of_two_routes_to_a_range_the_lower_metric_counts() -> None:
    assert led(tables(Route("10.0.0.0/8", "b", metric=20), Route("10.0.0.0/8", "a", metric=10)), "10.0.0.0/8") == "a"
    assert led(tables(Route("10.0.0.0/8", "a", metric=10), Route("10.0.0.0/8", "b", metric=20)), "10.0.0.0/8") == "a"


def test_other_tables_and_routes_that_only_leave_the_table_do_not_count() -> None:
    found = tables(Route("10.0.0.0/8", "a", table=100), Route("10.0.0.0/16", "b", type="throw"), Route("0.0.0.0/0", "gate"))
    assert led(found, "10.0.0.0/24") == "gate"


def test_the_kernels_own_unreachable_default_route_is_none() -> None:
    assert range_route(tables(Route("::/0", type="unreachable")), "fd00:1::/64", {}).hop is NextHop.NONE
    assert range_route(tables(Route("fd00::/16", type="unreachable")), "fd00:1::/64", {}).hop is NextHop.REFUSED


def test_a_gateway_is_a_peer_where_a_node_has_its_address() -> None:
    found = tables(
        Route("10.1.0.0/24", "172.18.0.2", "eth0"), Route("10.2.0.0/24", "172.18.0.9", "eth0"), Route("10.3.0.0/24", dev="wg")
    )
    owner = {"172.18.0.2": "n2"}
    assert [range_route(found, f"10.{i}.0.0/24", owner).hop for i in range(1, 5)] == [
        NextHop.PEER,
        NextHop.STRAY,
        NextHop.DEVICE,
        NextHop.NONE,
    ]


def test_of_several_next_hops_a_peer_is_one_only_where_all_are() -> None:
    owner = {"172.18.0.2": "n2", "172.19.0.2": "n2", "172.18.0.3": "n3"}
    hops = [("172.19.0.2",), ("172.18.0.3",), ("172.18.0.9",), ("eth1",)]
    found = tables(*(Route(f"10.{i}.0.0/24", "172.18.0.2", "eth0", others=others) for i, others in enumerate(hops, 1)))
    ways = [range_route(found, f"10.{i}.0.0/24", owner) for i in range(1, 5)]
    assert [each.hop for each in ways] == [NextHop.PEER, NextHop.STRAY, NextHop.STRAY, NextHop.STRAY]
    assert [each.node for each in ways] == ["n2", "", "", ""]
    assert "172.18.0.2 and 172.18.0.3" in ways[1].words


def test_a_part_of_a_range_that_is_dropped_is_found() -> None:
    found = tables(Route("10.1.0.0/24", "a"), Route("10.1.0.128/25", type="prohibit"), Route("10.2.0.0/25", type="blackhole"))
    refused = found.refused_within("10.1.0.0/24")
    assert refused
    assert refused.to == "10.1.0.128/25"
    assert found.refused_within("10.1.0.128/25") is None


def test_a_neighbour_without_a_link_address_is_none() -> None:
    asked = Neighbour("10.1.0.0", "aa:aa:aa:aa:aa:aa", "flannel.1", "failed")
    assert tables(neighbours=(asked,)).neighbour("flannel.1", "10.1.0.0") is None
