# SPDX-License-Identifier: Apache-2.0
"""What netdoc reads of each Kubernetes kind, and no more.

A record declares only the fields that checks read; everything else is never decoded, so it can't reach a report or a bundle.

Of annotations only those that ``Annotations`` names are decoded. Environment variables and arguments of network agents and
kube-proxy are decoded and reduced to named settings (``cni``, ``kube_proxy``), those of all containers to the hosts and proxies
that they name (``container_settings``). Of TLS Secrets, which are read only if the user
asks for it, the dates and names of the certificate are kept (``ingress``).
"""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.records import policy_schemas
from kubectl_netdoc.records.antrea_policies import AntreaGroup, AntreaPolicy, AntreaPolicyWire, AntreaTier, antrea_policy
from kubectl_netdoc.records.api_extensions import (
    CONTROL_KINDS,
)
from kubectl_netdoc.records.app_config import APP_CONFIG
from kubectl_netdoc.records.base import (
    Kind,
    R,
)
from kubectl_netdoc.records.calico_policies import CalicoPolicy, CalicoTier, NetworkSet
from kubectl_netdoc.records.cilium_policies import CiliumPolicy, CiliumPolicyWire, cilium_policy
from kubectl_netdoc.records.cni import (
    CALICO_BGP_KINDS,
    CALICO_RESERVATION,
    CALICO_V3,
    NETWORK_KINDS,
)
from kubectl_netdoc.records.config_maps import (
    ConfigMap,
    CorefileMap,
    RootCertificate,
    corefile_map,
)
from kubectl_netdoc.records.events import Event
from kubectl_netdoc.records.gateway_api import (
    GROUP,
    Gateway,
    Route,
)
from kubectl_netdoc.records.ingress import (
    ENTRY_KINDS,
    Ingress,
)
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.records.leases import LEASE
from kubectl_netdoc.records.logs import DnsLog, LogText, dns_log
from kubectl_netdoc.records.metallb import METALLB_KINDS
from kubectl_netdoc.records.metrics_scrapes import MONITORS
from kubectl_netdoc.records.nodes import Namespace, Node
from kubectl_netdoc.records.pods import (
    Pod,
    PodMetrics,
)
from kubectl_netdoc.records.policies import (
    AdminPolicy,
    NativePolicy,
    NetworkPolicy,
)
from kubectl_netdoc.records.rbac import RBAC_KINDS
from kubectl_netdoc.records.services import (
    EndpointSlice,
    Service,
    ServiceCidr,
)
from kubectl_netdoc.records.workloads import (
    CronJob,
    DaemonSet,
    Job,
    TracedWorkload,
    Workload,
)

DNS_SELECTOR = "k8s-app=kube-dns"
"""The label of cluster DNS's pods. CoreDNS carries it wherever kubeadm's or a distribution's manifest made it."""

NAMESPACE = Kind("Namespace", "", "v1", "namespaces", Namespace, namespaced=False)
NODE = Kind("Node", "", "v1", "nodes", Node, namespaced=False, authored=False)
POD = Kind("Pod", "", "v1", "pods", Pod)
POD_METRICS = Kind("PodMetrics", "metrics.k8s.io", "v1beta1", "pods", PodMetrics, authored=False)
SERVICE = Kind("Service", "", "v1", "services", Service)
PAST_SERVICE = Kind("PastService", "", "v1", "services", Service, authored=False, written="Service", past=True)
SERVICE_CIDR = Kind("ServiceCIDR", "networking.k8s.io", "v1", "servicecidrs", ServiceCidr, namespaced=False, authored=False)
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", EndpointSlice, authored=False)
EVENT = Kind(
    "Event",
    "",
    "v1",
    "events",
    Event,
    authored=False,
    selectors=(
        "type=Warning",
        "involvedObject.kind=Service,type=Normal",
        "reason=ScalingReplicaSet,type=Normal",
        "reason=CIDRNotAvailable,type=Normal",
    ),
)
"""Scaling is read from Events: Kubernetes 1.34 notes it in no managedFields."""

