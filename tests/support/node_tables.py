# SPDX-License-Identifier: Apache-2.0
"""Nodes' tables for the cases of the nodes tier, as flannel (VXLAN, host-gw), kindnet, Calico and clouds leave them.

flannel: as read on the lab (flannel 0.27, Kubernetes 1.34). Calico: as on the networks of lab/networks (3.28; routes proto bird
12, Felix 80). kindnet, GKE and Cilium: hand-made from their documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kubectl_netdoc.api import (
    Check,
    Cluster,
    Echo,
    EchoReply,
    EchoSample,
    Forwarding,
    Kernel,
    KernelReply,
    Link,
    Lost,
    Neighbour,
    Outcome,
    Peer,
    Reply,
    Request,
    RtnetlinkReply,
    Tier,
)
from kubectl_netdoc.api import KernelRoute as Route
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.measurements.requests import untouched
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.testing import OLD, Built, ago, make_cluster, measured

NODES = ("n1", "n2", "n3")
ETH = Link("eth0", "", 1500, True, "02:42:ac:12:00:02")
VETH = Link("veth1", "veth", 1450, True, "aa:00:00:00:00:01", "cni0", ("fe80::1/64",))
Change = Callable[[RtnetlinkReply], RtnetlinkReply]


def number(node: str) -> int:
    """The number at the end of a node's name."""
    return int(node[1:])


def address(node: str) -> str:
    """A node's InternalIP."""
    return f"172.18.0.{number(node)}"


def range_of(node: str) -> str:
    """A node's podCIDR."""
    return f"10.244.{number(node)}.0/24"


def mac(node: str) -> str:
    """The link address of a node's tunnel."""
    return f"aa:bb:cc:00:00:0{number(node)}"


def underlay_mac(node: str) -> str:
    """The link address of a node's own network card."""
    return f"02:42:ac:12:00:0{number(node)}"


def make_host(
    node: str,
    backend: str = "vxlan",
    *,
    age: float | None = None,
    ranges: tuple[str, ...] = (),
    notes: Mapping[str, str] | None = None,
) -> Built:
    """Return a Node; ``backend``: flannel's, none for a node that flannel has written nothing of."""
    f = "flannel.alpha.coreos.com"
    told = {f"{f}/backend-type": backend, f"{f}/public-ip": address(node), f"{f}/backend-data": "null"} if backend else {}
    if backend == "vxlan":
        told[f"{f}/backend-data"] = f'{{"VNI":1,"VtepMAC":"{mac(node)}"}}'
    meta = {"name": node, "creationTimestamp": ago(OLD if age is None else age), "annotations": told | dict(notes or {})}
    status = {"addresses": [{"type": "InternalIP", "address": address(node)}, {"type": "Hostname", "address": node}]}
    return NODE, convert(NODE, {"metadata": meta, "spec": {"podCIDRs": list(ranges or (range_of(node),))}, "status": status})


def others(node: str, nodes: tuple[str, ...] = NODES) -> list[str]:
    """The other nodes."""
    return [other for other in nodes if other != node]


def base(node: str, *links: Link, routes: tuple[Route, ...] = (), **more: Any) -> RtnetlinkReply:
    """The links, and routes to the default gateway and the own segment, that every node has."""
    eth = msgspec.structs.replace(ETH, mac=underlay_mac(node), addresses=(f"{address(node)}/16",))
    default = (Route("0.0.0.0/0", "172.18.0.254", "eth0"), Route("172.18.0.0/16", dev="eth0", protocol=2))
    return RtnetlinkReply(Outcome.OK, 2.0, (Link("lo", "", 65536, True), eth, VETH, *links), (*default, *routes), **more)


def vxlan(node: str) -> RtnetlinkReply:
    """What flannel's VXLAN backend leaves on a node."""
    tunnel = Link("flannel.1", "vxlan", 1450, True, mac(node), "", (f"10.244.{number(node)}.0/32",), 1, 8472, address(node))
    bridge = Link("cni0", "bridge", 1450, True, "ee:00:00:00:00:01", "", (f"10.244.{number(node)}.1/24",))
    via = {other: f"10.244.{number(other)}.0" for other in others(node)}
    return base(
        node,
        tunnel,
        bridge,
        routes=(
            Route(range_of(node), dev="cni0", protocol=2),
            *(Route(range_of(other), to, "flannel.1", protocol=3, on_link=True) for other, to in via.items()),
        ),
        neighbours=tuple(Neighbour(to, mac(other), "flannel.1", "permanent") for other, to in via.items()),
        forwarding=tuple(Forwarding(mac(other), "flannel.1", address(other), "permanent") for other in via),
    )


