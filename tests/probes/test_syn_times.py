# SPDX-License-Identifier: Apache-2.0
"""When kernels send a SYN again, and that netdoc's limit for a connection is no such moment."""

from __future__ import annotations

import pytest

from kubectl_netdoc.agent.base import OPENS
from kubectl_netdoc.probes.syn_times import moments


@pytest.mark.parametrize(
    ("kernel", "times"),
    [
        ("5.15.0-1051-aws", (1, 3, 7, 15, 31, 63)),
        ("6.4.16", (1, 3, 7, 15, 31, 63)),
        ("6.5.0-1024-azure", (1, 2, 3, 4, 5, 7, 11, 19, 35)),
        ("6.18.0", (1, 2, 3, 4, 5, 7, 11, 19, 35)),
        ("", ()),
    ],
)
def test_syns_leave_as_they_were_seen_to(kernel: str, times: tuple[int, ...]) -> None:
    assert moments(kernel) == times


@pytest.mark.parametrize("kernel", ["5.15", "6.18"])
def test_a_connection_is_given_up_well_before_a_third_syn_could_arrive(kernel: str) -> None:
    second, third = moments(kernel)[:2]
    assert second + 0.35 < OPENS < third - 0.35
