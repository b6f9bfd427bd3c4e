# SPDX-License-Identifier: Apache-2.0
"""Cases of node_load. The lab makes NDL003 and NDL004. The rest is made by hand: the kernel's backlog is the machine's."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kubectl_netdoc.api import KernelReply, Link, Lost, RtnetlinkReply, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case
from tests.support.node_tables import NODES, base, gateway, kernel, make_host, network, read, with_link

CHECK = registry.load().choose(["node_load"])[0]
FLANNEL = network(*map(make_host, NODES))
NUMBERS = ("NDL010", "Cluster nodes' network stacks")


def _case(name: str, *expect: str, state: str = "", **how: Any) -> Case:
    pairs = {(code, f"Node {node}") for code, _, node in (text.partition(" ") for text in expect)}
    return Case(name, FLANNEL, frozenset({*pairs, NUMBERS}), read(CHECK, FLANNEL, **how), state)


def _n1(**rises: int) -> dict[str, KernelReply]:
    return {"n1": kernel(None, {name.replace("__", "."): by for name, by in rises.items()})}


IDLE = _n1(eth0__rx_packets=5_000, eth0__rx_dropped=600)


def _counted(link: str) -> KernelReply:
    """A node with one more link, which drops."""
    reply, none = kernel(), {f"{link}.rx_packets": 0, f"{link}.rx_dropped": 0}
    counted = {f"{link}.rx_packets": 5_000, f"{link}.rx_dropped": 600}
    return replace(reply, before={**reply.before, **none}, after={**reply.after, **counted})


def _bonded(node: str) -> RtnetlinkReply:
    """A node whose eth0 stands by in a bond."""
    bond = Link("bond0", "bond", 1500, True)
    return with_link("eth0", master="bond0")(base(node, bond))


CASES = [
    _case("healthy, with much behind it"),
    _case("healthy, without a tunnel", like=gateway),
    _case("no time for packets", "NDL001 n1", kernels=_n1(softnet__dropped=12, softnet__processed=90_000)),
    _case("one or two packets dropped", kernels=_n1(softnet__dropped=2)),
    _case("a busy stack that loses nothing", kernels=_n1(softnet__time_squeeze=400)),
    _case("a link with errors", "NDL002 n1", kernels=_n1(eth0__rx_packets=500, eth0__rx_errors=20)),
    _case("few errors", kernels=_n1(eth0__rx_packets=500, eth0__rx_errors=9)),
    _case("errors that are a small share", kernels=_n1(eth0__rx_packets=50_000, eth0__rx_errors=20)),
    _case("a link that drops", "NDL002 n1", kernels=_n1(eth0__rx_packets=5_000, eth0__rx_dropped=600)),
    _case("a bond's idle link drops broadcasts", kernels=IDLE, like=_bonded),
    _case("a bond with errors", "NDL002 n1", kernels=_n1(eth0__rx_packets=500, eth0__rx_errors=20), like=_bonded),
    _case("a bridge of Open vSwitch that drops", kernels={"n1": _counted("ovs-system")}),
    _case("another link that drops", "NDL002 n1", kernels={"n1": _counted("ens5")}),
    _case("packets of unknown protocols on an idle link", kernels=_n1(eth0__rx_packets=60, eth0__rx_dropped=20)),
    _case("a tunnel without an entry", kernels=_n1(**{"flannel.1__tx_errors": 50})),
    _case("a listen queue is full", "NDL003 n1", kernels=_n1(TcpExt__ListenOverflows=40)),
    _case("a socket's buffer is full", "NDL004 n1", kernels=_n1(Udp__RcvbufErrors=40)),
    _case("segments are sent again", "NDL005 n1", kernels=_n1(Tcp__OutSegs=1_000, Tcp__RetransSegs=80)),
    _case("segments of a few are sent again", kernels=_n1(Tcp__OutSegs=40, Tcp__RetransSegs=20)),
    _case("an answer was cut", kernels={"n1": Lost("cut")}, state="unknown"),
    Case("not asked for", network(*map(make_host, NODES), tier=Tier.PODS), state="skipped"),
    Case("no pods", FLANNEL, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
