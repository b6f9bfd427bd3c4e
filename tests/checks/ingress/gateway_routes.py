# SPDX-License-Identifier: Apache-2.0
"""Cases of gateway_routes. Conditions and reasons are those of the Gateway API's own types (apis/v1 of v1.2)."""

from datetime import timedelta
from typing import Any

import yaml
from msgspec.structs import replace

from kubectl_netdoc.api import (
    BACKEND_TLS_POLICY,
    CA_CERTIFICATES,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    INFERENCE_POOL,
    INGRESS,
    LISTENER_SETS,
    NAMESPACE,
    REFERENCE_GRANT,
    REPLICA_SET,
    ROUTES,
    Cluster,
    Grant,
    Kind,
    Unavailable,
)
from kubectl_netdoc.core.cluster import Scope
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.gateway_api import MOST_CONFIG_MAPS, GatewayAddress
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.testing import (
    NOW,
    OLD,
    Built,
    Case,
    Selection,
    ago,
    make_cluster,
    make_gateway_object,
    make_pod,
    make_service,
    make_slice,
    make_workload,
)
from tests.support.certificates import certificate

HTTP = ROUTES[0]
APP = {"app": "web"}
WEB = make_service(selector=APP)
BEHIND = (WEB, make_slice(addresses={"10.0.0.1": "web-1"}), make_pod(labels=APP))
YES, WAITING = "{type: Accepted, status: 'True', reason: Accepted}", "{type: Accepted, status: Unknown, reason: Pending}"


def _class(conditions: str = YES, **more: Any) -> Built:
    text = f"spec: {{controllerName: example.org/gate}}\nstatus: {{conditions: [{conditions}]}}"
    return make_gateway_object(GATEWAY_CLASS, "gate", text, **more)


def _gateway(
    conditions: str = f"{YES}, {{type: Programmed, status: 'True', reason: Programmed}}",
    listener: str = YES,
    attached: int = 1,
    cls: str = "gate",
    **more: Any,
) -> Built:
    text = f"""
spec: {{gatewayClassName: {cls}, listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
status:
  conditions: [{conditions}]
  listeners: [{{name: http, attachedRoutes: {attached}, conditions: [{listener}]}}]
"""
    return make_gateway_object(GATEWAY, "gate", text, **more)


def _route(
    backend: str = "{name: web, port: 80}",
    conditions: str | None = f"{YES}, {{type: ResolvedRefs, status: 'True', reason: ResolvedRefs}}",
    parent: str = "{name: gate}",
    second: str = "",
    **more: Any,
) -> Built:
    """A route; ``second``: the conditions of a second parent, called other."""
    said = [] if conditions is None else [f"{{parentRef: {parent}, conditions: [{conditions}]}}"]
    said += [f"{{parentRef: {{name: other}}, conditions: [{second}]}}"] if second else []
    parents = f"{parent}, {{name: other}}" if second else parent
    text = f"""
spec: {{parentRefs: [{parents}], rules: [{{backendRefs: [{backend}]}}]}}
status: {{parents: [{", ".join(said)}]}}
"""
    return make_gateway_object(HTTP, "web", text, **more)


def _no(type_: str, reason: str, age: float = 600) -> str:
    return f"{{type: {type_}, status: 'False', reason: {reason}, message: why, lastTransitionTime: '{ago(age)}'}}"


def _cluster(*objects: Built, **options: Any) -> Cluster:
    """A class, a Gateway and a route that work, with others in their place."""
    kinds = {kind.name for kind, _ in objects}
    rest = (item for item in (_class(), _gateway(), _route()) if item[0].name not in kinds)
    return make_cluster(*BEHIND, *rest, *objects, **options)


def _manifests(*objects: Built) -> Cluster:
    return _cluster(*objects, unavailable={ENDPOINT_SLICE: Unavailable("manifests", by_design=True)}, origin="manifests")


def _case(name: str, cluster: Cluster, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), state=state)


def _within(cluster: Cluster, *namespaces: str) -> Cluster:
    cluster.scope = Scope(namespaces, "as asked")
    return cluster


