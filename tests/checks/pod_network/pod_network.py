# SPDX-License-Identifier: Apache-2.0
"""Cases of pod_network: the outcome of each path is given, the broken place must be named."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import msgspec

from kubectl_netdoc.api import (
    Connect,
    ConnectReply,
    Echo,
    EchoReply,
    EchoSample,
    Lost,
    Outcome,
    Peer,
    Reply,
    Request,
    Unavailable,
)
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import ADMIN_NETWORK_POLICY, CLUSTER_NETWORK_POLICY, NATIVE_POLICIES, NETWORK_POLICY, NODE
from kubectl_netdoc.testing import Case, make_cluster, make_node, make_pod, make_policy, make_service, make_slice, measured
from tests.support.cni_objects import daemon_set

NODES = ("n1", "n2", "n3")
CLUSTER = make_cluster(*(make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24"]) for n in NODES), vantages=NODES)
JOINS = make_cluster(
    *(make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24"], age=30 if n == "n2" else 7200) for n in NODES), vantages=NODES
)
CALICO = make_cluster(
    *(make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24"]) for n in NODES),
    *daemon_set("kube-system", "calico-node", {"calico-node": "quay.io/calico/node:v3.30.0"})[:1],
    vantages=NODES,
)
DUAL = make_cluster(*(make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24", f"fd00:0:0:{n[1]}::/64"]) for n in NODES), vantages=NODES)
IPS = {"n1": "10.0.1.9", "n2": "10.0.2.9", "n3": "10.0.3.9"}
NETWORK = "Cluster pod network"
Path = tuple[str, str]


def _good(request: Echo, source: str = "") -> EchoReply:
    assert isinstance(request.to, Peer)
    own = source or IPS[request.node]
    return EchoReply(IPS[request.to.node], (EchoSample(Outcome.OK, 0.5, request.to.node, own, request.size),))


SILENCE = EchoReply("10.0.0.0", (EchoSample(Outcome.TIMEOUT, 1000.0),))


def _mesh(
    bad: Callable[[str, str], bool] = lambda a, b: False,
    *,
    large: frozenset[Path] = frozenset(),
    got: int = 0,
    no_udp: frozenset[Path] = frozenset(),
    no_tcp: frozenset[Path] = frozenset(),
    masqueraded: str = "",
    lost: str = "",
    unprobed: str = "",
    ips: dict[str, str] | None = None,
    own: dict[str, str] | None = None,
    down: tuple[str, ...] = (),
) -> Measured:
    """``bad``: whether the path from one node to another is silent; the others: nodes or paths with that trouble."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, Echo)
        assert isinstance(request.to, Peer)
        path = request.node, request.to.node
        if lost == request.node:
            return Lost("cut")
        if bad(*path) or path in (no_udp if request.protocol == "UDP" else no_tcp):
            return SILENCE
        if request.size and path in large:
            return EchoReply("x", (EchoSample(Outcome.OK, 0.5, path[1], IPS[path[0]], got),))
        return _good(request, "10.0.1.0" if masqueraded == request.node else (own or {}).get(request.node, ""))

    check = registry.load().choose(["pod_network"])[0]
    replies = measured(check, CLUSTER, answer).replies
    vantages = tuple(
        Vantage(n, n not in down, "NotStarted" if n in down else "", ip=(ips or IPS)[n], probed=n != unprobed) for n in NODES
    )
    return Measured({r: a for r, a in replies.items() if r.node not in down}, vantages)


