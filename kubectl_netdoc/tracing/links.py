# SPDX-License-Identifier: Apache-2.0
"""What kind of interfaces packets were seen at."""

from __future__ import annotations

from kubectl_netdoc.formats.addresses import ip_address
from kubectl_netdoc.measurements.node import Link
from kubectl_netdoc.measurements.trace import TapReading
from kubectl_netdoc.tracing.hops import Hop


def named(reading: TapReading | None, name: str) -> Link | None:
    """Return an interface of a node by its name."""
    links = reading.tables.links if reading and reading.tables else ()
    return next((link for link in links if link.name == name), None)


def to_a_pod(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether an interface is the host's end of a pod's link.

    That is a port of a bridge, one with a route to one address, or one that leads to another namespace and has no address that
    others reach (a node that is a container has one).
    """
    if reading is None or reading.tables is None:
        return hop.dev.startswith(("veth", "cali", "lxc"))
    link = named(reading, hop.dev)
    if link is None or link.kind != "veth":
        return False
    routed = (route.to.endswith(("/32", "/128")) for route in reading.tables.routes if route.dev == hop.dev and not route.via)
    reached = any(not ip_address(ip).is_link_local for ip in link.ips)
    return bool(link.master) or any(routed) or (link.elsewhere and not reached)


def is_tunnel(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether an interface puts packets into a tunnel, so that they leave the node by another one."""
    link = named(reading, hop.dev)
    return link is not None and link.kind in TUNNELS


def encrypts(hop: Hop, reading: TapReading | None) -> bool:
    """Tell whether an interface encrypts what it puts into its tunnel."""
    link = named(reading, hop.dev)
    return link is not None and link.kind == "wireguard"


TUNNELS = frozenset({"vxlan", "geneve", "ipip", "gre", "gretap", "wireguard", "ip6tnl", "sit"})
"""Kinds of interfaces that put packets into a tunnel."""


def following(reading: TapReading, last: Hop) -> set[str]:
    """Return the interfaces that packets leave by after their last hop: by the kernel's route, or the ports of a bridge.

    After a tunnel's interface it may be any that is no tunnel's and no port of a bridge.
    """
    links = reading.tables.links if reading.tables else ()
    if not last.out:
        return {answer.out for answer in reading.routes if answer.to == last.to.ip and answer.out}
    if is_tunnel(last, reading):
        return {link.name for link in links if link.kind not in TUNNELS and not link.master and link.name != "lo"}
    return {link.name for link in links if link.master == last.dev}


def addresses(reading: TapReading) -> set[str]:
    """Return the addresses of a node."""
    links = reading.tables.links if reading.tables else ()
    return {ip for link in links for ip in link.ips}