OTHER = make_gateway_object(GATEWAY, "other", "spec: {gatewayClassName: gate}\nstatus: {conditions: [" + YES + "]}")
PAY = (make_service("pay", "bank", selector=APP), make_slice("pay", "bank", addresses={"10.0.0.9": "pay-1"}))
ACROSS = _route("{name: pay, namespace: bank, port: 80}")


def _grant(kind: str = "HTTPRoute", to: str = "{group: '', kind: Service}") -> Built:
    text = f"spec: {{from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: shop}}], to: [{to}]}}"
    return make_gateway_object(REFERENCE_GRANT, "shop", text, "bank")


def _takes(whose: str, label: str = "x", attached: int = 1, cls: str = "gate") -> Built:
    """A Gateway that works and takes sets of these namespaces."""
    selector = f"{{matchLabels: {{kubernetes.io/metadata.name: {label}}}}}"
    text = f"""
spec:
  gatewayClassName: {cls}
  listeners: [{{name: http, port: 80, protocol: HTTP}}]
  allowedListeners: {{namespaces: {{from: {whose}, selector: {selector}}}}}
status:
  conditions: [{YES}, {{type: Programmed, status: 'True'}}]
  listeners: [{{name: http, attachedRoutes: {attached}, conditions: [{YES}]}}]
"""
    return make_gateway_object(GATEWAY, "gate", text)


def _set(
    conditions: str = YES,
    own: str = YES,
    gate: str = "gate",
    listener: str = "port: 81, protocol: HTTP",
    kind: Kind[Any] = LISTENER_SETS[0],
    namespace: str = "shop",
    **more: Any,
) -> Built:
    text = f"""
spec: {{parentRef: {{name: {gate}, namespace: shop}}, listeners: [{{name: more, {listener}}}]}}
status: {{conditions: [{own}], listeners: [{{name: more, attachedRoutes: 1, conditions: [{conditions}]}}]}}
"""
    return make_gateway_object(kind, "more", text, namespace, **more)


def _tls(
    target: str = "web", ca: str = "{group: '', kind: ConfigMap, name: ca}", said: str = YES, name: str = "tls", **more: Any
) -> Built:
    kind = "" if "kind" in target else ", kind: Service"
    text = f"""
spec: {{targetRefs: [{{group: '', name: {target}{kind}}}], validation: {{hostname: web, caCertificateRefs: [{ca}]}}}}
status: {{ancestors: [{{ancestorRef: {{name: gate}}, conditions: [{said}]}}]}}
"""
    return make_gateway_object(BACKEND_TLS_POLICY, name, text, **more)


def _ca(pem: str) -> Built:
    raw = {"metadata": {"name": "ca", "namespace": "shop"}, "data": {"ca.crt": pem}}
    return CA_CERTIFICATES, convert(CA_CERTIFICATES, raw)


def _space() -> Built:
    meta = {"name": "bank", "labels": {"kubernetes.io/metadata.name": "bank"}}
    return NAMESPACE, convert(NAMESPACE, {"metadata": meta})


CERTIFICATE, EXPIRED = (certificate(NOW - timedelta(days=60), NOW + timedelta(days=left), "ca") for left in (30, -1))
POOL = "{name: b, kind: InferencePool, group: x.example}"
X_SET = LISTENER_SETS[1]
OF_SET = "{kind: ListenerSet, group: gateway.networking.k8s.io, name: more}"
SET, TLS = "ListenerSet shop/more", "BackendTLSPolicy shop/tls"
ABSENT = Unavailable("the server has no gateways in gateway.networking.k8s.io/v1", by_design=True)
REFUSED = Unavailable("forbidden", Grant("list", "gateways", "gateway.networking.k8s.io"))
NOT_SERVED: dict[Kind[Any], Unavailable] = dict.fromkeys(
    (GATEWAY, GATEWAY_CLASS, REFERENCE_GRANT, *ROUTES, *LISTENER_SETS, BACKEND_TLS_POLICY), ABSENT
)
GATE, ROUTE, SERVICE = "Gateway shop/gate", "HTTPRoute shop/web", "Service shop/web"
UNREADY = (WEB, make_slice(addresses={"10.0.0.1": "web-1"}, not_ready=["10.0.0.1"]), _class(), _gateway(), _route())
MINUTES = 240
BALANCER = make_service("gate-istio", type="LoadBalancer", labels={"gateway.networking.k8s.io/gateway-name": "gate"})
"""As Istio makes one for a Gateway (Gateway API, GEP-1762: the label)."""

