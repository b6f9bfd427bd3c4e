# SPDX-License-Identifier: Apache-2.0
"""Cases of ingress_routes."""

from typing import Any

import msgspec

from kubectl_netdoc.api import DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, Cluster, Grant, Unavailable
from kubectl_netdoc.core.cluster import Scope
from kubectl_netdoc.records.base import Annotations
from kubectl_netdoc.records.kinds import POD as API_POD
from kubectl_netdoc.testing import (
    Built,
    Case,
    Selection,
    ago,
    make_cluster,
    make_ingress,
    make_ingress_class,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)

CANARY = "nginx.ingress.kubernetes.io/canary"
APP = {"app": "web"}
WEB, SLICE = make_service(selector=APP), make_slice(addresses={"10.0.0.1": "web-1"})
POD = make_pod(labels=APP)
CLASS = make_ingress_class()
HEALTHY = (WEB, SLICE, POD, CLASS)
INGRESS_WEB, SERVICE_WEB = "Ingress shop/web", "Service shop/web"
ALIAS = make_service("out", type="ExternalName", externalName="example.org", ports=(), cluster_ip="")


def _cluster(*objects: Built, **more: Any) -> Cluster:
    return make_cluster(*HEALTHY, *objects, **more)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), state=state)


def _two(second: Built, first: Built | None = None, cls: Built = CLASS) -> Cluster:
    """Two Ingresses, the second one younger, and a second Service that works as well."""
    api = (make_service("api", selector=APP), make_slice("api", addresses={"10.0.0.1": "web-1"}))
    return make_cluster(WEB, SLICE, POD, cls, *api, first or make_ingress(), second)


def _unready(seconds: float) -> Built:
    """The endpoints of web, none of them ready; pods behind it changed so many seconds ago."""
    kind, item = make_slice(addresses={"10.0.0.1": "web-1"}, not_ready=["10.0.0.1"])
    notes = Annotations(trigger_time=ago(seconds))
    return kind, msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, annotations=notes))


def _within(cluster: Cluster, *namespaces: str) -> Cluster:
    cluster.scope = Scope(namespaces, "as asked")
    return cluster


OTHER = {"shop.example/": "api:80"}
CONFLICT = ("ING004", "Ingress shop/api")
RESOURCE = [{"http": {"paths": [{"path": "/", "backend": {"resource": {"kind": "StorageBucket", "name": "b"}}}]}}]
DEFAULT = {"service": {"name": "nothing", "port": {"number": 80}}}
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}
API = make_service("api", selector=APP)
SHARED = Annotations(cilium_global="true")
NO_PODS = {API_POD: Unavailable("forbidden")}
NO_RIGHT = Unavailable("forbidden", Grant("list", "ingressclasses", "networking.k8s.io"))

_METADATA = msgspec.structs.replace(WEB[1].metadata, annotations=SHARED)
GLOBAL = WEB[0], msgspec.structs.replace(WEB[1], metadata=_METADATA)


def _manifests(*ingresses: Built) -> Cluster:
    return make_cluster(
        WEB, *ingresses, unavailable={ENDPOINT_SLICE: Unavailable("manifests", by_design=True)}, origin="manifests"
    )


def _by(entrypoints: str, name: str = "web") -> Built:
    notes = {"traefik.ingress.kubernetes.io/router.entrypoints": entrypoints}
    routes = OTHER if name == "api" else None
    return make_ingress(name, routes=routes, annotations=notes, age=600 if name == "api" else 7200)


def _secret(name: str, routes: dict[str, str] | None) -> Built:
    return make_ingress(name, routes=routes, secrets={"t": ""}, age=600 if name == "api" else 7200)


def _traefik(second: Built, first: Built) -> Cluster:
    return _two(second, first, cls=make_ingress_class("nginx", "traefik.io/ingress-controller"))


