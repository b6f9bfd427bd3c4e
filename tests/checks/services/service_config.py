# SPDX-License-Identifier: Apache-2.0
"""Cases of service_config."""

from typing import Any

import msgspec

from kubectl_netdoc.api import COREFILE, ENDPOINT_SLICE, EVENT, NODE, POD, SERVICE, Cluster, Grant, Kind, Unavailable, Workload
from kubectl_netdoc.records.base import Annotations, convert
from kubectl_netdoc.records.policies import LabelSelectorRequirement
from kubectl_netdoc.testing import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    STATEFUL_SET,
    Built,
    Case,
    Selection,
    ago,
    make_cluster,
    make_corefile,
    make_event,
    make_namespace,
    make_node,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)
from tests.checks.services import _declared_ports, _restarts

WEB = {"app": "web"}
OFFLINE = Unavailable("only a cluster has these", by_design=True)
FORBIDDEN = Unavailable("forbidden", Grant("list", "pods"))


def _expect(*codes: str, subject: str = "Service shop/web") -> frozenset[tuple[str, str]]:
    return frozenset((code, subject) for code in codes)


def _serving(**service: object) -> tuple[Built, ...]:
    """A Service with one ready pod and its slice."""
    pod = make_pod("web-1", labels=WEB, ports={"http": 8080})
    return make_service(selector=WEB, **service), pod, make_slice(addresses={"10.0.0.1": "web-1"})  # type: ignore[arg-type]


def _scaled(**entry: Any) -> Built:
    """A Deployment at zero whose replicas somebody wrote five minutes ago."""
    kind, item = make_workload(DEPLOYMENT, labels=WEB, replicas=0, age=7200)
    written = {"manager": "kubectl", "operation": "Update", "subresource": "scale", "time": ago(300)} | entry
    whole = msgspec.to_builtins(item)
    whole["metadata"]["managedFields"] = [written]
    return kind, msgspec.convert(whole, kind.record)


def _resting(kind: Kind[Workload], name: str, **more: int) -> Case:
    cluster = make_cluster(make_service(selector=WEB), make_workload(kind, labels=WEB, **more))  # type: ignore[arg-type]
    return Case(name, cluster, _expect("SVC021"))


def _manifests(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset()) -> Case:
    offline: dict[Kind[Any], Unavailable] = {NODE: OFFLINE, EVENT: OFFLINE, ENDPOINT_SLICE: OFFLINE}
    return Case(name, make_cluster(*objects, unavailable=offline, origin="manifests"), expect)


def _balancer(name: str, *codes: str, age: float = 3600, events: tuple[Built, ...] = (), addresses: tuple[str, ...] = ()) -> Case:
    service = make_service("web", type="LoadBalancer", age=age, addresses=addresses)
    return Case(name, make_cluster(service, *events), _expect(*codes))


ENSURING = make_event("Service", "web", "shop", "EnsuringLoadBalancer", "Ensuring load balancer", type_="Normal")
FAILED = make_event("Service", "web", "shop", "SyncLoadBalancerFailed", "no free address")