def gateway(node: str) -> RtnetlinkReply:
    """What flannel's host-gw backend and kindnet leave on a node."""
    return base(node, routes=tuple(Route(range_of(other), address(other), "eth0") for other in others(node)))


def cloud(node: str) -> RtnetlinkReply:
    """A node whose cloud routes pods' ranges: it knows of none."""
    return base(node, routes=(Route(range_of(node), dev="cbr0"),))


def ebpf(node: str) -> RtnetlinkReply:
    """A node of Cilium with tunnels: one route for all pods, into its own device."""
    return base(node, Link("cilium_vxlan", "vxlan", 1500, True), routes=(Route("10.244.0.0/16", "10.244.1.77", "cilium_host"),))


def cilium(node: str) -> RtnetlinkReply:
    """What Cilium 1.15 with VXLAN leaves on a node (read on the lab): routes to the others' ranges by way of its own address."""
    own = f"10.244.{number(node)}.77"
    links = (
        Link("cilium_net", "veth", 1500, True),
        Link("cilium_host", "veth", 1500, True, addresses=(f"{own}/32",)),
        Link("cilium_vxlan", "vxlan", 1500, True, port=8472),
        Link("lxc1", "veth", 1500, True),
    )
    routes = tuple(Route(range_of(other), own, "cilium_host", protocol=2, mtu=1450) for other in others(node))
    return base(node, *links, routes=(Route(range_of(node), own, "cilium_host", protocol=2), *routes))


def block(node: str) -> str:
    """A block of Calico's IPAM."""
    return f"10.100.{number(node)}.64/26"


def bgp(node: str) -> RtnetlinkReply:
    """What Calico with BGP leaves on a node."""
    routes = [Route(block(other), address(other), "eth0", protocol=12) for other in others(node)]
    return base(node, routes=(Route(block(node), type="blackhole", protocol=12), *routes))


def calico_vxlan(node: str) -> RtnetlinkReply:
    """What Calico with VXLAN leaves on a node: the tunnel's end has the first address of the block."""
    end = {other: f"10.100.{number(other)}.64" for other in NODES}
    tunnel = Link("vxlan.calico", "vxlan", 1450, True, mac(node), "", (f"{end[node]}/32",), 4096, 4789, address(node))
    return base(
        node,
        tunnel,
        routes=(
            Route(block(node), type="blackhole", protocol=80),
            *(Route(block(other), end[other], "vxlan.calico", protocol=80, on_link=True) for other in others(node)),
        ),
        neighbours=tuple(Neighbour(end[other], mac(other), "vxlan.calico", "permanent") for other in others(node)),
        forwarding=tuple(Forwarding(mac(other), "vxlan.calico", address(other), "permanent") for other in others(node)),
    )


def without(to: str) -> Change:
    """Take a route away."""
    return lambda reply: msgspec.structs.replace(reply, routes=tuple(r for r in reply.routes if r.to != to))


def with_route(route: Route) -> Change:
    """Put a route in the place of that to the same range."""
    return lambda reply: msgspec.structs.replace(without(route.to)(reply), routes=(*without(route.to)(reply).routes, route))


def with_link(name: str, **changes: object) -> Change:
    """Change a link."""

    def change(reply: RtnetlinkReply) -> RtnetlinkReply:
        links = tuple(msgspec.structs.replace(link, **changes) if link.name == name else link for link in reply.links)
        return msgspec.structs.replace(reply, links=links)

    return change


def without_link(name: str) -> Change:
    """Take a link away, with its routes."""

    def change(reply: RtnetlinkReply) -> RtnetlinkReply:
        links = tuple(link for link in reply.links if link.name != name)
        routes = tuple(route for route in reply.routes if route.dev != name)
        return msgspec.structs.replace(reply, links=links, routes=routes)

    return change


def replaced(**fields: object) -> Change:
    """Replace fields of the reply."""
    return lambda reply: msgspec.structs.replace(reply, **fields)


SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/eth0/rp_filter": "2",
    "net/ipv4/conf/flannel.1/forwarding": "1",
    "net/ipv4/conf/cni0/forwarding": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/ip_local_port_range": "32768 60999",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/netfilter/nf_conntrack_count": "900",
    "net/netfilter/nf_conntrack_max": "262144",
    "net/netfilter/nf_conntrack_tcp_be_liberal": "0",
    "net/ipv4/neigh/default/gc_thresh3": "1024",
    "net/core/somaxconn": "4096",
}
BEFORE = {
    "TcpExt.IPReversePathFilter": 50_000,
    "TcpExt.ListenOverflows": 50_000,
    "TcpExt.TCPTimeWaitOverflow": 50_000,
    "Tcp.OutSegs": 1_000_000,
    "Tcp.RetransSegs": 500_000,
    "Udp.RcvbufErrors": 50_000,
    "conntrack.drop": 50_000,
    "conntrack.insert_failed": 50_000,
    "conntrack.invalid": 50_000,
    "softnet.processed": 1_000_000,
    "softnet.dropped": 50_000,
    "softnet.time_squeeze": 50_000,
    "arp_cache.entries": 40,
    "arp_cache.table_fulls": 50_000,
    "eth0.rx_packets": 100_000,
    "eth0.rx_errors": 50_000,
    "eth0.rx_dropped": 50_000,
    "eth0.tx_packets": 100_000,
    "flannel.1.rx_packets": 100,
    "flannel.1.tx_packets": 100,
    "flannel.1.tx_errors": 50_000,
    "sockets.TCP.tw": 90,
    "sockets.TCP.inuse": 70,
}
"""Totals of a node that had much trouble once: none of it is today's."""


def kernel(settings: Mapping[str, str] | None = None, rises: Mapping[str, int] | None = None, clock: float = 0.3) -> KernelReply:
    """Return a node's settings (an empty one is not there) and counters, of which some rise in two seconds."""
    after = {name: value + (rises or {}).get(name, 0) for name, value in BEFORE.items()}
    kept = {path: value for path, value in (SETTINGS | dict(settings or {})).items() if value}
    return KernelReply(Outcome.OK, 2003.0, 2.0, kept, BEFORE, after, "6.18.44", clock)


def network(*built: Built, nodes: tuple[str, ...] = NODES, tier: Tier = Tier.NODES) -> Cluster:
    """Return a cluster of the nodes tier."""
    return make_cluster(*built, vantages=nodes, tier=tier)


def read(
    check: Check,
    cluster: Cluster,
    like: Callable[[str], RtnetlinkReply] = vxlan,
    changes: Mapping[str, Reply | Change] | None = None,
    *,
    dead: tuple[tuple[str, str], ...] = (),
    pods: str = "10.244.{}.5",
    unproven: bool = False,
    half: tuple[tuple[str, str], ...] = (),
    only: str = "",
    kernels: Mapping[str, Reply] | None = None,
    next_door: bool = False,
    next_to: str = "",
    first: Mapping[str, Reply] | None = None,
) -> Measured:
    """Return what is measured where nodes have tables ``like`` that, some with ``changes``.

    The paths ``dead`` fail both ways, the paths ``half`` one way; ``only``: in this family alone. A Service
    leads to the neighbour on the node ``next_to``, or everywhere. ``first``: what was read of nodes before netdoc's pods had a
    network, if that differs from what was read later.
    """
    broken = {frozenset(pair) for pair in dead}

    def answer(request: Request) -> Reply:
        earlier = (first or {}).get(request.node)
        if untouched(request) and type(earlier) is (KernelReply if isinstance(request, Kernel) else RtnetlinkReply):
            return earlier
        if isinstance(request, Kernel):
            return (kernels or {}).get(request.node, kernel())
        if isinstance(request, Echo):
            if not isinstance(request.to, Peer):
                who = request.node if next_door or request.node == next_to else ""
                return EchoReply("10.96.7.7", (EchoSample(Outcome.OK if who else Outcome.TIMEOUT, 1.0, who),))
            if unproven:
                return Lost("cut")
            pair = (request.node, request.to.node)
            good = (frozenset(pair) not in broken and pair not in half) or only not in ("", request.family)
            sample = EchoSample(Outcome.OK, 0.4, request.to.node) if good else EchoSample(Outcome.TIMEOUT, 2000.0)
            return EchoReply("10.244.9.9", (sample,))
        change = (changes or {}).get(request.node)
        return change(like(request.node)) if callable(change) else change or like(request.node)

    found = measured(check, cluster, answer)
    vantages = tuple(Vantage(node, True, ip=pods.format(number(node))) for node in cluster.vantages)
    return msgspec.structs.replace(found, vantages=vantages)
