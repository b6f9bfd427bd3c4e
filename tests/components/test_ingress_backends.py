# SPDX-License-Identifier: Apache-2.0
"""What lets requests in: where there is nothing of it, that is no gap."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_netdoc.core.cluster import Cluster, Unavailable
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.gateway_api import GATEWAY_CLASS, REFERENCE_GRANT
from kubectl_netdoc.records.ingress import TLS_SECRET
from kubectl_netdoc.records.kinds import GATEWAY, ROUTES
from kubectl_netdoc.testing import make_cluster, make_ingress, outcome

ABSENT = Unavailable("not served", by_design=True)
NOT_SERVED: dict[Kind[Any], Unavailable] = dict.fromkeys((GATEWAY, GATEWAY_CLASS, REFERENCE_GRANT, *ROUTES), ABSENT)
SECRETS = make_cluster(make_ingress(secrets={"tls": "x"}), unavailable={TLS_SECRET: Unavailable("forbidden")})


@pytest.mark.parametrize(
    ("name", "cluster"),
    [
        ("ingress_routes", make_cluster()),
        ("ingress_controllers", make_cluster()),
        ("tls_secrets", make_cluster()),
        ("tls_secrets", SECRETS),
        ("gateway_routes", make_cluster()),
        ("gateway_routes", make_cluster(unavailable=NOT_SERVED)),
    ],
    ids=["Ingresses", "classes", "certificates", "Secrets not to be read", "Gateways", "no Gateway API"],
)
def test_nothing_of_it_is_no_gap(name: str, cluster: Cluster) -> None:
    came = outcome(registry.load().choose([name])[0], cluster)
    assert not came.ran
    assert came.unseen
    assert all(unseen.not_applicable and not unseen.expected for unseen in came.unseen)
