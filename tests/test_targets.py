"""What is asked of netdoc's own Service."""

from __future__ import annotations

import msgspec
import pytest

from kubectl_netdoc import registry, targets
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.requests import Echo, OwnService
from kubectl_netdoc.testing import make_cluster, make_node, make_service


def of_version(version: str) -> Cluster:
    kind, node = make_node("n1")
    info = msgspec.structs.replace(node.status.node_info, kubelet_version=version)
    node = msgspec.structs.replace(node, status=msgspec.structs.replace(node.status, node_info=info))
    _, service = make_service()
    sticky = msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, session_affinity="ClientIP"))
    return make_cluster((kind, node), (make_service()[0], sticky), vantages=("n1",))


@pytest.mark.parametrize(("version", "seconds"), [("v1.34.4", 5.0), ("v1.33.1-gke.1014001", 15.0), ("v1.33.0-eks-99d6cc0", 5.0)])
def test_a_new_service_is_given_the_time_that_kube_proxy_may_take(version: str, seconds: float) -> None:
    """A healthy variant: GKE's kube-proxy syncs at most every 10 s."""
    cluster = of_version(version)
    waits = [
        request.wait
        for check in registry.load().checks
        for request in check.plan(cluster.view(check.needs.all_kinds))
        if isinstance(request, Echo) and isinstance(request.to, OwnService)
    ]
    assert len(waits) > 3
    assert set(waits) == {seconds} == {targets.sync(cluster)}
