# SPDX-License-Identifier: Apache-2.0
"""Cases of coming_changes: what is used, and the version from which on that is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kubectl_netdoc.core.cluster import Unavailable
from kubectl_netdoc.probes.service_targets import MIRRORING_CONTROLLER
from kubectl_netdoc.records.base import Kind, ObjectMeta, convert
from kubectl_netdoc.records.cni import NETWORK_CONFIG, NetworkSettings
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    BASELINE_ADMIN_NETWORK_POLICY,
    CLUSTER_NETWORK_POLICY,
    DAEMON_SET,
    NATIVE_POLICIES,
    POD,
    SERVICE,
)
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


CALICO, CILIUM = "quay.io/calico/node:%s", "quay.io/cilium/cilium:%s"
MIXED = (_agent(CALICO % "v3.31.7"), _agent(CALICO % "v3.32.1", "other"))


def _policy(name: str, kind: Kind[Any], image: str, *codes: str, flag: str = "") -> Case:
    """A policy of a kind on a network; ``flag``: what cilium-config says of ClusterNetworkPolicies."""
    settings = NetworkSettings(
        metadata=ObjectMeta(name="cilium-config", namespace="kube-system"), settings={"enable-k8s-cluster-network-policy": flag}
    )
    objects: list[Built] = [(kind, convert(kind, {"metadata": {"name": "deny"}, "spec": {}})), _agent(image, "agent")]
    objects += [(NETWORK_CONFIG, settings)] * bool(flag)
    return _case(name, "", *objects, expect=tuple((code, f"Cluster policies of kind {kind.name}") for code in codes))


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
    _policy("Calico that does not enforce them", ADMIN_NETWORK_POLICY, CALICO % "v3.32.1", "VER003"),
    _policy("Calico that does not enforce them yet", ADMIN_NETWORK_POLICY, CALICO % "v3.28.2", "VER003"),
    _case("Calico that still does", "", POLICY, _agent(CALICO % "v3.31.7"), expect=(("VER004", POLICIES),)),
    _case("Calico of no known version", "", POLICY, _agent("quay.io/calico/node@sha256:0123"), state="unknown"),
    _case(
        "Calico of two versions",
        "",
        POLICY,
        _agent(CALICO % "v3.31.7"),
        _agent(CALICO % "v3.32.1", "other"),
        expect=(("VER004", POLICIES),),
    ),
    _policy("Calico that enforces ClusterNetworkPolicies", CLUSTER_NETWORK_POLICY, CALICO % "v3.32.1"),
    _policy("Calico that does not enforce ClusterNetworkPolicies yet", CLUSTER_NETWORK_POLICY, CALICO % "v3.31.7", "VER003"),
    _policy("Cilium never read them", BASELINE_ADMIN_NETWORK_POLICY, CILIUM % "v1.20.0", "VER003"),
    _policy("Cilium before ClusterNetworkPolicies", CLUSTER_NETWORK_POLICY, CILIUM % "v1.19.5", "VER003"),
    _policy("Cilium with ClusterNetworkPolicies", CLUSTER_NETWORK_POLICY, CILIUM % "v1.20.0", flag="true"),
    _policy(
        "Cilium with ClusterNetworkPolicies switched off", CLUSTER_NETWORK_POLICY, CILIUM % "v1.20.0", "VER003", flag="false"
    ),
    _policy("Cilium whose settings can't be seen", CLUSTER_NETWORK_POLICY, CILIUM % "v1.20.0"),
    _policy("GKE's Cilium", ADMIN_NETWORK_POLICY, "gke.gcr.io/cilium/cilium:v1.15.6"),
    _policy("Antrea before them", ADMIN_NETWORK_POLICY, "antrea/antrea-agent-ubuntu:v1.12.0", "VER003"),
    _policy("Antrea, whose gate can't be seen", ADMIN_NETWORK_POLICY, "antrea/antrea-agent-ubuntu:v2.4.0"),
    _policy("kube-router reads NetworkPolicies alone", ADMIN_NETWORK_POLICY, "cloudnativelabs/kube-router:v2.2.1", "VER003"),
    _policy("kindnet reads NetworkPolicies alone", ADMIN_NETWORK_POLICY, "kindest/kindnetd:v20250512-df8de77b", "VER003"),
    _policy("AWS's agent is not known", ADMIN_NETWORK_POLICY, "amazon-k8s-cni:v1.18.0"),
    _policy("policies of Calico on Cilium", NATIVE_POLICIES[3], CILIUM % "v1.20.0", "VER008"),
    _policy("policies of Calico on Calico", NATIVE_POLICIES[3], CALICO % "v3.32.1"),
    _policy("policies of Cilium on Cilium", NATIVE_POLICIES[0], CILIUM % "v1.20.0"),
    _policy("nothing enforces any policy: the canary tells", ADMIN_NETWORK_POLICY, "flannel-io/flannel:v0.27.0"),
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
