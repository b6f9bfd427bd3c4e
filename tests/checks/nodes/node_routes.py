# SPDX-License-Identifier: Apache-2.0
"""Cases of node_routes: the nodes' tables are given. On the lab are made: NRT001 to NRT006 for flannel's VXLAN."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.api import Cluster, Forwarding, KernelRoute, Lost, Neighbour, Outcome, RtnetlinkReply, Tier
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.testing import Case
from tests.support.node_tables import (
    NODES,
    bgp,
    calico_vxlan,
    cilium,
    cloud,
    ebpf,
    gateway,
    mac,
    make_host,
    network,
    read,
    replaced,
    vxlan,
    with_link,
    with_route,
    without,
)

CHECK = registry.load().choose(["node_routes"])[0]
FLANNEL = network(*map(make_host, NODES))
HOST_GW = network(*(make_host(node, "host-gw") for node in NODES))
UNKNOWN = network(*(make_host(node, "") for node in NODES))
CALICO = network(*(make_host(node, "", notes={"projectcalico.org/IPv4Address": f"172.18.0.{node[1]}/16"}) for node in NODES))
YOUNG = network(make_host("n1"), make_host("n2"), make_host("n3", age=30))
DUAL = network(*(make_host(node, ranges=(f"10.244.{node[1]}.0/24", f"fd00:{node[1]}::/64")) for node in NODES))
POD_IP = "10.100.{}.70"
DEAD = (("n1", "n2"),)
N1 = (*DEAD, ("n1", "n3"))
ALL = (*N1, ("n2", "n3"))
LIKE = {id(FLANNEL): vxlan, id(YOUNG): vxlan, id(DUAL): vxlan, id(HOST_GW): gateway, id(UNKNOWN): gateway, id(CALICO): bgp}
TO_2 = "10.244.2.0/24"


def _case(name: str, *expect: str, cluster: Cluster = FLANNEL, state: str = "", **how: Any) -> Case:
    """``expect``: codes with subjects, and the numbers always."""
    how.setdefault("like", LIKE[id(cluster)])
    how.setdefault("pods", POD_IP if cluster is CALICO else "10.244.{}.5")
    pairs = {(code, subject) for code, _, subject in (text.partition(" ") for text in expect)}
    return Case(name, cluster, frozenset({*pairs, ("NRT010", "Cluster routes")}), read(CHECK, cluster, **how), state)


def _bad(
    name: str, code: str, change: object, *, cluster: Cluster = FLANNEL, node: str = "n1", dead: object = DEAD, **how: Any
) -> Case:
    return _case(name, f"{code} Node {node}", cluster=cluster, changes={node: change}, dead=dead, **how)


def _route(via: str = "", dev: str = "flannel.1", to: str = TO_2, type_: str = "unicast") -> KernelRoute:
    return KernelRoute(to, via, dev, type_, on_link=True)


def _neighbours(other: str) -> tuple[Neighbour, ...]:
    keep = Neighbour("10.244.3.0", mac("n3"), "flannel.1", "permanent")
    return (keep, Neighbour("10.244.2.0", other, "flannel.1", "permanent")) if other else (keep,)


def _forwarding(to: str) -> tuple[Forwarding, ...]:
    keep = Forwarding(mac("n3"), "flannel.1", "172.18.0.3", "permanent")
    return (keep, Forwarding(mac("n2"), "flannel.1", to, "permanent")) if to else (keep,)


def _everywhere(change: object, nodes: tuple[str, ...] = NODES) -> dict[str, object]:
    return dict.fromkeys(nodes, change)


def _none(reply: RtnetlinkReply) -> RtnetlinkReply:
    return replaced(routes=tuple(route for route in reply.routes if not route.via.startswith("10.244.")))(reply)


CASES = [
    _case("healthy: flannel's VXLAN"),
    _case("healthy: flannel's host-gw", cluster=HOST_GW),
    _case("healthy: routes as kindnet makes them", cluster=UNKNOWN),
    _case("healthy: Calico with BGP", cluster=CALICO),
    _case("healthy: Calico with VXLAN", cluster=CALICO, like=calico_vxlan),
    _case("healthy: the cloud routes", cluster=UNKNOWN, like=cloud),
    _case("healthy: eBPF", cluster=UNKNOWN, like=ebpf),
    _case("healthy: Cilium, whose routes go by way of the node itself", cluster=UNKNOWN, like=cilium),
    _case("healthy: Cilium with ranges of its own, of which no table tells", cluster=UNKNOWN, like=ebpf, pods="10.0.{}.5"),
    _case("Cilium: a node is cut off, and its routes are as they were", cluster=UNKNOWN, like=cilium, dead=N1),
    _case("flannel's direct routing in one segment", like=gateway),
    _bad("the other node itself is dropped", "NRT002", with_route(_route(dev="", to="172.18.0.2/32", type_="blackhole"))),
    _bad(
        "Cilium: the other node itself is dropped",
        "NRT002",
        with_route(_route(dev="", to="172.18.0.2/32", type_="blackhole")),
        cluster=UNKNOWN,
        like=cilium,
    ),
    _case(
        "the other node itself is dropped, and pods get through",
        changes={"n1": with_route(_route(dev="", to="172.18.0.2/32", type_="blackhole"))},
    ),
    _bad("no route", "NRT001", without(TO_2)),
    _bad("no routes at all", "NRT001", _none, dead=N1),
    _bad("no route, and no debug pod tells", "NRT001", without(TO_2), dead=(), unproven=True),
    _bad("no route of host-gw", "NRT001", without(TO_2), cluster=HOST_GW),
    _bad("no route where the network is not known", "NRT001", without(TO_2), cluster=UNKNOWN),
    _bad("no route to a block of Calico's", "NRT001", without("10.100.2.64/26"), cluster=CALICO),
    _case(
        "no node has a route to one",
        "NRT001 Node n2",
        changes=_everywhere(without(TO_2), ("n1", "n3")),
        dead=(("n1", "n2"), ("n3", "n2")),
    ),
    _case("no node has any", "NRT001 Cluster pod network", changes=_everywhere(_none), dead=ALL),
    _case("no route in a table that was cut", changes={"n1": lambda r: replaced(cut=True)(without(TO_2)(r))}, dead=DEAD),
    _case("no route, and it works (tables that nobody looks at)", changes={"n1": without(TO_2)}),
    _case(
        "no route of a node that has just joined", cluster=YOUNG, changes={"n1": without("10.244.3.0/24")}, dead=(("n1", "n3"),)
    ),
    _case("no IPv6 of flannel's though nodes have ranges", cluster=DUAL),
    _case("a cloud's routes are missing: no table tells", cluster=UNKNOWN, like=cloud, dead=ALL),
    _bad("a blackhole", "NRT002", with_route(_route(dev="", type_="blackhole"))),
    _bad("a part is unreachable", "NRT002", with_route(_route(dev="", to="10.244.2.128/25", type_="unreachable"))),
    _bad(
        "a blackhole for all pods and no route",
        "NRT002",
        lambda r: with_route(_route("", "", "10.244.0.0/16", "blackhole"))(_none(r)),
        dead=N1,
    ),
    _bad("a blackhole in the cloud", "NRT002", with_route(_route(dev="", type_="blackhole")), cluster=UNKNOWN, like=cloud),
    _bad(
        "a blackhole for a block of Calico's", "NRT002", with_route(_route("", "", "10.100.2.64/26", "blackhole")), cluster=CALICO
    ),
    _case(
        "a blackhole for a block of Calico's, which BGP has told on",
        "NRT002 Node n1",
        cluster=CALICO,
        changes={
            "n1": with_route(_route("", "", "10.100.2.64/26", "blackhole")),
            "n3": with_route(_route("172.18.0.1", "eth0", "10.100.2.64/26")),
        },
        dead=(*DEAD, ("n2", "n3")),
    ),
    _bad("a blackhole, and no debug pod tells", "NRT002", with_route(_route("", "", TO_2, "prohibit")), dead=(), unproven=True),
    _case(
        "own blocks of Calico's inside others' podCIDRs, and no debug pod tells",
        cluster=CALICO,
        like=lambda node: with_route(_route("", "", f"10.244.{4 - int(node[1])}.64/26", "blackhole"))(bgp(node)),
        unproven=True,
        pods="",
    ),
    _bad("to the default gateway", "NRT003", with_route(_route("172.18.0.254", "eth0"))),
    _bad("to another node, which does not pass it on", "NRT003", with_route(_route("10.244.3.0"))),
    _bad("into the own bridge", "NRT003", with_route(_route(dev="cni0"))),
    _bad("to another node where the network is not known", "NRT003", with_route(_route("172.18.0.3", "eth0")), cluster=UNKNOWN),
    _case(
        "by another node, which drops the answers that it has not seen the question of",
        "NRT003 Node n1",
        changes={"n1": with_route(_route("10.244.3.0"))},
        half=(("n2", "n1"),),
    ),
    _case("by another node, which passes it on", "NRT006 Node n1", changes={"n1": with_route(_route("10.244.3.0"))}),
    _bad("no neighbour", "NRT004", replaced(neighbours=_neighbours(""))),
    _bad("no neighbours at all", "NRT004", replaced(neighbours=()), dead=N1),
    _case("neighbours that are learnt", like=lambda node: replaced(neighbours=())(vxlan(node)), dead=DEAD),
    _bad("another's link address", "NRT004", replaced(neighbours=_neighbours("aa:bb:cc:00:00:99"))),
    _bad(
        "a neighbour that was asked for in vain",
        "NRT004",
        replaced(neighbours=(*_neighbours(""), Neighbour("10.244.2.0", "", "flannel.1", "failed"))),
    ),
    _bad(
        "no neighbour of Calico's",
        "NRT004",
        lambda r: replaced(neighbours=r.neighbours[1:])(r),
        cluster=CALICO,
        like=calico_vxlan,
    ),
    _case(
        "link addresses that flannel has not told and nodes have",
        changes={
            "n2": with_link("flannel.1", mac="aa:bb:cc:00:00:77"),
            "n1": replaced(
                neighbours=_neighbours("aa:bb:cc:00:00:77"),
                forwarding=(*_forwarding(""), Forwarding("aa:bb:cc:00:00:77", "flannel.1", "172.18.0.2", "permanent")),
            ),
        },
        dead=DEAD,
    ),
    _bad("no forwarding entry", "NRT005", replaced(forwarding=_forwarding(""))),
    _bad("a forwarding entry to the wrong node", "NRT005", replaced(forwarding=_forwarding("172.18.0.3"))),
    _case(
        "a second forwarding entry",
        changes={"n1": replaced(forwarding=(*_forwarding("172.18.0.3"), *_forwarding("172.18.0.2")))},
        dead=DEAD,
    ),
    _bad(
        "a forwarding entry of Calico's to the wrong node",
        "NRT005",
        lambda r: replaced(forwarding=(Forwarding(mac("n2"), "vxlan.calico", "172.18.0.9", "permanent"), r.forwarding[1]))(r),
        cluster=CALICO,
        like=calico_vxlan,
    ),
    _case(
        "a blackhole in the cloud, and no debug pod tells",
        cluster=UNKNOWN,
        like=cloud,
        changes={"n1": with_route(_route(dev="", type_="blackhole"))},
        unproven=True,
    ),
    _case("a forwarding entry to the wrong node, and it works", changes={"n1": replaced(forwarding=_forwarding("172.18.0.3"))}),
    _case("an answer was cut", changes={"n1": Lost("cut")}, state="unknown"),
    _case("rtnetlink is not permitted", changes={"n1": RtnetlinkReply(Outcome.PERMISSION, 1.0)}, state="unknown"),
    Case("not asked for", network(*map(make_host, NODES), tier=Tier.PODS), state="skipped"),
    Case("no pods", FLANNEL, measured=Measured(why_unmeasured="--no-pods"), state="skipped"),
]
