# SPDX-License-Identifier: Apache-2.0
"""Cases of path_quality: what came back of each burst is given. Slow nodes and zones are hand-made."""

from __future__ import annotations

from collections.abc import Mapping

from kubectl_netdoc.api import (
    Burst,
    BurstReply,
    Echo,
    EchoReply,
    EchoSample,
    Lost,
    Outcome,
    PathMtu,
    PathMtuReply,
    Peer,
    Reply,
    Request,
    Round,
)
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import ADMIN_NETWORK_POLICY, NODE
from kubectl_netdoc.testing import Case, make_cluster, make_node, make_policy, measured

NODES = ("n1", "n2", "n3")
NETWORK = "Cluster pod network"
Path = tuple[str, str]


def _cluster(zones: str = "", nodes: tuple[str, ...] = NODES) -> Cluster:
    """``zones``: a letter for each node's zone."""
    labels = [{"topology.kubernetes.io/zone": zone} for zone in zones] or [{} for _ in nodes]
    made = [(NODE, convert(NODE, {"metadata": {"name": n, "labels": label}})) for n, label in zip(nodes, labels, strict=True)]
    return make_cluster(*made, vantages=nodes)


def _burst(ms: float = 0.2, lost: tuple[int, ...] = (), best: float = 0.0) -> BurstReply:
    """Rounds that lost so many each; ``best``: the time of the fastest datagram."""
    return BurstReply(tuple(Round(40, ((best or ms), *(ms,) * (39 - n)) if n < 40 else ()) for n in lost or (0,)))


