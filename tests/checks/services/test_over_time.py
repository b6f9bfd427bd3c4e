# SPDX-License-Identifier: Apache-2.0
"""What the cases of over_time, sets of codes and subjects, don't show."""

from __future__ import annotations

import pytest

from kubectl_netdoc.api import Place
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import outcome
from tests.checks.services.over_time import ALL_N1, BROKEN, LINK, TO_N1, C, _facts, _seen


@pytest.mark.parametrize(
    ("ends", "nodes"), [(LINK, {"n1", "n2"}), ((*ALL_N1, *TO_N1), {"n1"})], ids=["a path has two ends", "a node"]
)
def test_commands_look_at_each_node_that_it_may_be(ends: tuple[tuple[str, Place], ...], nodes: set[str]) -> None:
    check = registry.load().choose(["over_time"])[0]
    (found,) = outcome(check, C, _facts(dict.fromkeys(ends, _seen(idle=BROKEN)))).findings
    assert {node for node in ("n1", "n2", "n3") if any(f"node/{node} " in line for line in found.commands)} == nodes
