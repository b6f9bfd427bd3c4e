# SPDX-License-Identifier: Apache-2.0
"""Decodes the rtnetlink(7) messages of a node's kernel: links, addresses, routes, neighbours, forwarding database.

Sources: linux/rtnetlink.h, nexthop.h (of a route by a next hop object the kernel gives the hops themselves too, unless
net.ipv4.nexthop_compat_mode is 0), if_link.h, if_addr.h, neighbour.h. Byte order is that of the node; all that Kubernetes runs on
but s390x is little endian.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping

import msgspec

from kubectl_netdoc.formats.netlink import Attributes, by_type
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.node import BridgePort, Forwarding, KernelRoute, Link, Neighbour, RtnetlinkReply
from kubectl_netdoc.measurements.trace import PolicyRoute

MOST = 20_000
"""Most entries of each kind that are kept."""

UP, NOARP, LOWER_UP = 1, 0x80, 0x10000
LOCAL_TABLE = 255
UNICAST = 1
TYPES = {1: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
"""Types of routes that are kept (RTN_*): local, broadcast, anycast and multicast ones are the kernel's own."""

ON_LINK = 4
STATES = {128: "permanent", 1: "incomplete", 2: "reachable", 4: "stale", 8: "delay", 16: "probe", 32: "failed", 64: "noarp"}
"""States of a neighbour (NUD_*). An entry made by hand can be permanent and noarp; `bridge fdb` calls that permanent too."""

PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
"""States of a bridge's port by their number (BR_STATE_*)."""

PORT_FLAGS = {
    "isolated": 33,
    "hairpin": 4,
    "learning": 8,
    "flood": 9,
    "broadcast": 30,
    "multicast": 27,
    "guard": 5,
    "root_block": 6,
    "locked": 39,
    "neigh_suppress": 32,
}
"""The attribute of each flag of a bridge's port (IFLA_BRPORT_*). A kernel that does not know one leaves it out."""

