# SPDX-License-Identifier: Apache-2.0
"""Settings that differ between nodes."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Finding, KernelReply, Risk, RtnetlinkReply, Severity, Subject
from kubectl_netdoc.checks.nodes.node_network import peers
from kubectl_netdoc.checks.nodes.node_network.forwarding import BRIDGED
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing.tables import Tables

COMPARED = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/ip_local_port_range",
    BRIDGED,
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/core/somaxconn",
)
"""Settings that are usually the same on all nodes of a cluster."""
DIFFERENT = Code(
    id="NDN012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nodes have different settings",
    message="{what} differs between nodes: {which}",
    fix="If that is not intended, find out who changed it: a node that was set up differently has faults that others do not "
    "have.",
)


def different_settings(replies: dict[str, KernelReply], tables: dict[str, RtnetlinkReply]) -> Iterator[Finding]:
    """Report settings, and the MTU of the link to other nodes, that differ between nodes, unless it is one node's alone."""
    of_one = peers.odd_keys(replies)
    for setting in (setting for setting in COMPARED if setting not in of_one):
        which = node_readings.differing({node: reply.settings.get(setting, "missing") for node, reply in replies.items()})
        if which:
            yield DIFFERENT.on(Subject("Cluster", setting), what=setting, which=which)
    outer = {node: mtu for node, reply in tables.items() if (mtu := _uplink(reply))}
    which = node_readings.differing(outer)
    if which and not peers.single(outer):
        yield DIFFERENT.on(
            Subject("Cluster", "MTU of the nodes' links"), what="The MTU of the link to the other nodes", which=which
        )


def _uplink(reply: RtnetlinkReply) -> int:
    """Return the MTU of the default route's link."""
    table = Tables(reply)
    default = table.lookup("0.0.0.0/0") or table.lookup("::/0")
    link = table.links.get(default.dev) if default else None
    return link.mtu if link else 0


CODES = (DIFFERENT,)
