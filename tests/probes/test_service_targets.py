# SPDX-License-Identifier: Apache-2.0
"""What is asked of netdoc's own Service."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.base import OwnService
from kubectl_netdoc.measurements.connect import Echo
from kubectl_netdoc.measurements.statistics import evenly
from kubectl_netdoc.probes import service_targets
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, JOB, NODE, REPLICA_SET, SERVICE, STATEFUL_SET
from kubectl_netdoc.records.workloads import Workload
from kubectl_netdoc.testing import Built, make_cluster, make_workload
from tests.support.cni_objects import daemon_set


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
    assert set(waits) == {seconds} == {service_targets.sync(cluster)}


@given(st.integers(0, 400), st.integers(1, 60))
def test_a_sample_has_as_many_as_are_wanted_and_is_spread(items: int, most: int) -> None:
    taken = evenly(range(items), most)
    assert len(taken) == len(set(taken)) == min(items, most)
    gaps = {b - a for a, b in itertools.pairwise(taken)} | {items - taken[-1]} if taken else {0}
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("agents", "rejects"),
    [
        (daemon_set("kube-system", "calico-node", {"calico-node": "docker.io/calico/node:v3.30.0"}), False),
        (daemon_set("kube-system", "cilium", {"cilium-agent": "quay.io/cilium/cilium:v1.17.1"}), False),
        (daemon_set("kube-system", "kube-router", {"kube-router": "docker.io/cloudnativelabs/kube-router:v2.5.0"}), True),
        (daemon_set("kube-system", "other", {"agent": "registry.example/agent:1"}), True),
        ((), True),
    ],
    ids=["Calico", "Cilium", "kube-router", "none that is known", "none"],
)
def test_a_refusal_may_be_a_policys_where_engines_reject_or_are_not_known(agents: tuple[Built, ...], rejects: bool) -> None:
    assert service_targets.may_reject(make_cluster(*agents)) is rejects


@pytest.mark.parametrize(
    ("kind", "replicas", "wanted"),
    [(DEPLOYMENT, 3, 3), (STATEFUL_SET, 0, 0), (REPLICA_SET, 2, 2), (DAEMON_SET, 4, 4), (DAEMON_SET, 0, 0), (JOB, 5, 0)],
)
def test_how_many_pods_a_workload_wants(kind: Kind[Workload], replicas: int, wanted: int) -> None:
    _, made = make_workload(kind, replicas=replicas)
    assert isinstance(made, Workload)
    assert made.wanted == wanted
