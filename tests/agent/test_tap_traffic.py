# SPDX-License-Identifier: Apache-2.0
"""Packets that filters of traffic control, queues and XFRM policies take, on real packets in network namespaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.measurements.trace import SentPacket, Trace, TraceReply
from kubectl_netdoc.tracing.taken import Taker
from kubectl_netdoc.tracing.verdict import Ending, Ends, Verdict, judge
from tests.support.packet_namespaces import PORT, A, B, Namespaces, traced, with_echo

pytestmark = pytest.mark.skipif(not shutil.which("tc"), reason="tc is not here")

SINK = "ip link add sink type veth peer name hole; ip link set sink up; ip link set hole up; "


@pytest.fixture
def made() -> Iterator[Namespaces]:
    with with_echo() as found:
        yield found


def verdict(made: Namespaces, protocol: str = "UDP") -> Verdict:
    """Send packets from pod A to pod B, and return how they ended on the node between them."""
    outcomes, seen, reading = traced(made, protocol)
    packets = tuple(SentPacket(outcome, 1.0, Address(A, 0)) for outcome in outcomes)
    reply = TraceReply(Address(B, PORT), packets, tuple(seen), (reading,))
    return judge(Trace("node", Address(B, PORT), ("node",)), reply, Ends({A: "node", B: "node"}))


@contextmanager
def broken(made: Namespaces, line: str) -> Iterator[None]:
    """Do something on the node; some kernels lack what it takes."""
    try:
        made.run(made.node, f"set -e; {line}")
    except Exception as error:
        pytest.skip(f"this kernel can't: {error}")
    yield


def test_healthy(made: Namespaces) -> None:
    assert verdict(made).ending is Ending.ARRIVED


REDIRECT = f"match ip dst {B}/32 action mirred egress redirect dev sink"


@pytest.mark.parametrize(("hook", "dev"), [("ingress", "va"), ("egress", "vb")])
def test_a_filter_that_sends_them_elsewhere(made: Namespaces, hook: str, dev: str) -> None:
    line = f"{SINK} tc qdisc add dev {dev} clsact; tc filter add dev {dev} {hook} protocol ip pref 7 u32 {REDIRECT}"
    with broken(made, line):
        found = verdict(made)
    assert found.ending is Ending.TAKEN
    assert found.rule is not None
    assert (found.rule.backend, found.rule.table, found.rule.chain) == ("tc", dev, hook)
    assert found.rule.text == f"u32 ip daddr {B} redirect to sink"
    assert found.rule.handle == "pref 7 handle 800::800 u32"
    assert found.taken is not None
    assert (found.taken.kind, found.taken.moved) == (Taker.RULE, 6)
    made.run(made.node, f"tc filter del dev {dev} {hook} protocol {found.rule.family} {found.rule.handle}")
    assert verdict(made).ending is Ending.ARRIVED


def test_a_filter_that_sends_the_answers_elsewhere(made: Namespaces) -> None:
    away = f"match ip dst {A}/32 action mirred egress redirect dev sink"
    with broken(made, f"{SINK} tc qdisc add dev vb clsact; tc filter add dev vb ingress protocol ip u32 {away}"):
        found = verdict(made)
    assert found.ending is Ending.ANSWER_TAKEN
    assert found.rule is not None
    assert (found.rule.table, found.rule.chain) == ("vb", "ingress")


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")
def test_a_filter_to_an_ifb_is_not_blamed_for_a_drop_behind_it(made: Namespaces) -> None:
    """An ifb puts packets back to where they came from: all of them pass this filter, and end at the rule."""
    shaped = "ip link add sink type ifb; ip link set sink up; tc qdisc add dev va clsact; "
    shaped += f"tc filter add dev va ingress protocol ip u32 {REDIRECT}; "
    chain = "nft add table ip t; nft add chain ip t f '{ type filter hook forward priority 0; }'; "
    with broken(made, f"{shaped} {chain} nft add rule ip t f ip daddr {B} drop"):
        found = verdict(made)
    assert found.rule is not None
    assert (found.rule.backend, found.rule.table) == ("nft", "t")
    assert found.taken is not None
    assert found.taken.kind is Taker.SUSPECT


def test_a_filter_to_an_ifb_that_is_down(made: Namespaces) -> None:
    down = "ip link add sink type ifb; tc qdisc add dev va clsact; "
    with broken(made, f"{down} tc filter add dev va ingress protocol ip u32 {REDIRECT}"):
        found = verdict(made)
    assert found.rule is not None
    assert (found.rule.backend, found.rule.table, found.rule.to) == ("tc", "va", "sink")


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not here")
def test_a_filter_behind_a_drop_is_not_blamed(made: Namespaces) -> None:
    """It is on the next interface, and its counter does not move."""
    away = f"{SINK} tc qdisc add dev vb clsact; tc filter add dev vb egress protocol ip u32 {REDIRECT}; "
    chain = "nft add table ip t; nft add chain ip t f '{ type filter hook forward priority 0; }'; "
    with broken(made, f"{away} {chain} nft add rule ip t f ip daddr {B} counter drop"):
        found = verdict(made)
    assert found.rule is not None
    assert found.rule.table == "t"


def test_a_filter_that_copies_them_takes_none(made: Namespaces) -> None:
    copy = REDIRECT.replace("redirect", "mirror")
    with broken(made, f"{SINK} tc qdisc add dev va clsact; tc filter add dev va ingress protocol ip u32 {copy}"):
        found = verdict(made)
    assert (found.ending, found.taken) == (Ending.ARRIVED, None)


def test_a_known_owners_filter_is_not_blamed(made: Namespaces) -> None:
    """The CNI plugin bandwidth sends all of a pod's packets through an interface of this name, which sends them on."""
    line = f"{SINK} ip link set sink down; ip link set sink name bwp1; ip link set bwp1 up; tc qdisc add dev va ingress; "
    line += "tc filter add dev va ingress protocol all pref 1 u32 match u32 0 0 action mirred egress redirect dev bwp1"
    with broken(made, line):
        found = verdict(made)
    assert found.rule is None


