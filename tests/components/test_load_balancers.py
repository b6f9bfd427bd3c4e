# SPDX-License-Identifier: Apache-2.0
"""Why a load balancer has no address, as far as the words matter: who should have served its class."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kubectl_netdoc.components import load_balancers
from kubectl_netdoc.records.kinds import SERVICE
from kubectl_netdoc.testing import Built, make_cluster, make_pod, make_service
from tests.support.cni_objects import agent_pod


def _why(class_: str, *objects: Built) -> str:
    spec: dict[str, Any] = {"loadBalancerClass": class_} if class_ else {}
    cluster = make_cluster(make_service("lb", type="LoadBalancer", **spec), make_pod(), *objects)
    pending = load_balancers.pending(cluster, cluster.all(SERVICE)[0], timedelta(minutes=5))
    assert pending is not None
    return pending.why


@pytest.mark.parametrize(
    ("class_", "says"),
    [
        ("", "no Event of the last hour says why"),
        ("example/own", "(load balancer class example/own)"),
        ("tailscale", "(load balancer class tailscale, which Tailscale's operator serves, and no pod of it is there)"),
    ],
)
def test_a_class_that_nobody_serves_is_named(class_: str, says: str) -> None:
    assert _why(class_).endswith(says)


def test_a_class_that_is_served_is_named_without_more() -> None:
    operator = agent_pod("tailscale", "operator", "n1", {"operator": "docker.io/tailscale/k8s-operator:v1.84.0"})
    assert _why("tailscale", operator).endswith("(load balancer class tailscale)")