def _walled(kind: Kind[Any], spec: str, bad: Callable[[str, str], bool]) -> Case:
    nodes = [make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24"]) for n in NODES]
    cluster = make_cluster(*nodes, make_policy(spec, "wall", kind=kind), vantages=NODES)
    return Case(f"{kind.name} keeps netdoc's own pods apart", cluster, frozenset(), _mesh(bad), "unknown")


def _new_pods(name: str, *, answers: Callable[[Connect], bool], cause: str, policy: bool = False) -> Case:
    """Nothing of netdoc's on n2 works; ``answers``: whether the pods behind a Service there do."""
    ends = {f"10.0.2.{n}": f"web-{n}" for n in (3, 4)}
    pods = [make_pod(name, "shop", node="n2", ip=ip) for ip, name in ends.items()]
    nodes = [make_node(n, podCIDRs=[f"10.0.{n[1]}.0/24"]) for n in NODES]
    slices = make_slice(addresses=ends, node="n2")
    ports = tuple(msgspec.structs.replace(port, name="p80") for port in slices[1].ports)  # type: ignore[attr-defined]
    shop = (make_service(), (slices[0], msgspec.structs.replace(slices[1], ports=ports)), *pods)
    wall = [make_policy("{podSelector: {}, policyTypes: [Ingress]}", "wall", "shop")] if policy else []
    cluster = make_cluster(*nodes, *shop, *wall, vantages=NODES, tier=Tier.NODES)
    replies = dict(_mesh(lambda a, b: "n2" in (a, b)).replies)
    for request in registry.load().choose(["pod_network"])[0].plan(cluster):
        if isinstance(request, Connect):
            replies[request] = ConnectReply(Outcome.OK if answers(request) else Outcome.TIMEOUT, 1.0)
    assert len(replies) > len(_mesh().replies)
    found = frozenset({(cause, "Node n2"), ("PNW005", "Node n2"), ("PNW010", NETWORK)})
    vantages = tuple(Vantage(n, True, ip=IPS[n], probed=True) for n in NODES)
    return Case(name, cluster, found, Measured(replies, vantages))


BLIND: dict[str, Any] = {"vantages": NODES, "unavailable": {NODE: Unavailable("forbidden")}}
ALL_DEAD = {("PNW001", NETWORK), ("PNW010", NETWORK), *(("PNW005", f"Node {n}") for n in NODES)}
DENY_ALL = "{priority: 1, tier: Admin, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"


def _dual(
    bad: frozenset[Path] = frozenset(), *, no_udp: Path | None = None, large: Path | None = None, without: tuple[str, ...] = ()
) -> Measured:
    """IPv4 works, and IPv6 but for the paths given; ``without``: nodes whose pods have no IPv6 address."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, Echo)
        assert isinstance(request.to, Peer)
        path = request.node, request.to.node
        if not request.family:
            return _good(request)
        if set(without) & set(path):
            return Lost("no IPv6 address", sent=False)
        if path in bad or (request.protocol == "UDP" and path == no_udp):
            return SILENCE
        got = 0 if request.size and path == large else request.size
        return EchoReply("fd00::1", (EchoSample(Outcome.OK, 0.5, path[1], "fd00::9", got),))

    check = registry.load().choose(["pod_network"])[0]
    vantages = (Vantage(n, True, ip=IPS[n], probed=True, more_ips=() if n in without else (f"fd00::{n[1]}",)) for n in NODES)
    return Measured(measured(check, DUAL, answer).replies, tuple(vantages))


def _six(name: str, facts: Measured, *expect: tuple[str, str], state: str = "") -> Case:
    return Case(f"IPv6: {name}", DUAL, frozenset({*expect, ("PNW010", NETWORK)}), facts, state)


def _case(name: str, facts: Measured, *expect: tuple[str, str], numbers: bool = True, state: str = "") -> Case:
    """A case; ``numbers``: whether the mesh's latency is reported as advice beside what is expected."""
    extra = {("PNW010", NETWORK)} if numbers else set()
    return Case(name, CLUSTER, frozenset({*expect, *extra}), facts, state)


def _link(*nodes: str) -> Callable[[str, str], bool]:
    return lambda a, b: {a, b} == set(nodes)


CASES = [
    _case("healthy", _mesh()),
    _case("nothing crosses", _mesh(lambda a, b: a != b), ("PNW001", NETWORK)),
    _case("one node is cut off", _mesh(lambda a, b: a != b and "n2" in (a, b)), ("PNW002", "Node n2")),
    _case("one node can't be reached", _mesh(lambda a, b: a != b == "n2"), ("PNW002", "Node n2")),
    _case("one node can't reach others", _mesh(lambda a, b: b != a == "n2"), ("PNW002", "Node n2")),
    _case("two nodes, both ways", _mesh(_link("n1", "n3")), ("PNW003", "NodePair n1--n3")),
    _case("two nodes, one way", _mesh(lambda a, b: (a, b) == ("n3", "n1")), ("PNW003", "NodePair n1--n3")),
    Case("a node that has just joined", JOINS, frozenset({("PNW010", NETWORK)}), _mesh(lambda a, b: "n2" in (a, b)), "unknown"),
    Case(
        "Nodes can't be read, and it may have just joined",
        make_cluster(make_pod(node="n1"), make_pod("web-2", node="n3"), **BLIND),
        frozenset({("PNW010", NETWORK)}),
        _mesh(lambda a, b: "n2" in (a, b)),
        "unknown",
    ),
    Case(
        "Nodes can't be read, and it has old pods",
        make_cluster(*(make_pod(f"web-{n}", node=n) for n in NODES), **BLIND),
        frozenset({("PNW002", "Node n2"), ("PNW005", "Node n2"), ("PNW010", NETWORK)}),
        _mesh(lambda a, b: "n2" in (a, b)),
    ),
    *(
        Case(
            f"nothing at all gets through, and {kind.plural} {words}",
            make_cluster(*(make_node(n) for n in NODES), vantages=NODES, unavailable={kind: missing}),
            frozenset(found),
            _mesh(lambda a, b: True),
            state,
        )
        for kind in (NETWORK_POLICY, ADMIN_NETWORK_POLICY)
        for missing, words, found, state in (
            (Unavailable("forbidden"), "can't be read", (), "unknown"),
            (Unavailable("none", by_design=True), "are not served", ALL_DEAD, "fail"),
        )
    ),
    Case("a node that has just joined, and works", JOINS, frozenset({("PNW010", NETWORK)}), _mesh()),
    Case(
        "a node that has just joined, and nothing works anywhere",
        JOINS,
        frozenset({("PNW001", NETWORK), ("PNW010", NETWORK)}),
        _mesh(lambda a, b: a != b),
    ),
    Case(
        "Calico's own blocks, one of two by chance within the node's range",
        CALICO,
        frozenset({("PNW010", NETWORK)}),
        _mesh(ips=IPS | {"n2": "10.0.9.9"}, own={"n2": "10.0.9.9"}),
    ),
    _case("on one node", _mesh(lambda a, b: a == b == "n1"), ("PNW005", "Node n1")),
    _case("no UDP", _mesh(no_udp=frozenset({("n1", "n2")})), ("PNW004", "NodePair n1--n2")),
    _case("no TCP", _mesh(no_tcp=frozenset({("n1", "n2")})), ("PNW016", "NodePair n1--n2")),
    _case("no TCP at one node", _mesh(no_tcp=frozenset(p for p in permutations(NODES, 2) if "n2" in p)), ("PNW016", "Node n2")),
    _case("no TCP anywhere", _mesh(no_tcp=frozenset(permutations(NODES, 2))), ("PNW016", NETWORK)),
    _case(
        "no TCP to one, nothing from it",
        _mesh(lambda a, b: (a, b) == ("n2", "n1"), no_tcp=frozenset({("n1", "n2")})),
        ("PNW016", "NodePair n1--n2"),
        ("PNW003", "NodePair n1--n2"),
    ),
    _case(
        "large lost to and from one node",
        _mesh(large=frozenset({("n1", "n2"), ("n2", "n1"), ("n3", "n2")})),
        ("PNW006", "Node n2"),
    ),
    _case("large lost", _mesh(large=frozenset({("n1", "n2"), ("n2", "n1")})), ("PNW006", "NodePair n1--n2")),
    _case("large slow", _mesh(large=frozenset({("n1", "n2")}), got=9000), ("PNW014", "NodePair n1--n2")),
    _case("masqueraded", _mesh(masqueraded="n1"), ("PNW007", "Node n1")),
    _case("probes fail", _mesh(unprobed="n1"), ("PNW008", "Node n1")),
    _case("no probe seen, and nobody else reaches it", _mesh(lambda a, b: a != b == "n1", unprobed="n1"), ("PNW002", "Node n1")),
    _case(
        "one address twice",
        _mesh(ips=IPS | {"n2": "10.0.1.9"}),
        ("PNW009", NETWORK),
        ("PNW007", "Node n2"),
        ("PNW011", "Node n2"),
    ),
    _case(
        "a foreign range",
        _mesh(lambda a, b: a != b == "n2", ips=IPS | {"n2": "10.99.0.2"}, masqueraded="n2"),
        ("PNW011", "Node n2"),
        ("PNW002", "Node n2"),
        ("PNW007", "Node n2"),
    ),
    _case(
        "pods of VPC addresses are no foreign range",
        _mesh(ips={"n1": "172.16.0.1", "n2": "172.16.0.2", "n3": "172.16.0.3"}),
        *(("PNW007", f"Node {n}") for n in NODES),
    ),
    _six("works", _dual()),
    _six("nowhere", _dual(frozenset((a, b) for a in NODES for b in NODES if a != b)), ("PNW012", NETWORK)),
    _six("not to and from a node", _dual(frozenset({("n1", "n2"), ("n2", "n3")})), ("PNW012", "Node n2")),
    _six("not between two", _dual(frozenset({("n1", "n2")})), ("PNW012", "NodePair n1--n2")),
    _six("no UDP", _dual(no_udp=("n1", "n2")), ("PNW012", "NodePair n1--n2")),
    _six("large lost", _dual(large=("n1", "n2")), ("PNW006", "NodePair n1--n2")),
    _six("a node without", _dual(without=("n2",)), ("PNW013", "Node n2")),
    _six("no pod has it", _dual(without=NODES)),
    _case("large lost everywhere", _mesh(large=frozenset((a, b) for a in NODES for b in NODES)), ("PNW006", NETWORK)),
    _case("an answer was cut", _mesh(lost="n1"), state="unknown"),
    _case("a debug pod did not run", _mesh(down=("n1",))),
    _case("only one ran", _mesh(down=("n1", "n2")), numbers=False, state="unknown"),
    _walled(ADMIN_NETWORK_POLICY, DENY_ALL, lambda a, b: True),
    _walled(CLUSTER_NETWORK_POLICY, DENY_ALL, lambda a, b: True),
    _walled(NATIVE_POLICIES[3], "{}", lambda a, b: True),
    _new_pods("new pods of a node are cut off", answers=lambda ask: ask.node != "n2", cause="PNW015"),
    _new_pods("all pods of a node are cut off", answers=lambda ask: False, cause="PNW002"),
    _new_pods("a node is cut off, and its new pods from its own too", answers=lambda ask: ask.host, cause="PNW015"),
    _new_pods("a policy lets the node in and no pod", answers=lambda ask: ask.host, cause="PNW002", policy=True),
    _case("not asked for", Measured(why_unmeasured="--no-pods"), numbers=False, state="skipped"),
]
