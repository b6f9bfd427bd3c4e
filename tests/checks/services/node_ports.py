# SPDX-License-Identifier: Apache-2.0
"""Cases of node_ports: nodes are held against each other, and health checks against the slices."""

from collections.abc import Callable

import msgspec

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NATIVE_POLICIES,
    NODE,
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    HttpGet,
    HttpReply,
    Lost,
    Outcome,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.services import Endpoint, EndpointConditions
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_pod, make_policy, make_service, make_slice, measured

NODES = ("n1", "n2", "n3")
IPS = {f"192.0.2.{number}": f"n{number}" for number in (1, 2, 3)}
ENDS = {"10.0.1.1": "web-1", "10.0.2.1": "web-2"}
WEB = "Service shop/web"
NATIVE = make_policy("{}", kind=NATIVE_POLICIES[0])


def _node(ip: str, name: str, *, role: str = "worker", ready: str = "True", drained: bool = False, age: float = 7200) -> Built:
    taints = [{"key": "ToBeDeletedByClusterAutoscaler"}] if drained else []
    return NODE, convert(
        NODE,
        {
            "metadata": {"name": name, "creationTimestamp": ago(age), "labels": {f"node-role.kubernetes.io/{role}": ""}},
            "spec": {"taints": taints},
            "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "addresses": [{"type": "InternalIP", "address": ip}],
            },
        },
    )


def _slice(changed: float = 3600, leaving: bool = False) -> Built:
    """web-1 on n1, web-2 on n2; ``leaving``: one on n3 ends, as after scaling down."""
    kind, item = make_slice("web", addresses=ENDS)
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in item.ports)  # type: ignore[attr-defined]
    placed = tuple(msgspec.structs.replace(e, node_name=f"n{e.addresses[0][5]}") for e in item.endpoints)  # type: ignore[attr-defined]
    if leaving:
        placed += (Endpoint(("10.0.3.1",), EndpointConditions(ready=False, terminating=True), node_name="n3"),)
    annotations = msgspec.structs.replace(item.metadata.annotations, trigger_time=ago(changed))
    meta = msgspec.structs.replace(item.metadata, annotations=annotations)
    return kind, msgspec.structs.replace(item, metadata=meta, ports=ports, endpoints=placed)


def _cluster(
    *more: Built,
    first: Built | None = None,
    changed: float = 3600,
    leaving: bool = False,
    no_slices: bool = False,
    number: int = 30080,
    **spec: object,
) -> Cluster:
    kind, web = make_service("web", selector={"app": "web"}, type="NodePort", **spec)  # type: ignore[arg-type]
    ports = tuple(msgspec.structs.replace(port, node_port=number) for port in web.spec.ports)  # type: ignore[attr-defined]
    web = msgspec.structs.replace(web, spec=msgspec.structs.replace(web.spec, ports=ports))  # type: ignore[attr-defined]
    pods = [make_pod(name, ip=ip, labels={"app": "web"}) for ip, name in ENDS.items()]
    nodes = [_node(ip, name) for ip, name in IPS.items() if not (first and name == "n1")] + ([first] if first else [])
    missing = {ENDPOINT_SLICE: Unavailable("forbidden")} if no_slices else None
    return make_cluster((kind, web), *pods, *nodes, _slice(changed, leaving), *more, vantages=NODES, unavailable=missing)


C = _cluster()
Bad = Callable[[str, str], Outcome | None]
"""What becomes of a connect from a node to a node's port (or a ClusterIP) where it is not ok."""


def _measure(
    cluster: Cluster = C,
    bad: Bad = lambda node, to: None,
    *,
    apart: tuple[str, ...] = (),
    health: dict[str, int] | None = None,
    unheard: str = "",
) -> Measured:
    """``apart``: nodes whose pods nobody reaches. ``health``: what nodes say of web, 0 for nothing; 200 beside an endpoint.

    ``unheard``: from that node no health check is heard.
    """
    said = {"n1": 200, "n2": 200, "n3": 503} | (health or {})

    def answer(request: Request) -> Reply:
        if isinstance(request, Connect):
            return ConnectReply(bad(request.node, IPS.get(request.to.ip, request.to.ip)) or Outcome.OK, 0.5)
        if isinstance(request, HttpGet):
            status = 0 if request.node == unheard else said[IPS[request.to.ip]]
            return HttpReply(Outcome.OK, 1.0, status) if status else HttpReply(Outcome.TIMEOUT, 2000.0)
        assert isinstance(request, Echo)
        if request.to.node in apart:  # type: ignore[union-attr]
            return EchoReply("x", (EchoSample(Outcome.TIMEOUT, 2000.0),))
        return EchoReply("x", (EchoSample(Outcome.OK, 0.5, request.to.node),))  # type: ignore[union-attr]

    return measured(registry.load().choose(["node_ports"])[0], cluster, answer)


