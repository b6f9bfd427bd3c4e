# SPDX-License-Identifier: Apache-2.0
"""What is known of the lab's faults without a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.faults.model import Fault, all_faults
from lab.faults.runner import Lab

NETWORKS = frozenset(path.name for path in (Path(__file__).parents[2] / "lab" / "networks").iterdir())
SOME = [pytest.param(fault, id=fault.name) for fault in all_faults() if fault.networks]


@pytest.mark.parametrize("fault", SOME)
def test_a_fault_of_some_networks_is_made_on_those_alone(tmp_path: Path, fault: Fault) -> None:
    able = set()
    for network in NETWORKS:
        (tmp_path / "lab.network").write_text(f"{network}\n")
        if not Lab(tmp_path / "lab.kubeconfig").lacks(fault):
            able.add(network)
    assert able == set(fault.networks)


def test_a_lab_that_noted_no_network_has_flannel(tmp_path: Path) -> None:
    assert Lab(tmp_path / "lab.kubeconfig").network() == "flannel"
