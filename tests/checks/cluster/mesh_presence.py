# SPDX-License-Identifier: Apache-2.0
"""Cases of mesh_presence, with what the published manifests of Istio and Linkerd make of a pod."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import yaml

from kubectl_netdoc.api import DEPLOYMENT, NAMESPACE, NODE, PEER_AUTHENTICATION, POD, Grant, Kind, Unavailable
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import OLD, Built, Case, ago, make_cluster, make_pod

ISTIO_PROXY = "{name: istio-proxy, image: 'docker.io/istio/proxyv2:1.24.0'}"
"""istio/istio, pkg/kube/inject/testdata/inject/*.injected: the container that the injector adds."""

ISTIO_NATIVE = "{name: istio-proxy, image: 'docker.io/istio/proxyv2:1.28.0', restartPolicy: Always}"
LINKERD_PROXY = "{name: linkerd-proxy, image: 'cr.l5d.io/linkerd/proxy:edge-25.4.4', restartPolicy: Always}"
"""linkerd/linkerd2, cli/cmd/testdata/inject_emojivoto_deployment_native_sidecar.golden.yml."""

ZTUNNEL = "{name: istio-proxy, image: 'docker.io/istio/ztunnel:1.28.0-distroless'}"
"""istio/istio, manifests/charts/ztunnel/templates/daemonset.yaml at 8dbacc52."""

APP = "{name: app, image: 'shop/web:1'}"
LABELLED = {"istio-injection": "enabled"}
AMBIENT = {"istio.io/dataplane-mode": "ambient"}
HERE, IN_AMBIENT, IN_LINKERD = (
    ("MSH010", "Cluster Istio sidecar"),
    ("MSH010", "Cluster Istio ambient"),
    ("MSH010", "Cluster Linkerd"),
)
STRICT, BARE, PROXY_DOWN = ("MSH011", "Cluster mutual TLS"), ("MSH012", "Namespace shop"), ("MSH003", "Namespace shop")
NO_ISTIOD, NO_ZTUNNEL = ("MSH001", "Deployment istio-system/istiod"), ("MSH002", "Node n1")


def _object(kind: Kind[Any], name: str, namespace: str, text: str, labels: dict[str, str] | None = None, age: Any = OLD) -> Built:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}, "creationTimestamp": ago(age)}
    return kind, convert(kind, {"metadata": metadata, **(yaml.safe_load(text) or {})})


def _noted(said: str) -> Built:
    """A pod without a proxy and with Istio's annotation."""
    return make_pod("plain", annotations={"sidecar.istio.io/inject": said})


def _pod(
    name: str,
    containers: str,
    init: str = "",
    *,
    labels: dict[str, str] | None = None,
    proxy_ready: bool = True,
    namespace: str = "shop",
    age: float | timedelta = OLD,
    ready: bool = True,
    host: bool = False,
    phase: str = "Running",
) -> Built:
    sort = "initContainerStatuses" if init else "containerStatuses"
    proxy = "linkerd-proxy" if "linkerd" in init else "istio-proxy"
    return _object(
        POD,
        name,
        namespace,
        f"""
        spec: {{nodeName: n1, hostNetwork: {str(host).lower()}, containers: [{containers}], initContainers: [{init}]}}
        status:
          phase: {phase}
          podIPs: [{{ip: 10.0.0.7}}]
          conditions: [{{type: Ready, status: '{ready}'}}]
          {sort}: [{{name: {proxy}, ready: {str(proxy_ready).lower()}}}]
        """,
        labels,
        age,
    )


def _space(labels: dict[str, str], name: str = "shop") -> Built:
    return _object(NAMESPACE, name, "", "", labels)


def _istiod(ready: int = 1, replicas: int = 1, name: str = "istiod", age: float | timedelta = OLD) -> Built:
    """As istio/istio, manifests/charts/istio-control/istio-discovery/templates/deployment.yaml makes it."""
    container = "{name: discovery, image: 'docker.io/istio/pilot:1.24.0'}"
    template = f"{{metadata: {{labels: {{app: istiod}}}}, spec: {{containers: [{container}]}}}}"
    text = f"{{spec: {{replicas: {replicas}, template: {template}}}, status: {{readyReplicas: {ready}}}}}"
    return _object(DEPLOYMENT, name, "istio-system", text, age=age)


def _destination(ready: int = 1) -> Built:
    """As linkerd/linkerd2, charts/linkerd-control-plane/templates/destination.yaml makes it."""
    labels = "{linkerd.io/control-plane-component: destination}"
    spec = f"{{containers: [{{name: destination, image: 'cr.l5d.io/linkerd/controller:edge-25.4.4'}}, {LINKERD_PROXY}]}}"
    text = f"{{spec: {{template: {{metadata: {{labels: {labels}}}, spec: {spec}}}}}, status: {{readyReplicas: {ready}}}}}"
    return _object(DEPLOYMENT, "linkerd-destination", "linkerd", text)


def _ztunnel(ready: bool = True, age: float | timedelta = OLD, image: str = ZTUNNEL) -> Built:
    return _pod("ztunnel-1", image, labels={"app": "ztunnel"}, namespace="istio-system", ready=ready, age=age)


def _demand(mode: str, namespace: str = "shop", selector: str = "null", name: str = "default", age: float = 60) -> Built:
    return _object(PEER_AUTHENTICATION, name, namespace, f"spec: {{selector: {selector}, mtls: {{mode: {mode}}}}}", age=age)


def _case(name: str, *objects: Built, expect: tuple[tuple[str, str], ...] = (), state: str = "", **more: Any) -> Case:
    return Case(name, make_cluster(*objects, **more), frozenset(expect), state=state)


def _redirected() -> Built:
    """A pod with istio-cni's note (istio/istio, cni/pkg/util/podutil.go)."""
    return make_pod(annotations={"ambient.istio.io/redirection": "enabled"})


NOT_IN = {"istio.io/dataplane-mode": "none"}
WEB = _pod("web-1", f"{APP}, {ISTIO_PROXY}")
PLAIN = make_pod("plain-1", labels={"app": "plain"})


def _pilot(age: float | timedelta = OLD) -> Built:
    container = "{name: discovery, image: 'docker.io/istio/pilot:1.24.0'}"
    return _pod("istiod-1", container, labels={"app": "istiod"}, namespace="istio-system", age=age)


PILOT = _pilot()
SELECTS = "{matchLabels: {app: web}}"
LABELS = {"app": "web"}

CASES = [
    _case("no mesh", PLAIN, _space({}), state="skipped"),
    _case("healthy: Istio", WEB, _istiod(), expect=(HERE,)),
    _case("healthy: a native sidecar", _pod("web-1", APP, ISTIO_NATIVE), _istiod(), expect=(HERE,)),
    _case("healthy: Linkerd", _pod("web-1", APP, LINKERD_PROXY), _destination(), expect=(IN_LINKERD,)),
    _case("healthy: ambient", make_pod(), _space(AMBIENT), _ztunnel(), _istiod(), expect=(IN_AMBIENT,)),
    _case("of that name, another image", _pod("web-1", f"{APP}, {{name: istio-proxy, image: 'shop/squid:1'}}"), state="skipped"),
    _case("a gateway is a proxy alone", _pod("gateway-1", ISTIO_PROXY), _istiod()),
    _case("ambient without a ztunnel anywhere", make_pod(), _space(AMBIENT), state="skipped"),
    _case("the host's network is in no mesh", _pod("web-1", APP, host=True), _space(AMBIENT), _ztunnel()),
    _case("one that wants none of it", make_pod(labels={"istio.io/dataplane-mode": "none"}), _space(AMBIENT), _ztunnel()),
    _case("one alone that wants it", make_pod(labels=AMBIENT), _space({}), _ztunnel(), expect=(IN_AMBIENT,)),
    _case("istiod is down", WEB, _istiod(ready=0), expect=(HERE, NO_ISTIOD)),
    _case("istiod is made anew", WEB, _istiod(ready=0), _pilot(age=9), expect=(HERE,)),
    _case("istiod has been down", WEB, _istiod(ready=0), PILOT, expect=(HERE, NO_ISTIOD)),
    _case("istiod rests, and nobody needs it", _istiod(ready=0, replicas=0)),
    _case("istiod is scaled to nothing", WEB, _istiod(ready=0, replicas=0), expect=(HERE, NO_ISTIOD)),
    _case("an old revision rests", WEB, _istiod(ready=0, replicas=0, name="istiod-1-20"), _istiod(), expect=(HERE,)),
    _case("istiod starts", WEB, _istiod(ready=0, age=9), expect=(HERE,)),
    _case("linkerd-destination is down", _destination(0), expect=(("MSH001", "Deployment linkerd/linkerd-destination"),)),
    _case("manifests know no readiness", WEB, _istiod(ready=0), origin="manifests", expect=(HERE,)),
    _case("ztunnel is not ready", make_pod(), _space(AMBIENT), _ztunnel(ready=False), expect=(IN_AMBIENT, NO_ZTUNNEL)),
    _case(
        "ztunnel is on another node alone",
        make_pod(node="n2"),
        _space(AMBIENT),
        _ztunnel(),
        expect=(IN_AMBIENT, ("MSH002", "Node n2")),
    ),
    _case(
        "Fargate has no ztunnel",
        make_pod(node="fargate-1"),
        _space(AMBIENT),
        _ztunnel(),
        _object(NODE, "fargate-1", "", "", {"eks.amazonaws.com/compute-type": "fargate"}),
        expect=(IN_AMBIENT,),
    ),
    _case("ztunnel starts", make_pod(), _space(AMBIENT), _ztunnel(ready=False, age=9), expect=(IN_AMBIENT,)),
    _case(
        "an ambient pod is not redirected",
        *(_redirected(), make_pod("web-2")),
        *(_space(AMBIENT), _ztunnel()),
        expect=(IN_AMBIENT, ("MSH013", "Namespace shop")),
    ),
    _case("all are redirected", _redirected(), _space(AMBIENT), _ztunnel(), expect=(IN_AMBIENT,)),
    _case("one has just begun", _redirected(), make_pod("web-2", age=9), _space(AMBIENT), _ztunnel(), expect=(IN_AMBIENT,)),
    _case(
        "one wants none of it", _redirected(), make_pod("web-2", labels=NOT_IN), _space(AMBIENT), _ztunnel(), expect=(IN_AMBIENT,)
    ),
    _case("one has ended", _redirected(), make_pod("web-2", phase="Failed"), _space(AMBIENT), _ztunnel(), expect=(IN_AMBIENT,)),
    _case("a proxy is not ready", _pod("web-1", f"{APP}, {ISTIO_PROXY}", proxy_ready=False), expect=(HERE, PROXY_DOWN)),
    _case("a native one is not", _pod("web-1", APP, LINKERD_PROXY, proxy_ready=False), expect=(IN_LINKERD, PROXY_DOWN)),
    _case("one starts", _pod("web-1", f"{APP}, {ISTIO_PROXY}", proxy_ready=False, age=9), expect=(HERE,)),
    _case("one has not begun", _pod("web-1", f"{APP}, {ISTIO_PROXY}", proxy_ready=False, phase="Pending"), expect=(HERE,)),
    _case("the mesh is strict", WEB, PILOT, _demand("STRICT", "istio-system"), expect=(HERE, STRICT)),
    _case("a namespace is not", WEB, PILOT, _demand("STRICT", "istio-system"), _demand("PERMISSIVE"), expect=(HERE,)),
    _case("it leaves that open", WEB, PILOT, _demand("STRICT", "istio-system"), _demand("UNSET"), expect=(HERE, STRICT)),
    _case("another namespace's rule", WEB, _demand("STRICT", "other"), expect=(HERE,)),
    _case(
        "the oldest of two counts", WEB, _demand("STRICT", name="b"), _demand("DISABLE", name="a", age=9), expect=(HERE, STRICT)
    ),
    _case(
        "a pod's own rule",
        _pod("web-1", f"{APP}, {ISTIO_PROXY}", labels=LABELS),
        _demand("STRICT", selector=SELECTS, name="web"),
        _demand("PERMISSIVE"),
        expect=(HERE, STRICT),
    ),
    _case("a rule for other pods", WEB, _demand("STRICT", selector=SELECTS), expect=(HERE,)),
    _case("ambient can be strict", make_pod(), _space(AMBIENT), _ztunnel(), _demand("STRICT"), expect=(IN_AMBIENT, STRICT)),
    _case("Linkerd heeds no such rule", _pod("web-1", APP, LINKERD_PROXY), _demand("STRICT"), expect=(IN_LINKERD,)),
    _case("an init container that ends", _pod("web-1", APP, ISTIO_NATIVE.replace("Always", "Never")), state="skipped"),
    _case("ztunnel in an ambient namespace", _ztunnel(), _space(AMBIENT, "istio-system")),
    _case("a gateway in an injected namespace", WEB, _pod("gateway-1", ISTIO_PROXY), _space(LABELLED), expect=(HERE,)),
    _case("a pod without a proxy", WEB, PLAIN, _space(LABELLED), expect=(HERE, BARE)),
    _case("by revision", WEB, PLAIN, _space({"istio.io/rev": "1-24"}), expect=(HERE, BARE)),
    _case("one that says so, by the older annotation", WEB, _noted("false"), _space(LABELLED), expect=(HERE,)),
    _case("one that says so by another word", WEB, _noted("disabled"), _space(LABELLED), expect=(HERE,)),
    _case("one that says yes", WEB, _noted("true"), _space(LABELLED), expect=(HERE, BARE)),
    _case("one that says so", WEB, make_pod(labels={"sidecar.istio.io/inject": "false"}), _space(LABELLED), expect=(HERE,)),
    _case(
        "Deployments can't be read",
        WEB,
        unavailable={DEPLOYMENT: Unavailable("forbidden", Grant("list", "deployments"))},
        expect=(HERE,),
        state="unknown",
    ),
    _case(
        "Istio's kinds are not served",
        WEB,
        unavailable={PEER_AUTHENTICATION: Unavailable("the server has none", by_design=True)},
        expect=(HERE,),
    ),
]
