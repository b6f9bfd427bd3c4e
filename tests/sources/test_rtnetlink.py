# SPDX-License-Identifier: Apache-2.0
"""What is read of rtnetlink's messages, against pyroute2's decoders: recorded kernels, and messages that pyroute2 makes."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, ndmsg, rtmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.node import BridgePort, Forwarding, KernelRoute, Link, Neighbour, RtnetlinkReply
from kubectl_netdoc.sources import rtnetlink

RECORDED = sorted(Path(__file__).with_name("rtnetlink").glob("*.json"))
LINK, ADDRESS, ROUTE, NEIGHBOUR = 16, 20, 24, 28
"""RTM_NEWLINK, NEWADDR, NEWROUTE and NEWNEIGH: the types of what a dump holds."""

GROUPS = ("33:33:", "01:00:5e:")


@cache
def dumps(path: Path) -> list[bytes]:
    return [base64.b64decode(text) for text in json.loads(path.read_text())["dumps"]]


def decoded(dump: bytes) -> list[Any]:
    return list(MarshalRtnl().parse(dump))


def by_pyroute2(five: list[bytes]) -> RtnetlinkReply:
    """The reply as pyroute2 reads the dumps; what is kept of it is as measurements/node.py says."""
    links, addresses, routes, neighbours, entries = map(decoded, five)
    names = {link["index"]: link.get("IFLA_IFNAME") for link in links}
    told = [route for route in routes if route["type"] in rtnetlink.TYPES and table_of(route) != rtnetlink.LOCAL_TABLE]
    return RtnetlinkReply(
        Outcome.OK,
        1.0,
        links=tuple(link_of(link, names, addresses) for link in links),
        routes=tuple(filter(complete, (route_of(route, names) for route in told))),
        neighbours=tuple(
            Neighbour(str(item.get("NDA_DST")), item.get("NDA_LLADDR") or "", names.get(item["ifindex"], ""), state(item))
            for item in neighbours
            if item.get("NDA_DST") and state(item) != "noarp"
        ),
        forwarding=tuple(
            Forwarding(item.get("NDA_LLADDR"), names.get(item["ifindex"], ""), item.get("NDA_DST") or "", state(item))
            for item in entries
            if item.get("NDA_LLADDR") and not item.get("NDA_LLADDR").startswith(GROUPS)
        ),
    )


def link_of(link: Any, names: dict[int, str], addresses: list[Any]) -> Link:
    info = link.get("IFLA_LINKINFO")
    kind = info.get("IFLA_INFO_KIND") if info else None
    data = info.get("IFLA_INFO_DATA") if kind in ("vxlan", "bridge") else None
    own = data if kind == "vxlan" else None
    port = info.get("IFLA_INFO_SLAVE_DATA") if info and info.get("IFLA_INFO_SLAVE_KIND") == "bridge" else None
    up = bool(link["flags"] & ifinfmsg.IFF_UP)
    return Link(
        name=link.get("IFLA_IFNAME"),
        kind=kind or "",
        mtu=link.get("IFLA_MTU") or 0,
        up=up,
        mac=link.get("IFLA_ADDRESS") or "",
        master=names.get(link.get("IFLA_MASTER"), ""),
        addresses=tuple(
            f"{item.get('IFA_LOCAL') or item.get('IFA_ADDRESS')}/{item['prefixlen']}"
            for item in addresses
            if item["index"] == link["index"]
        ),
        vni=(own.get("IFLA_VXLAN_ID") if own else 0) or 0,
        port=(own.get("IFLA_VXLAN_PORT") if own else 0) or 0,
        local=(own.get("IFLA_VXLAN_LOCAL") or own.get("IFLA_VXLAN_LOCAL6") if own else "") or "",
        no_carrier=up and not link["flags"] & ifinfmsg.IFF_LOWER_UP,
        no_arp=bool(link["flags"] & ifinfmsg.IFF_NOARP),
        qdisc=link.get("IFLA_QDISC") or "",
        vlan_filtering=kind == "bridge" and bool(data and data.get("IFLA_BR_VLAN_FILTERING")),
        bridge_port=port_of(port) if port is not None else None,
        elsewhere=link.get("IFLA_LINK_NETNSID") is not None,
    )


STATES = {0: "disabled", 1: "listening", 2: "learning", 3: "forwarding", 4: "blocking"}
FLAGS = {
    "isolated": ("ISOLATED", False),
    "hairpin": ("MODE", False),
    "learning": ("LEARNING", True),
    "flood": ("UNICAST_FLOOD", True),
    "broadcast": ("BCAST_FLOOD", True),
    "multicast": ("MCAST_FLOOD", True),
    "guard": ("GUARD", False),
    "root_block": ("PROTECT", False),
    "locked": ("LOCKED", False),
    "neigh_suppress": ("NEIGH_SUPPRESS", False),
}
"""Of each flag, pyroute2's name, and what it is in a kernel that does not know it."""


