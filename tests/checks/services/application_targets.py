# SPDX-License-Identifier: Apache-2.0
"""Cases of application_targets. Hand-made objects."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import APP_CONFIG, NAMESPACE, POD, SERVICE, Kind, Pod, Unavailable
from kubectl_netdoc.core.cluster import Scope
from kubectl_netdoc.core.report import State
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import CRON_JOB, DEPLOYMENT, STATEFUL_SET
from kubectl_netdoc.testing import (
    Built,
    Case,
    make_cluster,
    make_corefile,
    make_namespace,
    make_pod,
    make_service,
    make_workload,
)

APP = {"app": "client"}
CLUSTER: tuple[Built, ...] = (
    make_namespace("shop"),
    make_namespace("pay"),
    make_namespace("dev"),
    make_service("cartservice", ports=[(80, 8080)], selector={"app": "cart"}, cluster_ip="10.96.0.2"),
    make_service("redis", ports=[(6379, 6379)], selector={"app": "redis"}, cluster_ip="10.96.0.3"),
    make_service("client", ports=[(80, 8080)], selector=APP, cluster_ip="10.96.0.4"),
    make_service("kafka", ports=[(9092, 9092)], selector={"app": "kafka"}, cluster_ip="None"),
    make_service("alias", type="ExternalName", externalName="db.example.net", cluster_ip="", ports=[(1, 1)]),
    make_service("ledger", "pay", ports=[(80, 8080), (9090, 9090)], selector={"app": "ledger"}, cluster_ip="10.96.0.5"),
)
SUBJECT = "Deployment shop/client"
OWNER = [{"kind": "Deployment", "name": "client", "controller": True}]


def client(
    env: dict[str, str | None] | None = None,
    *,
    args: tuple[str, ...] = (),
    spec: dict[str, Any] | None = None,
    container: str = "app",
    init: dict[str, Any] | None = None,
    statuses: list[dict[str, Any]] | None = None,
    name: str = "client-1",
    namespace: str = "shop",
    age: float = 7200,
    **more: Any,
) -> Built:
    """A pod of Deployment client whose container has these variables and arguments, as in the API."""
    _, pod = make_pod(name, namespace, labels=APP, ip="10.0.0.40", ownerReferences=OWNER, age=age, **more)
    variables = [
        {"name": key, **({"valueFrom": {"fieldRef": {}}} if value is None else {"value": value})}
        for key, value in (env or {}).items()
    ]
    containers = [{"name": container, "env": variables, "args": list(args)}]
    made = convert(POD, {"spec": {"containers": containers, "initContainers": [init] if init else [], **(spec or {})}})
    assert isinstance(pod, Pod)
    status = pod.status
    if statuses:
        status = convert(POD, {"status": {"initContainerStatuses": statuses}}).status
    return POD, msgspec.structs.replace(pod, spec=made.spec, status=status)


def _of(name: str, made: Built, *codes: str, more: tuple[Built, ...] = (), **cluster: Any) -> Case:
    return Case(name, make_cluster(*CLUSTER, made, *more, **cluster), frozenset((code, SUBJECT) for code in codes))


def _env(name: str, value: str, *codes: str, setting: str = "CART_URL", more: tuple[Built, ...] = (), **pod: Any) -> Case:
    return _of(f"{name}: {value}", client({setting: value}, **pod), *codes, more=more)


FAILS: dict[str, Any] = {"ready": False, "waiting": "CrashLoopBackOff"}
DEPLOYED = make_workload(DEPLOYMENT, "checkout", labels={"app": "checkout"})
FULL = [
    _env("as it is", "http://cartservice.shop.svc.cluster.local/x"),
    _env("in another namespace", "http://ledger.pay.svc:9090"),
    _env("with user and password", "http://u:p@ledger.pay.svc:9090/path"),
    _env("no such Service", "http://cart.shop.svc.cluster.local", "APT001"),
    _env("no such Service, without a scheme", "cart.shop.svc:80", "APT001", setting="ANYTHING"),
    _env("no such namespace", "http://ledger.billing.svc:80", "APT001"),
    _env("no such port", "http://ledger.pay.svc:8080", "APT002"),
    _env("no such port, by the scheme", "https://ledger.pay.svc/", "APT003"),
    _env("by the scheme, and it does not start", "https://ledger.pay.svc/", "APT002", **FAILS),
    _env("telemetry", "http://otel-collector.obs.svc:4317", "APT003", setting="OTEL_EXPORTER_OTLP_ENDPOINT"),
    _env("telemetry, and something else keeps it down", "http://tempo.obs.svc:4317", "APT003", setting="EXPORT_TO", **FAILS),
    _env("another cluster's domain", "http://cart.shop.svc.east.example:80"),
    _env("of all clusters of a set", "http://cart.shop.svc.clusterset.local:80"),
    _env("a pod of a headless Service", "kafka-7.kafka.shop.svc:9092", setting="BROKERS"),
    _env("a headless Service has its pods' ports", "http://kafka.shop.svc:8083"),
    _env("a pod's name before a Service with a ClusterIP", "http://web-0.cartservice.shop.svc:8080"),
    _env("an alias of a host outside", "http://alias.shop.svc:5432"),
    _env("its own Service, by the pods' port", "http://client.shop.svc:8080", setting="SELF_URL"),
    _env("its own address", "0.0.0.0:8080", setting="LISTEN_ADDR"),
    _env("a name in its certificate", "cart.shop.svc", setting="CERT_DNS_NAMES"),
    _env("in a CORS list", "http://cart.shop.svc", setting="ALLOWED_ORIGINS"),
    _env("a template", "http://$(TARGET).shop.svc:80"),
    _env("an SRV record", "_http._tcp.cartservice.shop.svc", setting="LOOKUP"),
    _of("its value is elsewhere", client({"CART_URL": None})),
]
NEAR = (make_namespace("kafkas"), make_service("kafka-0", "kafkas", cluster_ip="10.96.0.6"))
SHORT = [
    _env("one word", "http://cartservice:80"),
    _env("one word, no such port", "http://cartservice:8080", "APT002"),
    _env("one word, no such port, without a scheme", "cartservice:7070", "APT002", setting="CART_SERVICE_ADDR"),
    _env("an image", "redis:7", setting="CACHE_IMAGE"),
    _env("a list of features", "redis:1,cartservice:2", setting="FEATURES"),
    _env("a typing error", "http://cartservise:80", "APT001"),
    _env("another word", "http://jenkins:8080"),
    _env("another word, and it does not start", "http://jenkins:8080", **FAILS),
    _env("localhost", "http://localhost:8080"),
    _env("in another namespace", "http://ledger:80", "APT003"),
    _env("in another namespace, and it does not start", "http://ledger:80", "APT001", **FAILS),
    _env("a workload without a Service", "checkout:5050", "APT001", setting="CHECKOUT_SERVICE_ADDR", more=(DEPLOYED,)),
    _env(
        "a workload that rests",
        "checkout:5050",
        setting="CHECKOUT_SERVICE_ADDR",
        more=(make_workload(DEPLOYMENT, "checkout", replicas=0),),
    ),
    _env("itself, where another namespace has a Service of that name", "http://ledger:8080", spec={"hostname": "ledger"}),
    _env("a line of /etc/hosts", "http://ledger:80", spec={"hostAliases": [{"ip": "10.0.0.9", "hostnames": ["ledger"]}]}),
    _env("searches of its own", "http://ledger:80", spec={"dnsConfig": {"searches": ["pay.svc.cluster.local"]}}),
    _env("with its namespace", "http://ledger.pay:80"),
    _env("with its namespace, no such port", "http://ledger.pay:81", "APT002"),
    _env("its namespace has a typing error", "http://ledger.payy:80", "APT001"),
    _env("another namespace that does not exist", "http://ledger.example:80"),
    _env("a host of the internet", "https://example.com"),
    _env("a host of the internet, where a namespace has the name of its domain", "https://web.dev"),
    _env("a pod of a headless Service", "kafka-0.kafka:9092,kafka-1.kafka:9092", setting="KAFKA_BROKERS"),
    _env("a pod of a Service, beside a namespace that is spelt nearly so", "http://kafka-0.kafka:9092", more=NEAR),
    _env("in a Go driver's form", "u:p@tcp(redis:3306)/db", "APT002", setting="CACHE_DSN"),
    _of("host and port apart", client({"REDIS_HOST": "redis", "REDIS_PORT": "6380"}), "APT002"),
    _of("host and port apart, as they are", client({"REDIS_HOST": "redis", "REDIS_PORT": "6379"})),
    _of("an argument", client(args=("serve", "--redis-addr=redis:6380")), "APT002"),
    _of("an argument in two words", client(args=("--redis-addr", "redis:6380")), "APT002"),
    _of("in a script", client(args=("sh", "-c", "until wget http://cartservise:80; do sleep 1; done")), "APT001"),
    _of("told to a sidecar of a mesh", client({"CA_ADDR": "istiod.istio-system.svc:15012"}, container="istio-proxy")),
    _of("pods that have just begun", client({"CART_URL": "http://cart.shop.svc"}, age=10)),
]
WAITING = {"name": "wait", "state": {}, "ready": False}
INIT = {"name": "wait", "command": ["sh", "-c", "until wget http://ledger:80; do sleep 1; done"]}
IMPLIED = {"name": "wait", "command": ["sh", "-c", "until wget https://ledger.pay.svc; do sleep 1; done"]}
JOB = {
    "metadata": {"name": "nightly", "namespace": "shop"},
    "spec": {
        "jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "c", "args": ["--to=http://cart.shop.svc"]}]}}}}
    },
}


def _made(kind: Kind[Any], value: dict[str, Any]) -> Built:
    return kind, convert(kind, value)


def _scoped(made: Built) -> Case:
    cluster = make_cluster(*CLUSTER, made)
    return Case("another namespace, which was not read", cluster.with_listings(cluster.index.listings, Scope(("shop",))))


NOWHERE = client({"CART_URL": "http://cart.billing.svc"})
OTHERS = [
    _of("an init container waits", client(init=INIT, statuses=[WAITING]), "APT001"),
    _of("an init container has begun", client(init=INIT, statuses=[WAITING], age=20)),
    _of("an init container waits for a port that it does not name", client(init=IMPLIED, statuses=[WAITING]), "APT002"),
    _of("such a one has begun", client(init=IMPLIED, statuses=[WAITING], age=20), "APT003"),
    _of(
        "such a one has begun in one pod of two",
        client(init=IMPLIED, statuses=[WAITING]),
        "APT003",
        more=(client(init=IMPLIED, statuses=[WAITING], age=20, name="client-2"),),
    ),
    Case("a CronJob", make_cluster(*CLUSTER, _made(CRON_JOB, JOB)), frozenset({("APT001", "CronJob shop/nightly")})),
    _of(
        "the cluster's own domain",
        client({"CART_URL": "http://cart.shop.svc.k8s.example"}),
        "APT001",
        more=(make_corefile(".:53 {\n kubernetes k8s.example\n}"),),
    ),
    _of("in a folder, where others may make it", client({"CART_URL": "http://cart.shop.svc"}), origin="manifests"),
    _of("in a folder, a typing error", client({"CART_URL": "http://cartservise.shop.svc"}), "APT001", origin="manifests"),
    _of(
        "namespaces are not read",
        client({"CART_URL": "http://cart.billing.svc"}),
        "APT001",
        unavailable={NAMESPACE: Unavailable("no")},
    ),
    _scoped(NOWHERE),
    Case(
        "Services are not read",
        make_cluster(client({"CART_URL": "http://cart.shop.svc"}), unavailable={SERVICE: Unavailable("forbidden")}),
        state=State.SKIPPED,
    ),
    _of(
        "a StatefulSet without a Service",
        client({"DB_ADDR": "db:5432"}),
        "APT001",
        more=(make_workload(STATEFUL_SET, "db"),),
    ),
]


def _config(data: dict[str, str], *, name: str = "conf") -> Built:
    return _made(APP_CONFIG, {"metadata": {"name": name, "namespace": "shop"}, "data": data})


TAKES = {"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "conf"}}]}]}
ONE = {"valueFrom": {"configMapKeyRef": {"name": "conf", "key": "cart-url"}}}
TAKES_ONE = {"containers": [{"name": "c", "env": [{"name": "CART", **ONE}]}]}
MOUNTS = {"containers": [{"name": "c"}], "volumes": [{"name": "v", "configMap": {"name": "conf"}}]}
FILE = {"app.conf": "upstream = http://cart.shop.svc:80\n# http://nothing.shop.svc\nlisten = 80\n"}


def _told(
    name: str, data: dict[str, str], *codes: str, spec: dict[str, Any] = TAKES, more: tuple[Built, ...] = (), **pod: Any
) -> Case:
    cluster = make_cluster(*CLUSTER, client(spec=spec, **pod), _config(data), *more)
    return Case(f"a ConfigMap: {name}", cluster, frozenset((code, "ConfigMap shop/conf") for code in codes))


_, _POD = client(spec=TAKES, name="other-0")
OTHER = POD, msgspec.structs.replace(_POD, metadata=msgspec.structs.replace(_POD.metadata, labels={}, owner_references=()))
WRONG = {"cart-url": "http://cart.shop.svc:80"}
CONFIGS = [
    _told("all of it are variables", WRONG, "APT001"),
    _told("one key is a variable", WRONG, "APT001", spec=TAKES_ONE),
    _told("it is mounted", WRONG, "APT001", spec=MOUNTS),
    _told("nobody reads it", WRONG, spec={"containers": [{"name": "c"}]}),
    _told("it is right", {"cart-url": "http://cartservice", "db-host": "redis", "db-port": "6379"}),
    _told("no such port", {"cart-host": "cartservice", "cart-port": "8080"}, "APT002"),
    _told("in a file", FILE, "APT003", spec=MOUNTS),
    _told("in a file, and it does not start", FILE, "APT001", spec=MOUNTS, **FAILS),
    _told("the reader's own Service", {"self-url": "http://client:8080"}),
    _told("one reader's own Service", {"self-url": "http://client:8080"}, more=(OTHER,)),
    _told("read by two", WRONG, "APT001", more=(client(spec=TAKES, name="other-0"),)),
    _of("ConfigMaps are not read", client(spec=TAKES), unavailable={APP_CONFIG: Unavailable("forbidden")}),
]
CASES = [*FULL, *SHORT, *OTHERS, *CONFIGS]
