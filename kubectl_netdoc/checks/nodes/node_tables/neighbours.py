# SPDX-License-Identifier: Apache-2.0
"""The neighbour tables (ARP and NDP)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import Code, Facts, Finding, KernelReply, Risk, RtnetlinkReply, Severity, Subject, on_node
from kubectl_netdoc.checks.nodes.node_tables.conntrack import BY_NODE, share
from kubectl_netdoc.checks.nodes.node_tables.thresholds import NEIGHBOURS
from kubectl_netdoc.probes import node_readings

OVERFLOW = Code(
    id="NDT004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The neighbour table is full",
    message="Node {name} refused {refused} new {family} neighbour entries in {seconds} s: its table is full ({entries} of "
    "{most}), and it cannot reach these addresses",
    fix="Raise the thresholds on all nodes, and make the change persistent.",
    commands=(on_node("{name}", "sysctl -w {tree}.gc_thresh1={low} {tree}.gc_thresh2={middle} {tree}.gc_thresh3={high}"),),
    rows=("M6",),
    explains=BY_NODE,
)
CROWDED = Code(
    id="NDT005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The neighbour table is almost full",
    message="Node {name} has {entries} of at most {most} {family} neighbour entries ({share} %)",
    fix="Raise the thresholds on all nodes, and make the change persistent: above {most} entries, new ones are refused.",
    commands=(on_node("{name}", "sysctl -w {tree}.gc_thresh1={low} {tree}.gc_thresh2={middle} {tree}.gc_thresh3={high}"),),
    rows=("M6",),
)


class _Table(Struct, frozen=True):
    """One neighbour table: the entries that count, and the size at which new ones are refused."""

    family: str
    tree: str
    cache: str
    entries: int
    most: int


def tables_of(reply: KernelReply, tables: RtnetlinkReply | None) -> Iterator[_Table]:
    """Yield the neighbour tables. Permanent entries do not count against gc_thresh3 and are left out."""
    for family, tree, cache in (("IPv4", "ipv4", "arp_cache"), ("IPv6", "ipv6", "ndisc_cache")):
        most = node_readings.number(reply, f"net/{tree}/neigh/default/gc_thresh3")
        if most and f"{cache}.entries" in reply.after:
            known = tables.neighbours if tables else ()
            permanent = sum(each.state == "permanent" and (":" in each.ip) == (tree == "ipv6") for each in known)
            entries = max(0, reply.after[f"{cache}.entries"] - permanent)
            yield _Table(family, f"net.{tree}.neigh.default", cache, entries, most)


def crowded_table(facts: Facts, node: str, reply: KernelReply, table: _Table) -> Iterator[Finding]:
    """Report a neighbour table that is full or almost full."""
    refused = node_readings.risen(reply, f"{table.cache}.table_fulls")
    sizes = {"low": 2 * table.most, "middle": 4 * table.most, "high": 8 * table.most}
    numbers = {"entries": table.entries, "most": table.most, "share": share(table.entries, table.most), "refused": refused}
    names = {"family": table.family, "tree": table.tree, "seconds": round(reply.seconds, 1), "nodes": [node]}
    if refused >= node_readings.BURST:
        yield OVERFLOW.on(Subject("Node", node), numbers | sizes | names)
    elif 100 * table.entries >= facts.threshold(NEIGHBOURS) * table.most:
        yield CROWDED.on(Subject("Node", node), numbers | sizes | names)


CODES = (
    OVERFLOW,
    CROWDED,
)
