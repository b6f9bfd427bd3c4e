# SPDX-License-Identifier: Apache-2.0
"""Cases of ingress_controllers.

The controller's objects are those of ingress-nginx's published manifest for kind: kubernetes/ingress-nginx,
deploy/static/provider/kind/deploy.yaml, v1.11.2 (commit 9d3afe410cf7449450513e511319dcc730d4c085).
"""

from collections.abc import Mapping
from typing import Any

from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    INGRESS_CLASS,
    POD,
    Address,
    Check,
    Cluster,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    Lost,
    Outcome,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.cluster import Scope
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.probes.service_targets import proof
from kubectl_netdoc.records.base import Kind, convert
from kubectl_netdoc.records.kinds import SERVICE as SERVICE_KIND
from kubectl_netdoc.testing import (
    OLD,
    Built,
    Case,
    ago,
    make_cluster,
    make_ingress,
    make_ingress_class,
    make_pod,
    make_policy,
    make_workload,
    measured,
)

NODES = ("n1", "n2")
NS = "ingress-nginx"
LABELS = {
    "app.kubernetes.io/component": "controller",
    "app.kubernetes.io/instance": "ingress-nginx",
    "app.kubernetes.io/name": "ingress-nginx",
}
SERVICE = "Service ingress-nginx/ingress-nginx-controller"
NGINX, WEB = "IngressClass nginx", "Ingress shop/web"
RETIRED = ("INC021", NGINX)


def _object(kind: Kind[Any], name: str, labels: Mapping[str, str] | None = None, **fields: Any) -> Built:
    metadata = {"name": name, "namespace": NS, "labels": dict(labels or {}), "creationTimestamp": ago(OLD)}
    return kind, convert(kind, {"metadata": metadata, **fields})


def _pod(ready: bool = True, **more: Any) -> Built:
    return make_pod("ingress-nginx-controller-1", NS, labels=LABELS, ip="10.0.0.8", ready=ready, **more)


HOOK = make_pod("admission-create", NS, labels=LABELS | {"app.kubernetes.io/component": "admission-webhook"}, ip="10.0.0.9")
_SELECTED = {"selector": LABELS, "clusterIP": "10.96.0.8"}
_OPEN = [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "https", "port": 443, "targetPort": "https"}]
_OPEN += [{"name": "metrics", "port": 10254, "targetPort": 10254}]
_BEHIND = {"addresses": ["10.0.0.8"], "targetRef": {"kind": "Pod", "namespace": NS, "name": "ingress-nginx-controller-1"}}
ENTRANCE = (
    _object(SERVICE_KIND, "ingress-nginx-controller", spec={"ports": _OPEN, **_SELECTED}),
    _object(SERVICE_KIND, "ingress-nginx-metrics", spec={"ports": [{"name": "metrics", "port": 10254}], **_SELECTED}),
    _object(
        ENDPOINT_SLICE,
        "ingress-nginx-controller-abcde",
        labels={"kubernetes.io/service-name": "ingress-nginx-controller"},
        addressType="IPv4",
        endpoints=[_BEHIND],
        ports=[{"name": "http", "port": 80}, {"name": "https", "port": 443}, {"name": "metrics", "port": 10254}],
    ),
)
CLASS = make_ingress_class()
OTHER = make_ingress_class("other", "example.org/controller")


def _nginx(ready: bool = True, *more: Built, **options: Any) -> Cluster:
    return make_cluster(CLASS, make_ingress(), _pod(ready), *ENTRANCE, *more, **options)


def _check() -> Check:
    return registry.load().choose(["ingress_controllers"])[0]


def _measure(cluster: Cluster, outcomes: Mapping[str, Outcome] | None = None, lost: str = "", echo: bool = True) -> Measured:
    """Connects by node; those not given are good. ``echo``: whether netdoc's own pods reach each other."""

    def answer(request: Request) -> Reply:
        if lost:
            return Lost(lost)
        assert isinstance(request, Connect)
        assert request.to in (Address("10.96.0.8", 80), Address("10.96.0.8", 443))
        return ConnectReply((outcomes or {}).get(request.node, Outcome.OK), 1.0)

    replies = measured(_check(), cluster, answer)
    sample = EchoSample(Outcome.OK, 1.0, who="n2") if echo else EchoSample(Outcome.TIMEOUT, 1.0)
    pairs: dict[Request, Reply] = {proof(a, b): EchoReply("10.0.0.3:1", (sample,)) for a in NODES for b in NODES if a != b}
    assert all(isinstance(request, Echo) for request in pairs)
    return Measured(dict(replies.replies) | pairs, replies.vantages)


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], facts: Measured | None = None, state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts or Measured(), state)


def _within(cluster: Cluster) -> Cluster:
    cluster.scope = Scope(("shop",), "as asked")
    return cluster