DEPLOYMENT: Kind[Workload] = Kind("Deployment", "apps", "v1", "deployments", TracedWorkload)
STATEFUL_SET: Kind[Workload] = Kind("StatefulSet", "apps", "v1", "statefulsets", TracedWorkload)
DAEMON_SET: Kind[Workload] = Kind("DaemonSet", "apps", "v1", "daemonsets", DaemonSet)
REPLICA_SET = Kind("ReplicaSet", "apps", "v1", "replicasets", Workload)
JOB: Kind[Workload] = Kind("Job", "batch", "v1", "jobs", Job)
COREFILE = Kind(
    "ConfigMap",
    "",
    "v1",
    "configmaps",
    CorefileMap,
    names=(
        ("kube-system", "coredns"),
        ("kube-system", "rke2-coredns-rke2-coredns"),
        ("openshift-dns", "dns-default"),
        ("kube-system", "node-local-dns"),
        ("kube-system", "nodelocaldns"),
    ),
    wire=ConfigMap,
    reduce=corefile_map,
)

DNS_LOG = Kind(
    "DnsLog",
    "",
    "v1",
    "pods/log",
    DnsLog,
    authored=False,
    logs=(("kube-system", DNS_SELECTOR), ("openshift-dns", "dns.operator.openshift.io/daemonset-dns=default")),
    wire=LogText,
    reduce=dns_log,
)
"""The logs of cluster DNS."""

ROOT_CERTIFICATE = Kind(
    "RootCertificate",
    "",
    "v1",
    "configmaps",
    RootCertificate,
    authored=False,
    names=(("default", "kube-root-ca.crt"),),
)
REPLICATION_CONTROLLER = Kind("ReplicationController", "", "v1", "replicationcontrollers", Workload)
CRON_JOB = Kind("CronJob", "batch", "v1", "cronjobs", CronJob)

NETWORK_POLICY = Kind(
    "NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", NetworkPolicy, asked=policy_schemas.NETWORK_POLICY
)
_SIG = "policy.networking.k8s.io"
ADMIN_NETWORK_POLICY = Kind(
    "AdminNetworkPolicy",
    _SIG,
    "v1alpha1",
    "adminnetworkpolicies",
    AdminPolicy,
    namespaced=False,
    asked=policy_schemas.ADMIN_NETWORK_POLICY,
)
BASELINE_ADMIN_NETWORK_POLICY = Kind(
    "BaselineAdminNetworkPolicy",
    _SIG,
    "v1alpha1",
    "baselineadminnetworkpolicies",
    AdminPolicy,
    namespaced=False,
    asked=policy_schemas.BASELINE_ADMIN_NETWORK_POLICY,
)
CLUSTER_NETWORK_POLICY = Kind(
    "ClusterNetworkPolicy",
    _SIG,
    "v1beta1",
    "clusternetworkpolicies",
    AdminPolicy,
    namespaced=False,
    also=("v1alpha2",),
    asked=policy_schemas.CLUSTER_NETWORK_POLICY,
)


def _native(name: str, api: str, plural: str, *also: str, namespaced: bool = True, written: str = "") -> Kind[NativePolicy]:
    group, _, version = api.partition("/")
    return Kind(name, group, version, plural, NativePolicy, namespaced=namespaced, also=also, written=written)


def _calico(name: str, plural: str, record: type[R], *, namespaced: bool = False, written: str = "") -> Kind[R]:
    return Kind(name, "crd.projectcalico.org", "v1", plural, record, namespaced=namespaced, also=(CALICO_V3,), written=written)


CALICO_POLICY = _calico("CalicoNetworkPolicy", "networkpolicies", CalicoPolicy, namespaced=True, written="NetworkPolicy")
CALICO_GLOBAL_POLICY = _calico("GlobalNetworkPolicy", "globalnetworkpolicies", CalicoPolicy)
CALICO_TIER = _calico("CalicoTier", "tiers", CalicoTier, written="Tier")
CALICO_SET = _calico("CalicoNetworkSet", "networksets", NetworkSet, namespaced=True, written="NetworkSet")
CALICO_GLOBAL_SET = _calico("GlobalNetworkSet", "globalnetworksets", NetworkSet)
CALICO_POLICIES = (CALICO_POLICY, CALICO_GLOBAL_POLICY)
CALICO_AIDS = (CALICO_TIER, CALICO_SET, CALICO_GLOBAL_SET)


def _cilium(name: str, plural: str, *, namespaced: bool = True) -> Kind[CiliumPolicy]:
    return Kind(name, "cilium.io", "v2", plural, CiliumPolicy, namespaced=namespaced, wire=CiliumPolicyWire, reduce=cilium_policy)


CILIUM_POLICY = _cilium("CiliumNetworkPolicy", "ciliumnetworkpolicies")
CILIUM_CLUSTER_POLICY = _cilium("CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", namespaced=False)
CILIUM_POLICIES = (CILIUM_POLICY, CILIUM_CLUSTER_POLICY)


