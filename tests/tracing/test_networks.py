# SPDX-License-Identifier: Apache-2.0
"""Traces under faults of lab/packets.yaml as they came on other networks than the flannel VXLAN of the rest.

`NETDOC_LAB=kubeconfig python -m bench.packets --record FILE [NAME...]` on Calico by VXLAN, flannel by host-gw, and Cilium, whose
eBPF takes pods' packets past the node's rules, so that fewer of the faults are any there.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from bench.packets import Recorded, scored
from kubectl_netdoc.tracing.verdict import judge
from tests.tracing.test_packets import ROWS

FOLDER = Path(__file__).parent / "networks"
TRACES = {
    (path.name.partition(".")[0], name): recorded
    for path in sorted(FOLDER.glob("*.json.gz"))
    for name, recorded in msgspec.json.decode(gzip.decompress(path.read_bytes()), type=dict[str, Recorded]).items()
}


def test_there_are_traces_of_each_network() -> None:
    assert {network for network, _ in TRACES} == {"calico-vxlan", "cilium", "flannel-host-gw"}
    assert len(TRACES) >= 25


@pytest.mark.parametrize(("network", "fault"), TRACES)
def test_the_place_and_the_taker(network: str, fault: str) -> None:
    recorded = TRACES[network, fault]
    score = scored(ROWS[fault], recorded, judge(recorded.request, recorded.reply, recorded.ends))
    assert (score.placed, score.right) == (True, True), score.line
