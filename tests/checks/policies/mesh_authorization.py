# SPDX-License-Identifier: Apache-2.0
"""Cases of mesh_authorization. All objects are made by hand, as Istio's and Linkerd's documents have them."""

from __future__ import annotations

from typing import Any

import yaml
from msgspec.structs import replace

from kubectl_netdoc.api import Kind
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import NAMESPACE
from kubectl_netdoc.records.service_mesh import (
    AUTHORIZATION_POLICY,
    LINKERD_AUTHORIZATION,
    LINKERD_SERVER,
    MESH_TLS_AUTHENTICATION,
    PEER_AUTHENTICATION,
    SERVER_AUTHORIZATION,
)
from kubectl_netdoc.testing import (
    OLD,
    Built,
    Case,
    ago,
    make_cluster,
    make_pod,
    make_service,
)
from tests.checks.cluster.mesh_presence import APP, ISTIO_PROXY, LINKERD_PROXY, _pod, _space, _ztunnel

SHUT = frozenset({("MAZ001", "Service shop/web")})
LABELS = {"app": "web"}
WEB = _pod("web-1", f"{APP}, {ISTIO_PROXY}", labels=LABELS)
CLIENT = _pod("client-1", f"{APP}, {ISTIO_PROXY}", namespace="lab")
PLAIN = make_pod("plain-1", "lab")
SERVICE = make_service("web", "shop", selector=LABELS, ports=[(80, 8080)])
IN_LINKERD = _pod("web-1", APP, LINKERD_PROXY, labels=LABELS)


def made(kind: Kind[Any], name: str, text: str, namespace: str = "shop") -> Built:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": ago(OLD)}
    return kind, convert(kind, {"metadata": metadata, "spec": yaml.safe_load(text)})


def policy(text: str, name: str = "policy", namespace: str = "shop") -> Built:
    return made(AUTHORIZATION_POLICY, name, text, namespace)


def allow(source: str, more: str = "") -> Built:
    return policy(f"{{rules: [{{from: [{{source: {source}}}]{more}}}]}}")


def _istio(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset(), **more: Any) -> Case:
    return Case(name, make_cluster(WEB, CLIENT, PLAIN, SERVICE, *objects, **more), expect)


def _linkerd(name: str, *objects: Built, expect: frozenset[tuple[str, str]] = frozenset()) -> Case:
    client = _pod("client-1", APP, LINKERD_PROXY, namespace="lab")
    return Case(name, make_cluster(IN_LINKERD, client, PLAIN, SERVICE, *objects), expect)


SERVER = made(LINKERD_SERVER, "web", "{podSelector: {matchLabels: {app: web}}, port: 8080}")
TO_SERVER = "targetRef: {group: policy.linkerd.io, kind: Server, name: web}"


def _authorized(refs: str, target: str = TO_SERVER) -> Built:
    return made(LINKERD_AUTHORIZATION, "web", f"{{{target}, requiredAuthenticationRefs: [{refs}]}}")


def _annotated(name: str, value: str) -> Built:
    """web-1 with an annotation of the mesh's."""
    pod: Any = WEB[1]
    notes = convert(NAMESPACE, {"metadata": {"annotations": {name: value}}}).metadata.annotations
    return WEB[0], replace(pod, metadata=replace(pod.metadata, annotations=notes))


