# SPDX-License-Identifier: Apache-2.0
"""What service_rules has done about a missing rule, by the mode of the kube-proxy that keeps it."""

from __future__ import annotations

import pytest

from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import outcome
from tests.checks.services.service_rules import CASES


def _mended(name: str) -> tuple[str, ...]:
    case = next(case for case in CASES if case.name == name)
    return outcome(registry.load().choose(["service_rules"])[0], case.cluster, case.measured).findings[0].commands


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("a Service's chain was emptied in nftables mode", True),
        ("a Service's chain was emptied in nftables mode, which 1.36 fills again", False),
        ("an emptied chain of UDP was not tried", False),
        ("an endpoint's chain was emptied in nftables mode", False),
        ("one endpoint lacks its rule on a node", False),
        ("an only node has none, and nothing works", False),
    ],
)
def test_a_table_is_deleted_only_where_a_connection_failed_and_kube_proxy_would_not_fill_it(name: str, gone: bool) -> None:
    """A chain that is there is not filled again, whoever starts kube-proxy: seen with 1.34.4; since 1.36 it is (1.37.2)."""
    commands = _mended(name)
    assert any("nft delete table ip kube-proxy" in command for command in commands) is gone
    assert "delete pod" in commands[-1]
