# SPDX-License-Identifier: Apache-2.0
"""What took packets on a node: a rule or a counter that rose by just as many, or what the kernel says of their route.

Sources of the counters' meaning: the kernel's Documentation/networking/snmp_counter.rst, net/ipv4/ip_input.c, ip_forward.c and
fib_frontend.c (the error EXDEV of a route that fails the reverse-path filter).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from kubectl_netdoc.measurements.node import Neighbour, RtnetlinkReply
from kubectl_netdoc.measurements.trace import RouteAnswer, TapReading
from kubectl_netdoc.tracing import links, policy_routes, rules
from kubectl_netdoc.tracing.hops import Hop
from kubectl_netdoc.tracing.taken import Taken, Taker

UNICAST, LOCAL = 1, 2
"""Types of routes (rtnetlink(7))."""

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
        rules.taking(reading, last, count),
        _counter(reading, count, frozenset((Taker.REVERSE_PATH,))),
        _route(reading, last),
        rules.letting_by(reading, count, rules.REWRITING),
        rules.policy(reading, last, count),
        rules.dropping(reading, last, count),
        _counter(reading, count, frozenset(Taker)),
        _queue(reading, last, count),
        _tunnel_down(reading, last),
        _neighbour(reading, last),
        _port(reading, last),
        rules.suspect(reading, last),
    ):
        if found is not None:
            return found
    return None


def _route(reading: TapReading, last: Hop | None) -> Taken | None:
    for answer in _answers(reading, last):
        if answer.error:
            return policy_routes.refusing(reading, answer) or _not_forwarding(reading, answer) or _refused(answer)
    return None


def _refused(answer: RouteAnswer) -> Taken:
    unknown = (Taker.ROUTE, f"its route is an error ({errno.errorcode.get(answer.error)})")
    kind, words = ROUTE_ERRORS.get(answer.error, unknown)
    shown = f"ip route get {answer.to} from {answer.source} iif {answer.dev}"
    return Taken(kind, f"{words} ({shown})", dev=answer.dev, shows=shown)


def _not_forwarding(reading: TapReading, answer: RouteAnswer) -> Taken | None:
    """Return that a node forwards nothing from an interface: it has a route for packets of its own."""
    own = [each for each in reading.routes if (each.source, each.to, each.dev) == (answer.source, answer.to, "")]
    if answer.error != errno.EHOSTUNREACH or not own or own[0].error:
        return None
    setting = f"net/{'ipv6' if ':' in answer.to else 'ipv4'}/conf/{answer.dev}/forwarding"
    words = f"the node has a route for it, and does not forward what comes in by {answer.dev}"
    return Taken(Taker.ROUTE, words, dev=answer.dev, shows=f"sysctl {setting}", mend=f"sysctl -w {setting}=1")


def _answers(reading: TapReading, last: Hop | None) -> Iterator[RouteAnswer]:
    """Yield what the kernel does with packets as they came in at their last hop."""
    if last is None or last.out:
        return
    link = links.named(reading, last.dev)
    if link is not None and link.master:
        return  # what comes in by a port of a bridge comes in by the bridge
    for answer in reading.routes:
        if answer.to == last.to.ip and answer.dev == last.dev:
            yield answer


def _counter(reading: TapReading, count: int, kinds: frozenset[Taker]) -> Taken | None:
    for name, (kind, words) in COUNTERS.items():
        if kind in kinds and rules.rose(reading, name, count):
            risen, before = reading.risen[name], reading.control.get(name, 0)
            setting = rules.letting_by(reading, count, frozenset(("ttl", "hl"))) if kind is Taker.TTL else None
            by, rule = (f"; {setting.words}", setting.rule) if setting else ("", None)
            return Taken(kind, f"{words} took {risen}: {name} rose by {risen}, and by {before} in the time before{by}", rule)
    return None


def _queue(reading: TapReading, last: Hop | None, count: int) -> Taken | None:
    """Return the queue on the packets' way that dropped as many; what drops elsewhere drops others."""
    here = links.following(reading, last) | {last.dev} if last is not None else None  # None: they were seen nowhere
    for name, risen in reading.risen.items():
        before = reading.control.get(name, 0)
        if name.startswith("qdisc.") and count <= risen and before * 2 < count:
            dev, kind, _ = name.removeprefix("qdisc.").rsplit(".", 2)
            if here is not None and dev not in here:
                continue
            words = f"the queue ({kind}) of {dev} dropped {risen}, and {before} in the time before"
            return Taken(Taker.QUEUE, words, dev=dev, shows=f"tc -s qdisc show dev {dev}")
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
                return _shut(reading.tables, words, next(iter(shut)), hop)
            words = f"{hop} has no hardware address on {answer.out} (neighbour {found[0].state})"
            return Taken(Taker.NEIGHBOUR, words, dev=answer.out, via=hop, shows=f"ip neigh show {hop}")
    return None


def by_hand(reading: TapReading | None, last: Hop) -> Taken | None:
    """Return the neighbour entry made by hand on the bridge of a pod's link: what CNI plugins make is learned."""
    link = links.named(reading, last.dev)
    if reading is None or reading.tables is None or link is None or not link.master:
        return None
    for one in reading.tables.neighbours:
        if one.ip == last.to.ip and one.dev == link.master and one.state == "permanent":
            return _permanent(one)
    return None