RULE_ACTIONS = {1: "lookup", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
"""What a policy route does (FR_ACT_*)."""

OWN_PRIORITIES = frozenset({0, 32766, 32767})
"""Of the policy routes that the kernel makes: for the tables local, main and default."""

TABLES = {253: "default", 254: "main", 255: "local"}


def parse(dumps: list[bytes], ms: float, cut: bool, offloads: Mapping[str, tuple[str, ...]] | None = None) -> RtnetlinkReply:
    """Return the reply in the five dumps, with the links' offloads; raises ``ValueError`` if they can't be read."""
    if len(dumps) != 5:
        raise ValueError(f"the agent sent {len(dumps)} dumps instead of 5")
    try:
        links = dict(_links(dumps[0]))
        names = {index: link.name for index, link in links.items()}
        addresses = _addresses(dumps[1])
        whole = [
            msgspec.structs.replace(link, addresses=tuple(addresses.get(i, ())), offloads=(offloads or {}).get(link.name))
            for i, link in links.items()
        ]
        every = list(_routes(dumps[2], names))
        routes = list(filter(_told, every))
        neighbours = list(_neighbours(dumps[3], names))
        forwarding = list(_forwarding(dumps[4], names))
    except (struct.error, OSError) as error:
        raise ValueError(f"rtnetlink: {error}") from error
    return RtnetlinkReply(
        Outcome.OK,
        ms,
        links=tuple(whole[:MOST]),
        routes=tuple(routes[:MOST]),
        neighbours=tuple(neighbours[:MOST]),
        forwarding=tuple(forwarding[:MOST]),
        cut=cut or len(routes) < len(every) or any(len(rows) > MOST for rows in (whole, routes, neighbours, forwarding)),
    )


def _messages(data: bytes, head: int) -> Iterator[tuple[bytes, Attributes]]:
    """Yield the messages of a dump: the fixed part of ``head`` bytes, and the attributes."""
    at = 0
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        if length < 16 + head or at + length > len(data):
            raise ValueError("an rtnetlink message is cut off")
        yield data[at + 16 : at + 16 + head], by_type(data[at + 16 + head : at + length])
        at += (length + 3) & ~3


def _number(raw: bytes | None, form: str = "<I") -> int:
    return int(struct.unpack_from(form, raw)[0]) if raw else 0


def _text(raw: bytes | None) -> str:
    return (raw or b"").split(b"\0")[0].decode(errors="replace")


def _ip(raw: bytes | None) -> str:
    if raw is None or len(raw) not in (4, 16):
        return ""
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _mac(raw: bytes | None) -> str:
    return (raw or b"").hex(":")


def _links(data: bytes) -> Iterator[tuple[int, Link]]:
    rows = list(_messages(data, 16))
    names = {_number(head[4:8]): _text(found.get(3)) for head, found in rows}
    for head, found in rows:
        info = by_type(found.get(18, b""))
        kind, flags, own = _text(info.get(1)), _number(head[8:12]), by_type(info.get(2, b""))
        tunnel = own if kind == "vxlan" else {}
        yield (
            _number(head[4:8]),
            Link(
                name=_text(found.get(3)),
                kind=kind,
                mtu=_number(found.get(4)),
                up=bool(flags & UP),
                mac=_mac(found.get(1)),
                master=names.get(_number(found.get(10)), ""),
                vni=_number(tunnel.get(1)),
                port=_number(tunnel.get(15), ">H"),
                local=_ip(tunnel.get(4)) or _ip(tunnel.get(17)),
                no_carrier=bool(flags & UP) and not flags & LOWER_UP,
                no_arp=bool(flags & NOARP),
                qdisc=_text(found.get(6)),
                vlan_filtering=kind == "bridge" and bool(_number(own.get(7), "B")),
                bridge_port=_bridge_port(by_type(info.get(5, b""))) if _text(info.get(4)) == "bridge" else None,
                elsewhere=37 in found,  # IFLA_LINK_NETNSID
            ),
        )


def _bridge_port(found: Attributes) -> BridgePort:
    """Return a bridge's port by IFLA_INFO_SLAVE_DATA; what the kernel does not say is what it was before it had that."""
    flags = {name: bool(found[number][0]) for name, number in PORT_FLAGS.items() if found.get(number)}
    state = _number(found.get(1), "B")
    word = PORT_STATES[state] if state < len(PORT_STATES) else str(state)
    return BridgePort(word, priority=_number(found.get(2), "<H"), cost=_number(found.get(3)), **flags)


def _addresses(data: bytes) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for head, attributes in _messages(data, 8):
        # Of a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is always its own where it is there.
        text = _ip(attributes.get(2)) or _ip(attributes.get(1))
        if text:
            found.setdefault(_number(head[4:8]), []).append(f"{text}/{head[1]}")
    return found


def _routes(data: bytes, names: dict[int, str]) -> Iterator[KernelRoute]:
    for head, found in _messages(data, 12):
        family, bits, kind, protocol = head[0], head[1], head[7], head[5]
        table = _number(found.get(15)) or head[4]
        flags = _number(head[8:12])
        if kind not in TYPES or table == LOCAL_TABLE or flags & 0x200:  # RTM_F_CLONED: what a lookup left
            continue
        everything = "0.0.0.0" if family == socket.AF_INET else "::"
        hops = list(_hops(found.get(9, b""), names)) or [("", 0, "")]
        first, hop_flags, via = hops[0]
        yield KernelRoute(
            to=f"{_ip(found.get(1)) or everything}/{bits}",
            via=_gateway(found) or via,
            dev=names.get(_number(found.get(4)), "") or first,
            type=TYPES[kind],
            table=table,
            metric=_number(found.get(6)),
            mtu=_number(by_type(found.get(8, b"")).get(2)),
            protocol=protocol,
            on_link=bool((flags | hop_flags) & ON_LINK),
            others=tuple(via or dev for dev, _, via in hops[1:]),
            expires=_number(found.get(12, b"")[8:12]) > 0,  # rta_expires of struct rta_cacheinfo
        )


def _gateway(found: Attributes) -> str:
    """Return the next hop's address: RTA_GATEWAY, or one of the other family (struct rtvia of RTA_VIA)."""
    return _ip(found.get(5)) or _ip(found.get(18, b"")[2:])


def _hops(data: bytes, names: dict[int, str]) -> Iterator[tuple[str, int, str]]:
    """Yield link, flags and gateway of each of several next hops (struct rtnexthop of RTA_MULTIPATH)."""
    at = 0
    while at + 8 <= len(data):
        length, flags = struct.unpack_from("<HB", data, at)
        if length < 8:
            return
        yield names.get(_number(data[at + 4 : at + 8]), ""), flags, _gateway(by_type(data[at + 8 : at + length]))
        at += (length + 3) & ~3


def _told(route: KernelRoute) -> bool:
    """Tell whether a route has next hops itself; one with only a next-hop object (RTA_NH_ID) has not."""
    return route.type != "unicast" or bool(route.via or route.dev)


def _state(head: bytes) -> str:
    state = _number(head[8:10], "<H")
    return next((word for bit, word in STATES.items() if state & bit), "none")


def _neighbours(data: bytes, names: dict[int, str]) -> Iterator[Neighbour]:
    for head, found in _messages(data, 12):
        ip, state = _ip(found.get(1)), _state(head)
        if ip and state != "noarp":
            yield Neighbour(ip, _mac(found.get(2)), names.get(_number(head[4:8]), ""), state)


def _forwarding(data: bytes, names: dict[int, str]) -> Iterator[Forwarding]:
    for head, found in _messages(data, 12):
        mac = _mac(found.get(2))
        if mac and not mac.startswith(("33:33:", "01:00:5e:")):  # groups of multicast, which every link has
            yield Forwarding(mac, names.get(_number(head[4:8]), ""), _ip(found.get(1)), _state(head))


def policy_routes(data: bytes) -> Iterator[PolicyRoute]:
    """Yield the policy routes in a dump (linux/fib_rules.h), besides the kernel's own; raises ``ValueError``."""
    for head, found in _messages(data, 12):
        priority = _number(found.get(6))
        table = _number(found.get(15)) or head[4]
        if priority in OWN_PRIORITIES and table in TABLES:
            continue
        words, looks_up = " ".join(_conditions(head, found, table)), RULE_ACTIONS.get(head[7]) == "lookup"
        yield PolicyRoute(priority, "IPv6" if head[0] == socket.AF_INET6 else "IPv4", words, table if looks_up else 0)


def _conditions(head: bytes, found: Attributes, table: int) -> Iterator[str]:
    """Yield the words of a policy route as ``ip rule`` prints them."""
    if head[8:12] and struct.unpack("<I", head[8:12])[0] & 2:
        yield "not"
    yield f"from {_ip(found.get(2))}/{head[2]}" if 2 in found else "from all"
    if 1 in found:
        yield f"to {_ip(found.get(1))}/{head[1]}"
    if 10 in found:
        mask = _number(found.get(16)) if 16 in found else 0xFFFFFFFF
        yield f"fwmark {_number(found[10]):#x}" + (f"/{mask:#x}" if mask != 0xFFFFFFFF else "")
    for kind, word in ((3, "iif"), (17, "oif")):
        if kind in found:
            yield f"{word} {_text(found[kind])}"
    action = RULE_ACTIONS.get(head[7], str(head[7]))
    yield f"{action} {TABLES.get(table, table)}" if action == "lookup" else action