POSTGRES = {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance"}
"""Labels of a single instance of CloudNativePG; its Services -rw and -ro select by cnpg.io/instanceRole (hand-made)."""

VAULT = {"app.kubernetes.io/name": "vault"}


def _of_role(name: str, role: str, *codes: str) -> Case:
    """A Service of a role, and a CloudNativePG database of one pod, which is the primary unless that is what is looked for."""
    key, has = "cnpg.io/instanceRole", "replica" if role == "primary" else "primary"
    owner = [{"kind": "Cluster", "name": "pg", "controller": True}]
    pod = make_pod("pg-1", labels={**POSTGRES, key: has}, ownerReferences=owner)
    return Case(name, make_cluster(make_service(selector={"cnpg.io/cluster": "pg", key: role}), pod), _expect(*codes))


def _standby(name: str, code: str, template: dict[str, str]) -> Case:
    """Vault's Service for standbys, and one Vault, which is active: it says so by a label that its template lacks."""
    owner = [{"kind": "StatefulSet", "name": "vault", "controller": True}]
    pod = make_pod("vault-0", labels={**VAULT, "vault-active": "true"}, ownerReferences=owner)
    service = make_service(selector={**VAULT, "vault-active": "false"})
    made = make_workload(STATEFUL_SET, "vault", labels={**VAULT, **template})
    return Case(name, make_cluster(service, pod, made), _expect(code))


def _global() -> tuple[Built, ...]:
    """A Service that Cilium shares between clusters, without pods here."""
    kind, service = make_service(selector=WEB)
    notes = Annotations(cilium_global="true")
    return ((kind, msgspec.structs.replace(service, metadata=msgspec.structs.replace(service.metadata, annotations=notes))),)


def _gated(status: str) -> Built:
    """A pod whose containers are ready, and whose load balancer says that it is not."""
    kind, pod = make_pod(labels=WEB, ready=False)
    gate = "target-health.example/shop-web"
    conditions = [{"type": "ContainersReady", "status": "True"}, {"type": gate, "status": status, "reason": "FailedHealthChecks"}]
    spec = {"readinessGates": [{"conditionType": gate}], "nodeName": "n1"}
    written = {"conditions": [{"type": "Ready", "status": "False"}, *conditions], "phase": "Running"}
    made = convert(kind, {"spec": spec, "status": written})
    return kind, msgspec.structs.replace(pod, spec=made.spec, status=made.status)


def _numbered(name: str, number: int, *codes: str, replicas: int = 2, key: str = "statefulset.kubernetes.io/pod-name") -> Case:
    """A Service of one pod of the StatefulSet web, of which pod 0 is there."""
    value = f"web-{number}" if key.endswith("name") else str(number)
    pod = make_pod("web-0", labels={**WEB, "statefulset.kubernetes.io/pod-name": "web-0", "apps.kubernetes.io/pod-index": "0"})
    service = make_service(selector={**WEB, key: value})
    made = make_workload(STATEFUL_SET, labels=WEB, replicas=replicas)
    return Case(name, make_cluster(service, pod, made, make_slice(addresses={"10.0.0.1": "web-0"})), _expect(*codes))


OTHERS = [{"kind": "Other", "name": "other", "controller": True}]


def _beside(name: str, selector: dict[str, str], labels: dict[str, str], *codes: str, **more: Any) -> Case:
    """A Service beside pods of an owner that netdoc does not read."""
    pod = make_pod("other-1", labels=labels, ownerReferences=OTHERS)
    return Case(name, make_cluster(make_service(selector=selector, **more), pod), _expect(*codes))


PER_POD = [
    _numbered("the Service of a pod that is there", 0),
    _numbered("the Service of a pod that is scaled away", 2, "SVC021"),
    _numbered("the same by its number", 2, "SVC021", key="apps.kubernetes.io/pod-index"),
    _numbered("the Service of a pod that is wanted and not there", 1, "SVC005"),
    _beside(
        "the Service of an operator's pod that is not there",
        {"statefulset.kubernetes.io/pod-name": "kafka-2"},
        {"statefulset.kubernetes.io/pod-name": "kafka-0"},
        "SVC024",
    ),
    _beside("a virtual machine that is stopped", {"vm.kubevirt.io/name": "vm2"}, {"vm.kubevirt.io/name": "vm1"}, "SVC024"),
    _beside("no virtual machine runs", {"kubevirt.io/domain": "vm2"}, {"app": "x"}, "SVC024"),
]
SIBLINGS = [
    _beside("another tenant's pods", {"app": "api", "tenant": "tenant-b"}, {"app": "api", "tenant": "tenant-a"}, "SVC024"),
    Case(
        "a ClusterIP with leading zeros",
        make_cluster(make_service(selector={}, cluster_ip="010.096.0.005", clusterIPs=["010.096.0.005"])),
        _expect("SVC028"),
    ),
    Case(
        "an external IP with leading zeros, where another Service has it too",
        make_cluster(
            make_service(selector={}, externalIPs=["192.0.002.77"]), make_service("b", selector={}, externalIPs=["192.0.2.77"])
        ),
        _expect("SVC028") | _expect("SVC013"),
    ),
    Case(
        "another tenant's Deployment",
        make_cluster(
            make_service(selector={"app": "api", "tenant": "tenant-b"}),
            make_pod(labels={"app": "api", "tenant": "tenant-a"}),
            make_workload(DEPLOYMENT, labels={"app": "api", "tenant": "tenant-a"}),
        ),
        _expect("SVC002"),
    ),
    _beside("a version that is not rolled out", {"app": "web-v2"}, {"app": "web-v1"}, "SVC002"),
    _beside("the other colour", {"app": "web", "slot": "blue"}, {"app": "web", "slot": "green"}, "SVC024"),
    Case(
        "near pods that are another Service's own",
        make_cluster(
            make_service("payment", selector={"app": "payment"}),
            make_service("payments", selector={"app": "payments"}),
            make_pod("payments-1", labels={"app": "payments"}),
            make_slice("payments", addresses={"10.0.0.1": "payments-1"}),
        ),
        _expect("SVC002", subject="Service shop/payment"),
    ),
    Case(
        "near pods that another Service selects too, and which are called as this one",
        make_cluster(
            make_service(selector={"app": "webb"}),
            make_service("web-headless", selector=WEB, cluster_ip="None"),
            make_pod(labels=WEB),
            make_slice("web-headless", addresses={"10.0.0.1": "web-1"}),
        ),
        _expect("SVC001"),
    ),
    Case(
        "near pods that are two kinds",
        make_cluster(
            make_service(selector={"app": "payment"}),
            make_pod("a", labels={"app": "payments"}),
            make_pod("b", labels={"app": "paymet"}, ip="10.0.0.2"),
        ),
        _expect("SVC002"),
    ),
    Case(
        "a near workload without pods proves nothing",
        make_cluster(make_service(selector={"app": "webb"}), make_workload(DEPLOYMENT, labels=WEB, replicas=0)),
        _expect("SVC002"),
    ),
]
ELSEWHERE = [
    Case("a global Service of a mesh of clusters", make_cluster(*_global(), make_workload(DEPLOYMENT, "clustermesh-apiserver"))),
    Case(
        "a global Service whose pods here are not ready",
        make_cluster(*_global(), make_pod(labels=WEB, ready=False), make_service("clustermesh-apiserver", "kube-system")),
    ),
    Case("a global Service without a mesh", make_cluster(*_global()), _expect("SVC002")),
    Case(
        "an Istio mesh of clusters",
        make_cluster(
            make_service(selector=WEB), make_service("istio-eastwestgateway", "istio-system", labels={"istio": "eastwestgateway"})
        ),
    ),
    Case(
        "an Istio mesh of clusters, and pods here that are not ready",
        make_cluster(
            make_service(selector=WEB),
            make_pod(labels=WEB, ready=False),
            make_service("istio-eastwestgateway", "istio-system", labels={"istio": "eastwestgateway"}),
        ),
        _expect("SVC004"),
    ),
]

SELECTORS = [
    _of_role("a database without replicas", "replica", "SVC024"),
    _of_role("a role with a typo", "primay", "SVC001"),
    _of_role("a database without a primary", "primary", "SVC002"),
    _standby("a Vault without standbys", "SVC024", {}),
    _standby("a label that the template has is none of a role", "SVC002", {"vault-active": "true"}),
    Case("healthy", make_cluster(*_serving())),
    Case("typo", make_cluster(make_service(selector={"app": "webb"}), make_pod(labels=WEB)), _expect("SVC001")),
    Case(
        "a label that the pods lack is no typo, and taking it out would lead to others",
        make_cluster(make_service(selector={"app": "web", "tier": "front"}), make_pod(labels={"app": "web"})),
        _expect("SVC002"),
    ),
    Case(
        "nothing near",
        make_cluster(make_service(selector={"app": "billing"}), make_pod(labels=WEB)),
        _expect("SVC002"),
    ),
    Case("new and nothing there", make_cluster(make_service(selector={"app": "billing"}, age=5)), _expect("SVC023")),
    Case(
        "monitoring's headless Service for a hidden control plane",
        make_cluster(make_service(selector={"component": "etcd"}, cluster_ip="None")),
        _expect("SVC020"),
    ),
    Case(
        "headless of a StatefulSet, wrong selector",
        make_cluster(
            make_service(selector={"app": "dbx-old"}, cluster_ip="None"),
            make_workload(STATEFUL_SET, "db", labels={"role": "data"}, service_name="web"),
        ),
        _expect("SVC002"),
    ),
    Case("without a selector", make_cluster(make_service())),
    Case("no services", make_cluster()),
    _resting(DEPLOYMENT, "Deployment scaled to zero", replicas=0),
    _resting(STATEFUL_SET, "StatefulSet scaled to zero", replicas=0),
    *(
        Case(f"Deployment scaled to zero {name}", make_cluster(make_service(selector=WEB), _scaled(**how)), _expect(code))
        for name, how, code in (
            ("by hand some minutes ago", {}, "SVC031"),
            ("by a patch", {"subresource": "", "fieldsV1": {"f:spec": {"f:replicas": {}}}, "manager": "kubectl-patch"}, "SVC031"),
            ("by an autoscaler", {"manager": "keda"}, "SVC021"),
            ("by hand yesterday", {"time": ago(86400)}, "SVC021"),
            ("by hand as it was made", {"time": ago(7200 - 5)}, "SVC021"),
            ("and something else by hand since", {"subresource": "", "fieldsV1": {"f:spec": {"f:paused": {}}}}, "SVC021"),
        )
    ),
    _resting(REPLICA_SET, "a rollout tool's ReplicaSet at zero", replicas=0),
    _resting(JOB, "a Job that has finished"),
    _resting(DAEMON_SET, "a DaemonSet that no node fits", replicas=0),
    Case(
        "a DaemonSet that wants pods and has none",
        make_cluster(make_service(selector=WEB), make_workload(DAEMON_SET, labels=WEB, replicas=2)),
        _expect("SVC005"),
    ),
    Case(
        "quota keeps the pods away, as the ReplicaSet's Event says",
        make_cluster(
            make_service(selector=WEB),
            make_workload(DEPLOYMENT, "owner", labels=WEB, replicas=2),
            make_workload(REPLICA_SET, "owner-7d", labels=WEB, replicas=2, owner="Deployment"),
            make_pod(labels=WEB, deletionTimestamp=ago(5)),
            make_event("ReplicaSet", "owner-7d", "shop", "FailedCreate", "exceeded quota"),
        ),
        _expect("SVC005"),
    ),
    Case(
        "an old ReplicaSet with the old labels is no excuse",
        make_cluster(
            make_service(selector=WEB),
            make_workload(REPLICA_SET, labels=WEB, replicas=0, owner="Deployment"),
            make_workload(DEPLOYMENT, labels={"app": "shopfront"}),
        ),
        _expect("SVC002"),
    ),
    Case(
        "finished pods of a Job do not count",
        make_cluster(make_service(selector={"app": "batch"}), make_pod(labels={"app": "batch"}, phase="Succeeded")),
        _expect("SVC002"),
    ),
    Case(
        "quota keeps the pods away",
        make_cluster(
            make_service(selector=WEB),
            make_workload(DEPLOYMENT, labels=WEB, replicas=2),
            make_event("Deployment", "web", "shop", "FailedCreate", "exceeded quota"),
        ),
        _expect("SVC005"),
    ),
    Case(
        "a StatefulSet's pod that somebody gave another label",
        make_cluster(
            make_service(selector=WEB),
            make_workload(STATEFUL_SET, labels=WEB, replicas=1),
            make_pod("web-0", labels={"app": "wep"}),
        ),
        frozenset({("SVC030", "Pod shop/web-0")}),
    ),
    Case(
        "one of two that lost its label",
        make_cluster(
            make_service(selector=WEB),
            make_workload(STATEFUL_SET, labels=WEB, replicas=2),
            make_pod("web-0", labels=WEB, ip="10.0.0.1"),
            make_slice(addresses={"10.0.0.1": "web-0"}),
            make_pod("web-1", labels={}),
        ),
        frozenset({("SVC030", "Pod shop/web-1")}),
    ),
    Case(
        "a pod beyond a StatefulSet's replicas is another's",
        make_cluster(
            make_service(selector=WEB),
            make_workload(STATEFUL_SET, labels=WEB, replicas=1),
            make_pod("web-0", labels=WEB, ip="10.0.0.1"),
            make_slice(addresses={"10.0.0.1": "web-0"}),
            make_pod("web-7", labels={}),
        ),
    ),
    Case("a new workload's pods come", make_cluster(make_service(selector=WEB), make_workload(DEPLOYMENT, labels=WEB, age=5))),
]

PORTS = [
    Case(
        "named port missing",
        make_cluster(make_service(selector=WEB, ports=[(80, "htp")]), make_pod(labels=WEB, ports={"http": 8080})),
        _expect("SVC003"),
    ),
    Case(
        "named port missing and none declared",
        make_cluster(make_service(selector=WEB, ports=[(80, "http")]), make_pod(labels=WEB)),
        _expect("SVC003"),
    ),
    Case(
        "a second named port, which may be optional",
        make_cluster(
            make_service(selector=WEB, ports=[(80, "http"), (90, "metrics")]), make_pod(labels=WEB, ports={"http": 8080})
        ),
        _expect("SVC012"),
    ),
    Case(
        "a second named port with a typo",
        make_cluster(
            make_service(selector=WEB, ports=[(80, "http"), (90, "metrisc")]),
            make_pod(labels=WEB, ports={"http": 8080, "metrics": 9090}),
        ),
        _expect("SVC003"),
    ),
    Case(
        "https is no typo of http",
        make_cluster(
            make_service(selector=WEB, ports=[(80, "http"), (443, "https")]), make_pod(labels=WEB, ports={"http": 8080})
        ),
        _expect("SVC012"),
    ),
    Case(
        "a name that the pods declare for the other protocol",
        make_cluster(
            make_service(selector=WEB, ports=[(53, "dns")], protocols=("UDP",)), make_pod(labels=WEB, ports={"dns": 53})
        ),
        _expect("SVC003"),
    ),
    Case(
        "one name for both protocols, declared for TCP alone",
        make_cluster(
            make_service(selector=WEB, ports=[(53, "dns")], protocols=("UDP", "TCP")), make_pod(labels=WEB, ports={"dns": 53})
        ),
        _expect("SVC012"),
    ),
    Case("named port there", make_cluster(*_serving(ports=[(80, "http")]))),
    Case(
        "named port of a sidecar",
        make_cluster(make_service(selector=WEB, ports=[(80, "mesh")]), make_pod(labels=WEB, sidecar_ports={"mesh": 15001})),
    ),
    Case("undeclared number is legal", make_cluster(*_serving(ports=[(80, 9999)]))),
    Case(
        "a rollout that renames the port",
        make_cluster(
            make_service(selector=WEB, ports=[(80, "web")]),
            make_pod("old", labels=WEB, ports={"http": 8080}),
            make_pod("new", labels=WEB, ports={"web": 8080}, ip="10.0.0.2"),
        ),
    ),
]

READINESS = [
    Case(
        "none ready",
        make_cluster(make_service(selector=WEB), make_pod(labels=WEB, ready=False, waiting="CrashLoopBackOff")),
        _expect("SVC004"),
    ),
    Case(
        "one of two ready",
        make_cluster(*_serving(), make_pod("web-2", labels=WEB, ready=False, ip="10.0.0.2")),
    ),
    Case(
        "all just started", make_cluster(make_service(selector=WEB), make_pod(labels=WEB, ready=False, age=10)), _expect("SVC023")
    ),
    Case(
        "not ready is meant",
        make_cluster(make_service(selector=WEB, publishNotReadyAddresses=True), make_pod(labels=WEB, ready=False)),
    ),
    Case(
        "only a pod that is about to end",
        make_cluster(
            make_service(selector=WEB), make_pod(labels=WEB, deletionTimestamp=ago(5)), make_workload(STATEFUL_SET, labels=WEB)
        ),
        _expect("SVC023"),
    ),
    Case(
        "only a pod that does not end",
        make_cluster(
            make_service(selector=WEB), make_pod(labels=WEB, deletionTimestamp=ago(500)), make_workload(STATEFUL_SET, labels=WEB)
        ),
        _expect("SVC004"),
    ),
    Case(
        "only an operator's pod that does not end",
        make_cluster(make_service(selector=WEB), make_pod(labels=WEB, deletionTimestamp=ago(500))),
        _expect("SVC004"),
    ),
    Case(
        "a pod that does not end, and a quota that keeps others away",
        make_cluster(
            make_service(selector=WEB),
            make_pod(labels=WEB, deletionTimestamp=ago(500)),
            make_workload(DEPLOYMENT, labels=WEB),
            make_event("Deployment", "web", "shop", "FailedCreate", "exceeded quota"),
        ),
        _expect("SVC005"),
    ),
    Case(
        "a pod that does not end beside one that serves",
        make_cluster(*_serving(), make_pod("web-2", labels=WEB, ip="10.0.0.2", deletionTimestamp=ago(500))),
    ),
    Case(
        "a readiness gate that is not set",
        make_cluster(make_service(selector=WEB), _gated("False")),
        _expect("SVC004"),
    ),
]

SLICES = [
    Case(
        "the slice misses a ready pod",
        make_cluster(make_service(selector=WEB), make_pod(labels=WEB), make_slice(addresses={})),
        _expect("SVC007"),
    ),
    Case(
        "ready pods that have no address of the Service's family",
        make_cluster(
            make_service(selector=WEB, ipFamilies=["IPv6"], cluster_ip="fd00::9"), make_pod(labels=WEB), make_slice(addresses={})
        ),
    ),
    Case(
        "Local leaves many nodes out",
        make_cluster(*_serving(internalTrafficPolicy="Local"), *(make_node(f"n{number}") for number in range(300))),
        _expect("SVC022"),
    ),
    Case("ready a moment ago", make_cluster(make_service(selector=WEB), make_pod(labels=WEB, age=5), make_slice(addresses={}))),
    Case(
        "left-over mirrored slice",
        make_cluster(
            *_serving(),
            make_slice(addresses={"10.9.9.9": "gone"}, managed_by="endpointslicemirroring-controller.k8s.io", name="web-old"),
        ),
        _expect("SVC008"),
    ),
    Case(
        "a mirrored slice of the same addresses",
        make_cluster(
            *_serving(),
            make_slice(addresses={"10.0.0.1": "web-1"}, managed_by="endpointslicemirroring-controller.k8s.io", name="web-m"),
        ),
    ),
    Case(
        "somebody else's slice",
        make_cluster(*_serving(), make_slice(addresses={"10.9.9.9": "far"}, managed_by="lighthouse", name="web-far")),
    ),
    Case(
        "Local leaves a node out, by design",
        make_cluster(*_serving(internalTrafficPolicy="Local"), make_node("n1"), make_node("n2")),
        _expect("SVC022"),
    ),
    Case("Local and an endpoint everywhere", make_cluster(*_serving(internalTrafficPolicy="Local"), make_node("n1"))),
]

HELD = {"svccontroller.k3s.cattle.io/svcname": "web", "svccontroller.k3s.cattle.io/svcnamespace": "shop"}


def _held(name: str, code: str, *, node: str = "", namespace: str = "shop", age: float = 3600) -> Case:
    """A Service of ServiceLB, whose pod waits for a port of a node unless it has one."""
    labels = {**HELD, "svccontroller.k3s.cattle.io/svcnamespace": namespace}
    pod = make_pod("svclb-web-1", "kube-system", labels=labels, node=node, ready=bool(node), phase="Pending")
    service = make_service(type="LoadBalancer", age=age)
    return Case(name, make_cluster(service, pod), _expect(code))


def _claims(name: str, one: Built, other: Built, *, expect: bool = False) -> Case:
    return Case(name, make_cluster(one, other), _expect("SVC013", subject="Service shop/b") if expect else frozenset())


def _outside(name: str, *ips: str, **more: Any) -> Built:
    return make_service(name, externalIPs=list(ips), **more)


def _given(name: str, *ips: str, **more: Any) -> Built:
    return make_service(name, type="LoadBalancer", addresses=ips, **more)


def _by_name(name: str) -> Built:
    kind, service = _given(name)
    entries = {"loadBalancer": {"ingress": [{"hostname": "lb.example.org"}]}}
    return kind, msgspec.structs.replace(service, status=convert(kind, {"status": entries}).status)


DNS = ((53, 5353),)
CLAIMS = [
    _claims("one external IP of two Services", _outside("a", "192.0.2.7"), _outside("b", "192.0.2.7"), expect=True),
    _claims("a load balancer's address as external IP", _given("a", "192.0.2.7"), _outside("b", "192.0.2.7"), expect=True),
    _claims("one address of two load balancers", _given("a", "192.0.2.7"), _given("b", "192.0.2.7"), expect=True),
    _claims("a shared address with other ports", _given("a", "192.0.2.7"), _given("b", "192.0.2.7", ports=[(443, 8443)])),
    _claims(
        "a shared address with another protocol",
        _given("a", "192.0.2.7", ports=DNS),
        _given("b", "192.0.2.7", ports=DNS, protocols=("UDP",)),
    ),
    _claims("a shared host name", _by_name("a"), _by_name("b")),
    _claims("an address that is yet to come by DHCP", _outside("a", "0.0.0.0"), _outside("b", "0.0.0.0")),
    _claims("other addresses", _outside("a", "192.0.2.7"), _outside("b", "192.0.2.8", "192.0.2.9")),
]


def _unheard(name: str, *codes: str, age: float) -> Case:
    """A pending load balancer, and Events that can't be read."""
    cluster = make_cluster(make_service(type="LoadBalancer", age=age), unavailable={EVENT: FORBIDDEN})
    return Case(name, cluster, _expect(*codes), state="" if "SVC006" in codes else "unknown")


BALANCERS = [
    _unheard("Events that can't be read are none that are not there", "SVC023", age=60),
    _unheard("pending for too long, whatever Events say", "SVC006", age=600),
    _balancer("Events of long ago are forgotten", "SVC006", age=86400),
    _held("ServiceLB finds no node with the port free", "SVC006"),
    _held("ServiceLB's pods are just made", "SVC023", age=5),
    _held("ServiceLB's pod of another Service of that name", "SVC006", namespace="pay", node="n1"),
    _balancer("load balancer there", addresses=("192.0.2.1",)),
    _balancer("nobody takes it up", "SVC006", age=40),
    _balancer("just made", "SVC023", age=5),
    _balancer("being made", "SVC023", age=60, events=(ENSURING,)),
    _balancer("being made for too long", "SVC006", age=400, events=(ENSURING,)),
    _balancer("its controller fails", "SVC006", age=10, events=(ENSURING, FAILED)),
]


def _alias(target: str, name: str = "web", namespace: str = "shop") -> Built:
    return make_service(name, namespace, type="ExternalName", externalName=target, cluster_ip="", ports=[(443, 443)])


def _domainless(target: str) -> Cluster:
    return make_cluster(_alias(target), unavailable={COREFILE: Unavailable("forbidden")})


def _wished(name: str, selection: Selection, state: str) -> Case:
    return Case(name, make_cluster(*_serving(), selection=selection), state=state)


WISHES = [
    _wished("a Service that is there", Selection(services=("web",)), "pass"),
    _wished("a Service by its full name", Selection(services=("shop/web",)), "pass"),
    _wished("a Service that is not there", Selection(services=("wbe",)), "unknown"),
    _wished("a Service of another namespace", Selection(services=("pay/web",)), "unknown"),
    _wished(
        "labels that no Service carries",
        Selection(labels=(LabelSelectorRequirement(key="app", operator="In", values=("none",)),)),
        "unknown",
    ),
]


ALIASES = [
    Case("alias into a set of clusters", make_cluster(_alias("api.pay.svc.clusterset.local"), make_namespace("pay"))),
    Case("alias into another cluster's domain", make_cluster(_alias("api.pay.svc.east.example.org"))),
    Case(
        "alias of no Service in a domain of its own",
        make_cluster(_alias("api.pay.svc.corp.example"), make_corefile(".:53 {\n kubernetes corp.example\n}")),
        _expect("SVC009"),
    ),
    Case(
        "alias of a name that is not this cluster's",
        make_cluster(_alias("api.pay.svc.cluster.local"), make_corefile(".:53 {\n kubernetes corp.example\n}")),
    ),
    Case("alias of what may be another cluster's", _domainless("api.pay.svc.cluster.local"), state="unknown"),
    Case("alias of no Service, whatever the domain", _domainless("api.pay.svc"), _expect("SVC009")),
    Case("alias of an address, whatever the domain", _domainless("192.0.2.7"), _expect("SVC011")),
    Case("alias of the outside", make_cluster(_alias("db.example.org"))),
    Case("alias of a Service", make_cluster(_alias("api.pay.svc.cluster.local"), make_service("api", "pay"))),
    Case("alias of no Service", make_cluster(_alias("api.pay.svc.cluster.local"), make_namespace("pay")), _expect("SVC009")),
    Case("alias of an address", make_cluster(_alias("192.0.2.7")), _expect("SVC011")),
    Case(
        "aliases in a circle",
        make_cluster(_alias("b.shop.svc.cluster.local"), _alias("web.shop.svc.cluster.local", "b")),
        _expect("SVC010") | _expect("SVC010", subject="Service shop/b"),
    ),
    Case(
        "alias of an alias of no Service",
        make_cluster(_alias("b.shop.svc.cluster.local"), _alias("gone.shop.svc.cluster.local", "b")),
        _expect("SVC009", subject="Service shop/b"),
    ),
]


def _patched() -> Built:
    """A Deployment as a patch has it: labels, and no container."""
    kind, item = make_workload(DEPLOYMENT, labels=WEB)
    bare = convert(kind, {"spec": {"template": {"metadata": {"labels": WEB}}}})
    return kind, msgspec.structs.replace(item, spec=bare.spec)


def _two(
    name: str, *codes: str, ports: dict[str, int], own: bool = True, target: int | str = 8181, port: int = 80, **more: Any
) -> Case:
    """A Service that selects the pods of two Deployments; the second has labels besides, and perhaps a Service of its own."""
    labels = {**WEB, "part": "reports"}
    mine = [make_service("own", selector=labels, ports=[(10000, 10000)])] if own else []
    pods = (
        make_pod("main-1", labels=WEB, ports={"http": 8181}),
        make_pod("reports-1", labels=labels, ip="10.0.0.2", ports=ports),
    )
    made = (
        make_workload(DEPLOYMENT, "main", labels=WEB, ports={"http": 8181}),
        make_workload(DEPLOYMENT, "reports", labels=labels, ports=ports),
    )
    slices = make_slice(addresses={"10.0.0.1": "main-1", "10.0.0.2": "reports-1"}), make_slice("own", addresses={"10.0.0.2": "r"})
    cluster = make_cluster(make_service(selector=WEB, ports=[(port, target)], **more), *mine, *pods, *made, *slices)
    return Case(name, cluster, _expect(*codes))


def _imaged(kind: Kind[Workload], name: str, labels: dict[str, str], image: str, port: int) -> Built:
    spec = {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": port}]}]}
    meta = {"name": name, "namespace": "shop"}
    return kind, convert(kind, {"metadata": meta, "spec": {"template": {"metadata": {"labels": labels}, "spec": spec}}})


def _images(name: str, one: str, other: str, *codes: str) -> Case:
    """A Service that selects the pods of two Deployments, neither with a Service of its own."""
    first, second = {**WEB, "part": "web"}, {**WEB, "part": "cache"}
    made = _imaged(DEPLOYMENT, "web", first, one, 8181), _imaged(DEPLOYMENT, "cache", second, other, 6379)
    pods = make_pod("web-1", labels=first, ports={"http": 8181}), make_pod("cache-1", labels=second, ip="10.0.0.2")
    slices = make_slice(addresses={"10.0.0.1": "web-1", "10.0.0.2": "cache-1"})
    return Case(name, make_cluster(make_service(selector=WEB, ports=[(80, 8181)]), *made, *pods, slices), _expect(*codes))


def _members(name: str, host: str, *codes: str, replicas: int = 3, waiting: str = "", **service: Any) -> Case:
    """A StatefulSet of which no pod is ready, whose container is told of a host."""
    spec = {"containers": [{"name": "c", "env": [{"name": "PEERS", "value": host}]}]}
    meta = {"name": "db", "namespace": "shop"}
    template = {"metadata": {"labels": WEB}, "spec": spec}
    made = (
        STATEFUL_SET,
        convert(STATEFUL_SET, {"metadata": meta, "spec": {"replicas": replicas, "serviceName": "db", "template": template}}),
    )
    pod = make_pod("db-0", labels=WEB, ready=False, waiting=waiting)
    slices = make_slice("db", addresses={"10.0.0.1": "db-0"}, not_ready=["10.0.0.1"])
    mine = make_service("db", **{"cluster_ip": "None", "selector": WEB, **service})
    return Case(name, make_cluster(mine, pod, slices, made), frozenset((code, "Service shop/db") for code in codes))


MEMBERS = [
    _members("members that wait for each other", "db-1.db.shop.svc.cluster.local:7000", "SVC004", "SVC029"),
    _members("members that wait for each other, by short names", "http://db-1.db:7000", "SVC004", "SVC029"),
    _members(
        "members that end as they don't find each other", "db-1.db.shop.svc:7000", "SVC004", "SVC029", waiting="CrashLoopBackOff"
    ),
    _members("members whose image is not there", "db-1.db.shop.svc:7000", "SVC004", waiting="ImagePullBackOff"),
    _members("members that are told of another Service", "db-1.other.shop.svc:7000", "SVC004"),
    _members("one member", "db-0.db.shop.svc:7000", "SVC004", replicas=1),
    _members("members whose names are published", "db-1.db.shop.svc:7000", publishNotReadyAddresses=True),
    _members("members behind a ClusterIP", "db-1.db.shop.svc:7000", "SVC004", cluster_ip="10.96.0.9"),
]
TWO = [
    _images("two workloads of two images", "web:1", "cache:1", "SVC025"),
    _images("two workloads of one image", "web:1", "web:1"),
    _two("a Service of two workloads", "SVC025", ports={"api": 10000}),
    _two("two workloads that declare the port", ports={"http": 8181}),
    _two("two workloads, one of which declares nothing", ports={}),
    _two("two workloads, one without a Service of its own", ports={"api": 10000}, own=False),
    _two("two workloads, by the port's name", ports={"api": 10000}, target="http"),
    _two("two workloads of one name in DNS", ports={"api": 10000}, port=8181, cluster_ip="None"),
]
SOURCES = [
    _manifests("manifests: pods that a workload would make", make_service(selector=WEB), make_workload(DAEMON_SET, labels=WEB)),
    _manifests(
        "manifests: typo",
        make_service(selector={"app": "webb"}),
        make_workload(DEPLOYMENT, labels=WEB),
        expect=_expect("SVC001"),
    ),
    _manifests(
        "manifests: port name",
        make_service(selector=WEB, ports=[(80, "htp")]),
        make_workload(DEPLOYMENT, labels=WEB, ports={"http": 8080}),
        expect=_expect("SVC003"),
    ),
    _manifests(
        "manifests: pods of a custom resource, beside its operator",
        make_service(selector={"app": "prometheus"}),
        make_workload(DEPLOYMENT, labels={"app": "prometheus-operator"}),
    ),
    _manifests(
        "manifests: a Service for each pod",
        make_service("web-0", selector={**WEB, "statefulset.kubernetes.io/pod-name": "web-0"}),
        make_service("web-1", selector={"statefulset.kubernetes.io/pod-name": "web-1"}, ports=[(80, "htpp")]),
        make_workload(STATEFUL_SET, labels=WEB, replicas=2, ports={"http": 8080}),
        expect=_expect("SVC003", subject="Service shop/web-1"),
    ),
    _manifests(
        "manifests: a role that an operator gives",
        make_service(selector={**WEB, "role": "active"}),
        make_workload(DEPLOYMENT, labels={"app": "web-tools"}),
    ),
    _manifests(
        "manifests: nothing at all behind it", make_service(selector=WEB), make_service("h", selector=WEB, cluster_ip="None")
    ),
    _manifests(
        "manifests: a patch of a workload says nothing of its ports",
        make_service(selector=WEB, ports=[(80, "http")]),
        _patched(),
    ),
    _manifests(
        "manifests: a Service that others may make, and one that is there but for a slip",
        _alias("api.pay.svc.cluster.local", "a"),
        _alias("wbe.shop.svc.cluster.local", "b"),
        make_service(),
        expect=_expect("SVC009", subject="Service shop/b"),
    ),
    _manifests("manifests: load balancers are made later", make_service(type="LoadBalancer")),
    Case("services forbidden", make_cluster(unavailable={SERVICE: FORBIDDEN}), state="skipped"),
    Case(
        "Deployments forbidden: what is there but for them may rest",
        make_cluster(make_service(selector=WEB), unavailable={DEPLOYMENT: FORBIDDEN}),
        state="unknown",
    ),
    Case(
        "Deployments forbidden, and a typo that pods prove",
        make_cluster(make_service(selector={"app": "webb"}), make_pod(labels=WEB), unavailable={DEPLOYMENT: FORBIDDEN}),
        _expect("SVC001"),
    ),
    Case("pods forbidden", make_cluster(make_service(selector={"app": "x"}), unavailable={POD: FORBIDDEN}), state="unknown"),
]

CASES = [
    *MEMBERS,
    *SELECTORS,
    *PER_POD,
    *SIBLINGS,
    *ELSEWHERE,
    *PORTS,
    *READINESS,
    *SLICES,
    *BALANCERS,
    *CLAIMS,
    *ALIASES,
    *WISHES,
    *TWO,
    *SOURCES,
    *_declared_ports.CASES,
    *_restarts.CASES,
]
