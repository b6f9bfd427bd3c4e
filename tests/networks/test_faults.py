# SPDX-License-Identifier: Apache-2.0
"""Faults of lab/faults that only some of the lab's networks can have: a policy needs an engine, BGP needs Calico's."""

from __future__ import annotations

import pytest

from lab.faults.model import Fault, all_faults, on
from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.support.faults import found, judge

FAULTS = [fault for fault in all_faults() if fault.networks]


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
def test_fault_of_some_networks(lab: Lab, netdoc: Netdoc, fault: Fault) -> None:
    if why := lab.lacks(fault):
        pytest.skip(why)
    with lab.broken(fault):
        report = netdoc.report(*fault.flags)
    judge(report, on(fault, lab.name))
    assert found(netdoc.report(*fault.flags)) == set()
