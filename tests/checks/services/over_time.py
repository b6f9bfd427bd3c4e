# SPDX-License-Identifier: Apache-2.0
"""Cases of over_time: half a minute of looks is given, and what differs must be named. All are made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from kubectl_netdoc.api import (
    Address,
    Cluster,
    Lost,
    Outcome,
    OverTime,
    OverTimeReply,
    OwnService,
    Peer,
    Place,
    PlaceOverTime,
    Reply,
    Request,
)
from kubectl_netdoc.core.cluster import Selection
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.engine import registry
from kubectl_netdoc.measurements.over_time import Bulk, IdleUse, Look
from kubectl_netdoc.testing import Case, make_cluster, make_node, make_pod, make_service, make_slice, measured

NODES = ("n1", "n2", "n3")
WEB_1, WEB_2, WEB = Address("10.0.1.1", 8080), Address("10.0.2.1", 8080), Address("10.96.0.1", 80)
OK, DEAD = Outcome.OK, Outcome.TIMEOUT
Of = Mapping[tuple[str, Place], PlaceOverTime]


def _cluster(thorough: bool = True, nodes: tuple[str, ...] = NODES) -> Cluster:
    kind, item = make_slice("web", addresses={"10.0.1.1": "web-1", "10.0.2.1": "web-2"})
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in item.ports)  # type: ignore[attr-defined]
    ends = tuple(
        msgspec.structs.replace(end, node_name=node)
        for end, node in zip(item.endpoints, NODES, strict=False)  # type: ignore[attr-defined]
    )
    pods = [make_pod("web-1", ip="10.0.1.1", labels={"app": "web"}), make_pod("web-2", ip="10.0.2.1", labels={"app": "web"})]
    web = make_service("web", selector={"app": "web"}, clusterIPs=["10.96.0.1"])
    made = (web, *pods, (kind, msgspec.structs.replace(item, ports=ports, endpoints=ends)))
    return make_cluster(*made, *map(make_node, nodes), vantages=nodes, selection=Selection(thorough=thorough))


def _looks(fails: Callable[[int], bool] = lambda at: False, late: Callable[[int], float] = lambda at: 0.0) -> tuple[Look, ...]:
    return tuple(Look(float(at), DEAD if fails(at) else OK, 1.0, late(at)) for at in range(24))


WELL = _looks()
FINE = (IdleUse(OK, OK),) * 2
ALL = ((24, 24),) * 2
QUICK = (Bulk(1048576, 10.0),) * 2


def _seen(
    looks: tuple[Look, ...] = WELL,
    idle: tuple[IdleUse, ...] = FINE,
    together: tuple[tuple[int, int], ...] = ALL,
    bulk: tuple[Bulk, ...] = QUICK,
) -> PlaceOverTime:
    return PlaceOverTime(looks, idle, together, bulk)


def _facts(of: Of | None = None, cluster: Cluster | None = None, lost: str = "", throttled: str = "") -> Measured:
    """``of``: what a node saw of a place where that is not well."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, OverTime)
        if request.node == lost:
            return Lost("cut")
        return OverTimeReply(tuple((of or {}).get((request.node, place), _plain(place)) for place in request.places))

    facts = measured(registry.load().choose(["over_time"])[0], cluster or C, answer)
    vantages = tuple(Vantage(v.node, v.running, throttled=1.0 if v.node == throttled else 0.0) for v in facts.vantages)
    return Measured(facts.replies, vantages)


def _plain(place: Place) -> PlaceOverTime:
    if isinstance(place, Address):
        return PlaceOverTime(WELL)
    return _seen() if isinstance(place, Peer) else _seen(bulk=QUICK)


def _of(looks: tuple[Look, ...], *ends: tuple[str, Place]) -> dict[tuple[str, Place], PlaceOverTime]:
    return {end: _seen(looks) if not isinstance(end[1], Address) else PlaceOverTime(looks) for end in ends}


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster | None = None, state: str = "") -> Case:
    return Case(name, cluster or C, frozenset(expect), facts, state)


def _every(number: int) -> Callable[[int], bool]:
    return lambda at: at % number == number - 1


