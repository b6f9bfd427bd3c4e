# SPDX-License-Identifier: Apache-2.0
"""Cases of service_config."""

from typing import Any

from kubectl_netdoc.api import ENDPOINT_SLICE, EVENT, NODE, POD, SERVICE, Kind, Rule, Unavailable, Workload
from kubectl_netdoc.records import LabelSelectorRequirement
from kubectl_netdoc.testing import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    STATEFUL_SET,
    Built,
    Case,
    Wishes,
    ago,
    make_cluster,
    make_event,
    make_namespace,
    make_node,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)

WEB = {"app": "web"}
OFFLINE = Unavailable("only a cluster has these", by_design=True)
FORBIDDEN = Unavailable("forbidden", Rule("list", "pods"))


def _expect(*codes: str, subject: str = "Service shop/web") -> frozenset[tuple[str, str]]:
    return frozenset((code, subject) for code in codes)


def _serving(**service: object) -> tuple[Built, ...]:
    """A Service with one ready pod and its slice."""
    pod = make_pod("web-1", labels=WEB, ports={"http": 8080})
    return make_service(selector=WEB, **service), pod, make_slice(addresses={"10.0.0.1": "web-1"})  # type: ignore[arg-type]


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


SELECTORS = [
    _of_role("a database without replicas", "replica", "SVC024"),
    _of_role("a role with a typo", "primay", "SVC001"),
    _of_role("a database without a primary", "primary", "SVC002"),
    _standby("a Vault without standbys", "SVC024", {}),
    _standby("a label that the template has is none of a role", "SVC002", {"vault-active": "true"}),
    Case("healthy", make_cluster(*_serving())),
    Case("typo", make_cluster(make_service(selector={"app": "webb"}), make_pod(labels=WEB)), _expect("SVC001")),
    Case(
        "one pair of two wrong",
        make_cluster(make_service(selector={"app": "web", "tier": "front"}), make_pod(labels={"app": "web"})),
        _expect("SVC001"),
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
    _resting(REPLICA_SET, "a rollout tool's ReplicaSet at zero", replicas=0),
    _resting(JOB, "a Job that has finished"),
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
        "a second named port, quite another",
        make_cluster(
            make_service(selector=WEB, ports=[(80, "http"), (90, "metrics")]), make_pod(labels=WEB, ports={"http": 8080})
        ),
        _expect("SVC003"),
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
        "only a terminating pod",
        make_cluster(
            make_service(selector=WEB), make_pod(labels=WEB, deletionTimestamp=ago(5)), make_workload(DEPLOYMENT, labels=WEB)
        ),
        _expect("SVC005"),
    ),
]

SLICES = [
    Case(
        "the slice misses a ready pod",
        make_cluster(make_service(selector=WEB), make_pod(labels=WEB), make_slice(addresses={})),
        _expect("SVC007"),
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

BALANCERS = [
    _balancer("load balancer there", addresses=("192.0.2.1",)),
    _balancer("nobody takes it up", "SVC006", age=40),
    _balancer("just made", "SVC023", age=5),
    _balancer("being made", "SVC023", age=60, events=(ENSURING,)),
    _balancer("being made for too long", "SVC006", age=400, events=(ENSURING,)),
    _balancer("its controller fails", "SVC006", age=10, events=(ENSURING, FAILED)),
]


def _alias(target: str, name: str = "web", namespace: str = "shop") -> Built:
    return make_service(name, namespace, type="ExternalName", externalName=target, cluster_ip="", ports=[(443, 443)])


def _wished(name: str, wishes: Wishes, state: str) -> Case:
    return Case(name, make_cluster(*_serving(), wishes=wishes), state=state)


WISHES = [
    _wished("a Service that is there", Wishes(services=("web",)), "pass"),
    _wished("a Service by its full name", Wishes(services=("shop/web",)), "pass"),
    _wished("a Service that is not there", Wishes(services=("wbe",)), "unknown"),
    _wished("a Service of another namespace", Wishes(services=("pay/web",)), "unknown"),
    _wished(
        "labels that no Service carries",
        Wishes(labels=(LabelSelectorRequirement(key="app", operator="In", values=("none",)),)),
        "unknown",
    ),
]


ALIASES = [
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
    _manifests("manifests: load balancers are made later", make_service(type="LoadBalancer")),
    Case("services forbidden", make_cluster(unavailable={SERVICE: FORBIDDEN}), state="skipped"),
    Case("pods forbidden", make_cluster(make_service(selector={"app": "x"}), unavailable={POD: FORBIDDEN}), state="unknown"),
]

CASES = SELECTORS + PORTS + READINESS + SLICES + BALANCERS + ALIASES + WISHES + SOURCES
