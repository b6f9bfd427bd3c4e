# SPDX-License-Identifier: Apache-2.0
"""Cases of service_hairpin: which of the nearest backends fails."""

from kubectl_netdoc.api import ADMIN_NETWORK_POLICY, Echo, EchoReply, EchoSample, Lost, Outcome, OwnService, Peer, Reply, Request
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_policy, measured

NODES = ("n1", "n2")
EVERYWHERE = "Cluster pods and their own Services"
C = make_cluster(vantages=NODES)
NOBODY = "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
WALL = make_cluster(make_policy(NOBODY, kind=ADMIN_NETWORK_POLICY), vantages=NODES)
LATE = EchoSample(Outcome.TIMEOUT, 1000.0)
SILENT = EchoReply("x", (LATE, LATE))


def _own(node: str, *who: str, late: int = 0) -> EchoReply:
    """``who`` answered: a node, or ``itself``; ``late``: connects that timed out."""
    samples = [EchoSample(Outcome.OK, 1.0, node if name == "itself" else name, itself=name == "itself") for name in who]
    return EchoReply("10.96.0.50", (*samples, *[LATE] * late))


def _measure(*, own: dict[str, Reply], twin: bool = True, dead: tuple[str, ...] = (), walled: bool = False) -> Measured:
    """n1 has two debug pods. ``own``: what n1 and n2 got of netdoc's Service; ``dead``: nodes that nobody reaches directly."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, Echo)
        if isinstance(request.to, OwnService):
            return own.get(request.node) or _own(request.node, "itself", "n1", "n2")
        assert isinstance(request.to, Peer)
        if request.to.twin and request.node != "n1":
            return Lost("no echo server", sent=False)
        if walled or request.to.node in dead or (request.to.twin and not twin):
            return SILENT
        return _own(request.node, request.to.node)

    return measured(registry.load().choose(["service_hairpin"])[0], WALL if walled else C, answer)


def _case(name: str, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(name, WALL if facts.replies and state == "unknown" and "policy" in name else C, frozenset(expect), facts, state)


CASES = [
    _case("healthy", _measure(own={})),
    _case("a lost packet", _measure(own={"n2": _own("n2", "itself", "n1", late=1)})),
    _case("missed by chance beside a lost packet", _measure(own={"n2": _own("n2", "n1", late=1)})),
    _case("another node is met through the Service alone", _measure(own={"n2": _own("n2", "n1", late=3)}, dead=("n1",))),
    _case("missed by chance, and nothing timed out", _measure(own={"n2": _own("n2", "n1", "n1")})),
    _case("no hairpin on one node", _measure(own={"n2": _own("n2", "n1", late=3)}), ("SVH001", "Node n2")),
    _case("no hairpin beside a neighbour", _measure(own={"n1": _own("n1", "n1", "n2", late=3)}), ("SVH001", "Node n1")),
    _case(
        "no hairpin anywhere",
        _measure(own={"n1": _own("n1", "n1", "n2", late=3), "n2": _own("n2", "n1", late=3)}),
        ("SVH001", EVERYWHERE),
    ),
    _case("no br_netfilter", _measure(own={"n1": _own("n1", "itself", "n2", late=3)}), ("SVH002", "Node n1")),
    _case("no way to the neighbour at all", _measure(own={"n1": _own("n1", "itself", "n2", late=3)}, twin=False)),
    _case("another node can't be reached", _measure(own={"n2": _own("n2", late=3)}, dead=("n1",))),
    _case("another node is missed through the Service", _measure(own={"n1": _own("n1", "n1", late=3)})),
    _case("nothing works", _measure(own={node: _own(node, late=5) for node in NODES})),
    _case("an answer was cut", _measure(own={"n2": Lost("cut")}), state="unknown"),
    _case("a policy keeps them apart", _measure(own={n: _own(n, late=5) for n in NODES}, walled=True), state="unknown"),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