def test_a_queue_that_drops(made: Namespaces) -> None:
    assert verdict(made).ending is Ending.ARRIVED, "so that the hardware addresses are known, whose requests it drops too"
    with broken(made, "tc qdisc add dev vb root tbf rate 8kbit burst 100 limit 100"):
        found = verdict(made)
    assert found.ending is Ending.TAKEN
    assert found.taken is not None
    assert (found.taken.kind, found.taken.dev) == (Taker.QUEUE, "vb")


STATE = "tmpl src 10.9.9.1 dst 10.9.9.2 proto esp reqid 1 mode tunnel"
POLICIES = {
    "out": f"ip xfrm policy add src {A}/32 dst {B}/32 dir out action block priority 5",
    "fwd": f"ip xfrm policy add src {A}/32 dst {B}/32 dir fwd action block priority 5",
    "fwd, a template": f"ip xfrm policy add src {A}/32 dst {B}/32 dir fwd {STATE}",
    "out, no state": f"ip xfrm policy add src {A}/32 dst {B}/32 dir out {STATE}",
}
ANOTHER = "ip xfrm policy add src 10.77.0.0/16 dst 10.78.0.0/16 dir {} action block priority 1; "


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_blocks(made: Namespaces, name: str) -> None:
    way = name.partition(",")[0]
    with broken(made, ANOTHER.format(way) + POLICIES[name]):
        found = verdict(made)
    assert found.ending is Ending.TAKEN
    assert found.rule is not None, found.taken
    assert (found.rule.backend, found.rule.chain, found.rule.source, found.rule.to) == ("xfrm", way, f"{A}/32", f"{B}/32")
    assert found.taken is not None
    assert found.taken.counter.startswith("Xfrm")
    made.run(made.node, f"ip xfrm policy delete {found.rule.handle}")
    assert verdict(made).ending is Ending.ARRIVED
