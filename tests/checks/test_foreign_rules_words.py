# SPDX-License-Identifier: Apache-2.0
"""What foreign_rules says of each kind of thing, and with which commands."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_netdoc.api import KernelRoute, Link, NodeRulesReply, Outcome, PolicyRoute, Queue, RtnetlinkReply, Rule, RuleSet
from kubectl_netdoc.checks.nodes.foreign_rules import routed
from kubectl_netdoc.checks.nodes.foreign_rules.items import Item, Node, odd_sets

TABLES = RtnetlinkReply(
    Outcome.OK,
    1.0,
    (Link("eth0", addresses=("172.18.0.2/16", "10.99.0.1/32")),),
    (
        KernelRoute("10.244.1.0/24", "172.18.0.9", "eth0", table=200),
        KernelRoute("0.0.0.0/0", type="blackhole", table=200),
        KernelRoute("fd00::/64", dev="eth0", table=200),
        KernelRoute("10.244.1.0/24", dev="cni0"),
        KernelRoute("192.0.2.0/24", type="prohibit"),
    ),
)
FILTER = Rule(
    "tc", "ip", "eth0", "egress", "pref 7 handle 800::800 u32", "u32 ip daddr 10.0.0.1 redirect to x", "steal", 6, to="x"
)
POLICY = Rule("xfrm", "ip", "", "out", "index 9 dir out", "src 10.0.0.0/8 dst 10.1.0.0/16 block priority 5", "block")
DENY = RuleSet("nft", "inet", "t", "deny", "ipv4_addr", 2, ("10.0.0.1", "10.0.0.2"))
OLD = RuleSet("ipset", "ip", "3", "deny", "hash:ip", 70, ("10.0.0.1",), True)


def items(tables: RtnetlinkReply | None = TABLES, **told: object) -> list[Item]:
    return list(Node("n1", NodeRulesReply(Outcome.OK, 1.0, **told), tables).items())  # type: ignore[arg-type]


def lines(item: Item) -> list[str]:
    """The commands as they are run on the node."""
    return [command.partition("chroot /host ")[2] for command in item.commands]


@pytest.mark.parametrize(
    ("told", "words", "commands"),
    [
        (
            {"rules": (FILTER,)},
            "tc eth0 egress: u32 ip daddr 10.0.0.1 redirect to x, 6 packets",
            ["tc -s filter show dev eth0 egress", "tc filter del dev eth0 egress protocol ip pref 7 handle 800::800 u32"],
        ),
        (
            {"rules": (POLICY,)},
            "xfrm out: src 10.0.0.0/8 dst 10.1.0.0/16 block priority 5",
            ["ip -s xfrm policy get index 9 dir out", "ip xfrm policy delete index 9 dir out"],
        ),
        (
            {"queues": (Queue("veth12ab34cd", "netem", "1:", dropped=4),)},
            "queueing discipline netem on veth12ab34cd (root), 4 packets dropped",
            ["tc -s qdisc show dev veth12ab34cd", "tc qdisc del dev veth12ab34cd root handle 1:"],
        ),
        (
            {"queues": (Queue("eth0", "netem", "10:", "parent 8001:1"),)},
            "queueing discipline netem on eth0 (parent 8001:1), 0 packets dropped",
            ["tc -s qdisc show dev eth0", "tc qdisc del dev eth0 parent 8001:1 handle 10:"],
        ),
        (
            {"rules": (Rule("nft", "inet", "t", "f", "4", "ip saddr @deny drop", "drop"),), "sets": (DENY,)},
            "inet t f: ip saddr @deny drop (@deny: ipv4_addr, 2 members: 10.0.0.1, 10.0.0.2)",
            ["nft -a list chain inet t f", "nft delete rule inet t f handle 4", "nft list set inet t deny"],
        ),
        (
            {"rules": (Rule("legacy", "ip", "filter", "FORWARD", "1", "-m set @deny drop", "drop", 3),), "sets": (OLD, DENY)},
            "ip filter FORWARD: -m set @deny drop, 3 packets (@deny: hash:ip, at least 70 members: 10.0.0.1)",
            [
                "iptables-legacy -t filter -L FORWARD -v -n --line-numbers",
                "iptables-legacy -t filter -D FORWARD 1",
                "ipset list deny",
            ],
        ),
        (
            {"routes": (PolicyRoute(90, "IPv4", "from 10.0.0.0/8 lookup 200", 200),)},
            "ip rule 90: from 10.0.0.0/8 lookup 200 (10.244.1.0/24 via 172.18.0.9 dev eth0; 0.0.0.0/0 blackhole)",
            ["ip rule show", "ip route show table 200", "ip rule del priority 90"],
        ),
        (
            {"routes": (PolicyRoute(90, "IPv6", "from all lookup 200", 200),)},
            "ip rule 90: from all lookup 200 (fd00::/64 dev eth0)",
            ["ip -6 rule show", "ip -6 route show table 200", "ip -6 rule del priority 90"],
        ),
        (
            {"routes": (PolicyRoute(90, "IPv4", "from all lookup 300", 300),)},
            "ip rule 90: from all lookup 300 (which has no routes)",
            ["ip rule show", "ip route show table 300", "ip rule del priority 90"],
        ),
        (
            {"routes": (PolicyRoute(90, "IPv4", "from all blackhole"),)},
            "ip rule 90: from all blackhole",
            ["ip rule show", "ip rule del priority 90"],
        ),
        (
            {"routes": (PolicyRoute(90, "IPv4", "from all lookup main", 254),)},
            "ip rule 90: from all lookup main",
            ["ip rule show", "ip route show table 254", "ip rule del priority 90"],
        ),
    ],
)
def test_an_item(told: dict[str, Any], words: str, commands: list[str]) -> None:
    (found,) = items(**told)
    assert (found.words, lines(found)) == (words, commands)


def test_without_tables_a_policy_route_is_told_alone() -> None:
    (found,) = items(None, routes=(PolicyRoute(90, "IPv4", "from all lookup 200", 200),))
    assert found.words == "ip rule 90: from all lookup 200"


def test_of_more_sets_than_two_none_is_odd() -> None:
    for members in ("aabb", "aabbc", "abc"):
        nodes = {f"n{n}": Node(f"n{n}", told_sets(each), None) for n, each in enumerate(members)}
        assert list(odd_sets(nodes, 3)) == []


def told_sets(member: str) -> NodeRulesReply:
    return NodeRulesReply(Outcome.OK, 1.0, sets=(RuleSet("nft", "ip", "t", "deny", "x", 1, (member,)),))


def test_what_a_set_has_more_and_less() -> None:
    def node(name: str, *members: str) -> Node:
        return Node(
            name, NodeRulesReply(Outcome.OK, 1.0, sets=(RuleSet("nft", "ip", "t", "deny", "x", len(members), members),)), None
        )

    nodes = {each.name: each for each in (node("n1", "10.0.0.1"), node("n2", "10.0.0.9"), node("n3", "10.0.0.1"))}
    ((name, found),) = odd_sets(nodes, 3)
    assert (name, found.words) == ("n2", "set deny (x) also has 10.0.0.9 and lacks 10.0.0.1")
    assert lines(found) == [
        "nft list set ip t deny",
        "nft delete element ip t deny '{ 10.0.0.9 }'".replace("{", "{{").replace("}", "}}"),
        "nft add element ip t deny '{ 10.0.0.1 }'".replace("{", "{{").replace("}", "}}"),
    ]


def test_a_route_that_refuses() -> None:
    (found,) = routed.refusing("n1", TABLES, ())
    assert found.words == "ip route: prohibit 192.0.2.0/24"
    assert lines(found) == ["ip route show type prohibit", "ip route del prohibit 192.0.2.0/24"]


def test_an_address_that_is_removed_is_nobodys() -> None:
    plain = RtnetlinkReply(Outcome.OK, 1.0, (Link("eth0", addresses=("172.18.0.3/16",)),))
    tables = {"n1": TABLES, "n2": plain, "n3": plain}
    ((name, found),) = routed.more_addresses(tables, frozenset({"172.18.0.2", "172.18.0.3"}), 3)
    assert (name, found.words) == ("n1", "1 IPv4 address more on eth0 than elsewhere (10.99.0.1/32)")
    assert lines(found) == ["ip address show dev eth0", "ip address del 10.99.0.1/32 dev eth0"]
    ((_, unsure),) = routed.more_addresses(tables, frozenset(), 3)
    assert lines(unsure) == ["ip address show dev eth0"], "which of the two is the one too many is not known"
