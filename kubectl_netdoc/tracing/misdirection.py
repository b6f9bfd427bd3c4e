# SPDX-License-Identifier: Apache-2.0
"""Why packets that left for a node did not reach it."""

from __future__ import annotations

from collections.abc import Mapping

from kubectl_netdoc.formats.addresses import in_any, ip_address
from kubectl_netdoc.measurements.node import Forwarding
from kubectl_netdoc.measurements.trace import TapReading
from kubectl_netdoc.tracing import links
from kubectl_netdoc.tracing.hops import Hop
from kubectl_netdoc.tracing.taken import Taken, Taker


def misdirected(last: Hop, to_node: str, readings: Mapping[str, TapReading]) -> Taken | None:
    """Return why frames that left for a node do not reach it: another end of the tunnel, or another hardware address."""
    here, there = readings.get(last.node), readings.get(to_node)
    if here is None or here.tables is None or there is None or there.tables is None:
        return None
    own = links.addresses(there)
    for tunnel in last.tunnels:
        if tunnel.to not in own:
            words = f"its {tunnel.kind} packets went to {tunnel.to}, which is no address of {to_node}"
            entry = next((f for f in here.tables.forwarding if f.to == tunnel.to and f.mac in _macs(there)), None)
            return _wrong_end(words, entry, there) if entry else Taken(Taker.TUNNEL_PEER, words, dev=last.dev, via=tunnel.to)
    forwarding = [f for f in here.tables.forwarding if f.dev == last.dev and f.mac in last.macs and f.to]
    if not last.tunnels and forwarding and forwarding[0].to not in own:
        words = f"{last.dev} sends its frames to {forwarding[0].to}, which is no address of {to_node}"
        return _wrong_end(words, forwarding[0], there)
    astray = _astray_route(last, here, own)
    if astray is not None:
        return astray
    if not last.tunnels and _same_segment(last, here, there) and last.macs and not last.macs & _macs(there):
        return _wrong_mac(last, here, there)
    return None


def _macs(reading: TapReading) -> set[str]:
    """Return the hardware addresses of a node."""
    return {link.mac for link in reading.tables.links} if reading.tables else set()


def _wrong_end(words: str, entry: Forwarding, there: TapReading) -> Taken:
    """Return that a forwarding entry leads to another node's address, with the line that sets it right."""
    right, show = _outer(there), f"bridge fdb show dev {entry.dev}"
    mend = f"bridge fdb replace {entry.mac} dev {entry.dev} dst {right[0]} self permanent" if right else ""
    return Taken(Taker.TUNNEL_PEER, words, dev=entry.dev, via=entry.to, shows=show, mend=mend)


def _wrong_mac(last: Hop, here: TapReading, there: TapReading) -> Taken:
    """Return that frames went to a hardware address that nobody there has, with the line that sets the entry right."""
    mac, link = sorted(last.macs)[0], links.named(there, last.dev)
    wrong = here.tables.neighbours if here.tables else ()
    via = next((each.ip for each in wrong if each.mac == mac and each.dev == last.dev), last.to.ip)
    words = f"its frames went to the hardware address {mac}, which no interface of {there.node} has"
    mend = f"ip neigh replace {via} lladdr {link.mac} dev {last.dev} nud permanent" if link else ""
    return Taken(Taker.MAC, words, dev=last.dev, via=via, shows=f"ip neigh show {via}", mend=mend)


def _astray_route(last: Hop, here: TapReading, own: set[str]) -> Taken | None:
    """Return the route by which packets left plain for a next hop that is not the node that has their destination."""
    for answer in here.routes:
        if last.tunnels or answer.to != last.to.ip or answer.out != last.dev or not answer.via or answer.via in own:
            continue
        if answer.via in links.addresses(here):
            continue
        words = f"the route of {here.node} sends it to {answer.via} by {answer.out}"
        return Taken(Taker.ROUTE, words, dev=answer.out, via=answer.via)
    return None


def _outer(reading: TapReading) -> list[str]:
    """Return the addresses of a node that tunnels to it end at: those that its own begin at, or else those of its uplinks."""
    every = reading.tables.links if reading.tables else ()
    own = [link.local for link in every if link.local]
    uplinks = [link for link in every if link.kind not in (*links.TUNNELS, "bridge", "dummy") and link.name != "lo"]
    return own or [ip for link in uplinks for ip in link.ips if not ip_address(ip).is_link_local]


def _same_segment(last: Hop, here: TapReading, there: TapReading) -> bool:
    """Tell whether the other node is on the link that the frames left by, so that one of its own addresses must be on them."""
    link, peer = links.named(here, last.dev), links.named(there, last.dev)
    if link is None or peer is None or link.kind != peer.kind:
        return False
    if link.kind == "vxlan":
        return bool(link.vni) and link.vni == peer.vni  # 0: the network's programs set it, and look at no hardware address
    return any(in_any(ip, link.addresses) for ip in peer.ips)