def port_of(data: Any) -> BridgePort:
    told = {name: data.get(f"IFLA_BRPORT_{attribute}") for name, (attribute, _) in FLAGS.items()}
    flags = {name: FLAGS[name][1] if value is None else bool(value) for name, value in told.items()}
    number = data.get("IFLA_BRPORT_STATE") or 0
    return BridgePort(
        STATES.get(number, str(number)),
        **flags,
        priority=data.get("IFLA_BRPORT_PRIORITY") or 0,
        cost=data.get("IFLA_BRPORT_COST") or 0,
    )


def gateway(holder: Any) -> str:
    via = holder.get("RTA_VIA")
    return str(holder.get("RTA_GATEWAY") or (via["addr"] if via else ""))


def table_of(route: Any) -> int:
    """RTA_TABLE, or else the header's, which has eight bits."""
    return int(route.get("RTA_TABLE") or route["table"])


def route_of(route: Any, names: dict[int, str]) -> KernelRoute:
    hops = route.get("RTA_MULTIPATH") or []
    first = hops[0] if hops else None
    metrics = route.get("RTA_METRICS")
    everything = "0.0.0.0" if route["family"] == socket.AF_INET else "::"
    flags = route["flags"] | (first["flags"] if first else 0)
    return KernelRoute(
        to=f"{route.get('RTA_DST') or everything}/{route['dst_len']}",
        via=gateway(route) or (gateway(first) if first else ""),
        dev=names.get(route.get("RTA_OIF"), "") or (names.get(first["oif"], "") if first else ""),
        type=rtnetlink.TYPES[route["type"]],
        table=table_of(route),
        metric=route.get("RTA_PRIORITY") or 0,
        mtu=(metrics.get("RTAX_MTU") if metrics else 0) or 0,
        protocol=route["proto"],
        on_link=bool(flags & rtmsg.RTNH_F_ONLINK),
        others=tuple(gateway(hop) or names.get(hop["oif"], "") for hop in hops[1:]),
    )


def complete(route: KernelRoute) -> bool:
    """Of a route by a next hop object that the kernel gives the number alone of, nothing is known."""
    return route.type != "unicast" or bool(route.via or route.dev)


def state(item: Any) -> str:
    """One word for the bits: permanent where that is among them, as `bridge fdb` has it, else that of the lowest."""
    found = sorted((bit, name) for name, bit in ndmsg.states.items() if bit and item["state"] & bit)
    return "none" if not found else "permanent" if found[-1][1] == "permanent" else found[0][1]


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_recorded_kernels_are_read_as_pyroute2_does(path: Path) -> None:
    found, want = rtnetlink.parse(dumps(path), 1.0, False), by_pyroute2(dumps(path))
    for part in ("links", "routes", "neighbours", "forwarding"):
        assert getattr(found, part) == getattr(want, part)