def _bursts(
    paths: Mapping[Path, Reply] | None = None,
    cluster: Cluster | None = None,
    *,
    down: tuple[str, ...] = (),
    throttled: str = "",
    proven: float = 0.0,
    large: Mapping[Path, PathMtuReply] | None = None,
) -> Measured:
    """``large``: what came of large datagrams, where not all did.

    ``proven``: milliseconds of every path's proof; where it is not given, the typical time of its burst.
    """

    def answer(request: Request) -> Reply:
        if isinstance(request, Echo):
            assert isinstance(request.to, Peer)
            burst = (paths or {}).get((request.node, request.to.node), _burst())
            times = burst.rounds[0].times if isinstance(burst, BurstReply) else ()
            if not times:
                return EchoReply("10.0.0.9", (EchoSample(Outcome.TIMEOUT, 1000.0),))
            ms = proven or sorted(times)[len(times) // 2]
            return EchoReply("10.0.0.9", (EchoSample(Outcome.OK, ms, request.to.node, "10.0.0.1"),))
        if isinstance(request, PathMtu):
            return (large or {}).get((request.node, request.to.node), WHOLE)
        assert isinstance(request, Burst)
        return (paths or {}).get((request.node, request.to.node), _burst())

    cluster = cluster or PLAIN
    check = registry.load().choose(["path_quality"])[0]
    replies = {r: a for r, a in measured(check, cluster, answer).replies.items() if r.node not in down}
    states = [Vantage(n, n not in down, throttled=0.5 if n == throttled else 0.0) for n in cluster.vantages]
    return Measured(replies, tuple(states))


WHOLE = PathMtuReply(Outcome.OK, 1450, 1450, large=((12, 12),))


def _large(*rounds: tuple[int, int], carried: int = 1450, under: tuple[tuple[int, int], ...] = ()) -> PathMtuReply:
    return PathMtuReply(Outcome.OK, 1450, carried, 0, large=rounds, under=under)


LOSING = _large((12, 8), (40, 27))


def _of(node: str, reply: Reply, nodes: tuple[str, ...] = NODES) -> dict[Path, Reply]:
    return {(a, b): reply for a in nodes for b in nodes if node in (a, b) and a != b}


def _case(name: str, facts: Measured, *expect: tuple[str, str], cluster: Cluster | None = None, state: str = "") -> Case:
    numbers = {("PTQ010", NETWORK)} if "no numbers" not in name else set()
    return Case(name, cluster or PLAIN, frozenset({*expect, *numbers}), facts, state)


PLAIN = _cluster()
ZONED = _cluster("aaa")
FOUR = ("n1", "n2", "n3", "n4")
QUEUE, FAR = _burst(40.0, best=0.3), _burst(40.0)
SPREAD = _cluster("aabb", FOUR)
EDGE = _cluster("", FOUR)
DENY_ALL = "{priority: 1, tier: Admin, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
WALLED = make_cluster(*map(make_node, NODES), make_policy(DENY_ALL, "wall", kind=ADMIN_NETWORK_POLICY), vantages=NODES)
NOTHING = _burst(lost=(40, 40))
GONE = {(a, b): NOTHING for a in NODES for b in NODES}
ACROSS = {(a, b): _burst(40.0, best=0.3) for a in ("n1", "n2") for b in ("n3", "n4")}

CASES = [
    _case("large packets are lost at random", _bursts(large={("n1", "n2"): LOSING}), ("PTQ005", "NodePair n1--n2")),
    _case(
        "so many that a size seemed to be the limit",
        _bursts(large={("n1", "n2"): _large((12, 2), (40, 6), carried=1403, under=((12, 5), (40, 20)))}),
        ("PTQ005", "NodePair n1--n2"),
    ),
    _case(
        "on all paths of a node",
        _bursts(large=dict.fromkeys((("n1", "n2"), ("n1", "n3")), LOSING)),
        ("PTQ005", "Node n1"),
    ),
    _case("a large one lost by chance", _bursts(large={("n1", "n2"): _large((12, 11), (40, 40))})),
    _case("two large ones lost by chance", _bursts(large={("n1", "n2"): _large((12, 11), (40, 38))})),
    _case(
        "a limit of the MTU is no loss",
        _bursts(large={("n1", "n2"): _large((12, 0), carried=1400, under=((12, 12),))}),
    ),
    _case(
        "a limit of the MTU, and one below it lost by chance",
        _bursts(large={("n1", "n2"): _large((12, 0), (40, 0), carried=1400, under=((12, 11), (40, 40)))}),
    ),
    _case(
        "small ones are lost too",
        _bursts({("n1", "n2"): _burst(lost=(9, 8))}, large={("n1", "n2"): LOSING}),
        ("PTQ001", "NodePair n1--n2"),
    ),
    _case(
        "large ones wait in a queue",
        _bursts({("n1", "n2"): BurstReply((Round(40, (0.2,) * 20 + (180.0,) * 20),))}, large={("n1", "n2"): LOSING}),
    ),
    _case("an old recording", _bursts(large={("n1", "n2"): PathMtuReply(Outcome.OK, 1450, 1400)})),
    _case("healthy", _bursts()),
    _case("lossy between two", _bursts({("n1", "n2"): _burst(lost=(8, 9))}), ("PTQ001", "NodePair n1--n2")),
    _case("lossy to and from one node", _bursts(_of("n2", _burst(lost=(3, 3)))), ("PTQ004", "Node n2")),
    _case("lossy everywhere", _bursts({p: _burst(lost=(8, 9)) for p in GONE if p[0] != p[1]}), ("PTQ004", NETWORK)),
    _case("lost once, not again", _bursts({("n1", "n2"): _burst(lost=(12, 0))})),
    _case("two of forty are chance", _bursts({("n1", "n2"): _burst(lost=(2, 2))})),
    _case("much once and two again are chance", _bursts({("n1", "n2"): _burst(lost=(9, 2))})),
    _case("nothing comes through: pod_network's question", _bursts({("n1", "n2"): _burst(lost=(40, 40))})),
    _case("lossy on one node", _bursts({("n1", "n1"): _burst(lost=(5, 6))}), ("PTQ002", "Node n1")),
    _case("a slow node", _bursts(_of("n2", QUEUE)), ("PTQ003", "Node n2")),
    _case("a slow node of a zone, constantly", _bursts(_of("n2", FAR), ZONED), ("PTQ003", "Node n2"), cluster=ZONED),
    _case("a node far away by design", _bursts(_of("n2", FAR))),
    _case("a slow path", _bursts({("n1", "n2"): QUEUE, ("n2", "n1"): QUEUE}), ("PTQ003", "NodePair n1--n2")),
    _case("long, and short by the third node", _bursts({("n1", "n2"): FAR, ("n2", "n1"): FAR}), ("PTQ003", "NodePair n1--n2")),
    _case("slow from one end alone, which was busy", _bursts({("n1", "n2"): QUEUE})),
    _case(
        "slow, and the other end got no answer",
        _bursts({("n1", "n2"): QUEUE, ("n2", "n1"): NOTHING}),
        ("PTQ003", "NodePair n1--n2"),
    ),
    _case("a burst that met a busy machine", _bursts({("n1", "n2"): QUEUE}, proven=0.6)),
    _case("slower than others and below the floor", _bursts({("n1", "n2"): _burst(9.0, best=0.3)})),
    _case("all are slow: a slow network, no outlier", _bursts(dict.fromkeys(GONE, QUEUE))),
    _case("zones far apart", _bursts(ACROSS | {(b, a): r for (a, b), r in ACROSS.items()}, SPREAD), cluster=SPREAD),
    _case("a node at the edge with a queue", _bursts(_of("n4", QUEUE, FOUR), EDGE), ("PTQ003", "Node n4"), cluster=EDGE),
    _case("held back by its CPU limit", _bursts(_of("n2", QUEUE), throttled="n2"), state="unknown"),
    _case("an answer was cut", _bursts({("n1", "n2"): Lost("cut")}), state="unknown"),
    _case("a debug pod did not run", _bursts(down=("n1",))),
    _case("no numbers: only one ran", _bursts(down=("n1", "n2")), state="unknown"),
    _case("no numbers: a policy keeps netdoc's pods apart", _bursts(GONE, WALLED), cluster=WALLED, state="unknown"),
    _case("no numbers: an older recording", Measured({}, tuple(Vantage(n, True) for n in NODES)), state="skipped"),
    _case("no numbers: not asked for", Measured(why_unmeasured="--no-pods"), state="skipped"),
]
