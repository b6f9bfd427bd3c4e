# SPDX-License-Identifier: Apache-2.0
"""What one node sees has that node in its subject; what all of them see is one finding."""

from __future__ import annotations

import pytest

from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.finding import Code, Severity, Subject
from kubectl_netdoc.probes import seen_from
from kubectl_netdoc.remediation.commands import Risk

CODE = Code(id="ABC001", severity=Severity.WARN, risk=Risk.SAFE, title="t", message="From {nodes}", fix="f")
SERVICE = Subject("Service", "web", "shop")


def seen(*nodes: str) -> list[seen_from.SeenFrom]:
    """Return the condition as seen from each of these nodes, each with a path of its own."""
    return [(node, {"paths": [NodePath(node, "n9")]}) for node in nodes]


@pytest.mark.parametrize(
    ("nodes", "measured", "subjects"),
    [
        (("n1", "n2"), 2, ["Service shop/web"]),
        (("n1", "n2"), 3, ["Service shop/web from node n1", "Service shop/web from node n2"]),
        (("n1",), 1, ["Service shop/web from node n1"]),
    ],
)
def test_only_what_all_of_several_nodes_see_is_one_finding(nodes: tuple[str, ...], measured: int, subjects: list[str]) -> None:
    assert [str(found.subject) for found in seen_from.findings(CODE, SERVICE, seen(*nodes), measured)] == subjects


def test_one_finding_for_all_nodes_has_the_paths_of_all() -> None:
    (found,) = seen_from.findings(CODE, SERVICE, seen("n2", "n1"), 2)
    assert found.paths == (NodePath("n1", "n9"), NodePath("n2", "n9"))
    assert found.evidence["nodes"] == ["n2", "n1"]
