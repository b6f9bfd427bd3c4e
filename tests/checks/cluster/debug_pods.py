# SPDX-License-Identifier: Apache-2.0
"""Cases of debug_pods."""

from kubectl_netdoc.api import NODE, Cluster, Trouble, Unavailable
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, make_pod

CLUSTER = make_cluster(make_node("n1"), make_node("n2"), vantages=("n1", "n2"))
RUNNING = Vantage("n2", True)


def _case(name: str, trouble: Trouble, code: str, *, running: bool = False) -> Case:
    measured = Measured({}, (Vantage("n1", running, trouble, "because"), RUNNING))
    return Case(name, CLUSTER, frozenset({(code, "Node n1")}), measured)


def _both(trouble: Trouble) -> Measured:
    return Measured({}, (Vantage("n1", False, trouble, "because"), Vantage("n2", False, trouble, "because")))


def _on(name: str, node: Built, trouble: Trouble, code: str) -> Case:
    facts = Measured({}, (Vantage("n1", False, trouble, "because"), RUNNING))
    return Case(name, make_cluster(node, make_node("n2"), vantages=("n1", "n2")), frozenset({(code, "Node n1")}), facts)


def _one(trouble: Trouble) -> Measured:
    return Measured({}, (Vantage("n1", False, trouble, "because"), RUNNING))


def _blind(*pods: Built) -> Cluster:
    return make_cluster(*pods, vantages=("n1", "n2"), unavailable={NODE: Unavailable("forbidden")})


OLD_POD, NEW_POD = make_pod("old"), make_pod("new", age=60)
JOINS, DRAINS = make_node("n1", age=60), make_node("n1", unschedulable=True)
CASES = [
    Case("healthy", CLUSTER, measured=Measured({}, (Vantage("n1", True), RUNNING))),
    _case("image", Trouble.IMAGE, "POD001"),
    _case("quota", Trouble.QUOTA, "POD002"),
    _case("admission", Trouble.ADMISSION, "POD002"),
    _case("kube-controller-manager is away", Trouble.ACCOUNT, "POD007"),
    _case("no right", Trouble.FORBIDDEN, "POD002"),
    _case("server error", Trouble.API, "POD002"),
    _case("sandbox", Trouble.SANDBOX, "POD003"),
    _case("container", Trouble.CONTAINER, "POD004"),
    _case("ended", Trouble.ENDED, "POD004"),
    _case("late", Trouble.LATE, "POD004"),
    _case("node not ready", Trouble.NODE, "POD005"),
    *(
        Case(f"Nodes can't be read: {name}", _blind(*pods), frozenset(found), facts, state)
        for name, pods, facts, found, state in (
            ("no network on a node of old pods", (OLD_POD,), _one(Trouble.SANDBOX), {("POD003", "Node n1")}, "fail"),
            ("no network on a node that may join", (NEW_POD,), _one(Trouble.SANDBOX), (), "unknown"),
            ("slow on a node that may join", (), _one(Trouble.LATE), (), "unknown"),
            ("ended on a node that may be drained", (OLD_POD,), _one(Trouble.ENDED), (), "unknown"),
            ("the image is not there all the same", (), _one(Trouble.IMAGE), {("POD001", "Node n1")}, "fail"),
        )
    ),
    _on("a node that joins has no network for a moment", JOINS, Trouble.SANDBOX, "POD005"),
    _on("a node that joins is slow", JOINS, Trouble.LATE, "POD005"),
    _on("the image is not there, on a node that joins too", JOINS, Trouble.IMAGE, "POD001"),
    _on("a node that is drained", DRAINS, Trouble.ENDED, "POD005"),
    _on("no network on a cordoned node", DRAINS, Trouble.SANDBOX, "POD003"),
    _case("exec", Trouble.EXEC, "POD006", running=True),
    *(
        Case(
            f"exec is not permitted: {trouble}",
            CLUSTER,
            measured=Measured({}, (Vantage("n1", True, trouble), RUNNING)),
            state="unknown",
        )
        for trouble in (Trouble.FORBIDDEN, Trouble.ADMISSION)
    ),
    Case("everywhere is one finding", CLUSTER, frozenset({("POD001", "Cluster debug pods")}), _both(Trouble.IMAGE)),
    Case("not asked for", CLUSTER, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
    Case(
        "a Windows node is left out by design",
        make_cluster(make_node("n1"), make_node("win"), vantages=("n1",)),
        measured=Measured({}, (Vantage("n1", True),)),
    ),
]