def _deaf(*nodes: str) -> Bad:
    return lambda node, to: Outcome.TIMEOUT if to in nodes else None


def _across(node: str, to: str) -> Outcome | None:
    """Only a node's own port answers."""
    return Outcome.TIMEOUT if to != node and to in NODES else None


def _case(name: str, cluster: Cluster, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, cluster, frozenset(expect), facts, state)


LOCAL = _cluster(externalTrafficPolicy="Local")
BALANCED = _cluster(externalTrafficPolicy="Local", healthCheckNodePort=31000)
MASTER = _cluster(first=_node("192.0.2.1", "n1", role="control-plane"))
YOUNG = _cluster(first=_node("192.0.2.1", "n1", age=60))
DOWN = _cluster(first=_node("192.0.2.1", "n1", ready="False"))
DRAINED = _cluster(first=_node("192.0.2.1", "n1", drained=True), externalTrafficPolicy="Local", healthCheckNodePort=31000)
FRESH = _cluster(externalTrafficPolicy="Local", healthCheckNodePort=31000, changed=20)
LEAVING = _cluster(externalTrafficPolicy="Local", healthCheckNodePort=31000, leaving=True)
GUARDED = _cluster(make_policy("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"))
OTHERS = _cluster(NATIVE)
PLAIN = _cluster(number=0)
BLIND = _cluster(no_slices=True)

CASES = [
    _case("healthy", C, _measure()),
    _case("one node is deaf", C, _measure(bad=_deaf("n3")), ("NPT001", "Node n3")),
    # One connect meets one endpoint, so a node that answers nothing may have met the dead one.
    _case("an endpoint is dead too", C, _measure(bad=_deaf("n3", "10.0.1.1"))),
    _case(
        "one node refuses others", C, _measure(bad=lambda n, to: _across(n, to) if to == "n3" else None), ("NPT001", "Node n3")
    ),
    _case("one node can't be reached at all", C, _measure(bad=_deaf("n3"), apart=("n3",))),
    _case("from one node only", C, _measure(bad=lambda n, to: Outcome.TIMEOUT if (n, to) == ("n1", "n3") else None)),
    _case("firewalls between all nodes", C, _measure(bad=_across), ("NPT010", "Cluster node ports")),
    _case("a control plane with a firewall", MASTER, _measure(MASTER, _deaf("n1")), ("NPT011", "Node n1")),
    _case("a node that is only just joining", YOUNG, _measure(YOUNG, _deaf("n1"))),
    _case("a node that is not ready", DOWN, _measure(DOWN, _deaf("n1"))),
    _case("the Service does not answer at all", C, _measure(bad=lambda n, to: Outcome.TIMEOUT)),
    _case("Local: a node without an endpoint drops", LOCAL, _measure(LOCAL, _deaf("n3"))),
    _case("Local: a node with an endpoint is deaf", LOCAL, _measure(LOCAL, _deaf("n2")), ("NPT001", "Node n2")),
    _case("health checks agree", BALANCED, _measure(BALANCED)),
    _case("a black hole", BALANCED, _measure(BALANCED, health={"n3": 200}), ("NPT002", WEB)),
    _case("a good node says no", BALANCED, _measure(BALANCED, health={"n1": 503}), ("NPT003", WEB)),
    _case("from one node no health check is heard", BALANCED, _measure(BALANCED, unheard="n1")),
    _case(
        "from one node none is heard, nor its own", BALANCED, _measure(BALANCED, unheard="n1", health={"n1": 0}), ("NPT003", WEB)
    ),
    _case("a good node says nothing", BALANCED, _measure(BALANCED, health={"n1": 0}), ("NPT003", WEB)),
    _case("no node says anything", BALANCED, _measure(BALANCED, health=dict.fromkeys(NODES, 0))),
    _case("endpoints changed a moment ago", FRESH, _measure(FRESH, health={"n3": 200})),
    _case("scaled down a moment ago", LEAVING, _measure(LEAVING, health={"n3": 200})),
    _case("an autoscaler drains a node", DRAINED, _measure(DRAINED, health={"n1": 503})),
    _case("a policy guards the pods", GUARDED, _measure(GUARDED, _deaf("n3")), state="pass"),
    _case("a CNI's own policy may guard the pods", OTHERS, _measure(OTHERS, _deaf("n3")), state="pass"),
    _case(
        "answers were cut", C, Measured({**dict.fromkeys(_measure().replies, Lost("cut"))}, _measure().vantages), state="unknown"
    ),
    _case("no node ports", PLAIN, _measure(PLAIN), state="skipped"),
    _case("EndpointSlices can't be read", BLIND, Measured(), state="unknown"),
    _case("not asked for", C, Measured(why_unmeasured="--no-pods"), state="skipped"),
]
