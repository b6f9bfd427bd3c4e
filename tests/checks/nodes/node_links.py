# SPDX-License-Identifier: Apache-2.0
"""Cases of node_links: the nodes' tables are given. On the lab are made: NLK001 (down), NLK004, NLK005 and NLK006."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import Cluster, Link, Lost, Neighbour, RtnetlinkReply, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Condition
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.testing import Built, Case, make_pod
from tests.support.node_tables import (
    NODES,
    bgp,
    calico_vxlan,
    cilium,
    make_host,
    network,
    read,
    underlay_mac,
    with_link,
    without_link,
)

CHECK = registry.load().choose(["node_links"])[0]
FLANNEL = network(*map(make_host, NODES))
UNKNOWN = network(*(make_host(node, "") for node in NODES))
YOUNG = network(make_host("n1"), make_host("n2"), make_host("n3", age=30))
N1 = (("n1", "n2"), ("n1", "n3"))
ADDRESSES = ("172.18.0.77/16",)


def _case(name: str, *expect: str, cluster: Cluster = FLANNEL, state: str = "", **how: Any) -> Case:
    pairs = frozenset((code, subject) for code, _, subject in (text.partition(" ") for text in expect))
    return Case(name, cluster, pairs, read(CHECK, cluster, **how), state)


def _left_over(node: str) -> RtnetlinkReply:
    reply = bgp(node)
    return msgspec.structs.replace(reply, links=(*reply.links, Link("cilium_vxlan", "vxlan", 1500, True)))


def _small(mtu: int) -> dict[str, Any]:
    return {"n1": with_link("eth0", mtu=mtu)}


def _lo(*addresses: str) -> Any:
    return with_link("lo", addresses=("127.0.0.1/8", *addresses))


WITH_POD = network(*map(make_host, NODES), make_pod("web", node="n2", ip="10.244.2.7"))


def _not_ready(node: str) -> Built:
    kind, built = make_host(node)
    assert isinstance(built, Node)
    gone = msgspec.structs.replace(built.status, conditions=(Condition(type="Ready", status="Unknown"),))
    return kind, msgspec.structs.replace(built, status=gone)


def _mac(node: str, **more: Any) -> Any:
    """The MAC address of that node on the network card."""
    return with_link("eth0", mac=underlay_mac(node), **more)


def _near(*macs: str, state: str = "reachable") -> dict[str, Any]:
    """What n3, the only node that was read, knows of n1, n2 and the gateway, by their MAC addresses."""
    ips = ("172.18.0.1", "172.18.0.2", "172.18.0.254")
    known = tuple(Neighbour(ip, mac, "eth0", state) for ip, mac in zip(ips, macs, strict=True))
    return {
        "n1": Lost("cut"),
        "n2": Lost("cut"),
        "n3": lambda reply: msgspec.structs.replace(reply, neighbours=(*reply.neighbours, *known)),
    }


A, B = underlay_mac("n1"), underlay_mac("n2")

CASES = [
    _case("healthy"),
    _case("two nodes with one MAC address", "NLK007 NodePair n1--n2", changes={"n1": _mac("n2")}),
    _case("one MAC address on two networks", changes={"n1": _mac("n2", addresses=("172.18.0.1/32",))}),
    _case("links that share one by design", changes={"n1": _mac("n2", kind="ipvlan")}),
    _case("one MAC address, by a neighbour", "NLK007 NodePair n1--n2", changes=_near(A, A, B), state="fail"),
    _case("MAC addresses of their own, by a neighbour", changes=_near(A, B, A), state="unknown"),
    _case("a router answers for all", changes=_near(A, A, A), state="unknown"),
    _case("neighbours that did not answer", changes=_near(A, A, B, state="failed"), state="unknown"),
    _case("the address of another node", "NLK006 Node n1", changes={"n1": _lo("172.18.0.2/32")}),
    _case("the address of a pod elsewhere", "NLK006 Node n1", cluster=WITH_POD, changes={"n1": _lo("10.244.2.7/32")}),
    _case("an address of nobody's (of a load balancer, say)", changes={"n1": _lo("203.0.113.9/32")}),
    _case("an address of a node's own, twice", changes={"n1": _lo("172.18.0.1/32")}),
    _case(
        "the address that a node had that is gone",
        cluster=network(make_host("n1"), _not_ready("n2"), make_host("n3")),
        changes={"n1": _lo("172.18.0.2/32")},
    ),
    _case("healthy: Calico with VXLAN", cluster=UNKNOWN, like=calico_vxlan, pods="10.100.{}.70"),
    _case("healthy: no tunnel", cluster=UNKNOWN, like=bgp, pods="10.100.{}.70"),
    _case(
        "healthy: a tunnel that no route goes by, left by a network that was there before",
        cluster=UNKNOWN,
        like=_left_over,
        changes={"n1": without_link("cilium_vxlan")},
        pods="10.100.{}.70",
        dead=N1,
    ),
    _case("healthy: Cilium, whose pods' links are as large as the underlay", cluster=UNKNOWN, like=cilium),
    _case(
        "Cilium's tunnel is down, which no route goes by",
        "NLK001 Node n1",
        cluster=UNKNOWN,
        like=cilium,
        changes={"n1": with_link("cilium_vxlan", up=False)},
        dead=N1,
    ),
    _case("no room for Cilium's wrapping", "NLK005 Node n1", cluster=UNKNOWN, like=cilium, changes=_small(1499)),
    _case("the tunnel is down", "NLK001 Node n1", changes={"n1": with_link("flannel.1", up=False)}, dead=N1),
    _case("the tunnel is gone", "NLK001 Node n1", changes={"n1": without_link("flannel.1")}, dead=N1),
    _case(
        "the tunnel is gone, and no debug pod tells", "NLK001 Node n1", changes={"n1": without_link("flannel.1")}, unproven=True
    ),
    _case(
        "a tunnel that most nodes have is gone",
        "NLK001 Node n1",
        cluster=UNKNOWN,
        like=calico_vxlan,
        changes={"n1": without_link("vxlan.calico")},
        pods="10.100.{}.70",
        dead=N1,
    ),
    _case(
        "no tunnel yet on a node that has just joined",
        cluster=YOUNG,
        changes={"n3": without_link("flannel.1")},
        dead=(("n1", "n3"), ("n2", "n3")),
    ),
    _case("the bridge is down", "NLK001 Node n1", changes={"n1": with_link("cni0", up=False)}, dead=N1),
    _case("a tunnel is said to be down, and pods get through", changes={"n1": with_link("flannel.1", up=False)}),
    _case("no room for the wrapping on one node, the others have it", "NLK005 Node n1", changes=_small(1499)),
    _case(
        "no room on two of three",
        "NLK002 Cluster links of 2 nodes",
        changes={n: with_link("eth0", mtu=1400) for n in ("n1", "n2")},
    ),
    _case("no room on any", "NLK002 Cluster links of 3 nodes", changes={n: with_link("eth0", mtu=1400) for n in NODES}),
    _case("just room", changes=_small(1500)),
    _case("pods send less than the tunnel takes", changes={"n1": lambda r: with_link("veth1", mtu=1300)(_small(1400)["n1"](r))}),
    _case("the node's address is gone", "NLK003 Node n1", changes={"n1": with_link("eth0", addresses=ADDRESSES)}, dead=N1),
    _case("addresses behind NAT, and pods get through", changes={"n1": with_link("eth0", addresses=ADDRESSES)}),
    _case(
        "udev gave the tunnel another link address",
        "NLK004 Node n1",
        changes={"n1": with_link("flannel.1", mac="aa:00:00:00:00:99")},
        dead=N1,
    ),
    _case(
        "an address that is not there, and no debug pod tells",
        cluster=UNKNOWN,
        like=bgp,
        changes={"n1": with_link("eth0", addresses=ADDRESSES)},
        unproven=True,
        pods="10.100.{}.70",
    ),
    _case("an answer was cut", changes={"n1": Lost("cut")}, state="unknown"),
    Case("not asked for", network(*map(make_host, NODES), tier=Tier.PODS), state="skipped"),
    Case("no pods", FLANNEL, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