def _permanent(entry: Neighbour) -> Taken:
    words = f"{entry.ip} has the hardware address {entry.mac} on {entry.dev} by an entry made by hand (permanent)"
    show, mend = f"ip neigh show {entry.ip}", f"ip neigh del {entry.ip} dev {entry.dev}"
    return Taken(Taker.NEIGHBOUR, words, dev=entry.dev, via=entry.ip, shows=show, mend=mend)


def _tunnel_down(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the tunnel interface that is down, if the packets came in its tunnel."""
    if reading.tables is None or last is None or last.out or not last.tunnels:
        return None
    kind = last.tunnels[-1].kind.lower()
    for link in reading.tables.links:
        if link.kind == kind and not link.up:
            # Set up again it has lost its routes and entries, which the agent puts back when it starts.
            return Taken(
                Taker.LINK, f"the tunnel interface {link.name} is down", dev=link.name, shows=f"ip -d link show {link.name}"
            )
    return None


def _port(reading: TapReading, last: Hop | None) -> Taken | None:
    """Return the bridge none of whose ports sent the packets on, or the port they came in by, if it is cut off from others."""
    if reading.tables is None or last is None:
        return None
    link = links.named(reading, last.dev)
    if link is None:
        return None
    if link.kind == "bridge" and last.out:
        shut = _shut_ports(reading.tables, link.name)
        which = f": {'; '.join(shut.values())}" if shut else ""
        return _shut(reading.tables, f"no port of the bridge {link.name} sent it on{which}", next(iter(shut), link.name))
    if link.bridge_port and link.bridge_port.isolated and not last.out:
        words = f"the port {link.name} of the bridge {link.master} is isolated: it reaches no other isolated port"
        return _shut(reading.tables, words, link.name)
    return None


def flooded(reading: TapReading | None, last: Hop) -> Taken | None:
    """Return why a packet left by a pod's link that it was not meant for: its bridge does not know where the address is."""
    link = links.named(reading, last.dev)
    if reading is None or reading.tables is None or link is None or not link.master or not last.macs:
        return None
    master = link.master
    ports = {port.name for port in reading.tables.links if port.master == master}
    if any(entry.mac in last.macs and entry.dev in ports for entry in reading.tables.forwarding):
        return None
    shut = _shut_ports(reading.tables, master)
    which = "; ".join(shut.values()) or "nothing with that address is on it"
    return _shut(reading.tables, f"the bridge {master} sent it to all its ports: {which}", next(iter(shut), master))


def unresolved(reading: TapReading, to: str) -> Taken | None:
    """Return what the source asked for in vain before it could send: the hardware address of the target."""
    requests = [arp for arp in reading.arps if arp.target == to and not arp.reply and not arp.out]
    if not requests or any(arp.reply and arp.sender == to for arp in reading.arps):
        return None
    dev = requests[0].dev
    link = links.named(reading, dev)
    port = link.bridge_port if link else None
    words = f"{requests[0].sender} asks for the hardware address of {to} by {dev} ({len(requests)} requests), and nobody answers"
    if port is not None and (port.isolated or port.state != "forwarding"):
        state = "isolated" if port.isolated else port.state
        return _shut(reading.tables, f"{words}; {dev} is a port of a bridge, and {state}", dev)
    return Taken(Taker.NEIGHBOUR, words, dev=dev, via=to, shows=f"ip neigh show {to}")


def _shut(tables: RtnetlinkReply | None, words: str, dev: str, via: str = "") -> Taken:
    """Return that a port of a bridge lets nothing through, with the line that opens it."""
    link = next((link for link in tables.links if link.name == dev), None) if tables else None
    port, mend = link.bridge_port if link else None, ""
    if link is not None and port is not None:
        if not link.up:
            mend = f"ip link set dev {dev} up"
        elif port.state != "forwarding":
            mend = f"bridge link set dev {dev} state 3"
        elif port.isolated:
            mend = f"bridge link set dev {dev} isolated off"
    return Taken(Taker.PORT, words, dev=dev, via=via, shows=f"bridge -d link show dev {dev}", mend=mend)


def own_address(reading: TapReading | None, ip: str, owner: str) -> Taken:
    """Return that a node has another's address."""
    every = reading.tables.links if reading and reading.tables else ()
    held = [(link.name, address) for link in every for address in link.addresses if address.partition("/")[0] == ip]
    name, address = held[0] if held else ("", ip)
    words = f"the node has {ip} among its own addresses{f' (on {name})' if name else ''}, though it belongs to {owner}"
    mend = f"ip address del {address} dev {name}" if name else ""
    return Taken(Taker.OWN_ADDRESS, words, dev=name, via=ip, shows=f"ip -brief address show to {ip}", mend=mend)


def _shut_ports(tables: RtnetlinkReply, bridge: str) -> dict[str, str]:
    """Return the ports of a bridge that let nothing through, each with why."""
    ports = [link for link in tables.links if link.master == bridge]
    down = {port.name: f"its port {port.name} is down" for port in ports if not port.up}
    states = {port.name: port.bridge_port.state for port in ports if port.bridge_port and port.up}
    return down | {name: f"its port {name} is {state}" for name, state in states.items() if state != "forwarding"}
