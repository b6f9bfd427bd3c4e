# SPDX-License-Identifier: Apache-2.0
"""IPv6 default routes from router advertisements that a node stopped to hear when it began to forward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    NODE,
    Cluster,
    Code,
    Explains,
    Finding,
    KernelReply,
    KernelRoute,
    Risk,
    RtnetlinkReply,
    Severity,
    Subject,
    ip_families,
    on_node,
)
from kubectl_netdoc.probes import node_readings

MAIN, ADVERTISED = 254, 9
"""The routing table main, and the protocol of routes that the kernel made from router advertisements (RTPROT_RA)."""

UNLESS_FORWARDING = 1
"""The accept_ra that counts advertisements only where the link does not forward (ip-sysctl.rst); 2 always, 0 never."""

EXPIRES = Code(
    id="NDN016",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node loses its IPv6 default route",
    message="Node {name} has its IPv6 default route on {link} from router advertisements, and ignores further ones since it "
    "forwards packets (accept_ra is 1): the route is removed when its time is up, and no IPv6 packet leaves the node after that",
    fix="Set net.ipv6.conf.{link}.accept_ra to 2 on the node and make it persistent (/etc/sysctl.d), or configure the default "
    "route by hand. A network manager that handles advertisements itself sets accept_ra to 0, which is as good.",
    commands=(
        on_node("{name}", "ip -6 route show default"),
        on_node("{name}", "sysctl -w net.ipv6.conf.{link}.accept_ra=2"),
    ),
    explains=(Explains(("PEG001", "PEG002"), "node"),),
)


def expiring(cluster: Cluster, replies: Mapping[str, KernelReply], tables: Mapping[str, RtnetlinkReply]) -> Iterator[Finding]:
    """Report nodes all of whose IPv6 default routes end, where pods or nodes have IPv6 addresses."""
    own = {each.address for node in cluster.all(NODE) for each in node.status.addresses if each.type == "InternalIP"}
    families = {*ip_families.of_pods(cluster), *map(ip_families.of, own)}
    for node in sorted(replies.keys() & tables.keys()) if ip_families.IPV6 in families else ():
        routes = [route for route in tables[node].routes if route.to == "::/0" and route.table == MAIN]
        if routes and all(_ends(route, replies[node]) for route in routes):
            yield EXPIRES.on(Subject("Node", node), link=routes[0].dev, via=routes[0].via, nodes=[node])


def _ends(route: KernelRoute, reply: KernelReply) -> bool:
    accepts, forwards = (node_readings.number(reply, f"net/ipv6/conf/{route.dev}/{name}") for name in ("accept_ra", "forwarding"))
    return route.protocol == ADVERTISED and route.expires and accepts == UNLESS_FORWARDING and forwards == 1


CODES = (EXPIRES,)