LLM = {"app": "llm"}
TO_POOL = "{name: llm, kind: InferencePool, group: inference.networking.k8s.io}"
POOL_OF_ROUTES = "InferencePool shop/llm"
PICKER = make_service("picker", selector={"app": "picker"}, ports=[(9002, 9002)])
SERVERS = make_pod("llm-1", labels=LLM)
PICKING = (PICKER, make_slice("picker", addresses={"10.0.0.2": "picker-1"}), make_pod("picker-1", labels={"app": "picker"}))
PICKING_ENDED = (PICKER, make_slice("picker", addresses={}))


def _pool(mode: str = "FailClose", **more: Any) -> Built:
    """As kubernetes-sigs/gateway-api-inference-extension documents it."""
    picker = f"{{name: picker, port: {{number: 9002}}, failureMode: {mode}}}"
    text = f"spec: {{selector: {{matchLabels: {{app: llm}}}}, targetPorts: [{{number: 8000}}], endpointPickerRef: {picker}}}"
    return make_gateway_object(INFERENCE_POOL, "llm", text, **more)


def _pooled(*objects: Built, **more: Any) -> Cluster:
    return make_cluster(_class(), _gateway(), _route(backend=TO_POOL), *objects, **more)


ORDERS = (make_service("orders", selector={"app": "orders"}),)


def _moving(service: str = "orders", host: str = "shop.example", at: str = "192.0.2.1", gate: str = "192.0.2.2") -> Cluster:
    """An Ingress and a route of one host."""
    backend = f"{{service: {{name: {service}, port: {{number: 80}}}}}}"
    rules = f"spec: {{rules: [{{host: {host}, http: {{paths: [{{path: /, backend: {backend}}}]}}}}]}}"
    ingress = make_gateway_object(INGRESS, "web", f"{rules}\nstatus: {{loadBalancer: {{ingress: [{{ip: {at}}}]}}}}")
    kind, gateway = _gateway()
    addressed = replace(gateway, status=replace(gateway.status, addresses=(GatewayAddress(value=gate),)))  # type: ignore[attr-defined]
    kind_, route = _route()
    hosted = replace(route, spec=replace(route.spec, hostnames=("shop.example",)))  # type: ignore[attr-defined]
    return make_cluster(*BEHIND, *ORDERS, _class(), (kind, addressed), (kind_, hosted), ingress)


