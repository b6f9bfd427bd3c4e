# SPDX-License-Identifier: Apache-2.0
"""Is one of a node's tables full: tracked connections, neighbours, ports?

## What it looks at
On every measured node (`--node-checks`): how full connection tracking is and whether it turns flows away during the run;
neighbours (ARP, NDP) against the size at which the kernel refuses more, those left out that do not count (permanent ones);
sockets that wait (TIME_WAIT) against the ports for outgoing connections. Counters count only by what they rise in the run.

## Why it matters
A full table drops what is new and lets old connections live: pods see time-outs that come with the load and go with it, DNS
first, and nothing in any log of theirs.

## What it can't see
Sockets of pods: the counters of sockets are the node's own network's (kubelet, API server, pods on the host network). Ports
that SNAT takes for each destination: of those only the drops show. In nodes that are containers (kind) the neighbour tables are
the machine's, and absent.

## Sources
node-exporter mixin (NodeHighNumberConntrackEntriesUsed: 75 %); kernel: nf_conntrack-sysctl.rst, ip-sysctl.rst (gc_thresh3,
ip_local_port_range, tcp_max_tw_buckets), net/core/neighbour.c; failure catalogue D1, K10, K11, M6; kops#4533, e2b#3508.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    CAME_THROUGH,
    Check,
    Cluster,
    Code,
    Explains,
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
    Threshold,
    Tier,
    Unseen,
    on_node,
)
from kubectl_netdoc.probes import node_readings

TRACKED = Threshold(
    name="tracked_percent",
    default=75.0,
    unit="% of nf_conntrack_max",
    source="node-exporter's mixin warns from there on",
    most=100,
)

NEIGHBOURS = Threshold(
    name="neighbours_percent",
    default=80.0,
    unit="% of gc_thresh3",
    source="beyond gc_thresh2 the kernel collects, at gc_thresh3 it refuses",
    most=100,
)

PORTS = Threshold(
    name="ports_percent",
    default=75.0,
    unit="% of ip_local_port_range",
    source="connect(2) has to search, and to one destination it fails at the end",
    most=100,
)

FAILED_INSERTS = Threshold(
    name="failed_inserts",
    default=10.0,
    unit="flows a run",
    source="more than the race of paired DNS lookups brings about, and netdoc makes such",
    least=1,
)

INVALID = Threshold(
    name="invalid_packets",
    default=20.0,
    unit="packets a run",
    source="late answers and scans bring some everywhere",
    least=1,
)

LOSES = (
    *("DNL001", "DNL003", "DNL004", "DNL005", "DNL007", "DSV001", "DSV002", "DTR001", "SYN001", "SYN002", "SYN003", "PTQ004"),
    *("PNW002", "PNW003", "SVR001", "SVR002", "SVR005", "SVR006", "NPT001"),
)
BY_NODE = (Explains(LOSES, "node", CAME_THROUGH),)

UNTOLD = "a table whose size the node did not tell"
SIZE = on_node("{name}", "sysctl net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_count")
"""How full the table is; what it is to be raised to can't be told without that, and 0 would switch the limit off."""

