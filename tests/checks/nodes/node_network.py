# SPDX-License-Identifier: Apache-2.0
"""Cases of node_network. On the lab are made: NDN001 (IPv4), NDN002 and NDN003; clocks and IPv6 are hand-made."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import Cluster, KernelReply, KernelRoute, Link, Lost, Outcome, RtnetlinkReply, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.kinds import POD
from kubectl_netdoc.records.pods import PodSpec
from kubectl_netdoc.testing import Case, make_pod
from tests.support.node_tables import (
    NODES,
    gateway,
    kernel,
    make_host,
    network,
    range_of,
    read,
    vxlan,
    with_link,
    with_route,
    without,
    without_link,
)

CHECK = registry.load().choose(["node_network"])[0]
FLANNEL = network(*map(make_host, NODES))
UNKNOWN = network(*(make_host(node, "") for node in NODES))
DUAL = network(*(make_host(node, ranges=(f"10.244.{node[1]}.0/24", f"fd00:{node[1]}::/64")) for node in NODES))
N1 = (("n1", "n2"), ("n1", "n3"))
BRIDGE = "net/bridge/bridge-nf-call-iptables"
ALONE = "NDN014 Node n1"
POD_ON_N1 = make_pod("web", node="n1", ip="10.244.1.7")
WITH_POD = network(*map(make_host, NODES), POD_ON_N1)
HOST_POD = (POD, msgspec.structs.replace(make_pod("agent", ip="172.18.0.1")[1], spec=PodSpec(host_network=True, node_name="n1")))
WITH_HOST_POD = network(*map(make_host, NODES), HOST_POD)
OFF = kernel({"net/ipv4/ip_forward": "0", "net/ipv4/conf/all/forwarding": "0", "net/ipv4/conf/flannel.1/forwarding": "0"})
TWO = network(*map(make_host, NODES[:2]), nodes=NODES[:2])
FOUR = network(*map(make_host, (*NODES, "n4")), nodes=(*NODES, "n4"))
FILTERED = {"TcpExt.IPReversePathFilter": 9}


def _case(name: str, *expect: str, cluster: Cluster = FLANNEL, state: str = "", **how: Any) -> Case:
    pairs = frozenset((code, subject) for code, _, subject in (text.partition(" ") for text in expect))
    return Case(name, cluster, pairs, read(CHECK, cluster, **how), state)


def _n1(settings: dict[str, str], rises: dict[str, int] | None = None) -> dict[str, KernelReply]:
    return {"n1": kernel(settings, rises)}


def _pod_route(reply: RtnetlinkReply) -> RtnetlinkReply:
    return with_route(KernelRoute("10.244.1.9/32", dev="veth1"))(reply)


def _all(reply: KernelReply) -> dict[str, KernelReply]:
    return dict.fromkeys(NODES, reply)


def _port(reply: RtnetlinkReply) -> RtnetlinkReply:
    """A pod's link on the bridge."""
    return msgspec.structs.replace(reply, links=(*reply.links, Link("veth1", "veth", 1450, True, master="cni0")))


def _down(reply: RtnetlinkReply) -> RtnetlinkReply:
    return without("10.244.1.0/24")(with_link("cni0", up=False)(reply))


def _before(**link: object) -> dict[str, Any]:
    """How the bridge was before netdoc's pod got its network; a bridge that is down or has no address has no route."""
    change = without("10.244.1.0/24") if link else (lambda reply: reply)
    return {"first": {"n1": _port(change(with_link("cni0", **link)(vxlan("n1"))))}}


def _advertised(
    accept: str, *, forwarding: str = "1", expires: bool = True, protocol: int = 9, second: bool = False
) -> dict[str, Any]:
    """An IPv6 default route on n1, and accept_ra on all nodes."""
    routes: tuple[KernelRoute, ...] = (KernelRoute("::/0", "fe80::1", "eth0", protocol=protocol, expires=expires, metric=1024),)
    routes += (KernelRoute("::/0", "fe80::2", "eth0", protocol=3, metric=2048),) if second else ()

    def change(reply: RtnetlinkReply) -> RtnetlinkReply:
        return msgspec.structs.replace(reply, routes=(*reply.routes, *routes))

    settings = {"net/ipv6/conf/eth0/accept_ra": accept, "net/ipv6/conf/eth0/forwarding": forwarding}
    return {"changes": {"n1": change}, "kernels": _all(kernel(settings))}


