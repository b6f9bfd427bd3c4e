# SPDX-License-Identifier: Apache-2.0
"""Is each node's kernel set to carry pods' traffic?

## What it looks at
On every measured node (`--node-checks`): forwarding, of the node and of each interface that pods' packets come in by; reverse
path filtering as it is in effect (the stricter of `all` and the interface) with what it drops during the run; whether bridged
packets pass iptables, where pods hang on a bridge; the node's clock against the API server's; and, across nodes, the settings
that matter here and the MTU of the link to the others.

## Why it matters
Each of them stops pods' traffic without a trace in any pod: a hardening role or a reboot sets one back, and a node is deaf, or
answers get lost on the way back, or a Service works from all nodes but the one its backend is on.

## What it can't see
Settings of pods' own namespaces. Other tables and rules that make a way back lawful. Forwarding and bridge settings that eBPF
does without: where netdoc's own pods get through, these are no fault.

## Sources
Kernel: Documentation/networking/ip-sysctl.rst (rp_filter: "the max value from conf/{all,interface}/rp_filter is used"), bridge
netfilter; Kubernetes: Network plugin requirements; failure catalogue M4, M5, K13. Clocks: golang-jwt and go-jose take a token
60 s before its time (jwt.DefaultLeeway), etcd warns from 1 s on.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    POD,
    Check,
    Cluster,
    Code,
    EchoReply,
    Explains,
    Facts,
    Finding,
    KernelReply,
    Made,
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
    ip_families,
    on_node,
    some,
)
from kubectl_netdoc.probes import node_readings, service_targets
from kubectl_netdoc.routing import ip_commands
from kubectl_netdoc.routing.network import BROKEN, Network
from kubectl_netdoc.routing.network import plan as plan_links
from kubectl_netdoc.routing.tables import Tables

SKEWED = 60.0
"""Seconds between a node's clock and the API server's from which on service account tokens are refused (go-jose's leeway)."""

NOTICED = Threshold(
    name="clock_s",
    default=5.0,
    unit="s between a node and the API server",
    source="the Date that it is held against has whole seconds, and exec takes its time",
    most=SKEWED,
)

SHOWN = 6
"""Interfaces that a message names at most."""

STRICT = 1
"""rp_filter that drops what would not be answered by the interface it came in by (RFC 3704)."""

BRIDGED = "net/bridge/bridge-nf-call-iptables"
COMPARED = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/ip_local_port_range",
    BRIDGED,
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/core/somaxconn",
)
"""Settings that nodes of a cluster mostly have alike."""

