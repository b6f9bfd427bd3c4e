# SPDX-License-Identifier: Apache-2.0
"""Cases of control_plane_paths: who serves what the API server calls, and who answers as an API server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import yaml

from kubectl_netdoc.api import (
    API_SERVICE,
    DEFINITION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    MUTATING_WEBHOOKS,
    ROOT_CERTIFICATE,
    VALIDATING_WEBHOOKS,
    Certificate,
    CertificateReply,
    Cluster,
    ConnectReply,
    Grant,
    Kind,
    Lost,
    Outcome,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.api_extensions import Called, Dates
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import (
    NOW,
    OLD,
    Built,
    Case,
    ago,
    make_cluster,
    make_namespace,
    make_pod,
    make_policy,
    make_service,
    make_workload,
    measured,
)

NODES = ("n1", "n2")
GUARD = "Service guard/guard"
CONFIG = "ValidatingWebhookConfiguration guard"
DEAD_1, DEAD_2 = ("CPL006", "APIServer 192.0.2.1:6443"), ("CPL006", "APIServer 192.0.2.2:6443")
NATIVE = make_policy("{podSelector: {}, policyTypes: [Egress]}", namespace="netdoc")


def _object(kind: Kind[Any], name: str, text: str, *, age: timedelta | float = OLD, namespace: str = "") -> Built:
    """An object of a kind; ``text`` is the YAML of all but its metadata."""
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": ago(age)}
    return kind, convert(kind, {"metadata": metadata, **yaml.safe_load(text)})


def _slice(
    service: str, namespace: str, addresses: list[str], *, port: int = 8443, name: str = "p443", ready: bool = True
) -> Built:
    endpoints = [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses]
    kind, item = _object(ENDPOINT_SLICE, f"{service}-1", "{}", namespace=namespace)
    labels = {"kubernetes.io/service-name": service}
    ports = [{"name": name, "port": port, "protocol": "TCP"}]
    metadata = msgspec.structs.replace(item.metadata, labels=labels)
    made = convert(ENDPOINT_SLICE, {"addressType": "IPv4", "endpoints": endpoints, "ports": ports})
    return kind, msgspec.structs.replace(made, metadata=metadata)


API = make_service("kubernetes", "default", ports=((443, 6443),), cluster_ip="10.96.0.1")
SERVERS = _slice("kubernetes", "default", ["192.0.2.1", "192.0.2.2"], port=6443, name="https")
CA = _object(ROOT_CERTIFICATE, "kube-root-ca.crt", "{data: {ca.crt: PEM}}", namespace="default")
SERVICE = make_service("guard", "guard", ports=((443, 8443),), selector={"app": "guard"})
NEW = make_service("guard", "guard", ports=((443, 8443),), selector={"app": "guard"}, age=5)
SERVED, EMPTY = _slice("guard", "guard", ["10.0.0.9"]), _slice("guard", "guard", [])
RESTING = make_workload(DEPLOYMENT, "guard", "guard", labels={"app": "guard"}, replicas=0)
SPACES = (make_namespace("guard"), make_namespace("shop"))
RULES = "rules: [{operations: [CREATE], apiGroups: [''], resources: [pods], scope: Namespaced}]"
SLICES = "rules: [{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}]"


def _hook(more: str = "", *, kind: Kind[Any] = VALIDATING_WEBHOOKS, port: int = 443, rules: str = RULES) -> Built:
    client = f"clientConfig: {{service: {{namespace: guard, name: guard, port: {port}}}}}"
    return _object(kind, "guard", f"webhooks: [{{name: guard.example, {client}, {rules}{more and ', '}{more}}}]")


def _conversion(versions: str = "[{name: v1}, {name: v2}]") -> Built:
    webhook = "{clientConfig: {service: {namespace: guard, name: guard}}}"
    text = f"spec: {{versions: {versions}, conversion: {{strategy: Webhook, webhook: {webhook}}}}}"
    return _object(DEFINITION, "things.example", text)


def _api(status: str, reason: str, age: float = 120) -> Built:
    condition = f"{{type: Available, status: '{status}', reason: {reason}, message: why, lastTransitionTime: '{ago(age)}'}}"
    text = f"spec: {{service: {{namespace: guard, name: guard}}}}\nstatus: {{conditions: [{condition}]}}"
    return _object(API_SERVICE, "v1.things.example", text)


def _trusting(built: Built, *ends: timedelta, life: timedelta = timedelta(days=365), begins: timedelta | None = None) -> Built:
    """The same with a caBundle of certificates that end so long after now."""
    dates = tuple(Dates(begins=NOW + begins if begins else NOW + end - life, ends=NOW + end) for end in ends)
    kind, item = built
    if hasattr(item, "webhooks"):
        hooks = (msgspec.structs.replace(h, called=Called(service=h.called.service, certificates=dates)) for h in item.webhooks)
        return kind, msgspec.structs.replace(item, webhooks=tuple(hooks))
    return kind, msgspec.structs.replace(item, called=Called(service=item.called.service, certificates=dates))  # type: ignore[attr-defined]


def _static(name: str, *objects: Built, expect: tuple[tuple[str, str], ...] = (), **more: Any) -> Case:
    state = more.pop("state", "")
    return Case(name, make_cluster(*objects, **more), frozenset(expect), state=state)


Answer = Callable[[str, str], str]
"""What an address does to a node: "ok", "timeout", "hung", "foreign" or "lost"."""


def _live(name: str, answer: Answer, *objects: Built, expect: tuple[tuple[str, str], ...] = (), state: str = "") -> Case:
    cluster = make_cluster(API, SERVERS, CA, *objects, vantages=NODES)
    return Case(name, cluster, frozenset(expect), _measured(cluster, answer), state)


def _measured(cluster: Cluster, answer: Answer) -> Measured:
    def reply(request: Request) -> Reply:
        word = answer(request.node, request.to.ip)  # type: ignore[union-attr]
        tls = isinstance(request, Certificate)
        if word == "lost":
            return Lost("cut")
        if word == "ok" or (word in ("hung", "foreign") and not tls):
            return CertificateReply(Outcome.OK, 2.0, True) if tls else ConnectReply(Outcome.OK, 1.0)
        if word == "foreign":
            return CertificateReply(Outcome.OK, 2.0, False, "self-signed certificate")
        return CertificateReply(Outcome.TIMEOUT, 2000.0) if tls else ConnectReply(Outcome.TIMEOUT, 2000.0)

    return measured(registry.load().choose(["control_plane_paths"])[0], cluster, reply)


def _agent(node: str, *, owner: str = "DaemonSet", label: str = "k8s-app", **more: Any) -> Built:
    """As examples/kind/konnectivity-agent-ds.yaml of kubernetes-sigs/apiserver-network-proxy labels it."""
    owners = [{"kind": owner, "name": "konnectivity-agent", "controller": True}]
    labels = {label: "konnectivity-agent"}
    return make_pod(f"konnectivity-agent-{node}", "kube-system", labels=labels, node=node, ownerReferences=owners, **more)


DAEMON_SET = "DaemonSet kube-system/konnectivity-agent"
ON_AKS: dict[str, Any] = {"owner": "ReplicaSet", "label": "app"}
"""There the agents are a Deployment's, with this label (learn.microsoft.com: Troubleshoot tunnel connectivity)."""
UNSERVED, IGNORED = ("CPL001", GUARD), ("CPL002", GUARD)

