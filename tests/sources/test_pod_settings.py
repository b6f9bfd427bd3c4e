# SPDX-License-Identifier: Apache-2.0
"""Which nodes carry a debug pod."""

from __future__ import annotations

import pytest

from kubectl_netdoc.api import NODE, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.sources.live.pod_settings import MOST_NODES, choose_nodes
from kubectl_netdoc.testing import make_cluster, make_node


def test_many_nodes_are_sampled_evenly() -> None:
    names = [f"n{number:03}" for number in range(100)]
    chosen = choose_nodes(make_cluster(*(make_node(name) for name in names)))
    assert len(chosen) == MOST_NODES
    assert set(chosen) <= set(names)
    assert chosen == tuple(sorted(chosen))
    assert len({name[2] for name in chosen}) == 10


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("", {"a", "b", "c"}),
        ("all", {"a", "b", "c"}),
        ("1", {"a"}),
        ("2", {"a", "b"}),
        ("9", {"a", "b", "c"}),
        ("pool=edge", {"b", "c"}),
        ("pool==edge,zone=z2", {"c"}),
        ("zone", {"c"}),
        ("pool=none", set()),
    ],
)
def test_nodes_as_asked_for(wanted: str, names: set[str]) -> None:
    labels = {"a": {}, "b": {"pool": "edge"}, "c": {"pool": "edge", "zone": "z2"}}
    nodes = [(NODE, convert(NODE, {"metadata": {"name": name, "labels": own}})) for name, own in labels.items()]
    assert set(choose_nodes(make_cluster(*nodes), wanted)) == names


def test_where_nodes_cannot_be_read_the_scheduler_chooses() -> None:
    assert choose_nodes(make_cluster(unavailable={NODE: Unavailable("forbidden")})) == ("",)
