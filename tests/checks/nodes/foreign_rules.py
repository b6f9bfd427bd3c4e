# SPDX-License-Identifier: Apache-2.0
"""Cases of foreign_rules: what each node's packet filter and policy routes are is given."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.api import (
    NODE,
    SERVICE,
    KernelRoute,
    Link,
    Lost,
    Neighbour,
    NodeRules,
    NodeRulesReply,
    Outcome,
    PolicyRoute,
    Queue,
    Reply,
    Request,
    RtnetlinkReply,
    Rule,
    RuleSet,
    Tier,
)
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.testing import Built, Case, make_cluster, make_node, measured

NODES = ("n1", "n2", "n3")


def _cluster(nodes: tuple[str, ...] = NODES, ranged: bool = False, balanced: str = "") -> Cluster:
    """``ranged``: with ranges of pods; ``balanced``: with a Service that has this address from outside."""
    made = [_ranged(name, number) if ranged else make_node(name) for number, name in enumerate(nodes, 1)]
    services = [_balanced(balanced)] if balanced else []
    return make_cluster(*made, *services, vantages=nodes, tier=Tier.PRIVILEGED)


def _ranged(name: str, number: int) -> Built:
    return NODE, convert(NODE, {"metadata": {"name": name}, "spec": {"podCIDRs": [f"10.244.{number}.0/24"]}})


def _balanced(ip: str) -> Built:
    spec = {"metadata": {"name": "web", "namespace": "shop"}, "status": {"loadBalancer": {"ingress": [{"ip": ip}]}}}
    return SERVICE, convert(SERVICE, spec)


def _rule(text: str = "ip saddr 10.0.0.0/8 drop", chain: str = "FORWARD", backend: str = "nft", handle: str = "7") -> Rule:
    return Rule(backend, "ip", "filter", chain, handle, text, text.split()[-1], 3)


def _told(cluster: Cluster, replies: dict[str, Reply], tables: dict[str, RtnetlinkReply]) -> Measured:
    check = registry.load().choose(["foreign_rules"])[0]
    empty = NodeRulesReply(Outcome.OK, 1.0)

    def answer(request: Request) -> Reply:
        if not isinstance(request, NodeRules):
            return tables.get(request.node, TABLES)
        return replies.get(request.node, empty)

    return measured(check, cluster, answer)


def _case(
    name: str,
    replies: dict[str, Reply],
    *nodes: str,
    cluster: Cluster | None = None,
    state: str = "",
    tables: dict[str, RtnetlinkReply] | None = None,
) -> Case:
    where = cluster or _cluster()
    measured_ = _told(where, replies, tables or {})
    return Case(name, where, frozenset(("FRL001", f"Node {node}") for node in nodes), measured_, state=state)


def _tables(*routes: KernelRoute, addresses: tuple[str, ...] = ("172.18.0.9/16",), dev: str = "eth0") -> RtnetlinkReply:
    return RtnetlinkReply(Outcome.OK, 1.0, (Link(dev, addresses=addresses),), routes)


TABLES = _tables()


def _neighbours(state: str = "permanent", dev: str = "cni0", mac: str = "02:00:00:00:00:09", kind: str = "") -> RtnetlinkReply:
    links = (Link("eth0", addresses=("172.18.0.9/16",)), Link(dev, kind))
    return RtnetlinkReply(Outcome.OK, 1.0, links, neighbours=(Neighbour("10.244.1.5", mac, dev, state),))


def _refused(to: str, protocol: int = 3) -> KernelRoute:
    return KernelRoute(to, type="blackhole", protocol=protocol)


def _with(*rules: Rule, routes: tuple[PolicyRoute, ...] = (), cut: bool = False, **more: Any) -> NodeRulesReply:
    return NodeRulesReply(Outcome.OK, 1.0, rules, routes, cut, **more)


def _filter(dev: str = "eth0", text: str = "u32 ip daddr 10.244.1.5 redirect to lo") -> Rule:
    return Rule("tc", "ip", dev, "ingress", "pref 7 handle 800::800 u32", text, "steal", 6, to="lo")


def _policy(number: int = 1, text: str = "src 10.0.0.0/8 dst 10.244.1.0/24 block priority 0") -> Rule:
    return Rule("xfrm", "ip", "", "out", f"index {number} dir out", text, "block")


def _set(*members: str, cut: bool = False, backend: str = "nft") -> RuleSet:
    return RuleSet(backend, "ip", "filter", "deny", "ipv4_addr", len(members), members, cut)


BY_SET = _rule("ip saddr @deny drop")


def _sets(*each: RuleSet) -> dict[str, Reply]:
    return {node: _with(BY_SET, sets=(one,)) for node, one in zip(NODES, each, strict=True)}


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
    _case("a filter of traffic control", {"n2": _with(_filter())}, "n2"),
    _case("all nodes have it on a pod's link", {node: _with(_filter(f"veth1a2b{n}")) for n, node in enumerate(NODES)}),
    _case(
        "of several interfaces one alone", {"n1": _with(_filter()), "n2": _with(_filter()), "n3": _with(_filter("cni0"))}, "n3"
    ),
    _case("an XFRM policy", {"n1": _with(_policy())}, "n1"),
    _case(
        "IPsec between all nodes, with numbers of their own",
        {
            node: _with(_policy(n, f"src 10.0.{n}.0/24 dst 10.1.{n}.0/24 tmpl src 10.0.0.{n} dst 10.0.1.{n} proto esp reqid {n}"))
            for n, node in enumerate(NODES)
        },
    ),
    _case("a queue below an interface's own", {"n2": _with(queues=(Queue("eth0", "netem", "10:", "parent 8001:1"),))}, "n2"),
    _case("a queue of a pod's link", {"n2": _with(queues=(Queue("veth12ab34cd", "netem", "1:"),))}, "n2"),
    _case("another root of an interface is node_network's", {"n2": _with(queues=(Queue("eth0", "tbf", "1:"),))}),
    _case(
        "and so is what hangs on it",
        {"n2": _with(queues=(Queue("eth0", "htb", "1:"), Queue("eth0", "tbf", "10:", "parent 1:1")))},
    ),
    _case("a route that refuses", {}, "n2", tables={"n2": _tables(_refused("192.0.2.0/24"))}),
    _case("each node refuses the rest of its own range", {}, tables={n: _tables(_refused("10.1.0.0/26", 80)) for n in NODES}),
    _case(
        "routes to pods are node_routes'", {}, cluster=_cluster(ranged=True), tables={"n2": _tables(_refused("10.244.3.0/24"))}
    ),
    _case("a neighbour by hand", {}, "n2", tables={"n2": _neighbours()}),
    _case("a neighbour that was learned", {}, tables={"n2": _neighbours("stale")}),
    _case("a tunnel's neighbour", {}, tables={"n2": _neighbours(dev="flannel.1", kind="vxlan")}),
    _case("neighbours by hand on every node", {}, tables={name: _neighbours() for name in NODES}),
    _case("one without a hardware address", {}, tables={"n2": _neighbours(mac="")}),
    _case("the kernel's own", {}, tables={"n2": _tables(_refused("::/0", 2))}),
    _case("an address more", {}, "n1", tables={"n1": _tables(addresses=("172.18.0.9/16", "10.96.0.99/32"))}),
    _case(
        "that of a Service with a load balancer",
        {},
        cluster=_cluster(balanced="10.96.0.99"),
        tables={"n1": _tables(addresses=("172.18.0.9/16", "10.96.0.99/32"))},
    ),
    _case(
        "an address more on a link of Services",
        {},
        tables={n: _tables(addresses=("10.96.0.1/32",) * k, dev="kube-ipvs0") for k, n in zip((1, 1, 2), NODES, strict=True)},
    ),
    _case(
        "no two nodes alike",
        {},
        tables={n: _tables(addresses=tuple(f"10.9.0.{i}/32" for i in range(k))) for k, n in enumerate(NODES, 1)},
    ),
    _case("sets alike", _sets(_set("10.0.0.1"), _set("10.0.0.1"), _set("10.0.0.1"))),
    _case("one has a member more", _sets(_set("10.0.0.1"), _set("10.0.0.1", "10.244.3.0/24"), _set("10.0.0.1")), "n2"),
    _case("one lacks a member", _sets(_set("10.0.0.1"), _set("10.0.0.1"), _set()), "n3"),
    _case(
        "one has another member, in ipset",
        _sets(*(_set(ip, backend="ipset") for ip in ("10.1.1.1", "10.1.1.1", "10.1.1.9"))),
        "n3",
    ),
    _case("each node has its own", _sets(_set("10.0.0.1"), _set("10.0.0.2"), _set("10.0.0.3"))),
    _case("larger than is read", _sets(_set("10.0.0.1"), _set("10.0.0.1", "10.0.0.2", cut=True), _set("10.0.0.1"))),
    Case("another tier", make_cluster(make_node("n1"), vantages=("n1",)), state="skipped"),
]
