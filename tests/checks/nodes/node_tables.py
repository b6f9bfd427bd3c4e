# SPDX-License-Identifier: Apache-2.0
"""Cases of node_tables. On the lab is made: NDT006; the other tables are the machine's there: hand-made."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import KernelReply, Lost, Neighbour, Outcome, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import SERVICE
from kubectl_netdoc.testing import Case
from tests.support.node_tables import NODES, kernel, make_host, network, read, replaced

CHECK = registry.load().choose(["node_tables"])[0]
FLANNEL = network(*map(make_host, NODES))
NUMBERS = ("NDT010", "Cluster nodes' tables")
COUNT, MOST = "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"
IPV6 = {"net/ipv6/neigh/default/gc_thresh3": "1024"}


RANGE, RESERVED = "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports"


def _node_port(name: str, ports: str, reserved: str = "", *expect: tuple[str, str], number: int = 30080) -> Case:
    """A Service with a node port, and n1 with a range of ports of its own."""
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": number}]}
    service = convert(SERVICE, {"metadata": {"name": "np", "namespace": "shop"}, "spec": spec})
    cluster = network(*map(make_host, NODES), (SERVICE, service))
    measured = read(CHECK, cluster, kernels=_n1({RANGE: ports, RESERVED: reserved}))
    return Case(name, cluster, frozenset({NUMBERS, *expect}), measured)


def _case(name: str, *expect: str, state: str = "", **how: Any) -> Case:
    pairs = {(code, f"Node {node}") for code, _, node in (text.partition(" ") for text in expect)}
    return Case(name, FLANNEL, frozenset({*pairs, NUMBERS}), read(CHECK, FLANNEL, **how), state)


def _n1(settings: dict[str, str] | None = None, **rises: int) -> dict[str, KernelReply]:
    return {"n1": kernel(settings, {name.replace("__", "."): by for name, by in rises.items()})}


def _with(**counters: int) -> dict[str, KernelReply]:
    """Counters of n1 as they are at the end."""
    reply = kernel(IPV6)
    named = {name.replace("__", "."): value for name, value in counters.items()}
    return {"n1": msgspec.structs.replace(reply, after=reply.after | named, before=reply.before | named)}


PERMANENT = tuple(Neighbour(f"10.1.{i // 250}.{i % 250}", "aa:aa:aa:aa:aa:aa", "flannel.1", "permanent") for i in range(300))

CASES = [
    _case("healthy, with much behind it"),
    _case("connections are turned away", "NDT001 n1", kernels=_n1({COUNT: "262144"}, conntrack__drop=40)),
    _case("connections are turned away, of a table of unknown size", "NDT001 n1", kernels=_n1({MOST: ""}, conntrack__drop=40)),
    _case("one or two were turned away", kernels=_n1(conntrack__drop=2)),
    _case("some lost the race of a first packet: the kernel counts them as dropped too", kernels=_n1(conntrack__drop=9)),
    _case("nearly full", "NDT002 n1", kernels=_n1({COUNT: "200000"})),
    _case("three quarters full", kernels=_n1({COUNT: "196608"})),
    _case("no connection tracking", kernels=_n1({COUNT: "", MOST: ""})),
    _case("first packets are lost", "NDT003 n1", kernels=_n1(conntrack__insert_failed=30)),
    _case("some first packets are lost", kernels=_n1(conntrack__insert_failed=9)),
    _case("neighbours are refused", "NDT004 n1", kernels=_n1(arp_cache__table_fulls=12)),
    _case("neighbours crowd", "NDT005 n1", kernels=_with(arp_cache__entries=900)),
    _case("neighbours of IPv6 crowd", "NDT005 n1", kernels=_with(ndisc_cache__entries=1000)),
    _case("neighbours that do not count", kernels=_with(arp_cache__entries=900), changes={"n1": replaced(neighbours=PERMANENT)}),
    _case("a node that is a container", kernels=_n1({"net/ipv4/neigh/default/gc_thresh3": ""})),
    _case("closed connections are forgotten", "NDT006 n1", kernels=_n1(TcpExt__TCPTimeWaitOverflow=50)),
    _case("many sockets wait", "NDT011 n1", kernels=_with(sockets__TCP__tw=27_000)),
    _case("few ports", "NDT011 n1", kernels=_n1({"net/ipv4/ip_local_port_range": "60000 60100"})),
    _case("a range that can't be read", kernels=_n1({"net/ipv4/ip_local_port_range": "none"})),
    _node_port("node ports below the node's own", "32768 60999"),
    _node_port("a node port among the node's own", "30000 60999", "", ("NDT013", "Cluster ports 30000-60999")),
    _node_port("a node port among them that is reserved", "30000 60999", "8080,30000-32767"),
    _node_port("another port is reserved", "30000 60999", "8080", ("NDT013", "Cluster ports 30000-60999")),
    _case("invalid packets", "NDT012 n1", kernels=_n1(conntrack__invalid=100)),
    _case("an answer was cut", kernels={"n1": Lost("cut")}, state="unknown"),
    _case("counters are not permitted", kernels={"n1": KernelReply(Outcome.PERMISSION, 1.0)}, state="unknown"),
    Case("not asked for", network(*map(make_host, NODES), tier=Tier.PODS), state="skipped"),
    Case("no pods", FLANNEL, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
