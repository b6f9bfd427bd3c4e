"""Cases of nodes_ready."""

from datetime import timedelta

from kubectl_netdoc.api import EVENT, NODE, Rule, Unavailable
from kubectl_netdoc.testing import Case, make_cluster, make_event, make_node, make_node_condition, make_pod

WAITING = {"ip": "", "ready": False, "phase": "Pending"}
IPAM = 'plugin type="host-local" failed (add): no IP addresses available in range set: 10.244.1.1-10.244.1.254'


def _sandbox(message: str, age: float = 30) -> Case:
    pod = make_pod("late", **WAITING)  # type: ignore[arg-type]
    event = make_event("Pod", "late", "shop", "FailedCreatePodSandBox", message, age=age)
    return Case("sandbox", make_cluster(make_node(), pod, event))


FORBIDDEN = Unavailable("forbidden", Rule("list", "nodes"))

CASES = [
    Case("healthy", make_cluster(make_node("n1"), make_node("n2"), make_pod())),
    Case("not ready", make_cluster(make_node("n1", ready=False)), frozenset({("NOD001", "Node n1")})),
    Case("kubelet gone", make_cluster(make_node("n1", ready="Unknown")), frozenset({("NOD001", "Node n1")})),
    Case("joining", make_cluster(make_node("n1", ready=False, age=timedelta(seconds=90)))),
    Case(
        "no CNI configuration",
        make_cluster(make_node("n1", ready=False, message="container runtime network not ready: cni plugin not initialized")),
        frozenset({("NOD005", "Node n1")}),
    ),
    Case(
        "network unavailable",
        make_cluster(make_node_condition("n1", "NetworkUnavailable", "True", "NoRouteCreated")),
        frozenset({("NOD002", "Node n1")}),
    ),
    Case("network available", make_cluster(make_node_condition("n1", "NetworkUnavailable", "False", "FlannelIsUp"))),
    Case("cordoned is advice", make_cluster(make_node("n1", unschedulable=True)), frozenset({("NOD010", "Node n1")})),
    Case("sandbox fails", _sandbox("failed to set up pod network").cluster, frozenset({("NOD003", "Node n1")})),
    Case("no addresses left", _sandbox(IPAM).cluster, frozenset({("NOD004", "Node n1")})),
    Case("sandbox failed long ago", _sandbox("failed", age=900).cluster),
    Case(
        "sandbox failed, then came",
        make_cluster(make_node(), make_pod("late"), make_event("Pod", "late", "shop", "FailedCreatePodSandBox", "x")),
    ),
    Case("nodes forbidden", make_cluster(unavailable={NODE: FORBIDDEN}), state="skipped"),
    Case("events forbidden", make_cluster(make_node(), unavailable={EVENT: FORBIDDEN}), state="unknown"),
]