FULL = Code(
    id="NDT001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Connection tracking is full",
    message="Node {name} turned away {dropped} packets in {seconds} s, with {tracked}",
    fix="Raise the table's size: kube-proxy's conntrack.maxPerCore, or {setting}; then find out which pods open so many.",
    commands=(on_node("{name}", "sysctl -w net.netfilter.nf_conntrack_max={more}"),),
    rows=("K11",),
    explains=BY_NODE,
)
NEARLY_FULL = Code(
    id="NDT002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Connection tracking is nearly full",
    message="Node {name} tracks {entries} connections of {most} at most ({share} %)",
    fix="Raise the table's size: kube-proxy's conntrack.maxPerCore, or {setting}; then find out which pods open so many.",
    commands=(on_node("{name}", "sysctl -w net.netfilter.nf_conntrack_max={more}"),),
    rows=("K11",),
)
NOT_INSERTED = Code(
    id="NDT003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Connection tracking loses first packets",
    message="On node {name}, {failed} packets in {seconds} s were dropped because another of the same flow came first",
    fix="Mostly these are A and AAAA lookups that leave together: NodeLocal DNSCache, or single-request-reopen for glibc.",
    rows=("D1",),
    explains=(Explains(("DNL005", "DNL007", "DSV001"), "node"),),
)
OVERFLOW = Code(
    id="NDT004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The neighbour table is full",
    message="Node {name} refused {refused} new {family} neighbours in {seconds} s, with {entries} of {most}: it can't reach them",
    fix="Raise the thresholds on all nodes, and have them persist.",
    commands=(on_node("{name}", "sysctl -w {tree}.gc_thresh1={low} {tree}.gc_thresh2={middle} {tree}.gc_thresh3={high}"),),
    rows=("M6",),
    explains=BY_NODE,
)
CROWDED = Code(
    id="NDT005",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="The neighbour table is nearly full",
    message="Node {name} has {entries} {family} neighbours of {most} at most ({share} %)",
    fix="Raise the thresholds on all nodes, and have them persist: at {most} new ones are refused.",
    commands=(on_node("{name}", "sysctl -w {tree}.gc_thresh1={low} {tree}.gc_thresh2={middle} {tree}.gc_thresh3={high}"),),
    rows=("M6",),
)
TOO_MANY_WAITING = Code(
    id="NDT006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Closed connections are forgotten too early",
    message="Node {name} has no room for closed connections: {refused} were forgotten at once in {seconds} s, {waiting} wait",
    fix="Raise net.ipv4.tcp_max_tw_buckets, or keep connections open: late packets of the old ones reset new ones.",
    commands=(on_node("{name}", "ss -tan state time-wait | awk '{{print $4}}' | sort | uniq -c | sort -rn | head"),),
)
MEASURED = Code(
    id="NDT010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nodes' tables as read",
    message="Fullest: connection tracking {tracked} on {busiest}, outgoing ports {ports}, neighbours {neighbours}",
    fix="Nothing to mend: these are the numbers.",
)
PORTS_USED = Code(
    id="NDT011",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Many of a node's ports may be in use",
    message="Node {name} has {used} TCP sockets open or waiting, for {ports} ports ({range}) to one destination",
    fix="If they go to one destination, the next connect fails: keep connections open, or widen the range.",
    commands=(on_node("{name}", "ss -tan | awk '{{print $5}}' | sort | uniq -c | sort -rn | head"),),
)
INVALID_PACKETS = Code(
    id="NDT012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Packets that belong to no connection",
    message="Node {name} saw {invalid} packets in {seconds} s that connection tracking takes for invalid; "
    "nf_conntrack_tcp_be_liberal is {liberal}",
    fix="Where large transfers end with 'connection reset by peer', set net.netfilter.nf_conntrack_tcp_be_liberal to 1.",
    rows=("K10",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's counters, and its neighbours to leave the permanent ones out."""
    for node in cluster.hosts:
        yield node_readings.kernel(node)
        yield node_readings.tables(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each table of each node."""
    if why := facts.beyond(Tier.NODES):
        raise Skip(f"{why}; it would look at how full each node's connection tracking and neighbour tables are", moot=True)
    replies, unseen = node_readings.read(facts, node_readings.kernel, KernelReply, "kernel counters")
    yield from unseen
    for node, reply in replies.items():
        tables = facts.reply(node_readings.tables(node))
        yield from _tracking(facts, node, reply)
        for each in _neighbours(reply, tables if isinstance(tables, RtnetlinkReply) else None):
            yield from _crowded(facts, node, reply, each)
        yield from _ports(facts, node, reply)
    if replies:
        yield _measured(replies)


def _share(used: int, most: int) -> int:
    return round(100 * used / most) if most else 0


def _tracking(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    told, most = (
        node_readings.number(reply, "net/netfilter/nf_conntrack_count"),
        node_readings.number(reply, "net/netfilter/nf_conntrack_max") or 0,
    )
    entries = told or 0
    dropped = node_readings.risen(reply, "conntrack.drop")
    crowded = 100 * entries > facts.threshold(TRACKED) * most
    seconds = round(reply.seconds, 1)
    numbers = {"entries": entries, "most": most, "share": _share(entries, most), "more": 2 * most, "seconds": seconds}
    tracked = f"{entries} of {most} connections tracked ({_share(entries, most)} %)" if most else UNTOLD
    words = {"dropped": dropped, "nodes": [node], "setting": "net.netfilter.nf_conntrack_max", "tracked": tracked}
    # A packet that lost the race of a first one is counted as dropped too, however empty the table is.
    if dropped >= node_readings.BURST and (not most or crowded):
        yield FULL.on(Subject("Node", node), numbers | words, try_=None if most else (SIZE,))
    elif most and crowded:
        yield NEARLY_FULL.on(Subject("Node", node), numbers | words)
    failed, invalid = (node_readings.risen(reply, f"conntrack.{name}") for name in ("insert_failed", "invalid"))
    if failed >= facts.threshold(FAILED_INSERTS):
        yield NOT_INSERTED.on(Subject("Node", node), failed=failed, seconds=seconds, nodes=[node])
    if invalid >= facts.threshold(INVALID):
        liberal = node_readings.number(reply, "net/netfilter/nf_conntrack_tcp_be_liberal") or 0
        yield INVALID_PACKETS.on(Subject("Node", node), invalid=invalid, seconds=seconds, liberal=liberal)


class _Table(Struct, frozen=True):
    """One neighbour table: entries that count, and the size at which more are refused."""

    family: str
    tree: str
    cache: str
    entries: int
    most: int


def _neighbours(reply: KernelReply, tables: RtnetlinkReply | None) -> Iterator[_Table]:
    """Permanent entries do not count against gc_thresh3 (kernel 5.0), nor do those that the node's own table can't show."""
    for family, tree, cache in (("IPv4", "ipv4", "arp_cache"), ("IPv6", "ipv6", "ndisc_cache")):
        most = node_readings.number(reply, f"net/{tree}/neigh/default/gc_thresh3")
        if most and f"{cache}.entries" in reply.after:
            known = tables.neighbours if tables else ()
            permanent = sum(each.state == "permanent" and (":" in each.ip) == (tree == "ipv6") for each in known)
            entries = max(0, reply.after[f"{cache}.entries"] - permanent)
            yield _Table(family, f"net.{tree}.neigh.default", cache, entries, most)


def _crowded(facts: Facts, node: str, reply: KernelReply, table: _Table) -> Iterator[Finding]:
    refused = node_readings.risen(reply, f"{table.cache}.table_fulls")
    sizes = {"low": 2 * table.most, "middle": 4 * table.most, "high": 8 * table.most}
    numbers = {"entries": table.entries, "most": table.most, "share": _share(table.entries, table.most), "refused": refused}
    names = {"family": table.family, "tree": table.tree, "seconds": round(reply.seconds, 1), "nodes": [node]}
    if refused >= node_readings.BURST:
        yield OVERFLOW.on(Subject("Node", node), numbers | sizes | names)
    elif 100 * table.entries >= facts.threshold(NEIGHBOURS) * table.most:
        yield CROWDED.on(Subject("Node", node), numbers | sizes | names)


def _range(reply: KernelReply) -> tuple[int, str]:
    """How many ports outgoing connections may take, and which."""
    text = reply.settings.get("net/ipv4/ip_local_port_range", "")
    ends = [int(word) for word in text.split() if word.isdigit()]
    return (ends[1] - ends[0] + 1, f"{ends[0]}-{ends[1]}") if len(ends) == 2 and ends[1] >= ends[0] else (0, text)


def _used(reply: KernelReply) -> int:
    return reply.after.get("sockets.TCP.tw", 0) + reply.after.get("sockets.TCP.inuse", 0)


def _ports(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    refused, waiting = node_readings.risen(reply, "TcpExt.TCPTimeWaitOverflow"), reply.after.get("sockets.TCP.tw", 0)
    if refused >= node_readings.BURST:
        numbers = {"refused": refused, "seconds": round(reply.seconds, 1), "waiting": waiting}
        yield TOO_MANY_WAITING.on(Subject("Node", node), numbers)
    ports, which = _range(reply)
    if ports and 100 * _used(reply) > facts.threshold(PORTS) * ports:
        yield PORTS_USED.on(Subject("Node", node), used=_used(reply), ports=ports, range=which)


def _measured(replies: dict[str, KernelReply]) -> Finding:
    """The fullest of each table."""
    tracked = {
        node: (_share(count, most), f"{count} of {most}")
        for node, reply in replies.items()
        if (most := node_readings.number(reply, "net/netfilter/nf_conntrack_max"))
        and (count := node_readings.number(reply, "net/netfilter/nf_conntrack_count")) is not None
    }
    busiest = max(tracked, key=lambda node: tracked[node], default="none")
    ports = max((_share(_used(reply), _range(reply)[0]), f"{_used(reply)} of {_range(reply)[0]}") for reply in replies.values())
    crowded = [(_share(t.entries, t.most), f"{t.entries} of {t.most}") for r in replies.values() for t in _neighbours(r, None)]
    numbers = {"tracked": tracked[busiest][1] if tracked else "not told", "busiest": busiest, "ports": ports[1]}
    return MEASURED.on(Subject("Cluster", "nodes' tables"), numbers, neighbours=max(crowded)[1] if crowded else "not told")


check = Check(
    id="node_tables",
    title="Nodes' tables have room",
    prefix="NDT",
    needs=Needs(tier=Tier.NODES),
    codes=(
        FULL,
        NEARLY_FULL,
        NOT_INSERTED,
        OVERFLOW,
        CROWDED,
        TOO_MANY_WAITING,
        MEASURED,
        PORTS_USED,
        INVALID_PACKETS,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(
        TRACKED,
        NEIGHBOURS,
        PORTS,
        FAILED_INSERTS,
        INVALID,
    ),
)
