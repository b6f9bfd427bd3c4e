# SPDX-License-Identifier: Apache-2.0
"""The printed fix of application_targets: an assignment, where a variable is nothing but a host and what is meant is known."""

from __future__ import annotations

import pytest

from kubectl_netdoc.checks.services.application_targets import check
from kubectl_netdoc.testing import make_cluster, outcome
from tests.checks.services.application_targets import CLUSTER, client

SET = ("kubectl", "-n", "shop", "set", "env", "deployment/client", "-c", "app")


@pytest.mark.parametrize(
    ("value", "mended"),
    [
        ("http://cartservice:8080", "http://cartservice:80"),
        ("cartservice.shop:8080", "cartservice.shop:80"),
        ("http://cartservise", "http://cartservice"),
        ("http://cartservise.shop.svc.cluster.local:80", "http://cartservice.shop.svc.cluster.local:80"),
        ("http://ledger.payy:80", "http://ledger.pay:80"),
        ("http://user:pass@cartservice:8080", ""),
        ("http://cartservice:8080/path", ""),
        ("http://gone.shop.svc", ""),
        ("http://ledger.pay.svc:1", ""),
    ],
)
def test_the_assignment(value: str, mended: str) -> None:
    cluster = make_cluster(*CLUSTER, client({"CART_ADDR": value}))
    (finding,) = outcome(check, cluster).findings
    commands = [argv for argv in finding.argv if "env" in argv]
    assert commands == ([(*SET, f"CART_ADDR={mended}")] if mended else [])
