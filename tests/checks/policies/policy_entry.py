# SPDX-License-Identifier: Apache-2.0
"""Cases of policy_entry: made by hand, with the labels of the published manifests (see components/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kubectl_netdoc.api import (
    API_SERVICE,
    DAEMON_SET,
    GATEWAY,
    GATEWAY_CLASS,
    LISTENER_SETS,
    MONITORS,
    ROUTES,
    VALIDATING_WEBHOOKS,
    Kind,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.measurements.canary import CanaryReply, CanaryTrial
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.probes import own_policies
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import (
    ADMIN_NETWORK_POLICY,
    ANTREA_CLUSTER_POLICY,
    CALICO_GLOBAL_POLICY,
    CILIUM_POLICY,
    NATIVE_POLICIES,
)
from kubectl_netdoc.records.pods import Container
from kubectl_netdoc.records.service_mesh import PEER_AUTHENTICATION
from kubectl_netdoc.testing import (
    Built,
    Case,
    make_cluster,
    make_gateway_object,
    make_ingress,
    make_ingress_class,
    make_namespace,
    make_node,
    make_pod,
    make_policy,
    make_service,
)
from tests.checks.cluster.mesh_presence import APP, ISTIO_PROXY
from tests.checks.cluster.mesh_presence import _pod as mesh_pod
from tests.checks.policies.mesh_authorization import SERVICE, allow, made
from tests.checks.policies.mesh_authorization import WEB as MESH_WEB

NGINX = {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"}
WEB = {"app": "web"}
NODES = (make_node("n1"), make_node("n2"))
SHOP = (
    *NODES,
    make_namespace("shop"),
    make_namespace("ingress-nginx"),
    make_pod("web-1", labels=WEB, ip="10.0.0.1"),
    make_service("web", selector=WEB),
)
CONTROLLER = (
    make_ingress_class(),
    make_ingress(),
    make_service("controller", "ingress-nginx", selector=NGINX, cluster_ip="10.96.0.8"),
)
NGINX_POD = make_pod("controller-1", "ingress-nginx", labels=NGINX, ip="10.0.1.8", node="n2")
INGRESS = (*SHOP, *CONTROLLER, NGINX_POD)
DENY = make_policy("{podSelector: {}, policyTypes: [Ingress]}", "deny")
INSIDE = make_policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "inside")
FROM_NGINX = "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: %s}}], ports: [%s]}]}"
NAMED = "{kubernetes.io/metadata.name: ingress-nginx}"
EMPTY: frozenset[tuple[str, str]] = frozenset()


def _out(code: str, name: str = "deny", namespace: str = "shop") -> frozenset[tuple[str, str]]:
    return frozenset({(code, f"NetworkPolicy {namespace}/{name}")})


def _case(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = EMPTY, **more: Any) -> Case:
    return Case(name, make_cluster(*objects), expect, **more)


def _pod(built: Built, **spec: Any) -> Built:
    kind, pod = built
    return kind, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, **spec))  # type: ignore[attr-defined]


def _image(built: Built, image: str) -> Built:
    return _pod(built, containers=(Container(name="c", image=image),))


def _daemons(name: str, image: str) -> Built:
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    metadata = {"name": name, "namespace": "kube-system"}
    return DAEMON_SET, convert(DAEMON_SET, {"metadata": metadata, "spec": spec, "status": {"desiredNumberScheduled": 1}})


def _allow(labels: str = NAMED, port: str = "{port: 8080}") -> Built:
    return make_policy(FROM_NGINX % (labels, port), "allow")


EGRESS = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: %d}]}]}"
HOST_NGINX = _pod(make_pod("controller-1", "ingress-nginx", labels=NGINX, ip="192.0.2.8", node="n2"), host_network=True)
TUNNEL = make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}", "range")

AMBIENT = (
    *NODES,
    make_pod("web-1", labels=WEB | {"istio.io/dataplane-mode": "ambient"}),
    _image(make_pod("ztunnel-1", "istio-system", labels={"app": "ztunnel"}, ip="10.0.3.1"), "istio/ztunnel:1.29"),
    SHOP[5],
    *CONTROLLER,
    NGINX_POD,
)


def _calico(spec: str) -> Built:
    return make_policy(spec, "own", kind=CALICO_GLOBAL_POLICY)


def _cilium(spec: str) -> Built:
    return make_policy(spec, "own", kind=CILIUM_POLICY)


def _hbone(port: int) -> Built:
    return make_policy(f"{{podSelector: {{}}, ingress: [{{ports: [{{port: {port}}}]}}]}}", "hbone")


# The Gateway API


def _route(backend: str) -> Built:
    return make_gateway_object(
        ROUTES[0], "web", f"{{spec: {{parentRefs: [{{name: edge}}], rules: [{{backendRefs: [{backend}]}}]}}}}"
    )


ROUTE = _route("{name: web, port: 80}")
EDGE = make_gateway_object(GATEWAY, "edge", "{spec: {gatewayClassName: edge}}")


def _gateway(labels: Mapping[str, str], namespace: str = "shop") -> tuple[Built, ...]:
    return (*SHOP, ROUTE, EDGE, make_pod("edge-1", namespace, labels=labels, ip="10.0.1.9", node="n2"))


OWN = {"gateway.networking.k8s.io/gateway-name": "edge"}
ENVOY = {"gateway.envoyproxy.io/owning-gateway-name": "edge", "gateway.envoyproxy.io/owning-gateway-namespace": "shop"}
TRAEFIK = {"app.kubernetes.io/name": "traefik"}
BY_TRAEFIK = (
    *_gateway(TRAEFIK, "traefik"),
    make_gateway_object(GATEWAY_CLASS, "edge", "{spec: {controllerName: traefik.io/gateway-controller}}"),
    make_service("traefik", "traefik", selector=TRAEFIK, cluster_ip="10.96.0.9"),
)

# What the API server calls


def _server(name: str = "kube-apiserver-n2", node: str = "n2", ip: str = "192.0.2.2") -> Built:
    return _pod(make_pod(name, "kube-system", labels={"component": "kube-apiserver"}, ip=ip, node=node), host_network=True)


def _hook(policy: str = "Fail", kind: Kind[Any] = VALIDATING_WEBHOOKS) -> Built:
    called = {"service": {"namespace": "shop", "name": "web", "port": 80}}
    rules = [{"operations": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    hooks = [{"name": "h.example", "clientConfig": called, "failurePolicy": policy, "rules": rules}]
    return kind, convert(kind, {"metadata": {"name": "hook"}, "webhooks": hooks})


API = (
    API_SERVICE,
    convert(
        API_SERVICE,
        {
            "metadata": {"name": "v1.example"},
            "spec": {"service": {"namespace": "shop", "name": "web", "port": 80}},
            "status": {"conditions": [{"type": "Available", "status": "True"}]},
        },
    ),
)
AGENT = make_pod("konnectivity-agent-1", "kube-system", labels={"k8s-app": "konnectivity-agent"}, ip="10.0.1.7", node="n2")
AGENTS = make_policy(
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: konnectivity-agent}}}]}]}",
    "agents",
)
ANYBODY = make_policy("{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}", "open")
BALANCER = (*NODES, make_pod("web-1", labels=WEB), make_service(selector=WEB, type="LoadBalancer", addresses=("192.0.2.9",)))
NODE_PORT = (*NODES, make_pod("web-1", labels=WEB), make_service(selector=WEB, type="NodePort"))


def _canary(name: str, stopped: float, expect: frozenset[tuple[str, str]]) -> Case:
    cluster = make_cluster(*INGRESS, DENY, vantages=("n1",))
    trial = CanaryTrial("Ingress", "n2", before=True, stopped=stopped, again=1.0)
    replies: dict[Request, Reply] = {request: CanaryReply((trial,), 5.0) for request in own_policies.canaries(cluster)}
    return Case(name, cluster, expect, Measured(replies))


ALLOWED_FIRST = make_policy(
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}]}",
    "all",
    kind=ADMIN_NETWORK_POLICY,
)
DENIED_FIRST = make_policy(
    "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
    "none",
    kind=ADMIN_NETWORK_POLICY,
)
# A mesh's own policies

OUTSIDE = make_pod("controller-1", "ingress-nginx", labels=NGINX, ip="10.0.1.8")
IN_MESH = mesh_pod("controller-1", f"{APP}, {ISTIO_PROXY}", namespace="ingress-nginx", labels=NGINX)
MESHED = (make_node("n1"), MESH_WEB, SERVICE, *CONTROLLER)
STRICT = made(PEER_AUTHENTICATION, "default", "{mtls: {mode: STRICT}}")
PERMISSIVE = made(
    PEER_AUTHENTICATION,
    "web",
    "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {'8080': {mode: PERMISSIVE}}}",
)
SHUT_OUT = frozenset({("PEN005", "Service shop/web")})
HOOK = (
    VALIDATING_WEBHOOKS,
    convert(
        VALIDATING_WEBHOOKS,
        {
            "metadata": {"name": "hook"},
            "webhooks": [{"name": "a.example", "clientConfig": {"service": {"namespace": "shop", "name": "web", "port": 80}}}],
        },
    ),
)


def _meshed(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset()) -> Case:
    return Case(name, make_cluster(*MESHED, *objects), expect, state="" if expect else "skipped")


PROMETHEUS = make_pod(
    "prometheus-main-0",
    "monitoring",
    labels={"app.kubernetes.io/name": "prometheus", "operator.prometheus.io/name": "main"},
    ip="10.0.1.9",
    node="n2",
)


def _monitor(namespaces: str = "{any: true}", port: str = "{targetPort: 8080}") -> Built:
    return made(MONITORS[0], "web", f"{{namespaceSelector: {namespaces}, endpoints: [{port}]}}", "monitoring")


METERED = make_pod("web-2", labels=WEB, ip="10.0.0.3", ports={"http": 8080})


def _pod_monitor(port: str, selector: str = "{}", namespaces: str = "{any: true}") -> Built:
    spec = f"{{selector: {selector}, namespaceSelector: {namespaces}, podMetricsEndpoints: [{port}]}}"
    return made(MONITORS[1], "pods", spec, "monitoring")


CASES = [
    _meshed("an ingress controller outside the mesh, and mutual TLS is required", OUTSIDE, STRICT, expect=SHUT_OUT),
    _meshed("an ingress controller in the mesh", IN_MESH, STRICT),
    _meshed("its port takes plain text", OUTSIDE, PERMISSIVE),
    _meshed("nobody else is let in", IN_MESH, allow("{namespaces: [shop]}"), expect=SHUT_OUT),
    _meshed("it is let in", IN_MESH, allow("{namespaces: [ingress-nginx]}")),
    _meshed("a controller that is not known", STRICT),
    Case("a webhook that requires mutual TLS", make_cluster(make_node("n1"), MESH_WEB, SERVICE, HOOK, STRICT), SHUT_OUT),
    Case("a webhook that takes plain text", make_cluster(make_node("n1"), MESH_WEB, SERVICE, HOOK, PERMISSIVE), state="skipped"),
    Case("no policy", make_cluster(*INGRESS), state="skipped"),
    Case("manifests", make_cluster(*INGRESS, DENY, origin="manifests"), state="skipped"),
    # An ingress controller
    _case("a default deny that forgets the controller", *INGRESS, DENY, expect=_out("PEN001")),
    _case("only the namespace's own pods are let in", *INGRESS, DENY, INSIDE, expect=_out("PEN001")),
    _case("the controller's namespace is let in", *INGRESS, DENY, _allow()),
    _case(
        "the controller's namespace, by a label that it lacks",
        *INGRESS,
        DENY,
        _allow("{team: edge}"),
        expect=_out("PEN001", "allow"),
    ),
    _case(
        "the controller is let in on the Service's port",
        *INGRESS,
        DENY,
        _allow(port="{port: 80}"),
        expect=_out("PEN001", "allow"),
    ),
    _case("the policy is for other pods", *INGRESS, make_policy("{podSelector: {matchLabels: {app: db}}}", "db")),
    _case(
        "the controller's own egress",
        *INGRESS,
        make_policy(EGRESS % 80, "out", "ingress-nginx"),
        expect=_out("PEN001", "out", "ingress-nginx"),
    ),
    _case("the controller's own egress to the pods' port", *INGRESS, make_policy(EGRESS % 8080, "out", "ingress-nginx")),
    _case(
        "one of two controllers is let in",
        *INGRESS,
        make_pod("controller-2", "edge", labels=NGINX, ip="10.0.2.8"),
        make_service("controller", "edge", selector=NGINX, cluster_ip="10.96.0.7"),
        DENY,
        _allow(),
    ),
    _case("a controller on the host network of another node", *SHOP, *CONTROLLER, HOST_NGINX, DENY, expect=_out("PEN001")),
    _case("a controller on the host network of the pods' node", *SHOP, *CONTROLLER, _pod(HOST_NGINX, node_name="n1"), DENY),
    _case(
        "a controller on the host network, and addresses are let in",
        *SHOP,
        *CONTROLLER,
        HOST_NGINX,
        TUNNEL,
        expect=_out("PEN010", "range"),
    ),
    _case(
        "a controller on the host network, as a pod let in",
        *SHOP,
        *CONTROLLER,
        HOST_NGINX,
        DENY,
        _allow(),
        expect=_out("PEN010", "allow"),
    ),
    _case("a controller that is not known", *SHOP, make_ingress_class(controller="example/own"), make_ingress(), DENY, INSIDE),
    _case(
        "a controller that is not known, and nobody is let in",
        *SHOP,
        make_ingress_class(controller="example/own"),
        make_ingress(),
        DENY,
        expect=_out("PEN010"),
    ),
    _case("the controller's pods only configure a proxy", *SHOP, make_ingress_class(), make_ingress(), NGINX_POD, DENY, INSIDE),
    _case("pods on the host network", *NODES, _pod(SHOP[4], host_network=True), SHOP[5], *CONTROLLER, NGINX_POD, DENY),
    _case("a mesh carries it", *AMBIENT, DENY, _hbone(15008)),
    _case("a mesh would carry it on another port", *AMBIENT, DENY, _hbone(15009), expect=_out("PEN001")),
    _case(
        "a policy of the CNI's own kind",
        *INGRESS,
        DENY,
        make_policy("{serviceAccountSelector: has(a)}", "own", kind=NATIVE_POLICIES[3]),
        expect=_out("PEN010"),
    ),
    _case(
        "nothing enforces policies",
        *INGRESS,
        DENY,
        _daemons("kube-flannel-ds", "example/flannel-io/flannel:v0.27.0"),
        expect=_out("PEN010"),
    ),
    _canary("the canary was not stopped", -1.0, _out("PEN010")),
    _canary("the canary was stopped", 1.0, _out("PEN001")),
    _case(
        "Calico's own policy lets it in first",
        *INGRESS,
        DENY,
        _calico("{order: 1, types: [Ingress], ingress: [{action: Allow}]}"),
    ),
    _case("Calico's own policy keeps it out", *INGRESS, _calico("{}"), expect=frozenset({("PEN001", "GlobalNetworkPolicy own")})),
    _case(
        "Cilium's own policy keeps it out",
        *INGRESS,
        _cilium("{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}"),
        expect=frozenset({("PEN001", "CiliumNetworkPolicy shop/own")}),
    ),
    _case(
        "Cilium's own policy lets it in beside NetworkPolicies",
        *INGRESS,
        DENY,
        _cilium("{endpointSelector: {}, ingress: [{fromEntities: [cluster]}]}"),
    ),
    _case(
        "Antrea's own policy keeps it out",
        *INGRESS,
        make_policy(
            "{priority: 1, appliedTo: [{namespaceSelector: {}}], ingress: [{action: Drop}]}", "own", kind=ANTREA_CLUSTER_POLICY
        ),
        expect=frozenset({("PEN001", "AntreaClusterNetworkPolicy own")}),
    ),
    _case("a cluster-wide policy lets it in first", *INGRESS, DENY, ALLOWED_FIRST),
    _case(
        "a cluster-wide policy keeps it out", *INGRESS, DENIED_FIRST, expect=frozenset({("PEN001", "AdminNetworkPolicy none")})
    ),
    # Gateways
    _case("a Gateway's own pods", *_gateway(OWN), DENY, expect=_out("PEN001")),
    _case("a Gateway's own pods, let in", *_gateway(OWN), DENY, INSIDE),
    _case("another Gateway's pods", *_gateway({"gateway.networking.k8s.io/gateway-name": "other"}), DENY, INSIDE),
    _case("Envoy Gateway's proxies", *_gateway(ENVOY, "envoy-gateway-system"), DENY, INSIDE, expect=_out("PEN001")),
    _case(
        "another Gateway's proxies of Envoy Gateway",
        *_gateway(ENVOY | {"gateway.envoyproxy.io/owning-gateway-name": "x"}, "envoy"),
        DENY,
        INSIDE,
    ),
    _case(
        "a route of a set of listeners",
        *_gateway(OWN)[:-3],
        _gateway(OWN)[-1],
        EDGE,
        make_gateway_object(LISTENER_SETS[0], "more", "{spec: {parentRef: {name: edge}}}"),
        make_gateway_object(
            ROUTES[1],
            "web",
            "{spec: {parentRefs: [{kind: ListenerSet, name: more}], rules: [{backendRefs: [{name: web, port: 80}]}]}}",
        ),
        DENY,
        expect=_out("PEN001"),
    ),
    _case("a route that sends nothing there", *SHOP, EDGE, _gateway(OWN)[-1], _route("{name: web, port: 80, weight: 0}"), DENY),
    _case("a route to what is no Service", *SHOP, EDGE, _gateway(OWN)[-1], _route("{kind: Other, name: web, port: 80}"), DENY),
    _case("Traefik as a Gateway", *BY_TRAEFIK, DENY, INSIDE, expect=_out("PEN001")),
    # What the API server calls
    _case("a webhook, and the API server is elsewhere", *SHOP, _server(), _hook(), DENY, INSIDE, expect=_out("PEN002")),
    _case("a webhook on the API server's node", *SHOP, _server(node="n1"), _hook(), DENY, INSIDE),
    _case("a webhook that anybody may call", *SHOP, _server(), _hook(), DENY, ANYBODY),
    _case("a webhook that addresses may call", *SHOP, _server(), _hook(), TUNNEL, expect=_out("PEN010", "range")),
    _case(
        "a webhook that the API server's address may call",
        *SHOP,
        _server(),
        _hook(),
        DENY,
        make_policy("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}", "server"),
    ),
    _case("a webhook whose failure is ignored", *SHOP, _server(), _hook("Ignore"), DENY, INSIDE, expect=_out("PEN003")),
    _case("an aggregated API", *SHOP, _server(), API, DENY, INSIDE, expect=_out("PEN002")),
    _case("konnectivity agents that are let in", *SHOP, _server(), AGENT, _hook(), DENY, AGENTS),
    _case("konnectivity agents that are not let in", *SHOP, AGENT, _hook(), DENY, INSIDE, expect=_out("PEN002")),
    _case("an API server that is no pod", *SHOP, _hook(), DENY, INSIDE),
    _case("an API server that is no pod, and nobody is let in", *SHOP, _hook(), DENY, expect=_out("PEN010")),
    # Load balancers and node ports
    _case("a load balancer, and nobody is let in", *BALANCER, DENY, expect=_out("PEN004")),
    _case("a load balancer, nobody is let in, and pods are denied first", *BALANCER, DENY, DENIED_FIRST, expect=_out("PEN004")),
    _case("a load balancer, and some pods are let in", *BALANCER, DENY, INSIDE),
    _case("a load balancer, and everybody is let in", *BALANCER, DENY, ANYBODY),
    _case("a node port, and nobody is let in", *NODE_PORT, DENY, expect=_out("PEN010")),
    # Prometheus
    _case("metrics, and Prometheus is kept out", *SHOP, PROMETHEUS, _monitor(), DENY, INSIDE, expect=_out("PEN006")),
    _case(
        "metrics, and Prometheus is let in",
        *SHOP,
        PROMETHEUS,
        _monitor(),
        DENY,
        _allow("{kubernetes.io/metadata.name: monitoring}"),
    ),
    _case("metrics of another namespace", *SHOP, PROMETHEUS, _monitor("{matchNames: [market]}"), DENY, INSIDE),
    _case("metrics of the monitor's own namespace", *SHOP, PROMETHEUS, _monitor("{}"), DENY, INSIDE),
    _case("metrics on a port that no Service has", *SHOP, PROMETHEUS, _monitor(port="{port: metrics}"), DENY, INSIDE),
    _case("metrics on a port by its name", *SHOP, PROMETHEUS, _monitor(port="{port: p80}"), DENY, expect=_out("PEN006")),
    _case(
        "metrics of pods by number",
        *SHOP,
        METERED,
        PROMETHEUS,
        _pod_monitor("{portNumber: 8080}"),
        DENY,
        INSIDE,
        expect=_out("PEN006"),
    ),
    _case(
        "metrics of pods by name", *SHOP, METERED, PROMETHEUS, _pod_monitor("{port: http}"), DENY, INSIDE, expect=_out("PEN006")
    ),
    _case("metrics of pods, and Prometheus is let in", *SHOP, METERED, PROMETHEUS, _pod_monitor("{port: http}"), DENY, ANYBODY),
    _case(
        "metrics of pods, on a port that none declares", *SHOP, METERED, PROMETHEUS, _pod_monitor("{port: other}"), DENY, INSIDE
    ),
    _case(
        "metrics of other pods", *SHOP, METERED, PROMETHEUS, _pod_monitor("{port: http}", "{matchLabels: {app: x}}"), DENY, INSIDE
    ),
    _case("metrics of pods elsewhere", *SHOP, METERED, PROMETHEUS, _pod_monitor("{port: http}", namespaces="{}"), DENY, INSIDE),
    _case("metrics, and no Prometheus of the operator's", *SHOP, _monitor(), DENY, INSIDE),
]