CASES = [
    Case("no mesh", make_cluster(PLAIN, SERVICE), state="skipped"),
    _istio("healthy: no policy"),
    _istio("nothing is allowed", policy("{}"), expect=SHUT),
    _istio("nothing is allowed in the whole mesh", policy("{}", namespace="istio-system"), expect=SHUT),
    _istio("nothing is allowed elsewhere", policy("{}", namespace="lab")),
    _istio("nothing but a client's namespace", policy("{}"), allow("{namespaces: [lab]}")),
    _istio("a namespace that nobody is in", allow("{namespaces: [labs]}"), expect=SHUT),
    _istio("an account that nobody has", allow("{principals: [cluster.local/ns/lab/sa/robot]}"), expect=SHUT),
    _istio("an account of a client", allow("{principals: [cluster.local/ns/lab/sa/default]}")),
    _istio("in another trust domain", allow("{principals: [example.test/ns/lab/sa/default]}")),
    _istio("an account by its end", allow("{principals: ['*/sa/default']}")),
    _istio("any account at all", allow("{principals: ['*']}")),
    _istio("an account by its own list", allow("{serviceAccounts: [lab/default]}")),
    _istio("another by its own list", allow("{serviceAccounts: [lab/robot]}"), expect=SHUT),
    _istio("all but the only one", allow("{principals: ['*'], notNamespaces: [lab, shop]}"), expect=SHUT),
    _istio("an address, which any client may have", allow("{ipBlocks: [10.1.0.0/16]}")),
    _istio("another port", policy("{rules: [{to: [{operation: {ports: ['9090']}}]}]}"), expect=SHUT),
    _istio("this port", policy("{rules: [{to: [{operation: {ports: ['8080']}}]}]}")),
    _istio("a method decides", policy("{rules: [{to: [{operation: {methods: [GET]}}]}]}")),
    _istio("a condition decides", policy("{rules: [{when: [{key: 'request.auth.claims[iss]', values: [a]}]}]}")),
    _istio("a denial of all", policy("{action: DENY, rules: [{}]}"), expect=SHUT),
    _istio("a denial of nothing", policy("{action: DENY}")),
    _istio("an authorizer decides", policy("{action: CUSTOM, provider: {name: own}, rules: [{}]}")),
    _istio("it only records", policy("{action: AUDIT}")),
    _istio("for other pods", policy("{selector: {matchLabels: {app: db}}}")),
    _istio("for a waypoint", policy("{targetRefs: [{kind: Service, group: '', name: web}]}")),
    _istio("mutual TLS is no denial to clients of the mesh", made(PEER_AUTHENTICATION, "default", "{mtls: {mode: STRICT}}")),
    Case(
        "mutual TLS, and no client in the mesh but itself refused",
        make_cluster(
            WEB, PLAIN, SERVICE, made(PEER_AUTHENTICATION, "default", "{mtls: {mode: STRICT}}"), allow("{namespaces: [lab]}")
        ),
        SHUT,
    ),
    Case(
        "a port that goes past the proxy",
        make_cluster(_annotated("traffic.sidecar.istio.io/excludeInboundPorts", "9090,8080"), SERVICE, policy("{}")),
    ),
    Case(
        "ambient, by a waypoint",
        make_cluster(
            make_pod(labels=LABELS),
            SERVICE,
            _ztunnel(),
            _space({"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"}),
            allow("{namespaces: [gate]}"),
        ),
    ),
    _linkerd("healthy: Linkerd without policies"),
    _linkerd("a Server that nothing authorizes", SERVER, expect=SHUT),
    _linkerd("a Server of another port", made(LINKERD_SERVER, "web", "{podSelector: {}, port: 9090}")),
    _linkerd("a Server by the name of a port that pods lack", made(LINKERD_SERVER, "web", "{podSelector: {}, port: http}")),
    _linkerd(
        "a Server that lets in the mesh",
        made(LINKERD_SERVER, "web", "{podSelector: {}, port: 8080, accessPolicy: all-authenticated}"),
    ),
    _linkerd("an account of a client", SERVER, _authorized("{kind: ServiceAccount, name: default, namespace: lab}")),
    _linkerd("an account that nobody has", SERVER, _authorized("{kind: ServiceAccount, name: robot}"), expect=SHUT),
    _linkerd("what is not there", SERVER, _authorized("{kind: MeshTLSAuthentication, name: gone}"), expect=SHUT),
    _linkerd(
        "identities",
        SERVER,
        _authorized("{kind: MeshTLSAuthentication, name: lab}"),
        made(MESH_TLS_AUTHENTICATION, "lab", "{identities: ['*.lab.serviceaccount.identity.linkerd.cluster.local']}"),
    ),
    _linkerd(
        "identities that nobody has",
        SERVER,
        _authorized("{kind: MeshTLSAuthentication, name: lab}"),
        made(MESH_TLS_AUTHENTICATION, "lab", "{identities: ['*.labs.serviceaccount.identity.linkerd.cluster.local']}"),
        expect=SHUT,
    ),
    _linkerd(
        "identities of a namespace",
        SERVER,
        _authorized("{kind: MeshTLSAuthentication, name: lab}", "targetRef: {kind: Namespace, name: shop}"),
        made(MESH_TLS_AUTHENTICATION, "lab", "{identityRefs: [{kind: Namespace, name: lab}]}"),
    ),
    _linkerd(
        "a route decides", SERVER, _authorized("{kind: ServiceAccount, name: x}", "targetRef: {kind: HTTPRoute, name: web}")
    ),
    _linkerd(
        "the older kind, for anybody",
        SERVER,
        made(SERVER_AUTHORIZATION, "a", "{server: {name: web}, client: {unauthenticated: true}}"),
    ),
    _linkerd(
        "the older kind, for nobody",
        SERVER,
        made(SERVER_AUTHORIZATION, "a", "{server: {name: web}, client: {meshTLS: {serviceAccounts: [{name: robot}]}}}"),
        expect=SHUT,
    ),
]