CASES = [
    _static("healthy", SERVICE, SERVED, _hook(), _conversion(), _api("True", "Passed"), *SPACES),
    _static("the Service is not there", _hook(), expect=(UNSERVED,)),
    _static("nobody says yes to slices", _hook(rules=SLICES), expect=(("CPL011", GUARD),)),
    _static("it has another port", SERVICE, SERVED, _hook(port=9443), expect=(UNSERVED,)),
    _static("nothing is behind it", SERVICE, EMPTY, RESTING, _hook(), expect=(UNSERVED,)),
    _static("a new Service of what rests", NEW, EMPTY, RESTING, _hook(), expect=(UNSERVED,)),
    _static("a new Service", NEW, EMPTY, _hook()),
    _static(
        "a pod that is not ready",
        SERVICE,
        EMPTY,
        make_pod("g", "guard", labels={"app": "guard"}, ready=False),
        _hook(),
        expect=(UNSERVED,),
    ),
    _static("just being rolled out", SERVICE, EMPTY, make_pod("g", "guard", labels={"app": "guard"}, age=5), _hook()),
    _static(
        "another port is served", SERVICE, _slice("guard", "guard", ["10.0.0.9"], name="metrics"), _hook(), expect=(UNSERVED,)
    ),
    _static("nothing ready", SERVICE, _slice("guard", "guard", ["10.0.0.9"], ready=False), _hook(), expect=(UNSERVED,)),
    _static("mutating is as bad", SERVICE, EMPTY, _hook(kind=MUTATING_WEBHOOKS), expect=(UNSERVED,)),
    _static("Ignore", SERVICE, EMPTY, _hook("failurePolicy: Ignore"), expect=(IGNORED,)),
    _static(
        "one webhook of each",
        SERVICE,
        EMPTY,
        _hook("failurePolicy: Ignore"),
        _hook(kind=MUTATING_WEBHOOKS),
        expect=(UNSERVED, IGNORED),
    ),
    _static(
        "no namespace meets it", SERVICE, EMPTY, _hook("namespaceSelector: {matchLabels: {a: b}}"), *SPACES, expect=(IGNORED,)
    ),
    _static(
        "a namespace meets it",
        SERVICE,
        EMPTY,
        _hook("namespaceSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}"),
        *SPACES,
        expect=(UNSERVED,),
    ),
    _static(
        "cluster-wide resources heed no namespaceSelector",
        SERVICE,
        EMPTY,
        _hook(
            "namespaceSelector: {matchLabels: {a: b}}", rules="rules: [{operations: ['*'], apiGroups: ['*'], resources: ['*']}]"
        ),
        *SPACES,
        expect=(UNSERVED,),
    ),
    _static("a conversion", SERVICE, EMPTY, _conversion(), expect=(UNSERVED,)),
    _static("one version is never converted", SERVICE, EMPTY, _conversion("[{name: v1}]")),
    _static("no conversion by webhook", _object(DEFINITION, "a.example", "spec: {conversion: {strategy: None}}")),
    _static(
        "called by URL", _object(VALIDATING_WEBHOOKS, "cloud", "webhooks: [{name: a, clientConfig: {url: 'https://a.example'}}]")
    ),
    _static("ExternalName", make_service("guard", "guard", type="ExternalName", externalName="a.example"), _hook()),
    _static("an API without its Service is one finding", _api("False", "ServiceNotFound"), expect=(UNSERVED,)),
    _static(
        "an API that does not answer",
        SERVICE,
        SERVED,
        _api("False", "FailedDiscoveryCheck"),
        expect=(("CPL003", "APIService v1.things.example"),),
    ),
    _static("an API that only just went", SERVICE, SERVED, _api("False", "FailedDiscoveryCheck", 5)),
    _static("an API server's own API", _object(API_SERVICE, "v1.apps", "{spec: {}}")),
    _static("manifests know no endpoints", _hook(), origin="manifests"),
    _static("expired", SERVICE, SERVED, _trusting(_hook(), timedelta(hours=-3)), expect=(("CPL004", CONFIG),)),
    _static("expired, in manifests", _trusting(_hook(), timedelta(days=-3)), origin="manifests", expect=(("CPL004", CONFIG),)),
    _static(
        "not yet valid",
        SERVICE,
        SERVED,
        _trusting(_hook(), timedelta(days=9), begins=timedelta(days=1)),
        expect=(("CPL004", CONFIG),),
    ),
    _static("one of two expired", SERVICE, SERVED, _trusting(_hook(), timedelta(days=-3), timedelta(days=300))),
    _static(
        "expired, and may be passed over",
        SERVICE,
        SERVED,
        _trusting(_hook("failurePolicy: Ignore"), timedelta(days=-3)),
        expect=(("CPL005", CONFIG),),
    ),
    _static("about to end", SERVICE, SERVED, _trusting(_hook(), timedelta(days=9)), expect=(("CPL005", CONFIG),)),
    _static(
        "a year's certificate has two months", SERVICE, SERVED, _trusting(_hook(), timedelta(days=60), life=timedelta(days=3650))
    ),
    _static("a week's certificate has two days", SERVICE, SERVED, _trusting(_hook(), timedelta(days=2), life=timedelta(days=7))),
    _static(
        "an API whose caBundle expired",
        SERVICE,
        SERVED,
        _trusting(_api("False", "FailedDiscoveryCheck"), timedelta(days=-1)),
        expect=(("CPL004", "APIService v1.things.example"), ("CPL003", "APIService v1.things.example")),
    ),
    _static(
        "a conversion's caBundle",
        SERVICE,
        SERVED,
        _trusting(_conversion(), timedelta(days=-1)),
        expect=(("CPL004", "CustomResourceDefinition things.example"),),
    ),
    _static(
        "webhooks can't be read",
        SERVICE,
        unavailable={VALIDATING_WEBHOOKS: Unavailable("forbidden", Grant("list", "validatingwebhookconfigurations"))},
        state="unknown",
    ),
    _static("slices can't be read", SERVICE, _hook(), unavailable={ENDPOINT_SLICE: Unavailable("forbidden")}, state="unknown"),
    _static("agents are ready", _agent("n1"), _agent("n2")),
    _static("an agent is not", _agent("n1"), _agent("n2", ready=False), expect=(("CPL010", DAEMON_SET),)),
    _static("no agent is", _agent("n1", ready=False), expect=(("CPL009", DAEMON_SET),)),
    _static(
        "no agent is, on AKS",
        _agent("n1", ready=False, **ON_AKS),
        expect=(("CPL009", "Deployment kube-system/konnectivity-agent"),),
    ),
    _static("an agent whose node was taken away", _agent("n1", phase="Failed", ready=False), _agent("n2")),
    _static(
        "the autoscaler of the agents is none",
        make_pod(
            "konnectivity-agent-autoscaler-1", "kube-system", labels={"k8s-app": "konnectivity-agent-autoscaler"}, ready=False
        ),
    ),
    _static("an agent starts", _agent("n1"), _agent("n2", ready=False, age=5)),
    _live("all answer", lambda node, ip: "ok"),
    _live("one is dead", lambda node, ip: "timeout" if ip == "192.0.2.2" else "ok", expect=(DEAD_2,)),
    _live("one accepts and hangs", lambda node, ip: "hung" if ip == "192.0.2.2" else "ok", expect=(DEAD_2,)),
    _live("all are dead", lambda node, ip: "timeout", expect=(DEAD_1, DEAD_2)),
    _live(
        "all are dead, and yet the ClusterIP works", lambda node, ip: "ok" if ip == "10.96.0.1" else "timeout", state="unknown"
    ),
    _live("one node reaches none", lambda node, ip: "timeout" if node == "n1" else "ok", expect=(("CPL007", "Node n1"),)),
    _live(
        "one node does not reach one",
        lambda node, ip: "timeout" if (node, ip) == ("n2", "192.0.2.1") else "ok",
        expect=(("CPL007", "Node n2"),),
    ),
    _live("a policy forbids it", lambda node, ip: "timeout", NATIVE),
    _live(
        "one has another's certificate",
        lambda node, ip: "foreign" if ip == "192.0.2.2" else "ok",
        expect=(("CPL008", "APIServer 192.0.2.2:6443"),),
    ),
    _live("all have: another check's finding", lambda node, ip: "foreign"),
    _live("cut", lambda node, ip: "lost", state="unknown"),
    Case(
        "one node alone",
        make_cluster(API, SERVERS, vantages=("n1",)),
        frozenset({DEAD_1}),
        _measured(make_cluster(API, SERVERS, vantages=("n1",)), lambda node, ip: "timeout" if ip == "192.0.2.1" else "ok"),
    ),
    Case("nothing measured", make_cluster(API, SERVERS, CA), measured=Measured(why_unmeasured="--no-pods")),
]
