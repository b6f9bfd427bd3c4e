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
    [("an endpoint's chain was emptied in nftables mode", True), ("one endpoint lacks its rule on a node", False)],
)
def test_in_nftables_mode_the_table_goes_before_the_pod(name: str, gone: bool) -> None:
    """A chain that is there is not filled again, whoever starts kube-proxy: seen with 1.34.4."""
    commands = _mended(name)
    assert [command for command in commands if "nft delete table ip kube-proxy" in command] == list(commands[1:-1])
    assert bool(commands[1:-1]) is gone
    assert "delete pod" in commands[-1]
