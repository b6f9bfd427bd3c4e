# SPDX-License-Identifier: Apache-2.0
"""What requests need to be made in the cluster."""

from __future__ import annotations

import pytest

from kubectl_netdoc.measurements.base import OwnName, OwnService, ResolvConfNameserver
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.connect import Echo
from kubectl_netdoc.measurements.dns import DnsLookup
from kubectl_netdoc.measurements.made import Made, made_for
from kubectl_netdoc.measurements.requests import Request


@pytest.mark.parametrize(
    ("requests", "made"),
    [
        ((), set()),
        ((DnsLookup("n1", ResolvConfNameserver(), "example."),), {Made.PODS}),
        ((Echo("n1", OwnService()),), {Made.PODS, Made.SERVICES}),
        ((DnsLookup("n1", ResolvConfNameserver(), OwnName(OwnService(), "cluster.local")),), {Made.PODS, Made.SERVICES}),
        ((Canary("n1", "n2"),), {Made.PODS, Made.POLICIES}),
    ],
    ids=["nothing", "lookup", "own Service", "own name", "canary"],
)
def test_what_is_made_follows_from_the_requests(requests: tuple[Request, ...], made: set[Made]) -> None:
    assert made_for(requests) == made
