# SPDX-License-Identifier: Apache-2.0
"""TCP sockets that wait, and the ports for outgoing connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    SERVICE,
    Cluster,
    Code,
    Facts,
    Finding,
    KernelReply,
    Risk,
    Severity,
    Subject,
    on_node,
    some,
)
from kubectl_netdoc.checks.nodes.node_tables.thresholds import PORTS
from kubectl_netdoc.probes import node_readings

SHOWN = 5
"""Node ports that a message names at most."""

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


NODE_PORTS_TAKEN = Code(
    id="NDT013",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Nodes use node ports of Services for their own connections",
    message="{nodes} may take ports {range} for connections of their own, among them {count} node ports of Services ({shown}): "
    "where a Service's node port is served before connection tracking is asked (eBPF), answers to such a connection are lost",
    fix="Keep node ports out of that range on every node: set net.ipv4.ip_local_port_range to begin above 32767, or list the "
    "node ports in net.ipv4.ip_local_reserved_ports, and make that persistent.",
    commands=(on_node("{first}", "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports"),),
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


def node_ports_taken(cluster: Cluster, replies: Mapping[str, KernelReply]) -> Iterator[Finding]:
    """Report node ports of Services that nodes may take for connections of their own, a finding for each range."""
    services = cluster.all(SERVICE) if cluster.readable(SERVICE) else ()
    ports = {port.node_port for each in services for port in each.spec.ports} - {0}
    found: dict[str, dict[str, list[int]]] = {}
    for node, reply in sorted(replies.items()):
        own, which = _numbers(port_range(reply)[1]), port_range(reply)[1]
        reserved = _numbers(reply.settings.get("net/ipv4/ip_local_reserved_ports", ""))
        taken = sorted(port for port in ports if _holds(own, port) and not _holds(reserved, port))
        if taken:
            found.setdefault(which, {})[node] = taken
    for which, nodes in found.items():
        every = sorted({port for taken in nodes.values() for port in taken})
        numbers = {"range": which, "count": len(every), "shown": some([str(port) for port in every], SHOWN), "nodes": list(nodes)}
        yield NODE_PORTS_TAKEN.on(Subject("Cluster", f"ports {which}"), numbers, first=next(iter(nodes)))


def _numbers(text: str) -> list[tuple[int, int]]:
    """Return ranges of ports as they are written in ip_local_reserved_ports: ``8080,30000-32767``."""
    pairs = [part.partition("-")[::2] for part in text.split(",")]
    return [(int(low), int(high or low)) for low, high in pairs if low.isdigit() and (high or low).isdigit()]


def _holds(ranges: list[tuple[int, int]], port: int) -> bool:
    return any(low <= port <= high for low, high in ranges)


CODES = (
    TOO_MANY_WAITING,
    PORTS_USED,
    NODE_PORTS_TAKEN,
)
