# SPDX-License-Identifier: Apache-2.0
"""Kernel settings that stop pods' packets on a node: forwarding, reverse path filtering, bridge netfilter."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    BRIDGE_TO_IPTABLES,
    Code,
    Explains,
    Facts,
    Finding,
    KernelReply,
    Risk,
    Severity,
    Subject,
    ip_families,
    on_node,
    some,
)
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.network import BROKEN, ClusterRoutes

SHOWN = 6
"""A message names at most this many interfaces."""

STRICT = 1
"""The rp_filter mode that drops packets whose answer would leave by another interface (RFC 3704)."""

BRIDGED = "net/bridge/bridge-nf-call-iptables"

CUT_OFF = Explains(
    (
        *("DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "DSV001", "DSV002", "DSV003", "DTR001", "DTR002", "DNU001"),
        *("SVR001", "SVR002", "SVR005", "SVR013", "SVR006", "SVR007", "SVH001", "SVH002", "NPT001", "PNW002", "PNW008", "PNW012"),
        *("PEG001", "PEG002"),
    ),
    "node",
)

NO_FORWARDING = Code(
    id="NDN001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node does not forward packets",
    message="Node {name} does not forward {family} packets {scope}: its pods cannot reach anything beyond the node",
    fix="Set {settings} to 1 on the node and make it persistent (/etc/sysctl.d). Something reset it after the kubelet started.",
    rows=("M5",),
    explains=(Explains(BROKEN, "path"), CUT_OFF),
)
STRICT_FILTER = Code(
    id="NDN002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Reverse path filtering drops packets",
    message="Node {name} dropped {dropped} packets in {seconds} s because the route back to their senders uses another "
    "interface: strict reverse path filtering (rp_filter 1) on {links}",
    fix="Set net.ipv4.conf.all.rp_filter to 2 (loose; the larger value of `all` and the interface counts) in a file of "
    "/etc/sysctl.d that sorts last. Traffic takes different paths there and back, so check the routes too.",
    commands=(on_node("{name}", "sysctl -w net.ipv4.conf.all.rp_filter=2"),),
    rows=("M4",),
    explains=(Explains(BROKEN, "path"),),
)
BRIDGE_SKIPS = Code(
    id="NDN003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Bridged packets bypass iptables on a node",
    message="On node {name}, {setting} is {value} although pods are attached to the bridge {bridge}: Services fail for backends "
    "on the same node",
    fix="Load br_netfilter, set the setting to 1, and make both persistent (/etc/modules-load.d, /etc/sysctl.d).",
    commands=(on_node("{name}", BRIDGE_TO_IPTABLES),),
    rows=("K13",),
    explains=(Explains(("SVH002", "DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "DSV002", "SVR002", "SVR006"), "node"),),
)


def _ways_in(network: ClusterRoutes, node: str) -> list[str]:
    """Return the interfaces that pods' packets arrive on: tunnels and the pods' bridge."""
    table = network.tables.get(node)
    return [link.name for link in (*table.tunnels, *network.bridges(node))] if table else []


def not_forwarding(facts: Facts, network: ClusterRoutes, node: str) -> Iterator[Finding]:
    """Report forwarding that is off while pods are measured: for the node, or for an interface that their packets arrive on."""
    reply = facts.reply(node_readings.kernel(node))
    if not isinstance(reply, KernelReply):
        return
    for family in ip_families.of_pods(facts.cluster) or (ip_families.IPV4,):
        works = network.any_pods_connected(node, family)
        if network.any_pods_connected(node) if works is None else works:
            continue
        tree = "ipv6" if family == ip_families.IPV6 else "ipv4"
        path = "net/ipv4/ip_forward" if tree == "ipv4" else "net/ipv6/conf/all/forwarding"
        off = [name for name in _ways_in(network, node) if node_readings.number(reply, f"net/{tree}/conf/{name}/forwarding") == 0]
        if node_readings.number(reply, path) == 0:
            scope, names = "at all", [path]
        elif off:
            scope, names = f"that arrive on {', '.join(off)}", [f"net/{tree}/conf/{name}/forwarding" for name in off]
        else:
            continue
        lines = tuple(ip_commands.on(node, f"sysctl -w {name}=1") for name in names)
        numbers = {"family": family, "scope": scope, "settings": names, "nodes": [node], "paths": network.paths_of(node)}
        yield NO_FORWARDING.on(Subject("Node", node), numbers, commands=lines)


def strict_filter(network: ClusterRoutes, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report strict reverse path filtering if it drops packets; many nodes use it and lose nothing."""
    dropped = node_readings.risen(reply, "TcpExt.IPReversePathFilter")
    prefix, suffix = "net/ipv4/conf/", "/rp_filter"
    modes = {
        p.removeprefix(prefix).removesuffix(suffix): node_readings.number(reply, p) or 0
        for p in reply.settings
        if p.endswith(suffix)
    }
    strict = [
        name for name, mode in modes.items() if name not in ("all", "default", "lo") and max(mode, modes.get("all", 0)) == STRICT
    ]
    if dropped < node_readings.BURST or not strict:
        return
    numbers = {
        "dropped": dropped,
        "seconds": round(reply.seconds, 1),
        "links": some(sorted(strict), SHOWN),
        "paths": network.paths_of(node),
    }
    yield STRICT_FILTER.on(Subject("Node", node), numbers, nodes=[node])


def bridge_setting(reply: KernelReply) -> int | None:
    """Return whether bridged packets pass iptables: 1 or 0, None if the setting is missing (br_netfilter is not loaded)."""
    return node_readings.number(reply, BRIDGED)


def bridge_skips_iptables(network: ClusterRoutes, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report a pod bridge whose packets bypass iptables."""
    bridges, value = network.bridges(node), bridge_setting(reply)
    if bridges and value != 1:
        known = "missing" if value is None else value
        yield BRIDGE_SKIPS.on(Subject("Node", node), setting=BRIDGED, value=known, bridge=bridges[0].name, nodes=[node])


CODES = (
    NO_FORWARDING,
    STRICT_FILTER,
    BRIDGE_SKIPS,
)
