# SPDX-License-Identifier: Apache-2.0
"""Which pairs of nodes are measured, and how bad paths are put into places."""

from __future__ import annotations

from itertools import permutations
from types import ModuleType

import pytest

from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.testing import make_cluster

LABEL = "topology.kubernetes.io/zone"


@pytest.fixture
def module() -> ModuleType:
    return node_pairs


def test_a_few_nodes_are_a_full_mesh(module: ModuleType) -> None:
    assert set(module.pairs(make_cluster(vantages=("a", "b", "c")))) == set(permutations("abc", 2))


def test_many_nodes_are_a_ring_and_every_zone_pair_is_covered(module: ModuleType) -> None:
    names = [f"n{number:02}" for number in range(30)]
    zones = {name: f"z{number // 10}" for number, name in enumerate(names)}
    nodes = [(NODE, convert(NODE, {"metadata": {"name": n, "labels": {LABEL: z}}})) for n, z in zones.items()]
    pairs = module.pairs(make_cluster(*nodes, vantages=tuple(names)))
    assert {one for one, _ in pairs} == {other for _, other in pairs} == set(names)
    assert len(pairs) <= 30 * module.NEIGHBOURS + 6
    assert {(zones[a], zones[b]) for a, b in pairs if zones[a] != zones[b]} == set(permutations(("z0", "z1", "z2"), 2))


def test_a_place_that_the_scheduler_chose_has_no_pairs(module: ModuleType) -> None:
    assert module.pairs(make_cluster(vantages=("",))) == ()


def placed(bad: set[tuple[str, str]], names: str = "abc") -> list[str]:
    return [str(place.subject) for place in node_pairs.locate(bad, permutations(names, 2))]


def test_all_links_of_a_mesh_are_the_network() -> None:
    assert placed({("a", "b"), ("c", "a"), ("b", "c")}) == ["Cluster pod network"]


def test_all_links_of_a_node_are_the_node_whichever_way_they_fail() -> None:
    assert placed({("a", "b"), ("c", "a")}) == ["Node a"]


def test_some_links_of_a_node_are_links() -> None:
    assert placed({("a", "b"), ("c", "a")}, "abcd") == ["NodePair a--b", "NodePair a--c"]
    assert placed({("a", "b"), ("b", "a")}, "ab") == ["NodePair a--b"]


def test_a_path_is_told_once() -> None:
    found = node_pairs.locate({("a", "b"), ("b", "a"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")}, permutations("abcd", 2))
    assert [str(place.subject) for place in found] == ["Node a", "Node b"]
    assert not found[0].paths & found[1].paths
