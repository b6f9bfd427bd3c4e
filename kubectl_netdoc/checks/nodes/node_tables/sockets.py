# SPDX-License-Identifier: Apache-2.0
"""TCP sockets that wait, and the ports for outgoing connections."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Facts, Finding, KernelReply, Risk, Severity, Subject, on_node
from kubectl_netdoc.checks.nodes.node_tables.thresholds import PORTS
from kubectl_netdoc.probes import node_readings

TOO_MANY_WAITING = Code(
    id="NDT006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Closed connections are forgotten too early",
    message="Node {name} has no room for more closed connections: {refused} were forgotten at once in {seconds} s, and "
    "{waiting} are in TIME_WAIT",
    fix="Raise net.ipv4.tcp_max_tw_buckets, or reuse connections: late packets of old connections can reset new ones.",
    commands=(on_node("{name}", "ss -tan state time-wait | awk '{{print $4}}' | sort | uniq -c | sort -rn | head"),),
)
PORTS_USED = Code(
    id="NDT011",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Many outgoing ports of a node may be in use",
    message="Node {name} has {used} TCP sockets open or in TIME_WAIT, and {ports} ports ({range}) for connections to one "
    "destination",
    fix="If most of them go to one destination, new connections to it fail: reuse connections, or widen the port range.",
    commands=(on_node("{name}", "ss -tan | awk '{{print $5}}' | sort | uniq -c | sort -rn | head"),),
)


def port_range(reply: KernelReply) -> tuple[int, str]:
    """Return how many ports there are for outgoing connections, and which."""
    text = reply.settings.get("net/ipv4/ip_local_port_range", "")
    ends = [int(word) for word in text.split() if word.isdigit()]
    return (ends[1] - ends[0] + 1, f"{ends[0]}-{ends[1]}") if len(ends) == 2 and ends[1] >= ends[0] else (0, text)


def sockets_in_use(reply: KernelReply) -> int:
    """Return the number of TCP sockets that are open or in TIME_WAIT."""
    return reply.after.get("sockets.TCP.tw", 0) + reply.after.get("sockets.TCP.inuse", 0)


def outgoing_ports(facts: Facts, node: str, reply: KernelReply) -> Iterator[Finding]:
    """Report closed connections that are forgotten too early, and outgoing ports that run out."""
    refused, waiting = node_readings.risen(reply, "TcpExt.TCPTimeWaitOverflow"), reply.after.get("sockets.TCP.tw", 0)
    if refused >= node_readings.BURST:
        numbers = {"refused": refused, "seconds": round(reply.seconds, 1), "waiting": waiting}
        yield TOO_MANY_WAITING.on(Subject("Node", node), numbers)
    ports, which = port_range(reply)
    if ports and 100 * sockets_in_use(reply) > facts.threshold(PORTS) * ports:
        yield PORTS_USED.on(Subject("Node", node), used=sockets_in_use(reply), ports=ports, range=which)


CODES = (
    TOO_MANY_WAITING,
    PORTS_USED,
)
