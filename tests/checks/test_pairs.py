"""Which pairs of nodes the mesh of pod_network measures."""

from __future__ import annotations

from itertools import permutations
from types import ModuleType

import pytest

from kubectl_netdoc.records import NODE, convert
from kubectl_netdoc.testing import make_cluster

LABEL = "topology.kubernetes.io/zone"


@pytest.fixture
def module() -> ModuleType:
    from importlib import import_module

    return import_module("netdoc_checks.pod_network")


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
    assert module.pairs(make_cluster(vantages=("",))) == []
