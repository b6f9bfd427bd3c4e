# SPDX-License-Identifier: Apache-2.0
"""Verdicts into a service mesh: an accepted connect is the proxy's."""

from __future__ import annotations

import pytest

from kubectl_netdoc.api import POD
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built
from tests.checks.services.service_reachability import _cluster, _everywhere, _measure

SIDECAR = "docker.io/istio/proxyv2:1.24.0"
"""istio/istio, pkg/kube/inject/testdata/inject: the image of container istio-proxy."""


def pod(image: str) -> Built:
    """Return web-1 with a second container named as Istio's."""
    containers = [{"name": "app", "image": "shop/web:1"}, {"name": "istio-proxy", "image": image}]
    meta = {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}}
    status = {"phase": "Running", "podIP": "10.0.1.1", "podIPs": [{"ip": "10.0.1.1"}]}
    return POD, convert(POD, {"metadata": meta, "spec": {"nodeName": "n1", "containers": containers}, "status": status})


@pytest.mark.parametrize(
    ("image", "deaf", "said"), [(SIDECAR, False, True), (SIDECAR, True, False), ("shop/other:1", False, False)]
)
def test_who_accepted_is_said(image: str, deaf: bool, said: bool) -> None:
    cluster = _cluster(pod(image))
    measured = _measure(cluster, _everywhere("10.0.1.1") if deaf else lambda *_: None)
    check = registry.load().choose(["service_reachability"])[0]
    unseen = run.analyse(check, Facts(cluster, measured)).unseen
    assert [item.expected for item in unseen if "Istio sidecar" in item.reason and "shop/web-1" in item.reason] == [False] * said
