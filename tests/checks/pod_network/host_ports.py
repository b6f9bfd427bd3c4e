# SPDX-License-Identifier: Apache-2.0
"""Cases of host_ports."""

from typing import Any

from kubectl_netdoc.api import NODE, POD, SERVICE, Address, Connect, ConnectReply, Lost, Outcome, Reply, Request, Unavailable
from kubectl_netdoc.checks.pod_network.host_ports import check
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, ago, make_cluster, make_policy, make_service, measured

EDGE = "Pod edge/edge-1"
TAKEN = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."


def _node(name: str, ip: str) -> Built:
    return NODE, convert(NODE, {"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": ip}]}})


NODES = (_node("n1", "172.18.0.2"), _node("n2", "172.18.0.3"))


def _pod(
    name: str = "edge-1", *, node: str = "n1", waits: str = "", age: float = 600, spec: dict[str, Any] | None = None, **port: Any
) -> Built:
    """A pod with host port 8080, unless told otherwise; ``waits``: what the scheduler says of a pod without a node."""
    declared = {"name": "http", "containerPort": 80, "hostPort": 8080, "protocol": "TCP", **port}
    conditions = [
        {"type": "PodScheduled", "status": str(not waits), "message": waits},
        {"type": "Ready", "status": str(not waits)},
    ]
    meta = {"name": name, "namespace": "edge", "creationTimestamp": ago(age)}
    made = {"nodeName": "" if waits else node, "containers": [{"name": "c", "ports": [declared]}], **(spec or {})}
    status = {
        "phase": "Pending" if waits else "Running",
        "podIPs": [] if waits else [{"ip": "10.0.0.7"}],
        "conditions": conditions,
    }
    return POD, convert(POD, {"metadata": meta, "spec": made, "status": status})


def _api(name: str, *objects: Built, expect: set[tuple[str, str]] | None = None) -> Case:
    return Case(name, make_cluster(*NODES, *objects), frozenset(expect or set()))


def _measured(name: str, host: Reply, pod: Reply, *codes: str, objects: tuple[Built, ...] = (_pod(),), state: str = "") -> Case:
    """A host port and its pod, from debug pods on both nodes."""
    cluster = make_cluster(*NODES, *objects, vantages=("n1", "n2"))

    def answers(request: Request) -> Reply:
        assert isinstance(request, Connect)
        assert request.node == "n2"
        assert request.to in (Address("172.18.0.2", 8080), Address("10.0.0.7", 80))
        return host if request.to.port == 8080 else pod

    return Case(name, cluster, frozenset((code, EDGE) for code in codes), measured(check, cluster, answers), state)


OK, REFUSED, TIMEOUT = (ConnectReply(outcome, 1.0) for outcome in (Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT))


def _two(name: str, *codes: str, answers: dict[int, ConnectReply]) -> Case:
    """A pod with two host ports; ``answers``: by the port that is connected to, on the node or on the pod."""
    ports = [{"containerPort": number, "hostPort": at} for number, at in ((80, 8080), (443, 8443))]
    pod = _pod(spec={"containers": [{"name": "c", "ports": ports}]})
    cluster = make_cluster(*NODES, pod, vantages=("n1", "n2"))

    def reply(request: Request) -> Reply:
        assert isinstance(request, Connect)
        assert isinstance(request.to, Address)
        return answers[request.to.port]

    return Case(name, cluster, frozenset((code, EDGE) for code in codes), measured(check, cluster, reply))


NODE_PORT = {
    "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 8080}]},
    "metadata": {"name": "np", "namespace": "edge"},
}
UDP_PORT = {
    "spec": {"ports": [{"port": 80, "nodePort": 8080, "protocol": "UDP"}]},
    "metadata": {"name": "np", "namespace": "edge"},
}
DENY = make_policy("{podSelector: {}, policyTypes: [Ingress]}", namespace="edge")

CASES = [
    _api("a host port", _pod()),
    _api("no host port", _pod(hostPort=0)),
    _api("a pod waits for a host port", _pod(), _pod("edge-2", waits=TAKEN), expect={("HPT001", "Pod edge/edge-2")}),
    _api("a pod waits for a process on the host", _pod("edge-2", waits=TAKEN), expect={("HPT001", "Pod edge/edge-2")}),
    _api("a pod has just begun to wait", _pod(), _pod("edge-2", waits=TAKEN, age=5)),
    _api("a pod waits for something else", _pod(), _pod("edge-2", waits="0/2 nodes are available: 2 Insufficient cpu.")),
    _api("a node port of the same number", _pod(), (SERVICE, convert(SERVICE, NODE_PORT)), expect={("HPT002", EDGE)}),
    _api("a node port of another protocol", _pod(), (SERVICE, convert(SERVICE, UDP_PORT))),
    _api("a Service without a node port", _pod(), make_service(ports=[(8080, 80)])),
    _api("an address of its own node", _pod(hostIP="172.18.0.2")),
    _api("an address of another node", _pod(hostIP="172.18.0.3"), expect={("HPT003", EDGE)}),
    _api("an address of no node, perhaps virtual", _pod(hostIP="172.18.0.100")),
    _api("every address", _pod(hostIP="0.0.0.0")),
    _api("on the host network", _pod(hostIP="172.18.0.3", spec={"hostNetwork": True})),
    _measured("it is forwarded", OK, OK),
    _measured("it is not forwarded", REFUSED, OK, "HPT004"),
    _measured("it is not forwarded, on an address of its node", REFUSED, OK, "HPT004", objects=(_pod(hostIP="172.18.0.2"),)),
    _measured("nothing listens in the pod", REFUSED, REFUSED, "HPT005"),
    _measured("nothing listens in the pod, and a policy may have refused", REFUSED, REFUSED, objects=(_pod(), DENY)),
    _measured("the host port is another process's, and the pod refuses", OK, REFUSED),
    _two("nothing listens on one of two host ports", answers={8080: REFUSED, 80: REFUSED, 8443: OK, 443: OK}),
    _two("nothing listens on two", "HPT005", answers={8080: REFUSED, 80: REFUSED, 8443: REFUSED, 443: REFUSED}),
    _two("nothing forwards one of two", "HPT004", answers={8080: REFUSED, 80: OK, 8443: OK, 443: OK}),
    _measured("a firewall of the node", TIMEOUT, OK),
    _measured("a policy may have refused", REFUSED, OK, objects=(_pod(), DENY)),
    _measured("no reply", Lost("the debug pod ended"), OK, state="unknown"),
    _measured("UDP is not measured", REFUSED, OK, objects=(_pod(protocol="UDP"),)),
    _measured("an address of no node is not measured", REFUSED, OK, objects=(_pod(hostIP="172.18.0.100"),)),
    Case("Nodes can't be read", make_cluster(_pod(), unavailable={NODE: Unavailable("forbidden")}), state="unknown"),
    Case("Pods can't be read", make_cluster(unavailable={POD: Unavailable("forbidden")}), state="skipped"),
]
