# SPDX-License-Identifier: Apache-2.0
"""Does a node's network stack keep up with incoming traffic?

## What it looks at
On every measured node (`--node-checks`), counters that rise during the run: packets that the kernel had no time for (softnet),
errors and drops on links to other machines, connections refused because a listen queue is full, datagrams dropped because a
socket buffer is full, retransmitted segments. It also tells how much a node's tunnel adds to packets and how busy the kernel is.

## Why it matters
Each tunnelled packet passes the stack twice, so the kernel's share of CPU time grows with the traffic until none is left. Then
packets are lost for all pods of the node at once, which looks like a network that is slow from time to time.

## What it can't see
Sockets of pods: the host's socket counters (listen queues, buffers, retransmissions) do not include pods, each of which has a
network of its own. What happened before the run: totals since boot do not count. Ring buffers of the hardware (ethtool -S). What
bonds and their links drop of incoming packets: a standby link drops all broadcasts.

## Sources
Kernel: Documentation/networking/scaling.rst, admin-guide/sysctl/net.rst (netdev_max_backlog, netdev_budget), net-procfs.c.
node-exporter mixin (NodeNetworkReceiveErrs: 1 % of packets). Mathis et al. 1997 (5 % of segments lost). Failure catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from kubectl_netdoc.components import encapsulation
from kubectl_netdoc.probes import node_readings
from kubectl_netdoc.routing import tables

LINK_LOSS = Threshold(
    name="link_lost_percent",
    default=1.0,
    unit="% of a link's packets",
    source="node-exporter's mixin warns from there on",
    most=100,
)

LEAST = {"errors": 10, "dropped": 100}
"""A link has to lose at least this many packets in a run: a share of few says nothing, and packets of protocols that the kernel
does not know (LLDP, spanning tree) count as dropped, some every second."""

RESENT = Threshold(
    name="resent_percent",
    default=5.0,
    unit="% of TCP segments",
    source="TCP becomes very slow from there on (as for paths)",
    most=100,
)

SEGMENTS = 200
"""At least this many segments are needed in a run to judge a share of them."""

SQUEEZED = 50.0
"""Times a second that the kernel had to postpone packets (netdev_budget): a busy stack, but no loss yet."""

INNER = (
    "lo",
    "docker",
    "br-",
    "cni",
    "cbr",
    "flannel",
    "vxlan",
    "cilium",
    "tunl",
    "kube-",
    "nodelocaldns",
    "dummy",
    "weave",
    "virbr",
    "ovs",
    "ovn",
    "genev",
    "antrea",
    "wg",
    "wireguard",
)
"""Prefixes of links that do not lead to another machine. Links of pods are left out when counters are read."""

BONDS = ("bond", "team")
"""Kinds of links that combine others. A standby link drops every broadcast that it receives (bonding.rst); that is normal."""

BY_NODE = (
    Explains(
        ("DNL004", "DNL005", "DNL007", "DSV001", "PTQ001", "PTQ003", "PTQ004", "SYN001", "SYN003", "PNW014", "SVR002"),
        "node",
        CAME_THROUGH,
    ),
)

NO_TIME = Code(
    id="NDL001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's kernel drops packets for lack of CPU time",
    message="Node {name} dropped {dropped} packets in {seconds} s before looking at them: its backlog queue was full ({rate} "
    "packets a second)",
    fix="Raise net.core.netdev_max_backlog and netdev_budget, spread the work over more CPUs (RPS, more queues), or move pods "
    "to other nodes.",
    commands=(
        on_node("{name}", "sysctl net.core.netdev_max_backlog net.core.netdev_budget"),
        on_node("{name}", "cat /proc/net/softnet_stat"),
    ),
    explains=BY_NODE,
)
LINK_LOSES = Code(
    id="NDL002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's link has errors or drops packets",
    message="On node {name}, {link} counted {lost} {what} in {seconds} s, {share} % of its packets",
    fix="For errors check cable, port, driver and duplex. For drops, the ring buffer is too small (ethtool -G) or the link is "
    "saturated.",
    commands=(on_node("{name}", "ip -s -s link show {link}"), on_node("{name}", "ethtool -S {link}")),
    explains=BY_NODE,
)
LISTEN = Code(
    id="NDL003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A listen queue on a node is full",
    message="Node {name} refused {refused} connections in {seconds} s: the listen queue of a process on the host is full",
    fix="Find the socket whose Recv-Q has reached its Send-Q. Its process accepts too slowly, or net.core.somaxconn ({most}) is "
    "too small.",
    commands=(on_node("{name}", "ss -lnt"),),
)
BUFFER = Code(
    id="NDL004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A UDP socket on a node drops datagrams",
    message="Node {name} dropped {lost} datagrams in {seconds} s because socket buffers of processes on the host network were "
    "full",
    fix="Find the socket with drops. Its process (NodeLocal DNSCache?) reads too slowly, or net.core.rmem_max is too small.",
    commands=(on_node("{name}", "ss -lnum"),),
    explains=(Explains(("DNL008", "DNL004", "DNL005"), "node"),),
)
SENT_AGAIN = Code(
    id="NDL005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A node retransmits many TCP segments",
    message="Node {name} retransmitted {resent} of {sent} TCP segments of its own connections in {seconds} s ({share} %)",
    fix="Check the link to the other nodes and to the API server. The check path_quality measures it for pods.",
    commands=(on_node("{name}", "ss -ti state established | grep -B1 retrans"),),
    tells="failure",
)
MEASURED = Code(
    id="NDL010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Overhead, load and loss of the nodes' network stacks",
    message="Tunnel overhead, kernel load, packet loss: {stages}",
    fix="Nothing to fix: more traffic leads from overhead to kernel load, and from there to loss.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's counters, twice, and its links."""
    for node in cluster.hosts:
        yield node_readings.kernel(node)
        yield node_readings.tables(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report counters that rose during the run, then how busy each node is."""
    if why := facts.why_tier_unmeasured(Tier.NODES):
        raise Skip(
            f"{why}; with it, packets that each node's network stack drops during the run are counted", not_applicable=True
        )
    replies, unseen = node_readings.read(facts, node_readings.kernel, KernelReply, "kernel counters")
    yield from unseen
    lossy: set[str] = set()
    for node, reply in replies.items():
        for finding in (*_stack(node, reply), *_links(facts, node, reply), *_sockets(facts, node, reply)):
            lossy.add(node)
            yield finding
    if replies:
        yield _measured(facts, replies, lossy)


def _stack(node: str, reply: KernelReply) -> Iterator[Finding]:
    dropped = node_readings.risen(reply, "softnet.dropped")
    if dropped >= node_readings.BURST:
        numbers = {"dropped": dropped, "seconds": round(reply.seconds, 1), "rate": node_readings.rate(reply, "softnet.processed")}
        yield NO_TIME.on(Subject("Node", node), numbers, nodes=[node])


def _joined(facts: Facts, node: str) -> set[str]:
    """Return a node's bonds and the links that they combine."""
    reply = facts.reply(node_readings.tables(node))
    links = reply.links if isinstance(reply, RtnetlinkReply) else ()
    bonds = {link.name for link in links if link.kind in BONDS}
    return bonds | {link.name for link in links if link.master in bonds}


def _links(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report errors and drops of links to other machines. Tunnels also drop what they have no entry for: see node_routes."""
    names = {name.rpartition(".")[0] for name in reply.after if name.endswith(".rx_packets")}
    joined = _joined(facts, node)
    for link in sorted(name for name in names if not name.startswith(INNER)):
        for way, words in (("rx", "received"), ("tx", "sent")):
            packets = node_readings.risen(reply, f"{link}.{way}_packets")
            for counter, what in (("errors", f"errors in packets {words}"), ("dropped", f"drops of packets {words}")):
                lost = node_readings.risen(reply, f"{link}.{way}_{counter}")
                share = lost / (packets + lost or 1)
                if (way, counter) == ("rx", "dropped") and link in joined:
                    continue
                if lost >= LEAST[counter] and 100 * share >= facts.threshold(LINK_LOSS):
                    numbers = {"link": link, "lost": lost, "what": what, "share": round(100 * share, 1)}
                    yield LINK_LOSES.on(Subject("Node", node), numbers, seconds=round(reply.seconds, 1), nodes=[node])


def _sockets(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report socket counters of the node's own network; sockets of pods are not among them."""
    subject, seconds = Subject("Node", node), round(reply.seconds, 1)
    refused = max(node_readings.risen(reply, "TcpExt.ListenOverflows"), node_readings.risen(reply, "TcpExt.TCPReqQFullDrop"))
    if refused >= node_readings.BURST:
        yield LISTEN.on(subject, refused=refused, seconds=seconds, most=node_readings.number(reply, "net/core/somaxconn") or 0)
    lost = sum(
        node_readings.risen(reply, name)
        for name in ("Udp.RcvbufErrors", "Udp.SndbufErrors", "Udp6RcvbufErrors", "Udp6SndbufErrors")
    )
    if lost >= node_readings.BURST:
        yield BUFFER.on(subject, lost=lost, seconds=seconds, nodes=[node])
    sent, resent = node_readings.risen(reply, "Tcp.OutSegs"), node_readings.risen(reply, "Tcp.RetransSegs")
    if sent >= SEGMENTS and 100 * resent >= facts.threshold(RESENT) * sent:
        yield SENT_AGAIN.on(subject, sent=sent, resent=resent, share=round(100 * resent / sent, 1), seconds=seconds, nodes=[node])


def _overhead(facts: Facts, node: str) -> str:
    """Return what a node's tunnel adds to a full packet, in words."""
    reply = facts.reply(node_readings.tables(node))
    tunnels = tables.Tables(reply).tunnels if isinstance(reply, RtnetlinkReply) else []
    used = next((link for link in tunnels if link.up and link.kind in encapsulation.BY_LINK), None)
    if used is None:
        return "no tunnel"
    extra = encapsulation.BY_LINK[used.kind].over_ipv6 if ":" in used.local else encapsulation.BY_LINK[used.kind].over_ipv4
    return f"{used.name} adds {extra} bytes to {used.mtu} ({round(100 * extra / (used.mtu or 1), 1)} %)"


def _measured(facts: Facts, replies: dict[str, KernelReply], lossy: set[str]) -> Finding:
    """Return the finding with each node's overhead, load and loss."""
    stages: dict[str, list[str]] = {}
    rows = []
    for node, reply in sorted(replies.items()):
        overhead, squeezed = _overhead(facts, node), node_readings.rate(reply, "softnet.time_squeeze")
        load = f"{node_readings.rate(reply, 'softnet.processed')} packets/s, {squeezed} squeezes/s"
        drops = f"{node_readings.risen(reply, 'softnet.dropped')} dropped"
        rows.append(f"{node}: {overhead}; {load}; {drops}")
        busy = squeezed >= SQUEEZED
        calm = "none of them" if overhead == "no tunnel" else "overhead only"
        stage = "packet loss" if node in lossy else "high kernel load" if busy else calm
        stages.setdefault(stage, []).append(node)
    words = [f"{stage} on {', '.join(nodes[:8])}" + (" …" if len(nodes) > 8 else "") for stage, nodes in stages.items()]
    return MEASURED.on(Subject("Cluster", "nodes' network stacks"), stages="; ".join(words), numbers=rows)


check = Check(
    id="node_load",
    title="The nodes' network stacks keep up with the traffic",
    prefix="NDL",
    needs=Needs(tier=Tier.NODES),
    codes=(NO_TIME, LINK_LOSES, LISTEN, BUFFER, SENT_AGAIN, MEASURED),
    plan=plan,
    analyse=analyse,
    thresholds=(
        LINK_LOSS,
        RESENT,
    ),
)