CASES = [
    _case("healthy", _cluster(make_ingress())),
    _case("no Ingress", _cluster(), state="skipped"),
    _case("the list is refused", _cluster(unavailable={INGRESS: Unavailable("forbidden")}), state="skipped"),
    _case("Service missing", _cluster(make_ingress(routes={"shop.example/": "wbe:80"})), ("ING001", INGRESS_WEB)),
    _case("one of two missing", _cluster(make_ingress(routes={"a/": "web:80", "b/": "x:80"})), ("ING001", INGRESS_WEB)),
    _case("default backend missing", _cluster(make_ingress(defaultBackend=DEFAULT)), ("ING001", INGRESS_WEB)),
    _case("Service missing, just made", _cluster(make_ingress(routes={"a/": "wbe:80"}, age=30))),
    _case("port missing", _cluster(make_ingress(routes={"shop.example/": "web:8080"})), ("ING002", INGRESS_WEB)),
    _case("port's name missing", _cluster(make_ingress(routes={"shop.example/": "web:http"})), ("ING002", INGRESS_WEB)),
    _case("port by its name", _cluster(make_ingress(routes={"shop.example/": "web:p80"}))),
    _case("an action of the ALB controller", _cluster(make_ingress(routes={"shop.example/": "redirect:use-annotation"}))),
    _case("a resource backend", _cluster(make_ingress(rules=RESOURCE))),
    _case("an ExternalName", _cluster(ALIAS, make_ingress(routes={"shop.example/": "out:443"}))),
    _case(
        "no endpoint",
        make_cluster(WEB, CLASS, make_slice(), make_pod(labels=APP, ready=False), make_ingress()),
        ("ING003", SERVICE_WEB),
    ),
    _case(
        "endpoints not ready",
        make_cluster(WEB, CLASS, make_slice(addresses={"10.0.0.1": "web-1"}, not_ready=["10.0.0.1"]), make_ingress()),
        ("ING003", SERVICE_WEB),
    ),
    _case(
        "Pods can't be read: none of long ago is ready",
        make_cluster(WEB, CLASS, _unready(3600), make_ingress(), unavailable=NO_PODS),
        ("ING003", SERVICE_WEB),
    ),
    *(
        _case(
            f"Pods can't be read: {name}",
            make_cluster(*objects, unavailable=NO_PODS),
            state="unknown",
        )
        for name, objects in (
            ("they may have just begun", (WEB, CLASS, _unready(20), make_ingress())),
            ("none may be wanted", (WEB, CLASS, make_ingress())),
        )
    ),
    _case("no endpoint yet", make_cluster(WEB, CLASS, make_pod(labels=APP, ready=False, age=30), make_ingress())),
    _case("a new Service", make_cluster(make_service(selector=APP, age=30), CLASS, make_ingress())),
    _case("manifests have no endpoints", make_cluster(WEB, CLASS, make_ingress(), origin="manifests")),
    _case(
        "scaled to zero",
        make_cluster(WEB, CLASS, make_workload(DEPLOYMENT, labels=APP, replicas=0), make_ingress()),
        ("ING020", SERVICE_WEB),
    ),
    _case(
        "its Deployment has no pods",
        make_cluster(WEB, CLASS, make_workload(DEPLOYMENT, labels=APP), make_ingress()),
        ("ING003", SERVICE_WEB),
    ),
    _case(
        "scaled to zero, as its DaemonSet fits no node",
        make_cluster(WEB, CLASS, make_workload(DAEMON_SET, labels=APP, replicas=0), make_ingress()),
        ("ING020", SERVICE_WEB),
    ),
    _case(
        "its pods are in other clusters",
        make_cluster(GLOBAL, CLASS, make_workload(DEPLOYMENT, "clustermesh-apiserver"), make_ingress()),
    ),
    _case("manifests: others may make the Service", _manifests(make_ingress(routes={"shop.example/": "logs-kb-http:443"}))),
    _case("manifests: its Service but for a slip", _manifests(make_ingress(routes={"x/": "wbe:80"})), ("ING001", INGRESS_WEB)),
    _case(
        "manifests: a slip away is what others lead to",
        _manifests(make_ingress(routes={"x/": "wbe:80"}), make_ingress("other", routes={"y/": "web:80"})),
    ),
    _case("manifests: no such port", _manifests(make_ingress(routes={"x/": "web:8080"})), ("ING002", INGRESS_WEB)),
    _case("manifests: samples to choose from", _manifests(make_ingress("api", routes=OTHER, cls=""), make_ingress(cls=""), API)),
    _case(
        "manifests: two claim one path of a class that is there",
        _manifests(make_ingress("api", routes=OTHER, age=600), make_ingress(), API, CLASS),
        CONFLICT,
    ),
    _case("Traefik: one path by two entry points", _traefik(_by("web", "api"), _by("websecure"))),
    _case("Traefik: one path by one entry point of each", _traefik(_by("websecure, web", "api"), _by("web")), CONFLICT),
    _case("Traefik: with TLS and without", _traefik(make_ingress("api", routes=OTHER), make_ingress(secrets={"t": ""}))),
    _case("Traefik: one path with TLS", _traefik(_secret("api", OTHER), _secret("web", None)), CONFLICT),
    _case(
        "without a pod, and Deployments can't be read",
        make_cluster(WEB, CLASS, make_ingress(), unavailable={DEPLOYMENT: NO_RIGHT}),
    ),
    _case("two claim one path", _two(make_ingress("api", routes=OTHER, age=600)), CONFLICT),
    _case("the older one is served", _two(make_ingress("api", routes=OTHER), make_ingress(age=600)), ("ING004", INGRESS_WEB)),
    _case(
        "Prefix with and without a slash",
        _two(make_ingress("api", routes={"x/a/": "api:80"}, age=60), make_ingress(routes={"x/a": "web:80"})),
        CONFLICT,
    ),
    _case("the same backend", _two(make_ingress("api", age=600))),
    _case(
        "another type of path",
        _two(make_ingress("api", routes={"x/a": "api:80"}, path_type="Exact", age=60), make_ingress(routes={"x/a": "web:80"})),
    ),
    _case("another host", _two(make_ingress("api", routes={"api.example/": "api:80"}, age=600))),
    _case("another class", _two(make_ingress("api", routes=OTHER, cls="other", age=600))),
    _case("a canary", _two(make_ingress("api", routes=OTHER, age=600, annotations={CANARY: "true"}))),
    _case("no canary", _two(make_ingress("api", routes=OTHER, age=600, annotations={CANARY: "false"})), CONFLICT),
    _case(
        "a controller that may tell them apart by annotations",
        _two(make_ingress("api", routes=OTHER, age=600), cls=make_ingress_class("nginx", "skipper.example/x")),
    ),
    _case(
        "a load balancer each",
        _two(make_ingress("api", routes=OTHER, age=600), cls=make_ingress_class("nginx", "ingress.k8s.aws/alb")),
    ),
    _case(
        "cert-manager's solver",
        _two(make_ingress("cm-acme-http-solver-x", routes={"shop.example/": "gone:80"}, age=600, labels=SOLVER)),
    ),
    _case("outside of the scope", _within(_cluster(make_ingress(routes={"a/": "x:80"})), "other"), state="skipped"),
    _case(
        "another Service was asked for",
        _cluster(make_service("api"), make_ingress(routes={"a/": "web:1"}), selection=Selection(services=("api",))),
        state="skipped",
    ),
    _case(
        "its Service was asked for",
        _cluster(make_ingress(routes={"a/": "web:1"}), selection=Selection(services=("web",))),
        ("ING002", INGRESS_WEB),
    ),
    _case("classes can't be read", _cluster(make_ingress(), unavailable={INGRESS_CLASS: NO_RIGHT}), state="unknown"),
]