def test_what_was_made_in_the_namespace_is_there() -> None:
    """So that the comparison is not of two empty lists: namespace.sh says what there is."""
    found = rtnetlink.parse(dumps(RECORDED[0].with_name("namespace.json")), 1.0, False)
    routes = {route.to: route for route in found.routes if route.to != "fe80::/64"}
    hops = {to: (route.via, route.dev, route.others, route.on_link) for to, route in routes.items()}
    assert hops["10.1.0.0/24"] == ("10.0.0.2", "eth0", ("10.0.0.3", "eth1"), False)
    assert hops["10.2.0.0/24"] == ("fe80::9", "eth0", (), False)
    assert hops["10.3.0.0/24"] == ("fe80::9", "eth0", ("10.0.0.4",), False)
    assert hops["10.4.10.0/24"] == ("10.0.0.7", "eth0", ("eth1",), False)
    assert hops["fd10::/64"] == ("fe80::2", "eth0", ("fe80::3",), False)
    assert {to: routes[to].type for to in ("10.4.4.0/24", "fd12::/64", "10.11.0.0/16")} == {
        "10.4.4.0/24": "blackhole",
        "fd12::/64": "blackhole",
        "10.11.0.0/16": "throw",
    }
    tunnels = {link.name: (link.vni, link.port, link.local) for link in found.links if link.kind == "vxlan"}
    assert tunnels == {
        "vxlan4": (42, 4789, "10.0.0.1"),
        "vxlan6": (0xFFFFFF, 8472, "fd00::1"),
        "external": (0, 8473, ""),
    }
    ports = {link.name: link.bridge_port for link in found.links if link.master == "br1"}
    off: dict[str, Any] = {"learning": False, "flood": False, "broadcast": False, "multicast": False}
    assert ports == {
        "veth2": BridgePort(isolated=True, hairpin=True, guard=True, root_block=True, **off),
        "veth3": BridgePort("disabled", locked=True, neigh_suppress=True, priority=9, cost=77),
        "veth4": BridgePort("disabled"),
    }
    assert {link.name for link in found.links if link.no_carrier} == {"veth4", "br0", "veth0"}
    addresses = {link.name: link.addresses for link in found.links}
    assert {"10.9.9.1/32", "fd01::1/128"} <= set(addresses["eth1"])
    assert Forwarding("02:00:00:00:00:23", "vxlan6", "fd00::2", "permanent") in found.forwarding
    assert Neighbour("10.0.0.3", "", "eth0", "incomplete") in found.neighbours


def test_routes_by_the_number_of_a_next_hop_object_are_not_kept() -> None:
    found = rtnetlink.parse(dumps(RECORDED[0].with_name("namespace-nexthop-ids.json")), 1.0, False)
    kept = {route.to: route.type for route in found.routes if route.to.startswith("10.4.")}
    assert (kept, found.cut) == ({"10.4.4.0/24": "blackhole"}, True)


def message(make: Callable[[], Any], kind: int, fields: dict[str, Any], attributes: dict[str, Any]) -> bytes:
    """A message that pyroute2 encodes."""
    made = make()
    for name, value in fields.items():
        made[name] = value
    made["attrs"] = [(name, value) for name, value in attributes.items() if value is not None]
    made["header"]["type"] = kind
    made.encode()
    return bytes(made.data) + bytes(-len(made.data) % 4)


BYTE, NUMBER, INDEX = st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(1, 9)
MAC = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
FAMILIES = (socket.AF_INET, socket.AF_INET6)
FAMILY = st.sampled_from(FAMILIES)
EITHER = FAMILY.flatmap(lambda family: st.tuples(st.just(family), of_family(family)))


def of_family(family: int) -> st.SearchStrategy[str]:
    return st.ip_addresses(v=4 if family == socket.AF_INET else 6).map(str)


BIT = st.integers(0, 1)


