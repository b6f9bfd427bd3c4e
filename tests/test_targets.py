# SPDX-License-Identifier: Apache-2.0
"""What is asked of netdoc's own Service."""

from __future__ import annotations

import pytest

from kubectl_netdoc import registry, targets
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.records import NODE, SERVICE, convert
from kubectl_netdoc.requests import Echo, OwnService
from kubectl_netdoc.testing import make_cluster


def of_version(version: str) -> Cluster:
    node = {"metadata": {"name": "n1"}, "status": {"nodeInfo": {"kubeletVersion": version}}}
    sticky = {"metadata": {"name": "a", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.9", "sessionAffinity": "ClientIP"}}
    return make_cluster((NODE, convert(NODE, node)), (SERVICE, convert(SERVICE, sticky)), vantages=("n1",))


@pytest.mark.parametrize(("version", "seconds"), [("v1.34.4", 5.0), ("v1.33.1-gke.1014001", 15.0), ("v1.33.0-eks-99d6cc0", 5.0)])
def test_a_new_service_is_given_the_time_that_kube_proxy_may_take(version: str, seconds: float) -> None:
    """A healthy variant: GKE's kube-proxy syncs at most every 10 s."""
    cluster = of_version(version)
    waits = [
        request.wait
        for check in registry.load().checks
        for request in check.plan(cluster.view(check.needs.all_kinds))
        if isinstance(request, Echo) and isinstance(request.to, OwnService) and request.wait
    ]
    assert len(waits) == 4
    assert set(waits) == {seconds} == {targets.sync(cluster)}