CUT_OFF = Explains(
    (
        *("DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "DSV001", "DSV002", "DSV003", "DTR001", "DTR002", "DNU001"),
        *("SVR001", "SVR002", "SVR005", "SVR006", "SVR007", "SVH001", "SVH002", "NPT001", "PNW002", "PNW008", "PNW012"),
    ),
    "node",
)

NO_FORWARDING = Code(
    id="NDN001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node does not forward packets",
    message="Node {name} does not forward {family} packets {scope}: its pods reach nothing beyond it",
    fix="Set {settings} to 1 on the node, and have it persist (/etc/sysctl.d): something set it back after the kubelet started.",
    rows=("M5",),
    explains=(Explains(BROKEN, "path"), CUT_OFF),
)
STRICT_FILTER = Code(
    id="NDN002",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Reverse path filtering drops packets",
    message="Node {name} dropped {dropped} packets in {seconds} s because answers to their senders would leave by another "
    "link than they came in by: strict reverse path filtering (rp_filter 1) on {links}",
    fix="Set net.ipv4.conf.all.rp_filter to 2 (loose; of `all` and the link the larger one counts), in a file of "
    "/etc/sysctl.d that sorts last; the way back differs from the way there, so look at the routes too.",
    commands=(on_node("{name}", "sysctl -w net.ipv4.conf.all.rp_filter=2"),),
    rows=("M4",),
    explains=(Explains(BROKEN, "path"),),
)
BRIDGE_SKIPS = Code(
    id="NDN003",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Bridged packets pass a node's iptables by",
    message="On node {name}, {setting} is {value}, while pods hang on the bridge {bridge}: Services fail to backends next door",
    fix="Load br_netfilter, set the setting to 1, and have both persist (/etc/modules-load.d, /etc/sysctl.d).",
    commands=(on_node("{name}", "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1"),),
    rows=("K13",),
    explains=(Explains(("SVH002", "DNL001", "DNL002", "DNL003", "DNL005", "DNL007", "DSV002", "SVR002", "SVR006"), "node"),),
)
CLOCK = Code(
    id="NDN004",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="A node's clock is wrong",
    message="The clock of {nodes} is {seconds} s {direction} the API server's: tokens and certificates are refused from 60 s on",
    fix="Look at time synchronisation there.",
    commands=(on_node("{first}", "timedatectl"), on_node("{first}", "chronyc tracking")),
)
CLOCK_OFF = Code(
    id="NDN011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A node's clock differs",
    message="The clock of {nodes} is {seconds} s {direction} the API server's",
    fix="Look at time synchronisation there: logs of several nodes can't be put side by side.",
)
DIFFERENT = Code(
    id="NDN012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Nodes are set differently",
    message="{what} differs between nodes: {which}",
    fix="If that is not meant, find out who set it: a node that was set up by another hand shows faults that others do not.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Read each node's settings, counters and links; the proofs between pods tell what works whatever is set."""
    yield from plan_links(cluster)
    for node in cluster.hosts:
        yield node_readings.kernel(node)
        yield service_targets.own(cluster, node)
        yield service_targets.twin(node)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each node's settings by what they do, then compare the nodes."""
    if why := facts.beyond(Tier.NODES):
        raise Skip(f"{why}; it would look at forwarding, filters, bridge and clock of each node's kernel", moot=True)
    replies, unseen = node_readings.read(facts, node_readings.kernel, KernelReply, "kernel settings")
    links, unread = node_readings.read(facts, node_readings.tables, RtnetlinkReply, "links")
    yield from (*unseen, *unread)
    network = Network(facts, links)
    harmless = {_bridged(replies[node]) for node in replies if network.bridges(node) and _next_door(facts, node)}
    for node, reply in replies.items():
        yield from _forwarding(facts, network, node, reply)
        yield from _filter(network, node, reply)
        if not _next_door(facts, node) and _bridged(reply) not in harmless - {1}:
            yield from _bridge(network, node, reply)
    yield from _clocks(replies, facts.threshold(NOTICED))
    yield from _compared(replies, links)


def _ways_in(network: Network, node: str) -> list[str]:
    """Interfaces that pods' packets come in by: tunnels and the pods' bridge."""
    table = network.tables.get(node)
    return [link.name for link in (*table.tunnels, *network.bridges(node))] if table else []


def _forwarding(facts: Facts, network: Network, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Forwarding is what the interface that a packet comes in by says; `all` is what new ones get."""
    for family in ip_families.of_pods(facts.cluster) or (ip_families.IPV4,):
        works = network.any_works(node, family)
        if network.any_works(node) if works is None else works:
            continue
        tree = "ipv6" if family == ip_families.IPV6 else "ipv4"
        path = "net/ipv4/ip_forward" if tree == "ipv4" else "net/ipv6/conf/all/forwarding"
        off = [name for name in _ways_in(network, node) if node_readings.number(reply, f"net/{tree}/conf/{name}/forwarding") == 0]
        if node_readings.number(reply, path) == 0:
            scope, names = "at all", [path]
        elif off:
            scope, names = f"that come in by {', '.join(off)}", [f"net/{tree}/conf/{name}/forwarding" for name in off]
        else:
            continue
        lines = tuple(ip_commands.on(node, f"sysctl -w {name}=1") for name in names)
        numbers = {"family": family, "scope": scope, "settings": names, "nodes": [node], "paths": network.around(node)}
        yield NO_FORWARDING.on(Subject("Node", node), numbers, try_=lines)


def _filter(network: Network, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Strict filtering counts only where it drops: most nodes are set so and lose nothing."""
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
        "paths": network.around(node),
    }
    yield STRICT_FILTER.on(Subject("Node", node), numbers, nodes=[node])


def _next_door(facts: Facts, node: str) -> bool:
    """Whether a pod got an answer through a Service from its neighbour on the same node."""
    reply = facts.reply(service_targets.own(facts.cluster, node))
    return isinstance(reply, EchoReply) and any(sample.who == node and not sample.itself for sample in reply.samples)


def _bridged(reply: KernelReply) -> int | None:
    return node_readings.number(reply, BRIDGED)


def _bridge(network: Network, node: str, reply: KernelReply) -> Iterator[Finding]:
    """A node with one debug pod proves nothing itself; where another one is set the same and is well, so is this one."""
    bridges, value = network.bridges(node), _bridged(reply)
    if bridges and value != 1:
        known = "not there" if value is None else value
        yield BRIDGE_SKIPS.on(Subject("Node", node), setting=BRIDGED, value=known, bridge=bridges[0].name, nodes=[node])


def _clocks(replies: dict[str, KernelReply], noticed: float) -> Iterator[Finding]:
    """One finding where most nodes are off the same way: then it is the API server's clock that is off."""
    for code, least, most in ((CLOCK, SKEWED, float("inf")), (CLOCK_OFF, noticed, SKEWED)):
        for direction, sign in (("ahead of", 1), ("behind", -1)):
            off = {node: sign * reply.clock for node, reply in replies.items() if least <= sign * reply.clock < most}
            everywhere = len(off) > 1 and 2 * len(off) > len(replies)
            for group in [sorted(off)] if everywhere else [[node] for node in sorted(off)]:
                subject = Subject("Cluster", "clocks") if everywhere else Subject("Node", group[0])
                seconds = round(max(off[node] for node in group), 1)
                yield code.on(subject, nodes=group, first=group[0], seconds=seconds, direction=direction)


def _compared(replies: dict[str, KernelReply], tables: dict[str, RtnetlinkReply]) -> Iterator[Finding]:
    for setting in COMPARED:
        which = node_readings.differing({node: reply.settings.get(setting, "not there") for node, reply in replies.items()})
        if which:
            yield DIFFERENT.on(Subject("Cluster", setting), what=setting, which=which)
    outer = {node: mtu for node, reply in tables.items() if (mtu := _uplink(reply))}
    if which := node_readings.differing(outer):
        yield DIFFERENT.on(
            Subject("Cluster", "MTU of the nodes' links"), what="The MTU of the link to the other nodes", which=which
        )


def _uplink(reply: RtnetlinkReply) -> int:
    """MTU of the link of the default route."""
    table = Tables(reply)
    default = table.lookup("0.0.0.0/0") or table.lookup("::/0")
    link = table.links.get(default.dev) if default else None
    return link.mtu if link else 0


check = Check(
    id="node_network",
    title="Nodes' kernels are set to carry pods' traffic",
    prefix="NDN",
    needs=Needs(kinds=(NODE,), hints=(POD,), tier=Tier.NODES, makes=(Made.SERVICES,)),
    codes=(NO_FORWARDING, STRICT_FILTER, BRIDGE_SKIPS, CLOCK, CLOCK_OFF, DIFFERENT),
    plan=plan,
    analyse=analyse,
    thresholds=(NOTICED,),
)
