# SPDX-License-Identifier: Apache-2.0
"""What is made once a cluster: shared by all views, without hiding from any of them what was read for it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kubectl_netdoc.core.cluster import Cluster, KindUnavailable, Unavailable, UndeclaredKind
from kubectl_netdoc.core.once import once
from kubectl_netdoc.records.kinds import NODE, POD, SERVICE
from kubectl_netdoc.testing import make_cluster, make_node, make_pod

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _none_called() -> None:
    CALLS.clear()


@once
def nodes(cluster: Cluster) -> tuple[str, ...]:
    CALLS.append("nodes")
    return tuple(f"{node.name} in {cluster.own_namespace}" for node in cluster.all(NODE))


@once
def at(cluster: Cluster, node: str, *, most: int = 9) -> tuple[str, ...]:
    CALLS.append(node)
    return tuple(pod.name for pod in cluster.all(POD) if pod.spec.node_name == node)[:most]


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(make_node("n1"), make_pod("web-1"), make_pod("web-2"))


def test_views_share_what_was_made(cluster: Cluster) -> None:
    assert nodes(cluster.view((NODE,))) is nodes(cluster.view((NODE, POD)))
    assert CALLS == ["nodes"]


def test_each_view_is_told_what_it_read(cluster: Cluster) -> None:
    nodes(cluster)
    view = cluster.view((NODE, POD))
    nodes(view)
    assert view.touched == {"Node"}


def test_what_was_read_before_is_not_counted_for_it(cluster: Cluster) -> None:
    view = cluster.view((NODE, POD))
    view.all(POD)
    nodes(view)
    nodes(other := cluster.view((NODE,)))
    assert other.touched == {"Node"}


def test_a_view_that_may_not_read_it_gets_nothing(cluster: Cluster) -> None:
    nodes(cluster)
    with pytest.raises(UndeclaredKind):
        nodes(cluster.view((SERVICE,)))


def test_other_values_have_results_of_their_own(cluster: Cluster) -> None:
    assert at(cluster, "n1") == ("web-1", "web-2")
    assert at(cluster, "n2") == ()
    assert at(cluster, "n1", most=1) == ("web-1",)
    assert at(cluster, "n1") == ("web-1", "web-2")
    assert CALLS == ["n1", "n2", "n1"]


def test_a_cluster_that_is_set_otherwise_is_another(cluster: Cluster) -> None:
    nodes(cluster)
    cluster.own_namespace = "mine"
    assert nodes(cluster) == ("n1 in mine",)
    cluster.selection = replace(cluster.selection, thorough=True)
    nodes(cluster)
    assert CALLS == ["nodes"] * 3


def test_other_lists_are_another_cluster(cluster: Cluster) -> None:
    nodes(cluster)
    assert nodes(cluster.with_listings({**cluster.index.listings, "Node": make_cluster().listing(NODE)})) == ()


def test_an_exception_is_raised_again(cluster: Cluster) -> None:
    blind = cluster.with_listings({"Node": Unavailable("forbidden")})
    for _ in range(2):
        with pytest.raises(KindUnavailable):
            nodes(blind)
    assert CALLS == ["nodes"] * 2
    assert blind.touched == {"Node"}