def _over_tls(port: str, *objects: Built, **more: Any) -> Cluster:
    """A route to a port of a Service, as the API writes it."""
    kind = KINDS["Service"]
    spec = {"selector": APP, "clusterIP": "10.96.0.1", "ports": [yaml.safe_load(port)]}
    service = convert(kind, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    return make_cluster((kind, service), *BEHIND[1:], _class(), _gateway(), _route("{name: web, port: 443}"), *objects, **more)


CASES = [
    _case("plain HTTP to a port called https", _over_tls("{name: https, port: 443}"), ("GWR023", ROUTE)),
    _case(
        "plain HTTP where no BackendTLSPolicy can be",
        _over_tls("{name: https, port: 443}", unavailable={BACKEND_TLS_POLICY: ABSENT}),
        ("GWR023", ROUTE),
    ),
    _case("plain HTTP to port 443 without a name", _over_tls("{port: 443}"), ("GWR023", ROUTE)),
    _case("a port that says its protocol", _over_tls("{name: https, port: 443, appProtocol: https}")),
    _case("port 443 with a name of plain HTTP", _over_tls("{name: http, port: 443}")),
    _case("a policy is for it", _over_tls("{name: https, port: 443}", _tls(), _ca(CERTIFICATE))),
    _case("a host half moved", _moving(), ("GWR019", ROUTE)),
    _case("a host served twice by the same Service", _moving("web")),
    _case("another host", _moving(host="other.example")),
    _case("both at one address", _moving(at="192.0.2.2")),
    _case("an InferencePool", _pooled(_pool(), SERVERS, *PICKING)),
    _case(
        "an InferencePool whose pods are not ready",
        _pooled(_pool(), make_pod("llm-1", labels=LLM, ready=False), *PICKING),
        ("GWR016", POOL_OF_ROUTES),
    ),
    _case("an InferencePool whose pods begin", _pooled(_pool(), make_pod("llm-1", labels=LLM, ready=False, age=9), *PICKING)),
    _case("an InferencePool without pods", _pooled(_pool(), *PICKING), ("GWR016", POOL_OF_ROUTES)),
    _case("an InferencePool that has just been made", _pooled(_pool(age=9), *PICKING)),
    _case("an InferencePool without its picker", _pooled(_pool(), SERVERS), ("GWR017", POOL_OF_ROUTES)),
    _case("an InferencePool whose picker is down", _pooled(_pool(), SERVERS, *PICKING_ENDED), ("GWR017", POOL_OF_ROUTES)),
    _case("an InferencePool that does without", _pooled(_pool("FailOpen"), SERVERS, *PICKING_ENDED), ("GWR018", POOL_OF_ROUTES)),
    _case("an InferencePool that is not there", _pooled(SERVERS), ("GWR008", ROUTE)),
    _case("an InferencePool that may be elsewhere", _pooled(origin="manifests")),
    _case("InferencePools are not served", _pooled(unavailable={INFERENCE_POOL: ABSENT})),
    _case("an InferencePool that no route leads to", _cluster(_pool())),
    _case("healthy", _cluster()),
    _case("no Gateway API", make_cluster(*BEHIND, unavailable=NOT_SERVED), state="skipped"),
    _case("no Gateway", make_cluster(*BEHIND, _class()), state="skipped"),
    _case("Gateways can't be listed", make_cluster(*BEHIND, unavailable={GATEWAY: REFUSED}), state="unknown"),
    _case("one kind of route is not served", _cluster(unavailable={ROUTES[2]: ABSENT})),
    _case("one kind of route is refused", _cluster(unavailable={ROUTES[2]: REFUSED}), state="unknown"),
    # classes
    _case("class not there", _cluster(_gateway(cls="gaet")), ("GWR001", GATE)),
    _case("class refused", _cluster(_class(_no("Accepted", "InvalidParameters"))), ("GWR002", "GatewayClass gate")),
    _case(
        "class waits for a controller", _cluster(_class(WAITING), _gateway(WAITING, WAITING, 0)), ("GWR002", "GatewayClass gate")
    ),
    _case(
        "class waits, just made",
        _cluster(_class(WAITING, age=30), _gateway(WAITING, WAITING, 0, age=30), _route(age=30, conditions=None)),
    ),
    _case("class that nothing uses", make_cluster(*BEHIND, _class(WAITING)), state="skipped"),
    _case("route of a Gateway without a class", _cluster(_gateway("", "", 0, "gaet"), _route(conditions=None)), ("GWR001", GATE)),
    _case(
        "route of a class that waits",
        _cluster(_class(WAITING), _gateway(WAITING, WAITING, 0), _route(conditions=None)),
        ("GWR002", "GatewayClass gate"),
    ),
    # Gateways
    _case("not accepted", _cluster(_gateway(_no("Accepted", "Invalid"))), ("GWR003", GATE)),
    _case("not programmed", _cluster(_gateway(f"{YES}, {_no('Programmed', 'AddressNotAssigned')}")), ("GWR003", GATE)),
    _case(
        "no address, which its Service's load balancer lacks",
        _cluster(_gateway(f"{YES}, {_no('Programmed', 'AddressNotAssigned')}"), BALANCER),
    ),
    _case("not programmed yet", _cluster(_gateway(f"{YES}, {_no('Programmed', 'AddressNotAssigned')}", age=MINUTES))),
    _case("no status at all", _cluster(_gateway("", "", 0)), ("GWR003", GATE)),
    _case(
        "certificate can't be resolved",
        _cluster(_gateway(listener=f"{YES}, {_no('ResolvedRefs', 'InvalidCertificateRef')}")),
        ("GWR004", GATE),
    ),
    _case(
        "listeners in conflict",
        _cluster(_gateway(listener="{type: Conflicted, status: 'True', reason: HostnameConflict}")),
        ("GWR004", GATE),
    ),
    _case(
        "a certificate is being issued", _cluster(_gateway(listener=f"{YES}, {_no('ResolvedRefs', 'InvalidCertificateRef', 9)}"))
    ),
    _case("no conflict", _cluster(_gateway(listener=f"{YES}, {_no('Conflicted', 'NoConflicts')}"))),
    _case("no route attached", _cluster(_gateway(attached=0)), ("GWR022", GATE)),
    # routes
    _case("Gateway not there", _cluster(_route(parent="{name: gaet}")), ("GWR005", ROUTE)),
    _case("Gateway outside of the scope", _within(_cluster(_route(parent="{name: gate, namespace: infra}")), "shop")),
    _case(
        "a mesh's route",
        make_cluster(*BEHIND, _route(parent="{kind: Service, group: '', name: web}")),
    ),
    _case(
        "a mesh's route that nobody has taken up",
        make_cluster(*BEHIND, _route(parent="{kind: Service, group: '', name: web}", conditions=None)),
    ),
    _case(
        "a mesh's route of a Service that is not there",
        make_cluster(*BEHIND, _route(parent="{kind: Service, group: '', name: wbe}")),
        ("GWR005", ROUTE),
    ),
    _case(
        "a mesh's route to a Service that is not there",
        make_cluster(*BEHIND, _route("{name: gone, port: 80}", parent="{kind: Service, group: '', name: web}")),
        ("GWR008", ROUTE),
    ),
    _case("not allowed", _cluster(_route(conditions=_no("Accepted", "NotAllowedByListeners"))), ("GWR006", ROUTE)),
    _case("not allowed a moment ago", _cluster(_route(conditions=_no("Accepted", "NotAllowedByListeners", 9)))),
    _case(
        "not allowed by one of two",
        _cluster(_route(second=_no("Accepted", "NoMatchingParent")), _gateway(), OTHER),
        ("GWR021", ROUTE),
    ),
    _case("not taken up", _cluster(_route(conditions=None)), ("GWR007", ROUTE)),
    _case("not taken up yet", _cluster(_route(conditions=None, age=MINUTES))),
    _case("Service not there", _cluster(_route("{name: wbe, port: 80}")), ("GWR008", ROUTE)),
    _case("Service not there, just made", _cluster(_route("{name: wbe, port: 80}", age=30))),
    _case("Service not there, weight 0", _cluster(_route("{name: wbe, port: 80, weight: 0}"))),
    _case(
        "without a pod, and Deployments can't be read",
        make_cluster(WEB, _class(), _gateway(), _route(), unavailable={DEPLOYMENT: REFUSED}),
    ),
    _case("manifests: others may make the Service", _manifests(_route("{name: logs-kb-http, port: 443}"))),
    _case("manifests: its Service but for a slip", _manifests(_route("{name: wbe, port: 80}")), ("GWR008", ROUTE)),
    _case("manifests: no such port", _manifests(_route("{name: web, port: 8080}")), ("GWR008", ROUTE)),
    _case("manifests: others may grant it", _manifests(ACROSS, *PAY)),
    _case(
        "Knative's Service is another kind", _cluster(_route("{group: serving.knative.dev, kind: Service, name: k, port: 80}"))
    ),
    _case("port not there", _cluster(_route("{name: web, port: 8080}")), ("GWR008", ROUTE)),
    _case("backend of another kind that its controller finds", _cluster(_route(POOL))),
    _case("backend of another kind", _cluster(_route(POOL, conditions=YES)), state="unknown"),
    _case("backend of another kind in manifests", _manifests(_route(POOL, conditions=None)), state="unknown"),
    _case(
        "backend of another kind beside a Service that is not there", _cluster(_route(f"{POOL}, {{name: x}}")), ("GWR008", ROUTE)
    ),
    # sets of listeners
    _case("a set that its Gateway takes", _cluster(_takes("Same"), _set())),
    _case("a set of another namespace that its Gateway takes", _cluster(_takes("All"), _set(namespace="bank"))),
    _case("a set, and its Gateway takes none", _cluster(_set()), ("GWR011", SET)),
    _case("an older set, and its Gateway takes none", _cluster(_set(kind=X_SET)), ("GWR011", "XListenerSet shop/more")),
    _case("a set made just now", _cluster(_set(age=9))),
    _case("a set of another namespace", _cluster(_takes("Same"), _set(namespace="bank")), ("GWR011", "ListenerSet bank/more")),
    _case(
        "a set of a namespace without the label",
        _cluster(_takes("Selector"), _set(namespace="bank"), _space()),
        ("GWR011", "ListenerSet bank/more"),
    ),
    _case("a set of a namespace with the label", _cluster(_takes("Selector", "bank"), _set(namespace="bank"), _space())),
    _case("a set of a Gateway that is not there", _cluster(_set(gate="gaet")), ("GWR005", SET)),
    _case("a set of a Gateway elsewhere, in manifests", make_cluster(*BEHIND, _set(gate="gaet"), origin="manifests")),
    _case("a set that its Gateway does not take, in manifests", _manifests(_set()), ("GWR011", SET)),
    _case("a set of what is no Gateway", _cluster(_set(gate="gate, kind: Mesh, group: example.org")), state="unknown"),
    _case("a set of a Gateway without a class", _cluster(_takes("Same", cls="gaet"), _set()), ("GWR001", GATE)),
    _case(
        "a listener of a set in conflict",
        _cluster(_takes("Same"), _set("{type: Conflicted, status: 'True', reason: HostnameConflict}")),
        ("GWR004", SET),
    ),
    _case("a set that nobody has taken up", _cluster(_takes("Same"), _set(WAITING, own=WAITING)), ("GWR003", SET)),
    _case("no route attached but to a set", _cluster(_takes("Same", attached=0), _set())),
    _case("sets can't be read", _cluster(unavailable={LISTENER_SETS[0]: REFUSED}), state="unknown"),
    _case("a route of a set", _cluster(_takes("Same"), _set(), _route(parent=OF_SET))),
    _case("a route of a set that is not there", _cluster(_route(parent=OF_SET)), ("GWR005", ROUTE)),
    _case("a route of a set that is not allowed", _cluster(_set(), _route(parent=OF_SET, conditions=None)), ("GWR011", SET)),
    _case(
        "a route that a set has not taken up",
        _cluster(_takes("Same"), _set(), _route(parent=OF_SET, conditions=None)),
        ("GWR007", ROUTE),
    ),
    _case(
        "a route of a set to a Service that is not there",
        _cluster(_takes("Same"), _set(), _route("{name: gone, port: 80}", parent=OF_SET)),
        ("GWR008", ROUTE),
    ),
    *(
        _case(f"manifests: {name}", _manifests(_takes("Same"), _set(listener=listener)), *[("GWR012", SET)] * expect)
        for name, listener, expect in (
            ("another port", "port: 81, protocol: HTTP", False),
            ("another host", "port: 80, protocol: HTTP, hostname: a.example", False),
            ("the same host", "port: 80, protocol: HTTP", True),
            ("another protocol", "port: 80, protocol: HTTPS", True),
            ("datagrams", "port: 80, protocol: UDP", False),
            ("streams", "port: 80, protocol: TCP", True),
        )
    ),
    # policies for backends
    _case("a policy whose certificate is there", _cluster(_tls(), _ca(CERTIFICATE))),
    _case("a policy for a Service that is not there", _cluster(_tls("wbe"), _ca(CERTIFICATE)), ("GWR013", TLS)),
    _case("a policy for a port that is not there", _cluster(_tls("web, sectionName: grpc"), _ca(CERTIFICATE)), ("GWR013", TLS)),
    _case("manifests: a policy for a Service of others", _manifests(_tls("wbe"), _ca(CERTIFICATE))),
    _case(
        "manifests: a policy for a port that is not there",
        _manifests(_tls("web, sectionName: x"), _ca(CERTIFICATE)),
        ("GWR013", TLS),
    ),
    _case("a policy whose certificate is not there", _cluster(_tls()), ("GWR014", TLS)),
    _case("a policy whose certificate is not there, made just now", _cluster(_tls(age=9))),
    _case("manifests: a policy with a certificate of others", _manifests(_tls())),
    _case("manifests: a policy with an empty certificate", _manifests(_tls(), _ca("")), ("GWR014", TLS)),
    _case("a policy with what is no certificate", _cluster(_tls(), _ca("x")), ("GWR014", TLS)),
    _case("a policy whose certificate has expired", _cluster(_tls(), _ca(EXPIRED)), ("GWR014", TLS)),
    _case("a policy whose certificate can't be read", _cluster(_tls(), unavailable={CA_CERTIFICATES: REFUSED})),
    _case(
        "more policies than certificates are read",
        _cluster(
            *(_tls(ca=f"{{group: '', kind: ConfigMap, name: ca-{n}}}", name=f"tls-{n}") for n in range(MOST_CONFIG_MAPS + 1))
        ),
        *(("GWR014", f"BackendTLSPolicy shop/tls-{n}") for n in range(MOST_CONFIG_MAPS)),
    ),
    _case("a policy with the system's certificates", _cluster(_tls(ca=""))),
    _case(
        "a policy with certificates elsewhere", _cluster(_tls(ca="{group: x.example, kind: Bundle, name: b}")), state="unknown"
    ),
    _case("a policy for what is no Service", _cluster(_tls("b, kind: Pool"), _ca(CERTIFICATE)), state="unknown"),
    _case("a policy that is refused", _cluster(_tls(said=_no("Accepted", "Conflicted")), _ca(CERTIFICATE)), ("GWR015", TLS)),
    _case("a policy that was refused a moment ago", _cluster(_tls(said=_no("Accepted", "Conflicted", 9)), _ca(CERTIFICATE))),
    _case("policies can't be read", _cluster(unavailable={BACKEND_TLS_POLICY: REFUSED}), state="unknown"),
    _case("another namespace's, not granted", _cluster(ACROSS, *PAY), ("GWR008", ROUTE)),
    _case("another namespace's, granted to others", _cluster(ACROSS, *PAY, _grant("GRPCRoute")), ("GWR008", ROUTE)),
    _case(
        "another namespace's, granted for another",
        _cluster(ACROSS, *PAY, _grant(to="{kind: Service, name: x}")),
        ("GWR008", ROUTE),
    ),
    _case("another namespace's, granted", _cluster(ACROSS, *PAY, _grant())),
    _case("another namespace's, grants not served", _cluster(ACROSS, *PAY, unavailable={REFERENCE_GRANT: ABSENT})),
    _case("not resolved", _cluster(_route(conditions=f"{YES}, {_no('ResolvedRefs', 'InvalidKind')}")), ("GWR009", ROUTE)),
    _case("not resolved a moment ago", _cluster(_route(conditions=f"{YES}, {_no('ResolvedRefs', 'InvalidKind', 9)}"))),
    _case("nobody behind", make_cluster(*UNREADY), ("GWR010", SERVICE)),
    _case(
        "scaled to zero",
        make_cluster(WEB, make_workload(DEPLOYMENT, labels=APP, replicas=0), _class(), _gateway(), _route()),
        ("GWR020", SERVICE),
    ),
    _case(
        "scaled to zero by an operator (Argo Rollouts, Knative)",
        make_cluster(WEB, make_workload(REPLICA_SET, labels=APP, replicas=0, owner="Rollout"), _class(), _gateway(), _route()),
        ("GWR020", SERVICE),
    ),
    _case("manifests have no status", make_cluster(*BEHIND, _gateway("", "", 0), _route(conditions=None), origin="manifests")),
    _case("manifests without the Gateway", make_cluster(*BEHIND, _route(conditions=None), origin="manifests")),
    _case(
        "another Service was asked for",
        _cluster(make_service("api"), _route("{name: web, port: 1}"), selection=Selection(services=("api",))),
    ),
    _case("old enough", _cluster(_route(age=OLD))),
]
