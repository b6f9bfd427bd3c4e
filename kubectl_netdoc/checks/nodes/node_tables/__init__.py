# SPDX-License-Identifier: Apache-2.0
"""Is one of a node's kernel tables full: connection tracking, neighbours, ports?

## What it looks at
On every measured node (`--node-checks`): how full the connection tracking table is, and whether it drops packets during the run;
neighbour entries (ARP, NDP) against the size at which the kernel refuses more (permanent entries do not count); TCP sockets in
use or in TIME_WAIT against the ports for outgoing connections, and these against the node ports of Services. Counters count only
by how much they rise during the run.

## Why it matters
A full table drops what is new and lets existing connections live. Pods see timeouts that come and go with the load, DNS first,
and nothing in any of their logs.

## What it can't see
Sockets of pods: the socket counters are those of the node's own network (kubelet, API server, pods on the host network). Ports
that SNAT uses for each destination: of those only the drops show. In nodes that are containers (kind) the neighbour tables are
the machine's, and absent.

## Sources
node-exporter mixin (NodeHighNumberConntrackEntriesUsed: 75 %). Kernel: nf_conntrack-sysctl.rst, ip-sysctl.rst (gc_thresh3,
ip_local_port_range, ip_local_reserved_ports, tcp_max_tw_buckets), net/core/neighbour.c. Failure catalogue D1, K10, K11, M6;
kops#4533, e2b#3508, kubernetes#139276.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    SERVICE,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    KernelReply,
    Needs,
    Request,
    Risk,
    RtnetlinkReply,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.nodes.node_tables import conntrack, neighbours, sockets, thresholds
from kubectl_netdoc.probes import node_readings

MEASURED = Code(
    id="NDT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Kernel tables of the nodes, as read",
    message="The fullest tables: connection tracking {tracked} on {busiest}, outgoing ports {ports}, neighbour entries "
    "{neighbours}",
    fix="Nothing to fix: these are measurements.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's counters, and its neighbour entries to leave the permanent ones out."""
    for node in cluster.hosts:
        yield from node_readings.both_kernels(node)
        yield node_readings.tables(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report the tables of each node that are full."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(
            f"{why}; with it, the size of each node's connection tracking and neighbour tables is checked", not_applicable=True
        )
    replies, unseen = node_readings.read(facts, node_readings.kernel, KernelReply, "kernel counters")
    yield from unseen
    for node, reply in replies.items():
        tables = facts.reply(node_readings.tables(node))
        yield from conntrack.tracked_connections(facts, node, reply)
        for each in neighbours.tables_of(reply, tables if isinstance(tables, RtnetlinkReply) else None):
            yield from neighbours.crowded_table(facts, node, reply, each)
        yield from sockets.outgoing_ports(facts, node, reply)
    yield from sockets.node_ports_taken(facts.cluster, replies)
    if replies:
        yield _measured(replies)


def _measured(replies: dict[str, KernelReply]) -> Finding:
    """Return the finding with the fullest table of each kind."""
    tracked = {
        node: (conntrack.share(count, most), f"{count} of {most}")
        for node, reply in replies.items()
        if (most := node_readings.number(reply, "net/netfilter/nf_conntrack_max"))
        and (count := node_readings.number(reply, "net/netfilter/nf_conntrack_count")) is not None
    }
    busiest = max(tracked, key=lambda node: tracked[node], default="none")
    used = [(sockets.sockets_in_use(reply), sockets.port_range(reply)[0]) for reply in replies.values()]
    ports = max((conntrack.share(count, most), f"{count} of {most}") for count, most in used)
    tables = [table for reply in replies.values() for table in neighbours.tables_of(reply, None)]
    crowded = [(conntrack.share(t.entries, t.most), f"{t.entries} of {t.most}") for t in tables]
    numbers = {"tracked": tracked[busiest][1] if tracked else "unknown", "busiest": busiest, "ports": ports[1]}
    return MEASURED.on(Subject("Cluster", "nodes' tables"), numbers, neighbours=max(crowded)[1] if crowded else "unknown")


check = Check(
    id="node_tables",
    title="The nodes' kernel tables have room",
    prefix="NDT",
    needs=Needs(hints=(SERVICE,), tier=Tier.NODES),
    codes=(
        MEASURED,
        *conntrack.CODES,
        *neighbours.CODES,
        *sockets.CODES,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(
        thresholds.TRACKED,
        thresholds.NEIGHBOURS,
        thresholds.PORTS,
        thresholds.FAILED_INSERTS,
        thresholds.INVALID,
    ),
)
