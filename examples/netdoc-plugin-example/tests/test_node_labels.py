# SPDX-License-Identifier: Apache-2.0
"""The cases of the check, and netdoc's own contract for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from netdoc_plugin_example import node_labels

from kubectl_netdoc.contract import violations
from kubectl_netdoc.testing import Built, Case, described, judge, make_cluster, make_node

CHECK = described(node_labels)


def node(name: str, zone: str = "") -> Built:
    """Return a node, with a zone or without."""
    kind, item = make_node(name)
    labels = {node_labels.ZONE: zone} if zone else {}
    return kind, msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, labels=labels))


CASES = [
    Case("every node has a zone", make_cluster(node("n1", "a"), node("n2", "b"))),
    Case("one has none", make_cluster(node("n1", "a"), node("n2")), frozenset({("EXA001", "Node n2")})),
    Case("a cluster without zones", make_cluster(node("n1"), node("n2"))),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    """What comes out is what the case says, by code and subject."""
    assert judge(CHECK, case.cluster, case.measured) == case.expect


def test_contract() -> None:
    """The check keeps to what every check must keep to."""
    assert violations(CHECK, CASES, Path(node_labels.__file__).read_text()) == []
