# SPDX-License-Identifier: Apache-2.0
"""What is known of the lab's faults without a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.faults import fingerprint
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


def test_what_felix_makes_for_each_pod_is_no_trace_of_a_fault() -> None:
    of_a_pod = """== route
10.244.1.7 dev cali0123456789a scope link
== link
7: cali0123456789a@if2: <BROADCAST,UP,LOWER_UP> mtu 1450
== iptables
:cali-fw-cali0123456789a - [0:0]
-A cali-fw-cali0123456789a -j DROP
== sysctl
ipv4/conf/cali0123456789a/rp_filter:1
"""
    assert list(fingerprint.of_node("n", of_a_pod)) == []
    assert list(fingerprint.of_node("n", "== route\n10.244.2.0/26 via 172.18.0.3 dev eth0\n"))
    assert list(fingerprint.of_node("n", "== link\n7: cali0123456789a@if2: <BROADCAST,UP> mtu 1450\n"))
