# SPDX-License-Identifier: Apache-2.0
"""What took packets on a node: a rule or a counter that rose by just as many, or what the kernel says of their route.

Sources of the counters' meaning: the kernel's Documentation/networking/snmp_counter.rst, net/ipv4/ip_input.c, ip_forward.c and
fib_frontend.c (the error EXDEV of a route that fails the reverse-path filter).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_address, ip_network

from msgspec import Struct

from kubectl_netdoc.measurements.node import Link, Neighbour, RtnetlinkReply
from kubectl_netdoc.measurements.trace import MovedRule, RouteAnswer, Rule, TapReading
from kubectl_netdoc.tracing.hops import Hop

UNICAST, LOCAL = 1, 2
"""Types of routes (rtnetlink(7))."""


class Taker(StrEnum):
    """The kinds of what takes packets."""

    RULE = "rule"
    SUSPECT = "rule without a counter"
    REVERSE_PATH = "reverse-path filter"
    ROUTE = "route"
    NEIGHBOUR = "neighbour"
    QUEUE = "queue"
    CONNTRACK = "connection tracking"
    TTL = "hop limit"
    TUNNEL_PEER = "tunnel's other end"
    MAC = "hardware address"
    COUNTER = "counter"
    PORT = "bridge port"
    LINK = "link"
    OWN_ADDRESS = "own address"
    CHECKSUM = "checksum"


class Taken(Struct, frozen=True):
    """What took packets. ``words``: what the node shows of it; ``rule``, ``moved``: if it is a rule, and by how much it rose.

    ``dev``, ``via``, ``mac``: the interface, next hop and hardware address that are concerned; ``right``: what would be right.
    """

    kind: Taker
    words: str
    rule: Rule | None = None
    moved: int = 0
    dev: str = ""
    via: str = ""
    mac: str = ""
    right: str = ""


TAKING = frozenset({"drop", "reject", "queue", "tarpit", "steal"})
"""Verdicts after which a packet does not go on."""

REWRITING = frozenset({"dnat", "snat", "masquerade", "redirect", "tproxy", "netmap"})
"""Verdicts that send it elsewhere or change it."""

COUNTERS = {
    "TcpExt.IPReversePathFilter": (Taker.REVERSE_PATH, "the reverse-path filter"),
    "Ip.InNoRoutes": (Taker.ROUTE, "no route"),
    "Ip.OutNoRoutes": (Taker.ROUTE, "no route"),
    "IpExt.InNoRoutes": (Taker.ROUTE, "no route"),
    "Ip6InNoRoutes": (Taker.ROUTE, "no route"),
    "Ip6OutNoRoutes": (Taker.ROUTE, "no route"),
    "Ip.InAddrErrors": (Taker.ROUTE, "an address that the node does not forward for"),
    "Ip.InHdrErrors": (Taker.TTL, "a hop limit of 0 or a broken header"),
    "Ip6InHdrErrors": (Taker.TTL, "a hop limit of 0 or a broken header"),
    "conntrack.drop": (Taker.CONNTRACK, "connection tracking, which had no room"),
    "conntrack.early_drop": (Taker.CONNTRACK, "connection tracking, which had no room"),
    "conntrack.insert_failed": (Taker.CONNTRACK, "connection tracking, which could not enter the flow"),
    "softnet.dropped": (Taker.QUEUE, "the backlog queue of a CPU"),
    "Ip.InDiscards": (Taker.COUNTER, "the counter Ip.InDiscards"),
    "Ip.OutDiscards": (Taker.COUNTER, "the counter Ip.OutDiscards"),
    "Udp.InCsumErrors": (Taker.COUNTER, "a wrong checksum"),
    "Tcp.InCsumErrors": (Taker.COUNTER, "a wrong checksum"),
}
"""Counters that say what happened to a packet."""

ROUTE_ERRORS = {
    errno.EXDEV: (Taker.REVERSE_PATH, "the reverse-path filter refuses it"),
    errno.EHOSTUNREACH: (Taker.ROUTE, "the node has no route for it, or does not forward"),
    errno.ENETUNREACH: (Taker.ROUTE, "the node has no route for it"),
    errno.EINVAL: (Taker.ROUTE, "the route for it is a blackhole, or the node takes its source for impossible"),
    errno.EACCES: (Taker.ROUTE, "the route for it prohibits it"),
}


def of(reading: TapReading | None, last: Hop | None, count: int) -> Taken | None:
    """Return what took so many packets on a node after their last hop there; None if nothing shows it."""
    if reading is None:
        return None
    for found in (
        _rule(reading, count),
        _counter(reading, count, frozenset((Taker.REVERSE_PATH,))),
        _route(reading, last),
        by_rule(reading, count, REWRITING),
        _counter(reading, count, frozenset(Taker)),
        _queue(reading, count),
        _tunnel_down(reading, last),
        _neighbour(reading, last),
        _port(reading, last),
        _suspect(reading),
    ):
        if found is not None:
            return found
    return None


def _rule(reading: TapReading, count: int) -> Taken | None:
    """Return the rule that lets no packet on and rose by as many, beyond what it rises by itself; the closest of several."""
    taking = [one for one in reading.moved if one.rule.verdict in TAKING and _fits(one, count)]
    best = min(taking, key=lambda one: (abs(one.packets - one.control - count), one.control), default=None)
    return _taken(best) if best else None


def _fits(moved: MovedRule, count: int) -> bool:
    """Tell whether so many packets may be among those that a rule counted, and are not lost among those of others."""
    return moved.packets >= count > moved.control and moved.packets - moved.control > count / 2


def _taken(moved: MovedRule) -> Taken:
    words = f"{named(moved.rule)} rose by {moved.packets}, and by {moved.control} in the time before"
    return Taken(Taker.RULE, words, moved.rule, moved.packets)


def named(rule: Rule) -> str:
    """Return a rule by its place and what it says."""
    if rule.handle == "policy":
        return f"the policy {rule.verdict} of chain {rule.chain} ({_table(rule)})"
    number = f"handle {rule.handle}" if rule.backend == "nft" else f"number {rule.handle}"
    return f'rule "{rule.text}" in chain {rule.chain} ({_table(rule)}, {number})'


def _table(rule: Rule) -> str:
    old = "old table" if rule.backend == "legacy" else "table"
    return f"{old} {rule.family} {rule.table}"


def _route(reading: TapReading, last: Hop | None) -> Taken | None:
    for answer in _answers(reading, last):
        if answer.error:
            kind, words = ROUTE_ERRORS.get(
                answer.error, (Taker.ROUTE, f"its route is an error ({errno.errorcode.get(answer.error)})")
            )
            return Taken(kind, f"{words} (ip route get {answer.to} from {answer.source} iif {answer.dev})", dev=answer.dev)
    return None


def _answers(reading: TapReading, last: Hop | None) -> Iterator[RouteAnswer]:
    """Yield what the kernel does with packets as they came in at their last hop."""
    if last is None or last.out:
        return
    link = _link(reading, last.dev)
    if link is not None and link.master:
        return  # what comes in by a port of a bridge comes in by the bridge
    for answer in reading.routes:
        if answer.to == last.to.ip and answer.dev == last.dev:
            yield answer


def _link(reading: TapReading | None, name: str) -> Link | None:
    """Return an interface of a node by its name."""
    links = reading.tables.links if reading and reading.tables else ()
    return next((link for link in links if link.name == name), None)


def _counter(reading: TapReading, count: int, kinds: frozenset[Taker]) -> Taken | None:
    for name, (kind, words) in COUNTERS.items():
        risen, before = reading.risen.get(name, 0), reading.control.get(name, 0)
        if kind in kinds and count <= risen <= 2 * count and before * 2 < count:
            setting = by_rule(reading, count, frozenset(("ttl", "hl"))) if kind is Taker.TTL else None
            by = f"; {setting.words}" if setting else ""
            return Taken(kind, f"{words} took {risen}: {name} rose by {risen}, and by {before} in the time before{by}")
    return None


def _queue(reading: TapReading, count: int) -> Taken | None:
    for name, risen in reading.risen.items():
        before = reading.control.get(name, 0)
        if name.startswith("qdisc.") and count <= risen and before * 2 < count:
            _, dev, kind, _ = name.split(".", 3) if name.count(".") == 3 else ("", name.split(".")[1], "queue", "")
            return Taken(Taker.QUEUE, f"the queue ({kind}) of {dev} dropped {risen}, and {before} in the time before", dev=dev)
    return None


def _neighbour(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the next hop that has no hardware address, by the route of what came in."""
    if reading.tables is None or last is None:
        return None
    for answer in reading.routes:
        if answer.to != last.to.ip or answer.kind != UNICAST or answer.error:
            continue
        hop = answer.via or answer.to
        found = [n for n in reading.tables.neighbours if n.ip == hop and n.dev == answer.out]
        if answer.out and not answer.via and any(n.state == "permanent" for n in found):
            return _permanent(found[0])
        if any(n.state in ("failed", "incomplete") for n in found):
            shut = _shut_ports(reading.tables, answer.out)
            if shut and not answer.via:
                words = f"{hop} does not answer on the bridge {answer.out}: {'; '.join(shut.values())}"
                return Taken(Taker.PORT, words, dev=next(iter(shut)), via=hop)
            words = f"{hop} has no hardware address on {answer.out} (neighbour {found[0].state})"
            return Taken(Taker.NEIGHBOUR, words, dev=answer.out, via=hop)
    return None