C = _cluster()
QUIET = _cluster(thorough=False)
OUT = _looks(lambda at: at % 10 in (4, 5, 6))
THIRD = _looks(_every(3))
LINK = (("n1", Peer("n2")), ("n2", Peer("n1")))
BROKEN = (IdleUse(DEAD, OK),) * 2
TRICKLE = (Bulk(400_000, 3000.0), Bulk(380_000, 3000.0))
ALL_N1 = [("n1", Peer("n2")), ("n1", Peer("n3"))]
TO_N1 = [("n2", Peer("n1")), ("n3", Peer("n1"))]


def _held_up(looks: tuple[Look, ...]) -> tuple[Look, ...]:
    return tuple(look if look.outcome is OK else msgspec.structs.replace(look, ms=2500.0) for look in looks)


CASES = [
    _case("healthy", _facts()),
    _case("not asked for", Measured(vantages=_facts().vantages), cluster=QUIET, state="skipped"),
    _case("no pods", Measured(why_unmeasured="--no-pods"), state="skipped"),
    _case("out for 3 s in every 10 between two nodes", _facts(_of(OUT, *LINK)), ("OVT001", "NodePair n1--n2")),
    _case("out for 3 s in every 10, one endpoint", _facts(_of(OUT, *((n, WEB_1) for n in NODES))), ("OVT001", "Pod shop/web-1")),
    _case(
        "the Service fails with its endpoint",
        _facts(_of(OUT, *((n, WEB_1) for n in NODES), ("n2", WEB))),
        ("OVT001", "Pod shop/web-1"),
    ),
    _case("the Service alone", _facts(_of(OUT, *((n, WEB) for n in NODES))), ("OVT001", "Service shop/web")),
    _case(
        "an endpoint is dead from a node, and the Service fails in part there",
        _facts(_of(_looks(lambda at: True), ("n1", WEB_2)) | _of(THIRD, ("n1", WEB))),
    ),
    _case(
        "a path is dead, and the Service fails in part from that node",
        _facts(_of(_looks(lambda at: True), ("n1", Peer("n2"))) | _of(THIRD, ("n1", WEB))),
    ),
    _case(
        "an endpoint is dead from a node, and the Service fails in part from another",
        _facts(_of(_looks(lambda at: True), ("n1", WEB_2)) | _of(THIRD, ("n1", WEB), ("n3", WEB))),
        ("OVT002", "Service shop/web"),
    ),
    _case(
        "all paths of a node, and Services that lead there",
        _facts(_of(OUT, *ALL_N1, *TO_N1, ("n2", WEB_1), ("n3", WEB_1)) | _of(THIRD, ("n2", WEB)) | _of(OUT, ("n3", WEB))),
        ("OVT001", "Node n1"),
    ),
    _case(
        "an endpoint behind a failing path", _facts(_of(OUT, ("n3", Peer("n1")), ("n3", WEB_1))), ("OVT001", "NodePair n1--n3")
    ),
    _case("all paths of a node", _facts(_of(OUT, *ALL_N1, *TO_N1)), ("OVT001", "Node n1")),
    _case(
        "a limit of connections, which the debug pod reaches in each half and meets in its looks",
        _facts(
            {end: _seen(_looks(lambda at: at % 12 in (0, 1, 2)), together=((24, 8), (24, 9))) for end in LINK}
            | _of(_looks(lambda at: at % 12 in (0, 1)), ("n1", WEB_2), ("n1", WEB))
        ),
        ("OVT004", "NodePair n1--n2"),
    ),
    _case(
        "every third connection of a node, also when many are held at once, and by chance in a row",
        _facts(
            {end: _seen(THIRD, together=((24, 16), (24, 15))) for end in (*ALL_N1, *TO_N1)}
            | {("n2", OwnService()): _seen(together=((24, 22), (24, 21)))}
            | _of(_looks(lambda at: at in (5, 6, 11, 17, 18)), ("n1", WEB_1), ("n2", WEB_1))
        ),
        ("OVT002", "Node n1"),
    ),
    _case(
        "out for 3 s in every 10, and at the end too",
        _facts(_of(_looks(lambda at: at % 10 in (1, 2, 3)), *LINK)),
        ("OVT001", "NodePair n1--n2"),
    ),
    _case("one gap is a restart", _facts(_of(_looks(lambda at: at in (4, 5, 6)), *((n, WEB_1) for n in NODES)))),
    _case("gone from some moment on", _facts(_of(_looks(lambda at: at > 12), ("n1", WEB_1)))),
    _case("there from some moment on", _facts(_of(_looks(lambda at: at < 9), ("n1", WEB_1)))),
    _case("never there: others tell that", _facts(_of(_looks(lambda at: True), ("n1", WEB_1)))),
    _case("two lost by chance", _facts(_of(_looks(lambda at: at in (5, 17)), ("n1", WEB_1)))),
    _case("the debug pod was held up", _facts(_of(_looks(_every(3), lambda at: 0.5 if _every(3)(at) else 0.0), ("n1", WEB_1)))),
    _case("held up during the looks", _facts(_of(_held_up(THIRD), ("n1", WEB_1)))),
    _case("every third connection", _facts(_of(THIRD, ("n1", WEB_1))), ("OVT002", "Pod shop/web-1")),
    _case("every third connection between nodes", _facts(_of(THIRD, *LINK)), ("OVT002", "NodePair n1--n2")),
    _case("every second connection", _facts(_of(_looks(_every(2)), ("n1", WEB_2))), ("OVT002", "Pod shop/web-2")),
    _case("breaks when idle", _facts(dict.fromkeys(LINK, _seen(idle=BROKEN))), ("OVT003", "NodePair n1--n2")),
    _case("breaks when idle, of one node", _facts(dict.fromkeys(ALL_N1 + TO_N1, _seen(idle=BROKEN))), ("OVT003", "Node n1")),
    _case("breaks when idle by the Service", _facts({("n1", OwnService()): _seen(idle=BROKEN)}), ("OVT003", "Node n1")),
    _case("one idle connection of two broke", _facts({LINK[0]: _seen(idle=(IdleUse(DEAD, OK), IdleUse(OK, OK)))})),
    _case("the new one beside it fails too", _facts({LINK[0]: _seen(idle=(IdleUse(DEAD, DEAD),) * 2)})),
    _case(
        "a limit of connections", _facts(dict.fromkeys(LINK, _seen(together=((24, 8), (24, 9))))), ("OVT004", "NodePair n1--n2")
    ),
    _case(
        "a limit by the Service",
        _facts({("n1", OwnService()): _seen(together=((24, 8), (24, 8)))}),
        ("OVT004", "Node n1"),
    ),
    _case("in one round not all", _facts({LINK[0]: _seen(together=((24, 20), (24, 24)))})),
    _case("in both not all, but no limit", _facts({LINK[0]: _seen(together=((24, 20), (24, 9)))})),
    _case(
        "a path that loses much has no limit",
        _facts({LINK[0]: _seen(THIRD, together=((24, 16), (24, 15)))}),
        ("OVT002", "NodePair n1--n2"),
    ),
    _case("a slow pipe", _facts(dict.fromkeys(LINK, _seen(bulk=TRICKLE))), ("OVT005", "NodePair n1--n2")),
    _case("a slow pipe out of a node", _facts(dict.fromkeys(TO_N1, _seen(bulk=TRICKLE))), ("OVT005", "Node n1")),
    _case("slow once", _facts({LINK[0]: _seen(bulk=(TRICKLE[0], QUICK[0]))})),
    _case("all are slow", _facts({(a, Peer(b)): _seen(bulk=TRICKLE) for a in NODES for b in NODES if a != b})),
    _case("slower, and fast enough", _facts(dict.fromkeys(LINK, _seen(bulk=(Bulk(1048576, 200.0),) * 2)))),
    _case("a slow pipe loses looks too", _facts(dict.fromkeys(LINK, _seen(OUT, bulk=TRICKLE))), ("OVT005", "NodePair n1--n2")),
    _case("an answer was cut", _facts(lost="n2"), state="unknown"),
    _case("a debug pod was throttled", _facts(_of(THIRD, ("n2", WEB_1)), throttled="n2"), state="unknown"),
]
