# SPDX-License-Identifier: Apache-2.0
"""Cases of foreign_rules: what each node's packet filter and policy routes are is given."""

from __future__ import annotations

from kubectl_netdoc.api import Lost, NodeRules, NodeRulesReply, Outcome, PolicyRoute, Reply, Request, Rule, Tier
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case, make_cluster, make_node, measured

NODES = ("n1", "n2", "n3")


def _cluster(nodes: tuple[str, ...] = NODES) -> Cluster:
    return make_cluster(*(make_node(name) for name in nodes), vantages=nodes, tier=Tier.PRIVILEGED)


def _rule(text: str = "ip saddr 10.0.0.0/8 drop", chain: str = "FORWARD", backend: str = "nft", handle: str = "7") -> Rule:
    return Rule(backend, "ip", "filter", chain, handle, text, text.split()[-1], 3)


def _told(cluster: Cluster, replies: dict[str, Reply]) -> Measured:
    check = registry.load().choose(["foreign_rules"])[0]
    empty = NodeRulesReply(Outcome.OK, 1.0)

    def answer(request: Request) -> Reply:
        assert isinstance(request, NodeRules)
        return replies.get(request.node, empty)

    return measured(check, cluster, answer)


def _case(name: str, replies: dict[str, Reply], *nodes: str, cluster: Cluster | None = None, state: str = "") -> Case:
    where = cluster or _cluster()
    return Case(name, where, frozenset(("FRL001", f"Node {node}") for node in nodes), _told(where, replies), state=state)


def _with(*rules: Rule, routes: tuple[PolicyRoute, ...] = (), cut: bool = False) -> NodeRulesReply:
    return NodeRulesReply(Outcome.OK, 1.0, rules, routes, cut)


ROUTE = PolicyRoute(90, "IPv4", "from 10.244.1.0/24 lookup 200")

CASES = [
    _case("nothing foreign", {}),
    _case("one node has a rule", {"n2": _with(_rule())}, "n2"),
    _case("of the old tables", {"n2": _with(_rule(backend="legacy", handle="1"))}, "n2"),
    _case("a chain's policy", {"n2": _with(_rule("policy drop", handle="policy"))}, "n2"),
    _case("one node has a policy route", {"n3": _with(routes=(ROUTE,))}, "n3"),
    _case("two nodes have one each", {"n1": _with(_rule("tcp drop")), "n2": _with(_rule("udp drop"))}, "n1", "n2"),
    _case("all nodes have it", {node: _with(_rule()) for node in NODES}),
    _case(
        "all nodes have it, each with its own addresses and handles",
        {node: _with(_rule(f"ip saddr 10.244.{n}.0/24 drop", handle=str(n)), routes=(ROUTE,)) for n, node in enumerate(NODES)},
    ),
    _case("two of three have it", {node: _with(_rule()) for node in NODES[:2]}),
    _case("of two nodes either may be odd", {"n1": _with(_rule())}, cluster=_cluster(NODES[:2])),
    _case("a node with more than is read", {"n1": _with(_rule(), cut=True)}, state="unknown"),
    _case("a node that told nothing", {"n1": Lost("exec failed")}, state="unknown"),
    Case("another tier", make_cluster(make_node("n1"), vantages=("n1",)), state="skipped"),
]
