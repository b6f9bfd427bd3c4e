# SPDX-License-Identifier: Apache-2.0
"""Cases of debug_pods."""

from kubectl_netdoc.api import NODE, Cluster, Grant, PodProblem, Unavailable
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, make_pod

CLUSTER = make_cluster(make_node("n1"), make_node("n2"), vantages=("n1", "n2"))
RUNNING = Vantage("n2", True)


def _case(name: str, trouble: PodProblem, code: str, *, running: bool = False) -> Case:
    measured = Measured({}, (Vantage("n1", running, trouble, "because"), RUNNING))
    return Case(name, CLUSTER, frozenset({(code, "Node n1")}), measured)


def _both(trouble: PodProblem) -> Measured:
    return Measured({}, (Vantage("n1", False, trouble, "because"), Vantage("n2", False, trouble, "because")))


def _on(name: str, node: Built, trouble: PodProblem, code: str) -> Case:
    facts = Measured({}, (Vantage("n1", False, trouble, "because"), RUNNING))
    return Case(name, make_cluster(node, make_node("n2"), vantages=("n1", "n2")), frozenset({(code, "Node n1")}), facts)


def _one(trouble: PodProblem) -> Measured:
    return Measured({}, (Vantage("n1", False, trouble, "because"), RUNNING))


def _blind(*pods: Built) -> Cluster:
    return make_cluster(*pods, vantages=("n1", "n2"), unavailable={NODE: Unavailable("forbidden")})


OLD_POD, NEW_POD = make_pod("old"), make_pod("new", age=60)
JOINS, DRAINS = make_node("n1", age=60), make_node("n1", unschedulable=True)
CASES = [
    Case("healthy", CLUSTER, measured=Measured({}, (Vantage("n1", True), RUNNING))),
    _case("image", PodProblem.IMAGE, "POD001"),
    _case("quota", PodProblem.QUOTA, "POD002"),
    _case("admission", PodProblem.ADMISSION, "POD002"),
    _case("kube-controller-manager is away", PodProblem.ACCOUNT, "POD007"),
    _case("no right", PodProblem.FORBIDDEN, "POD002"),
    _case("server error", PodProblem.API, "POD002"),
    _case("sandbox", PodProblem.SANDBOX, "POD003"),
    _case("container", PodProblem.CONTAINER, "POD004"),
    _case("ended", PodProblem.ENDED, "POD004"),
    _case("late", PodProblem.LATE, "POD004"),
    _case("silent kubelet", PodProblem.KUBELET, "POD008"),
    _case("node not ready", PodProblem.NODE, "POD005"),
    *(
        Case(f"Nodes can't be read: {name}", _blind(*pods), frozenset(found), facts, state)
        for name, pods, facts, found, state in (
            ("no network on a node of old pods", (OLD_POD,), _one(PodProblem.SANDBOX), {("POD003", "Node n1")}, "fail"),
            ("no network on a node that may join", (NEW_POD,), _one(PodProblem.SANDBOX), (), "unknown"),
            ("slow on a node that may join", (), _one(PodProblem.LATE), (), "unknown"),
            ("ended on a node that may be drained", (OLD_POD,), _one(PodProblem.ENDED), (), "unknown"),
            ("the image is not there all the same", (), _one(PodProblem.IMAGE), {("POD001", "Node n1")}, "fail"),
        )
    ),
    _on("a node that joins has no network for a moment", JOINS, PodProblem.SANDBOX, "POD005"),
    _on("the kubelet of a node that joins is silent", JOINS, PodProblem.KUBELET, "POD005"),
    _on("a node that joins is slow", JOINS, PodProblem.LATE, "POD005"),
    _on("the image is not there, on a node that joins too", JOINS, PodProblem.IMAGE, "POD001"),
    _on("a node that is drained", DRAINS, PodProblem.ENDED, "POD005"),
    _on("no network on a cordoned node", DRAINS, PodProblem.SANDBOX, "POD003"),
    _case("exec", PodProblem.EXEC, "POD006", running=True),
    _case("no output", PodProblem.OUTPUT, "POD009", running=True),
    *(
        Case(
            f"exec is not permitted: {trouble}",
            CLUSTER,
            measured=Measured({}, (Vantage("n1", True, trouble), RUNNING)),
            state="unknown",
        )
        for trouble in (PodProblem.FORBIDDEN, PodProblem.ADMISSION)
    ),
    Case(
        "a right that the user lacks is no fault of the cluster",
        CLUSTER,
        measured=Measured({}, (Vantage("n1", False, PodProblem.FORBIDDEN, grant=Grant("create", "pods")), RUNNING)),
        state="unknown",
    ),
    Case("an image is still being pulled", CLUSTER, measured=_one(PodProblem.PULLING), state="unknown"),
    Case("everywhere is one finding", CLUSTER, frozenset({("POD001", "Cluster debug pods")}), _both(PodProblem.IMAGE)),
    Case("not asked for", CLUSTER, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
    Case(
        "a Windows node is left out by design",
        make_cluster(make_node("n1"), make_node("win"), vantages=("n1",)),
        measured=Measured({}, (Vantage("n1", True),)),
    ),
]