LIVE = _nginx(vantages=NODES)
GUARDED = _nginx(True, make_policy("{podSelector: {}, policyTypes: [Ingress]}", namespace=NS), vantages=NODES)
WALLED = _nginx(True, make_policy("{podSelector: {}, policyTypes: [Ingress]}", namespace="netdoc"), vantages=NODES)
REFUSED = dict.fromkeys(NODES, Outcome.REFUSED)
SILENCE = dict.fromkeys(NODES, Outcome.TIMEOUT)
SCALED = make_workload(DEPLOYMENT, "ingress-nginx-controller", NS, labels=LABELS, replicas=0)
UNPLACED = make_workload(DAEMON_SET, "ingress-nginx-controller", NS, labels=LABELS)
TRAEFIK = make_ingress_class("traefik", "traefik.io/ingress-controller")
MIRRORED = make_pod("traefik-1", "edge", labels={"app": "edge-router"})
GCE = {"kubernetes.io/ingress.class": "gce"}
CLASSIC = {"kubernetes.io/ingress.class": "nginx"}

CASES = [
    _case("healthy", make_cluster(OTHER, make_ingress(cls="other"))),
    _case("no Ingress", make_cluster(CLASS), state="skipped"),
    _case("ingress-nginx, healthy and retired", LIVE, RETIRED, facts=_measure(LIVE)),
    _case("not measured", _nginx(), RETIRED),
    # the class
    _case("class not there", make_cluster(CLASS, make_ingress(cls="ngnix", address="")), ("INC004", WEB)),
    _case("no class there at all", make_cluster(make_ingress(cls="contour", address="")), ("INC004", WEB)),
    _case("served by its class's name alone", make_cluster(CLASS, make_ingress(cls="contour"))),
    _case("class not there, just made", make_cluster(CLASS, make_ingress(cls="x", address="", age=30))),
    _case("no class", make_cluster(OTHER, make_ingress(cls="", address="")), ("INC005", WEB)),
    _case("no class, which Traefik takes", make_cluster(TRAEFIK, make_ingress(cls="", address="")), ("INC020", WEB)),
    _case("no class, and served", make_cluster(OTHER, make_ingress(cls=""))),
    _case("no class, a cloud takes minutes", make_cluster(OTHER, make_ingress(cls="", address="", age=240))),
    _case(
        "the default class",
        make_cluster(make_ingress_class("other", "example.org/x", default=True), make_ingress(cls="", address="")),
        ("INC020", WEB),
    ),
    _case("the annotation, without a class", make_cluster(make_ingress(cls="", annotations=GCE))),
    _case("the annotation, without an address", make_cluster(make_ingress(cls="", address="", annotations=GCE)), ("INC020", WEB)),
    _case("the annotation of ingress-nginx", make_cluster(_pod(), make_ingress(cls="", annotations=CLASSIC)), RETIRED),
    _case("no address", make_cluster(OTHER, make_ingress(cls="other", address="")), ("INC020", WEB)),
    _case("no address yet", make_cluster(OTHER, make_ingress(cls="other", address="", age=200))),
    _case("manifests have no address", make_cluster(make_ingress(cls="x", address=""), origin="manifests"), state="skipped"),
    # the controller
    _case("not ready", _nginx(False), ("INC001", SERVICE), RETIRED),
    _case("not ready yet", make_cluster(CLASS, make_ingress(), _pod(False, age=30)), RETIRED),
    _case("not ready, without a Service", make_cluster(CLASS, make_ingress(), _pod(False)), ("INC001", NGINX), RETIRED),
    _case(
        "only its webhook's pod is there",
        make_cluster(CLASS, make_ingress(address=""), HOOK),
        ("INC002", NGINX),
        ("INC020", WEB),
        RETIRED,
    ),
    _case("gone", make_cluster(CLASS, make_ingress(address="")), ("INC002", NGINX), ("INC020", WEB), RETIRED),
    _case(
        "from a mirror, by another manifest",
        make_cluster(TRAEFIK, make_ingress(cls="traefik", address=""), MIRRORED),
        ("INC020", WEB),
    ),
    _case("gone, or called otherwise", make_cluster(CLASS, make_ingress()), RETIRED),
    _case("scaled to zero", make_cluster(CLASS, make_ingress(), SCALED), ("INC002", NGINX), RETIRED),
    _case("fits no node", make_cluster(CLASS, make_ingress(), UNPLACED), ("INC002", NGINX), RETIRED),
    _case("of a cloud", make_cluster(make_ingress_class("alb", "eks.amazonaws.com/alb"), make_ingress(cls="alb"))),
    _case("only some namespaces", _within(make_cluster(CLASS, make_ingress(address=""), SCALED)), ("INC020", WEB), RETIRED),
    _case("pods can't be read", _nginx(unavailable={POD: Unavailable("forbidden")}), RETIRED, state="unknown"),
    _case("classes can't be read", _nginx(unavailable={INGRESS_CLASS: Unavailable("forbidden")}), state="unknown"),
    # live
    _case("refuses everywhere", LIVE, ("INC003", SERVICE), RETIRED, facts=_measure(LIVE, REFUSED)),
    _case("silent everywhere", LIVE, ("INC003", SERVICE), RETIRED, facts=_measure(LIVE, SILENCE)),
    _case("silent from one node", LIVE, RETIRED, facts=_measure(LIVE, {"n1": Outcome.TIMEOUT})),
    _case("lost", LIVE, RETIRED, facts=_measure(LIVE, lost="cut"), state="unknown"),
    _case("silent behind a policy", GUARDED, RETIRED, facts=_measure(GUARDED, SILENCE)),
    _case("debug pods are walled in", WALLED, RETIRED, facts=_measure(WALLED, SILENCE, echo=False), state="unknown"),
]
