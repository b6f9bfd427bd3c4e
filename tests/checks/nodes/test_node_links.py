# SPDX-License-Identifier: Apache-2.0
"""What the cases of node_links, sets of codes and subjects, don't show: the paths that a finding explains."""

from __future__ import annotations

from kubectl_netdoc.checks.nodes.node_links import check
from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.testing import outcome
from tests.checks.nodes.node_links import CASES

NODES = ("n1", "n2", "n3")


def test_one_mac_address_spoils_all_paths_to_and_from_both_nodes() -> None:
    case = next(case for case in CASES if case.name == "two nodes with one MAC address")
    (found,) = outcome(check, case.cluster, case.measured).findings
    assert set(found.paths) == {NodePath(one, other) for one in NODES for other in NODES if one != other}
