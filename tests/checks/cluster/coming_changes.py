# SPDX-License-Identifier: Apache-2.0
"""Cases of coming_changes: what is used, and the version from which on that is told."""

from __future__ import annotations

from datetime import timedelta

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.probes.service_targets import MIRRORING_CONTROLLER
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import ADMIN_NETWORK_POLICY, DAEMON_SET, POD, SERVICE
from kubectl_netdoc.testing import NOW, Built, Case, make_cluster, make_pod, make_service, make_slice
from tests.checks.services.kube_proxy_presence import cilium

EXTERNAL, ENDPOINTS = "Cluster externalIPs of Services", "Cluster Endpoints objects"
MODE = "Cluster the annotation service.kubernetes.io/topology-mode"
HINTS = "Cluster the annotation service.kubernetes.io/topology-aware-hints"
POLICIES = "Cluster cluster-wide policies"

ADDRESSED = make_service(externalIPs=["203.0.113.7"])
POLICY: Built = ADMIN_NETWORK_POLICY, convert(ADMIN_NETWORK_POLICY, {"metadata": {"name": "deny"}, "spec": {"priority": 1}})


def _annotated(name: str, value: str) -> Built:
    return SERVICE, convert(SERVICE, {"metadata": {"name": "web", "namespace": "shop", "annotations": {name: value}}})


def _agent(image: str, name: str = "calico-node") -> Built:
    template = {"spec": {"containers": [{"name": name, "image": image}]}}
    meta = {"name": name, "namespace": "kube-system"}
    status = {"desiredNumberScheduled": 3}
    return DAEMON_SET, convert(DAEMON_SET, {"metadata": meta, "spec": {"template": template}, "status": status})


def _case(
    name: str,
    server: str,
    *objects: Built,
    expect: tuple[tuple[str, str], ...] = (),
    state: str = "",
    dark: bool = False,
    days: int = 180,
) -> Case:
    cluster = make_cluster(*objects, unavailable={POD: Unavailable("forbidden")} if dark else None)
    cluster.server, cluster.time = server, NOW + timedelta(days=days)
    return Case(name, cluster, frozenset(expect), state=state)


CASES = [
    _case("nothing of the kind", "v1.38.0", make_service()),
    _case("externalIPs before anybody deprecated them", "v1.35.4", ADDRESSED),
    _case("externalIPs, deprecated", "v1.37.2", ADDRESSED, expect=(("VER001", EXTERNAL),)),
    _case("externalIPs, of no known version", "", ADDRESSED),
    _case("externalIPs before the upgrade that takes them", "v1.39.1", ADDRESSED, expect=(("VER002", EXTERNAL),)),
    _case("externalIPs where they are gone already", "v1.41.0", ADDRESSED, expect=(("VER002", EXTERNAL),)),
    _case(
        "externalIPs that are not kube-proxy's",
        "v1.39.1",
        ADDRESSED,
        *cilium("true"),
        expect=(("VER001", EXTERNAL),),
    ),
    _case("externalIPs without an effect", "v1.37.2", make_service(cluster_ip="None", externalIPs=["203.0.113.7"])),
    _case(
        "mirrored Endpoints",
        "v1.33.0",
        make_service(selector={}),
        make_slice(addresses={"10.0.0.9": ""}, managed_by=MIRRORING_CONTROLLER),
        expect=(("VER005", ENDPOINTS),),
    ),
    _case("EndpointSlices by hand", "v1.37.2", make_service(selector={}), make_slice(managed_by="me")),
    _case("topology-mode", "v1.33.1", _annotated("service.kubernetes.io/topology-mode", "Auto"), expect=(("VER006", MODE),)),
    _case("topology-mode before", "v1.32.1", _annotated("service.kubernetes.io/topology-mode", "Auto")),
    _case("topology-mode, off", "v1.37.2", _annotated("service.kubernetes.io/topology-mode", "Disabled")),
    _case("hints", "v1.31.1", _annotated("service.kubernetes.io/topology-aware-hints", "auto"), expect=(("VER006", HINTS),)),
    _case(
        "PreferClose",
        "v1.35.0",
        make_service(trafficDistribution="PreferClose"),
        expect=(("VER006", "Cluster trafficDistribution of Services"),),
    ),
    _case("PreferSameZone", "v1.35.0", make_service(trafficDistribution="PreferSameZone")),
    _case("Calico that does not enforce them", "", POLICY, _agent("quay.io/calico/node:v3.32.1"), expect=(("VER003", POLICIES),)),
    _case("Calico that still does", "", POLICY, _agent("quay.io/calico/node:v3.31.7"), expect=(("VER004", POLICIES),)),
    _case("Calico of no known version", "", POLICY, _agent("quay.io/calico/node@sha256:0123"), state="unknown"),
    _case(
        "another engine beside it",
        "",
        POLICY,
        _agent("quay.io/calico/node:v3.32.1"),
        _agent("registry.k8s.io/networking/kube-network-policies:v1.0.0", "kube-network-policies"),
    ),
    _case("policies without Calico", "", POLICY),
    _case(
        "ingress-nginx",
        "v1.34.0",
        make_pod("ingress-nginx-controller-1", namespace="ingress-nginx", labels={"app.kubernetes.io/name": "ingress-nginx"}),
        expect=(("VER007", "Cluster ingress-nginx"),),
    ),
    _case(
        "ingress-nginx while it had releases",
        "v1.34.0",
        make_pod("ingress-nginx-controller-1", namespace="ingress-nginx", labels={"app.kubernetes.io/name": "ingress-nginx"}),
        days=0,
    ),
    _case("pods can't be read", "v1.37.2", make_service(), state="unknown", dark=True),
]