def to_a_pod(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether an interface is the host's end of a pod's link: a port of a bridge, or one with a route to one address."""
    if reading is None or reading.tables is None:
        return hop.dev.startswith(("veth", "cali", "lxc"))
    link = _link(reading, hop.dev)
    if link is None or link.kind != "veth":
        return False
    routed = (route.to.endswith(("/32", "/128")) for route in reading.tables.routes if route.dev == hop.dev and not route.via)
    return bool(link.master) or any(routed)


def is_tunnel(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether an interface puts packets into a tunnel, so that they leave the node by another one."""
    link = _link(reading, hop.dev)
    return link is not None and link.kind in TUNNELS


TUNNELS = frozenset({"vxlan", "geneve", "ipip", "gre", "gretap", "wireguard", "ip6tnl", "sit"})
"""Kinds of interfaces that put packets into a tunnel."""


def by_hand(reading: TapReading | None, last: Hop) -> Taken | None:
    """Return the neighbour entry made by hand on the bridge of a pod's link: what CNI plugins make is learned."""
    link = _link(reading, last.dev)
    if reading is None or reading.tables is None or link is None or not link.master:
        return None
    for one in reading.tables.neighbours:
        if one.ip == last.to.ip and one.dev == link.master and one.state == "permanent":
            return _permanent(one)
    return None


def _permanent(entry: Neighbour) -> Taken:
    words = f"{entry.ip} has the hardware address {entry.mac} on {entry.dev} by an entry made by hand (permanent)"
    return Taken(Taker.NEIGHBOUR, words, dev=entry.dev, via=entry.ip, mac=entry.mac)


def _tunnel_down(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the tunnel interface that is down, if the packets came in its tunnel."""
    if reading.tables is None or last is None or last.out or not last.tunnels:
        return None
    kind = last.tunnels[-1].kind.lower()
    for link in reading.tables.links:
        if link.kind == kind and not link.up:
            return Taken(Taker.LINK, f"the tunnel interface {link.name} is down", dev=link.name)
    return None


def _port(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the bridge none of whose ports sent the packets on, or the port they came in by, if it is cut off from others."""
    if reading.tables is None or last is None:
        return None
    link = _link(reading, last.dev)
    if link is None:
        return None
    if link.kind == "bridge" and last.out:
        shut = _shut_ports(reading.tables, link.name)
        which = f": {'; '.join(shut.values())}" if shut else ""
        return Taken(Taker.PORT, f"no port of the bridge {link.name} sent it on{which}", dev=next(iter(shut), link.name))
    if link.bridge_port and link.bridge_port.isolated and not last.out:
        words = f"the port {link.name} of the bridge {link.master} is isolated: it reaches no other isolated port"
        return Taken(Taker.PORT, words, dev=link.name)
    return None


def flooded(reading: TapReading | None, last: Hop) -> Taken | None:
    """Return why a packet left by a pod's link that it was not meant for: its bridge does not know where the address is."""
    link = _link(reading, last.dev)
    if reading is None or reading.tables is None or link is None or not link.master or not last.macs:
        return None
    master = link.master
    ports = {port.name for port in reading.tables.links if port.master == master}
    if any(entry.mac in last.macs and entry.dev in ports for entry in reading.tables.forwarding):
        return None
    shut = _shut_ports(reading.tables, master)
    which = "; ".join(shut.values()) or "nothing with that address is on it"
    return Taken(Taker.PORT, f"the bridge {master} sent it to all its ports: {which}", dev=next(iter(shut), master))


def unresolved(reading: TapReading, to: str) -> Taken | None:
    """Return what the source asked for in vain before it could send: the hardware address of the target."""
    requests = [arp for arp in reading.arps if arp.target == to and not arp.reply and not arp.out]
    if not requests or any(arp.reply and arp.sender == to for arp in reading.arps):
        return None
    dev = requests[0].dev
    link = _link(reading, dev)
    port = link.bridge_port if link else None
    words = f"{requests[0].sender} asks for the hardware address of {to} by {dev} ({len(requests)} requests), and nobody answers"
    if port is not None and (port.isolated or port.state != "forwarding"):
        state = "isolated" if port.isolated else port.state
        return Taken(Taker.PORT, f"{words}; {dev} is a port of a bridge, and {state}", dev=dev)
    return Taken(Taker.NEIGHBOUR, words, dev=dev, via=to)


def _shut_ports(tables: RtnetlinkReply, bridge: str) -> dict[str, str]:
    """Return the ports of a bridge that let nothing through, each with why."""
    ports = [link for link in tables.links if link.master == bridge]
    down = {port.name: f"its port {port.name} is down" for port in ports if not port.up}
    states = {port.name: port.bridge_port.state for port in ports if port.bridge_port and port.up}
    return down | {name: f"its port {name} is {state}" for name, state in states.items() if state != "forwarding"}


def by_rule(reading: TapReading | None, count: int, verdicts: frozenset[str]) -> Taken | None:
    """Return the rule outside the chains of known owners that let so many packets by with one of these verdicts."""
    if reading is None:
        return None
    foreign = {rule.place for rule in reading.foreign}
    found = [one for one in reading.moved if one.rule.verdict in verdicts and _fits(one, count) and one.rule.place in foreign]
    best = min(found, key=lambda one: (one.control, one.packets), default=None)
    return Taken(Taker.RULE, f"{named(best.rule)} rose by {best.packets}", best.rule, best.packets) if best else None


def _suspect(reading: TapReading) -> Taken | None:
    """Return the only rule of nobody that lets packets not on and counts nothing."""
    mute = [rule for rule in reading.foreign if rule.packets < 0 and rule.verdict in TAKING]
    if len(mute) != 1:
        return None
    return Taken(Taker.SUSPECT, f"{named(mute[0])} belongs to nothing that is known here, and counts nothing", mute[0])


def misdirected(last: Hop, to_node: str, readings: Mapping[str, TapReading]) -> Taken | None:
    """Return why frames that left for a node do not reach it: another end of the tunnel, or another hardware address."""
    here, there = readings.get(last.node), readings.get(to_node)
    if here is None or here.tables is None or there is None or there.tables is None:
        return None
    own = _addresses(there)
    for tunnel in last.tunnels:
        if tunnel.to not in own:
            words = f"its {tunnel.kind} packets went to {tunnel.to}, which is no address of {to_node}"
            return Taken(Taker.TUNNEL_PEER, words, dev=last.dev, via=tunnel.to, right=", ".join(_outer(there)))
    forwarding = [f for f in here.tables.forwarding if f.dev == last.dev and f.mac in last.macs and f.to]
    if not last.tunnels and forwarding and forwarding[0].to not in own:
        words = f"{last.dev} sends its frames to {forwarding[0].to}, which is no address of {to_node}"
        right = ", ".join(_outer(there))
        return Taken(Taker.TUNNEL_PEER, words, dev=last.dev, via=forwarding[0].to, mac=forwarding[0].mac, right=right)
    astray = _astray_route(last, here, own)
    if astray is not None:
        return astray
    macs = {link.mac for link in there.tables.links}
    if not last.tunnels and _same_segment(last, here, there) and last.macs and not last.macs & macs:
        mac = sorted(last.macs)[0]
        link = _link(there, last.dev)
        words = f"its frames went to the hardware address {mac}, which no interface of {to_node} has"
        return Taken(Taker.MAC, words, dev=last.dev, mac=mac, right=link.mac if link else "")
    return None


def _astray_route(last: Hop, here: TapReading, own: set[str]) -> Taken | None:
    """Return the route by which packets left plain for a next hop that is not the node that has their destination."""
    for answer in here.routes:
        if last.tunnels or answer.to != last.to.ip or answer.out != last.dev or not answer.via or answer.via in own:
            continue
        if answer.via in _addresses(here):
            continue
        words = f"the route of {here.node} sends it to {answer.via} by {answer.out}"
        return Taken(Taker.ROUTE, words, dev=answer.out, via=answer.via)
    return None


def _addresses(reading: TapReading) -> set[str]:
    """Return the addresses of a node."""
    links = reading.tables.links if reading.tables else ()
    return {address.partition("/")[0] for link in links for address in link.addresses}


def _outer(reading: TapReading) -> list[str]:
    """Return the addresses of the uplinks of a node."""
    links = reading.tables.links if reading.tables else ()
    return [a.partition("/")[0] for link in links for a in link.addresses if not link.kind and link.name != "lo" and ":" not in a]


def _same_segment(last: Hop, here: TapReading, there: TapReading) -> bool:
    """Tell whether the other node is on the link that the frames left by, so that one of its own addresses must be on them."""
    link, peer = _link(here, last.dev), _link(there, last.dev)
    if link is None or peer is None or link.kind != peer.kind:
        return False
    if link.kind == "vxlan":
        return link.vni == peer.vni
    networks = [ip_network(address, strict=False) for address in link.addresses]
    return any(ip_address(a.partition("/")[0]) in network for a in peer.addresses for network in networks)
