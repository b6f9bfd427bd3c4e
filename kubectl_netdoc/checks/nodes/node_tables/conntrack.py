# SPDX-License-Identifier: Apache-2.0
"""The connection tracking table: full, almost full, losing first packets."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    CAME_THROUGH,
    Code,
    Explains,
    Facts,
    Finding,
    KernelReply,
    Risk,
    Severity,
    Subject,
    on_node,
)
from kubectl_netdoc.checks.nodes.node_tables.thresholds import FAILED_INSERTS, INVALID, TRACKED
from kubectl_netdoc.probes import node_readings

LOSES = (
    *("DNL001", "DNL003", "DNL004", "DNL005", "DNL007", "DSV001", "DSV002", "DTR001", "SYN001", "SYN002", "SYN003", "PTQ004"),
    *("PNW002", "PNW003", "SVR001", "SVR002", "SVR005", "SVR013", "SVR006", "NPT001", "PEG001", "PEG002"),
)
BY_NODE = (Explains(LOSES, "node", CAME_THROUGH),)

UNTOLD = "the node did not report its size"
SIZE = on_node("{name}", "sysctl net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_count")
"""Shows how full the table is. Without that the new size is unknown, and 0 would switch the limit off."""

FULL = Code(
    id="NDT001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The connection tracking table is full",
    message="Node {name} dropped {dropped} packets in {seconds} s because its connection tracking table is full: {tracked}",
    fix="Enlarge the table: kube-proxy's conntrack.maxPerCore, or {setting}. Then find out which pods open so many connections.",
    commands=(on_node("{name}", "sysctl -w net.netfilter.nf_conntrack_max={more}"),),
    rows=("K11",),
    explains=BY_NODE,
)
NEARLY_FULL = Code(
    id="NDT002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The connection tracking table is almost full",
    message="Node {name} tracks {entries} of at most {most} connections ({share} %)",
    fix="Enlarge the table: kube-proxy's conntrack.maxPerCore, or {setting}. Then find out which pods open so many connections.",
    commands=(on_node("{name}", "sysctl -w net.netfilter.nf_conntrack_max={more}"),),
    rows=("K11",),
)
NOT_INSERTED = Code(
    id="NDT003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Connection tracking drops first packets",
    message="On node {name}, {failed} packets in {seconds} s were dropped because another packet of the same flow was recorded "
    "first",
    fix="Usually these are A and AAAA lookups sent at the same time. Use NodeLocal DNSCache, or the resolver option "
    "single-request-reopen (glibc).",
    rows=("D1",),
    explains=(Explains(("DNL005", "DNL007", "DSV001"), "node"),),
)
INVALID_PACKETS = Code(
    id="NDT012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Packets that belong to no connection",
    message="Connection tracking on node {name} marked {invalid} packets as invalid in {seconds} s; nf_conntrack_tcp_be_liberal "
    "is {liberal}",
    fix="If large transfers end with 'connection reset by peer', set net.netfilter.nf_conntrack_tcp_be_liberal to 1.",
    rows=("K10",),
)


def share(used: int, most: int) -> int:
    """Return a share in percent; 0 of nothing."""
    return round(100 * used / most) if most else 0


def tracked_connections(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report a connection tracking table that is full or almost full, and packets that it drops or marks as invalid."""
    told, most = (
        node_readings.number(reply, "net/netfilter/nf_conntrack_count"),
        node_readings.number(reply, "net/netfilter/nf_conntrack_max") or 0,
    )
    entries = told or 0
    dropped = node_readings.risen(reply, "conntrack.drop")
    crowded = 100 * entries > facts.threshold(TRACKED) * most
    seconds = round(reply.seconds, 1)
    numbers = {"entries": entries, "most": most, "share": share(entries, most), "more": 2 * most, "seconds": seconds}
    tracked = f"{entries} of {most} connections tracked ({share(entries, most)} %)" if most else UNTOLD
    words = {"dropped": dropped, "nodes": [node], "setting": "net.netfilter.nf_conntrack_max", "tracked": tracked}
    # First packets of one flow that race each other are counted as dropped too, however empty the table is.
    if dropped >= node_readings.BURST and (not most or crowded):
        yield FULL.on(Subject("Node", node), numbers | words, commands=None if most else (SIZE,))
    elif most and crowded:
        yield NEARLY_FULL.on(Subject("Node", node), numbers | words)
    failed, invalid = (node_readings.risen(reply, f"conntrack.{name}") for name in ("insert_failed", "invalid"))
    if failed >= facts.threshold(FAILED_INSERTS):
        yield NOT_INSERTED.on(Subject("Node", node), failed=failed, seconds=seconds, nodes=[node])
    if invalid >= facts.threshold(INVALID):
        liberal = node_readings.number(reply, "net/netfilter/nf_conntrack_tcp_be_liberal") or 0
        yield INVALID_PACKETS.on(Subject("Node", node), invalid=invalid, seconds=seconds, liberal=liberal)


CODES = (
    FULL,
    NEARLY_FULL,
    NOT_INSERTED,
    INVALID_PACKETS,
)