@st.composite
def ports(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Attributes of a bridge's port: some flags, which the kernel always gives together with state, priority and cost."""
    flags = draw(st.dictionaries(st.sampled_from([name for name, _ in FLAGS.values()]), BIT))
    rest = {"STATE": draw(st.integers(0, 5)), "PRIORITY": draw(st.integers(0, 63)), "COST": draw(st.integers(0, 65535))}
    return [(f"IFLA_BRPORT_{name}", value) for name, value in {**rest, **flags}.items()]


@st.composite
def links(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([None, "veth", "bridge", "vxlan"]))
    family, local = draw(EITHER)
    named = {socket.AF_INET: "IFLA_VXLAN_LOCAL", socket.AF_INET6: "IFLA_VXLAN_LOCAL6"}[family]
    tunnel = {"IFLA_VXLAN_ID": draw(st.integers(0, 2**24 - 1)), named: local, "IFLA_VXLAN_PORT": draw(st.integers(0, 65535))}
    data = {"attrs": list(tunnel.items())} if kind == "vxlan" else None
    data = {"attrs": [("IFLA_BR_VLAN_FILTERING", draw(BIT))]} if kind == "bridge" else data
    told = [("IFLA_INFO_KIND", kind), *([("IFLA_INFO_DATA", data)] if data else [])] if kind else []
    slave = (
        [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": draw(ports())})] if draw(st.booleans()) else []
    )
    info = {"attrs": [*told, *slave]} if told or slave else None
    attributes = {
        "IFLA_IFNAME": draw(st.text("abz019.@-", min_size=1, max_size=15)),
        "IFLA_MTU": draw(st.none() | NUMBER),
        "IFLA_ADDRESS": draw(st.none() | MAC),
        "IFLA_MASTER": draw(st.none() | INDEX),
        "IFLA_QDISC": draw(st.none() | st.sampled_from(["noqueue", "fq_codel"])),
        "IFLA_LINKINFO": info,
    }
    return message(ifinfmsg.ifinfmsg, LINK, {"index": draw(INDEX), "flags": draw(NUMBER)}, attributes)


@st.composite
def addresses(draw: st.DrawFn) -> bytes:
    family, one = draw(EITHER)
    attributes = {"IFA_ADDRESS": one, "IFA_LOCAL": draw(st.none() | of_family(family))}
    fields = {"family": family, "prefixlen": draw(st.integers(0, 128)), "index": draw(INDEX)}
    return message(ifaddrmsg.ifaddrmsg, ADDRESS, fields, attributes)


@st.composite
def next_hop(draw: st.DrawFn, family: int) -> dict[str, Any]:
    """A gateway of the route's family, of the other one, or none."""
    other = draw(EITHER)
    choices = [{}, {"RTA_GATEWAY": draw(of_family(family))}, {"RTA_VIA": {"family": other[0], "addr": other[1]}}]
    return dict(draw(st.sampled_from(choices)))


@st.composite
def routes(draw: st.DrawFn) -> bytes:
    family = draw(FAMILY)
    hops = draw(st.lists(st.tuples(INDEX, BYTE, next_hop(family)), max_size=3))
    several = [{"oif": oif, "flags": flags, "hops": 0, "attrs": list(more.items())} for oif, flags, more in hops]
    attributes: dict[str, Any] = {
        "RTA_DST": draw(st.none() | of_family(family)),
        "RTA_TABLE": draw(st.none() | NUMBER),
        "RTA_PRIORITY": draw(st.none() | NUMBER),
        "RTA_METRICS": draw(st.none() | NUMBER.map(lambda mtu: {"attrs": [("RTAX_MTU", mtu)]})),
    }
    attributes |= {"RTA_MULTIPATH": several} if several else {"RTA_OIF": draw(st.none() | INDEX), **draw(next_hop(family))}
    fields = {"family": family, "dst_len": draw(st.integers(0, 128)), "proto": draw(BYTE), "type": draw(st.integers(1, 9))}
    fields |= {"table": draw(BYTE), "flags": draw(st.sampled_from([0, 4, 16, 4 | 16]))}
    return message(rtmsg.rtmsg, ROUTE, fields, attributes)


@st.composite
def neighbours(draw: st.DrawFn, family: int | None = None) -> bytes:
    of, one = draw(EITHER)
    attributes = {"NDA_DST": draw(st.sampled_from([one, None])), "NDA_LLADDR": draw(st.none() | MAC)}
    fields = {"family": family or of, "ifindex": draw(INDEX), "state": draw(BYTE)}
    return message(ndmsg.ndmsg, NEIGHBOUR, fields, attributes)


def of_these(kind: st.SearchStrategy[bytes], **unique: Any) -> st.SearchStrategy[bytes]:
    return st.lists(kind, max_size=3, **unique).map(b"".join)


FIVE = (
    of_these(links(), unique_by=lambda made: made[20:24]),  # a kernel gives each link an index of its own
    of_these(addresses()),
    of_these(routes()),
    of_these(neighbours()),
    of_these(neighbours(socket.AF_BRIDGE)),
)


@given(st.tuples(*FIVE))
def test_messages_of_pyroute2_are_read_as_pyroute2_does(five: tuple[bytes, ...]) -> None:
    found, want = rtnetlink.parse(list(five), 1.0, False), by_pyroute2(list(five))
    for part in ("links", "routes", "neighbours", "forwarding"):
        assert getattr(found, part) == getattr(want, part)