CASES = [
    _case("healthy"),
    _case("no forwarding", "NDN001 Node n1", ALONE, kernels=_n1({"net/ipv4/ip_forward": "0"}), dead=N1),
    _case(
        "no forwarding from the tunnel",
        ALONE,
        "NDN001 Node n1",
        kernels=_n1({"net/ipv4/conf/flannel.1/forwarding": "0"}),
        dead=N1,
    ),
    _case(
        "no forwarding, and no debug pod tells",
        "NDN001 Node n1",
        ALONE,
        kernels=_n1({"net/ipv4/ip_forward": "0"}),
        unproven=True,
    ),
    _case("no forwarding, and pods get through (eBPF)", ALONE, kernels=_n1({"net/ipv4/ip_forward": "0"})),
    _case("no forwarding between links that are none of pods'", kernels=_n1({"net/ipv4/conf/eth1/forwarding": "0"}), dead=N1),
    _case(
        "no forwarding of IPv6",
        ALONE,
        "NDN001 Node n1",
        cluster=DUAL,
        kernels=_n1({"net/ipv6/conf/all/forwarding": "0"}),
        dead=N1,
    ),
    _case(
        "no forwarding of IPv6, while IPv4 works",
        ALONE,
        "NDN001 Node n1",
        cluster=DUAL,
        kernels=_n1({"net/ipv6/conf/all/forwarding": "0"}),
        dead=N1,
        only="IPv6",
    ),
    _case(
        "no forwarding of IPv6, and pods get through (eBPF)",
        ALONE,
        cluster=DUAL,
        kernels=_n1({"net/ipv6/conf/all/forwarding": "0"}),
    ),
    _case("no forwarding of IPv6 that pods do not have", ALONE, kernels=_n1({"net/ipv6/conf/all/forwarding": "0"}), dead=N1),
    _case("no forwarding until netdoc's pod came", "NDN005 Node n1", ALONE, cluster=WITH_POD, first={"n1": OFF}),
    _case(
        "no forwarding until netdoc's pod came, and other paths of the node are dead",
        "NDN005 Node n1",
        ALONE,
        cluster=WITH_POD,
        first={"n1": OFF},
        dead=N1,
    ),
    _case("no forwarding on a node on which no pod ever ran", "NDN013 Node n1", ALONE, first={"n1": OFF}),
    _case(
        "no forwarding on a node with host-network pods alone",
        "NDN013 Node n1",
        ALONE,
        cluster=WITH_HOST_POD,
        first={"n1": OFF},
    ),
    _case(
        "no forwarding of IPv6 until netdoc's pod came",
        ALONE,
        "NDN005 Node n1",
        cluster=network(*(make_host(node, ranges=(range_of(node), f"fd00:{node[1]}::/64")) for node in NODES), POD_ON_N1),
        first={"n1": kernel({"net/ipv6/conf/all/forwarding": "0"})},
    ),
    _case(
        "a setting that pods' start changes", ALONE, "NDN013 Node n1", first={"n1": kernel({"net/ipv4/conf/eth0/rp_filter": "1"})}
    ),
    _case("more connections than before", first={"n1": kernel({"net/netfilter/nf_conntrack_count": "700"})}),
    _case("a route that pods' start changes", "NDN013 Node n1", first={"n1": without("10.244.2.0/24")(vxlan("n1"))}),
    _case("the pods' bridge was down", "NDN015 Node n1", cluster=WITH_POD, **_before(up=False)),
    _case("the pods' bridge had no address", "NDN015 Node n1", cluster=WITH_POD, **_before(addresses=())),
    _case("the pods' bridge had a link-local address", "NDN015 Node n1", cluster=WITH_POD, **_before(addresses=("fe80::1/64",))),
    _case("a bridge of a node without pods was down", "NDN013 Node n1", **_before(up=False)),
    _case("the pods' bridge was up before, as it is now", cluster=WITH_POD, **_before()),
    _case("the pods' bridge stays down", cluster=WITH_POD, changes={"n1": _down}, first={"n1": _down(_port(vxlan("n1")))}),
    _case("a bridge that the first pod makes", first={"n1": without_link("cni0")(vxlan("n1"))}),
    _case("a route to a pod that has started", changes={"n1": _pod_route}, first={"n1": vxlan("n1")}),
    _case("strict filtering that drops", ALONE, "NDN002 Node n1", kernels=_n1({"net/ipv4/conf/eth0/rp_filter": "1"}, FILTERED)),
    _case(
        "strict for all, and drops",
        "NDN002 Node n1",
        ALONE,
        kernels=_n1({"net/ipv4/conf/all/rp_filter": "1", "net/ipv4/conf/eth0/rp_filter": "0"}, FILTERED),
    ),
    _case(
        "strict for all, loose where it matters: loose is the larger number",
        ALONE,
        kernels=_n1({"net/ipv4/conf/all/rp_filter": "1"}, FILTERED),
    ),
    _case("strict filtering that drops nothing now", kernels=_all(kernel({"net/ipv4/conf/eth0/rp_filter": "1"}))),
    _case(
        "strict filtering that drops one or two",
        kernels=_all(kernel({"net/ipv4/conf/eth0/rp_filter": "1"}, {"TcpExt.IPReversePathFilter": 2})),
    ),
    _case("loose filtering that drops strays", kernels=_n1({}, FILTERED)),
    _case("bridged packets pass iptables by", "NDN003 Node n1", ALONE, kernels=_n1({BRIDGE: "0"})),
    _case("no br_netfilter", "NDN003 Node n1", ALONE, kernels=_n1({BRIDGE: ""})),
    _case("no br_netfilter, and a Service works next door", ALONE, kernels=_n1({BRIDGE: ""}), next_door=True),
    _case(
        "no br_netfilter anywhere, and a Service works next door on one node", kernels=_all(kernel({BRIDGE: ""})), next_to="n2"
    ),
    _case(
        "no br_netfilter on two nodes, a Service works next door on the third, which has it",
        "NDN003 Node n1",
        "NDN003 Node n2",
        "NDN014 Node n3",
        kernels={"n1": kernel({BRIDGE: ""}), "n2": kernel({BRIDGE: ""})},
        next_to="n3",
    ),
    _case("no br_netfilter where pods hang on no bridge", cluster=UNKNOWN, like=gateway, kernels=_all(kernel({BRIDGE: ""}))),
    _case("an IPv6 default route that ends", "NDN016 Node n1", cluster=DUAL, **_advertised("1")),
    _case("an IPv6 default route that is renewed", cluster=DUAL, **_advertised("2")),
    _case("an IPv6 default route of a network manager's", cluster=DUAL, **_advertised("0")),
    _case("an IPv6 default route of a node that does not forward", cluster=DUAL, **_advertised("1", forwarding="0")),
    _case("an IPv6 default route that stays", cluster=DUAL, **_advertised("1", expires=False)),
    _case("an IPv6 default route of somebody's", cluster=DUAL, **_advertised("1", protocol=3)),
    _case("a second IPv6 default route that stays", cluster=DUAL, **_advertised("1", second=True)),
    _case("an IPv6 default route of a cluster without IPv6", **_advertised("1")),
    _case("a clock ahead", "NDN004 Node n1", kernels={"n1": kernel(clock=75.0)}),
    _case("a clock behind, a little", "NDN011 Node n1", kernels={"n1": kernel(clock=-7.0)}),
    _case("the API server's clock", "NDN004 Cluster clocks", kernels=_all(kernel(clock=-300.0))),
    _case("links of different MTU", ALONE, changes={"n1": with_link("eth0", mtu=9000)}),
    _case(
        "two nodes with different settings",
        "NDN012 Cluster net/core/somaxconn",
        cluster=TWO,
        kernels=_n1({"net/core/somaxconn": "128"}),
    ),
    _case(
        "two nodes, links of different MTU",
        "NDN012 Cluster MTU of the nodes' links",
        cluster=TWO,
        changes={"n1": with_link("eth0", mtu=9000)},
    ),
    _case(
        "one of two kinds of nodes",
        "NDN012 Cluster net/core/somaxconn",
        cluster=FOUR,
        kernels={node: kernel({"net/core/somaxconn": "128"}) for node in ("n1", "n2")},
    ),
    _case(
        "a setting that a node alone has", ALONE, kernels=_n1({"net/netfilter/nf_conntrack_udp_timeout": "0"}), cluster=FLANNEL
    ),
    _case("a setting that one node alone lacks", ALONE, kernels=_n1({"net/core/somaxconn": ""})),
    _case("a link that is down on one node", ALONE, changes={"n1": with_link("lo", up=False)}),
    _case("a link without ARP on one node", ALONE, changes={"n1": with_link("eth0", no_arp=True)}),
    _case("another queueing discipline on one node", ALONE, changes={"n1": with_link("eth0", qdisc="tbf")}),
    _case(
        "an offload that one node alone has not",
        ALONE,
        changes={node: with_link("eth0", offloads=("sg",) if node == "n1" else ("sg", "tx")) for node in NODES},
    ),
    _case("offloads that one node does not tell", changes={node: with_link("eth0", offloads=("tx",)) for node in NODES[1:]}),
    _case("a pod's link with another queueing discipline", changes={"n1": with_link("veth1", qdisc="tbf")}),
    _case("a bridge without ports has the MTU of no port", changes={"n1": with_link("cni0", mtu=1500)}),
    _case(
        "a link that one node alone has",
        kernels=_n1({"net/ipv4/conf/eth9/rp_filter": "2", "net/ipv4/neigh/eth9/retrans_time_ms": "7"}),
    ),
    _case("connections are counted", kernels=_n1({"net/netfilter/nf_conntrack_count": "12"})),
    _case("a larger machine", kernels=_n1({"net/netfilter/nf_conntrack_max": "1048576"})),
    _case("a smaller machine", kernels=_n1({"net/netfilter/nf_conntrack_max": "131072"})),
    _case("a table that is much smaller than elsewhere", ALONE, kernels=_n1({"net/netfilter/nf_conntrack_max": "4096"})),
    _case(
        "a size that is zero everywhere else",
        kernels={node: kernel({"net/core/rps_default_mask": size}) for node, size in zip(NODES, "300", strict=True)},
    ),
    _case("an answer was cut", kernels={"n1": Lost("cut")}, state="unknown"),
    _case("settings are not permitted", kernels={"n1": KernelReply(Outcome.PERMISSION, 1.0)}, state="unknown"),
    _case("links were not read", changes=dict.fromkeys(NODES, Lost("cut")), state="unknown"),
    Case("not asked for", network(*map(make_host, NODES), tier=Tier.PODS), state="skipped"),
    Case("no pods", FLANNEL, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