def _antrea(name: str, plural: str, record: type[R], written: str, *, namespaced: bool = False, **more: Any) -> Kind[R]:
    return Kind(name, "crd.antrea.io", "v1beta1", plural, record, namespaced=namespaced, written=written, **more)


ANTREA_WIRE: dict[str, Any] = {"wire": AntreaPolicyWire, "reduce": antrea_policy}
ANTREA_POLICY = _antrea("AntreaNetworkPolicy", "networkpolicies", AntreaPolicy, "NetworkPolicy", namespaced=True, **ANTREA_WIRE)
ANTREA_CLUSTER_POLICY = _antrea(
    "AntreaClusterNetworkPolicy", "clusternetworkpolicies", AntreaPolicy, "ClusterNetworkPolicy", **ANTREA_WIRE
)
ANTREA_TIER = _antrea("AntreaTier", "tiers", AntreaTier, "Tier")
ANTREA_GROUP = _antrea("AntreaGroup", "groups", AntreaGroup, "Group", namespaced=True)
ANTREA_CLUSTER_GROUP = _antrea("AntreaClusterGroup", "clustergroups", AntreaGroup, "ClusterGroup")
ANTREA_POLICIES = (ANTREA_POLICY, ANTREA_CLUSTER_POLICY)

POLICY_AIDS: tuple[Kind[Any], ...] = (*CALICO_AIDS, ANTREA_TIER, ANTREA_GROUP, ANTREA_CLUSTER_GROUP, ENDPOINT_SLICE)
"""What policies of CNIs' own kinds refer to; Cilium's to the API server, whose addresses are in an EndpointSlice."""


NATIVE_POLICIES: tuple[Kind[Any], ...] = (
    *CILIUM_POLICIES,
    *CALICO_POLICIES,
    *ANTREA_POLICIES,
    _native("EgressFirewall", "k8s.ovn.org/v1", "egressfirewalls"),
)
"""Policies of the CNIs' own. Those that are not evaluated make each verdict that they could change incomplete."""

ADMIN_POLICIES = (ADMIN_NETWORK_POLICY, BASELINE_ADMIN_NETWORK_POLICY, CLUSTER_NETWORK_POLICY)
POLICIES: tuple[Kind[Any], ...] = (NETWORK_POLICY, *ADMIN_POLICIES, *NATIVE_POLICIES)

INGRESS = Kind("Ingress", "networking.k8s.io", "v1", "ingresses", Ingress)
GATEWAY = Kind("Gateway", GROUP, "v1", "gateways", Gateway, also=("v1beta1",))
ROUTES = (
    Kind("HTTPRoute", GROUP, "v1", "httproutes", Route, also=("v1beta1",)),
    Kind("GRPCRoute", GROUP, "v1", "grpcroutes", Route, also=("v1alpha2",)),
    Kind("TLSRoute", GROUP, "v1", "tlsroutes", Route, also=("v1alpha3", "v1alpha2")),
    Kind("TCPRoute", GROUP, "v1", "tcproutes", Route, also=("v1alpha2",)),
    Kind("UDPRoute", GROUP, "v1", "udproutes", Route, also=("v1alpha2",)),
)

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, JOB)
OWNERS = (*WORKLOADS, REPLICATION_CONTROLLER, CRON_JOB)
"""Every kind that makes pods."""

OTHERS: tuple[Kind[Any], ...] = (
    DNS_LOG,
    ROOT_CERTIFICATE,
    *POLICIES,
    *POLICY_AIDS,
    INGRESS,
    GATEWAY,
    *ROUTES,
    *CONTROL_KINDS,
    *NETWORK_KINDS,
    CALICO_RESERVATION,
    *CALICO_BGP_KINDS,
    *METALLB_KINDS,
    SERVICE_CIDR,
    *ENTRY_KINDS,
    PROXY_CONFIG,
    POD_METRICS,
    APP_CONFIG,
    *MONITORS,
    *RBAC_KINDS,
    LEASE,
    PAST_SERVICE,
)
_ALL: tuple[Kind[Any], ...] = (NAMESPACE, NODE, POD, SERVICE, ENDPOINT_SLICE, EVENT, *OWNERS, COREFILE, *OTHERS)
KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in _ALL}
READ = frozenset((group, kind.written or kind.name) for kind in KINDS.values() for group in kind.groups)
"""Group and kind of what is read."""
