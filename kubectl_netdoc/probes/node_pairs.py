# SPDX-License-Identifier: Apache-2.0
"""The paths between netdoc's own pods: which are measured, how, and where bad ones are located."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Subject, Unseen
from kubectl_netdoc.core.once import once
from kubectl_netdoc.measurements.base import Lost, Peer
from kubectl_netdoc.measurements.path import Burst, BurstReply, PathMtu, PathMtuReply, Round
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.records.kinds import NODE

Pair = tuple[str, str]

FULL_MESH = 8
"""Up to this many nodes every pair is measured (56 ordered pairs); with more nodes a ring."""

NEIGHBOURS = 3
"""How many nodes each node of a ring measures to."""

PROVEN = 30
"""Up to this many debug pods (a run's default) each proves its way to all others, by some 900 short connections."""

LOSSY, LOST_A_ROUND = 0.05, 3
"""Share of a round's datagrams, and datagrams, from which a path that loses them in both rounds is lossy. TCP at 5 % keeps some
five segments under way (Mathis et al. 1997: 1.22 / sqrt(p)); a path that loses 1 % by chance gets there in 1 of 18,000 cases."""

THROTTLED = 0.05
"""Seconds of CPU throttling of a debug pod from which times and losses of its paths are not judged; as for DNS."""

QUEUE_MS = 100.0
"""Milliseconds between the fastest and the slowest datagram of a path that only a queue explains, and that large packets, five
times as long, would wait in for all of the 500 ms that a path MTU waits for its answers."""

NETWORK = Subject("Cluster", "pod network")


@once
def pairs(cluster: Cluster) -> tuple[Pair, ...]:
    """Return the ordered pairs to measure: all of a few nodes, else each with its neighbours on a ring and every zone pair."""
    nodes = tuple(node for node in cluster.vantages if node)
    if len(nodes) <= FULL_MESH:
        return tuple((one, other) for one in nodes for other in nodes if other != one)
    ring = [(one, nodes[(i + step) % len(nodes)]) for i, one in enumerate(nodes) for step in range(1, NEIGHBOURS + 1)]
    zoned = zones(cluster)
    first = {zoned[node]: node for node in reversed(nodes) if node in zoned}
    covered = {(zoned.get(one), zoned.get(other)) for one, other in ring}
    missing = [(first[a], first[b]) for a in sorted(first) for b in sorted(first) if a != b and (a, b) not in covered]
    return (*ring, *missing)


@once
def peers(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """Return for each node with a debug pod those to which it proves its way: all others up to ``PROVEN``, else as ``pairs``."""
    nodes = tuple(node for node in cluster.vantages if node)
    if len(nodes) <= PROVEN:
        return {one: tuple(other for other in nodes if other != one) for one in nodes}
    found: dict[str, list[str]] = {node: [] for node in nodes}
    for one, other in pairs(cluster):
        found[one].append(other)
    return {node: tuple(others) for node, others in found.items()}


@once
def zones(cluster: Cluster) -> dict[str, str]:
    """Return the zone of each node that has one (topology.kubernetes.io/zone). Reads NODE if that is permitted."""
    if not cluster.readable(NODE):
        return {}
    return {node.name: node.zone for node in cluster.all(NODE) if node.zone}


def usable(facts: Facts) -> list[str]:
    """Return the nodes whose debug pod ran."""
    return sorted(vantage.node for vantage in facts.vantages if vantage.running and vantage.node)


def too_few(facts: Facts) -> Unseen | None:
    """Return an Unseen if fewer than two nodes run a debug pod, or None."""
    if len(usable(facts)) > 1:
        return None
    return Unseen("paths between nodes", "fewer than two nodes run a debug pod", expected=len(facts.cluster.vantages) > 1)


def starved(facts: Facts) -> set[str]:
    """Return the nodes whose debug pod was throttled by its CPU limit."""
    return {vantage.node for vantage in facts.vantages if vantage.throttled > THROTTLED}


def burst(one: str, other: str) -> Burst:
    """Return the burst along a path; within a node it goes to the second pod there."""
    return Burst(one, Peer(other, twin=one == other))


def lossy(rounds: Iterable[Round]) -> bool:
    """Tell whether a path repeatedly loses datagrams, but not all of them."""
    both = tuple(rounds)
    some = any(each.times for each in both)
    return some and len(both) > 1 and all(each.lost >= max(LOST_A_ROUND, LOSSY * each.sent) for each in both)


def path_mtu(one: str, other: str, family: str = "") -> PathMtu:
    """Return the measurement of large datagrams along a path; within a node it goes to the second pod there."""
    return PathMtu(one, Peer(other, twin=one == other), family=family)


def loses_large(reply: Reply) -> bool:
    """Tell whether large datagrams are lost again and again, but not all of them: by chance, and not by their size."""
    if not isinstance(reply, PathMtuReply) or len(reply.large) < 2 or reply.impostor or reply.sharp:
        return False
    both = [Round(sent, (0.0,) * came) for sent, came in reply.large]
    return any(each.times for each in both) and both[0].lost > 0 and both[1].lost >= max(LOST_A_ROUND, LOSSY * both[1].sent)


def queued(rounds: Iterable[Round]) -> bool:
    """Tell whether datagrams wait in a queue for so long that an answer may come too late to count."""
    times = [ms for each in rounds for ms in each.times]
    return bool(times) and max(times) - min(times) > QUEUE_MS


def rounds(facts: Facts, pair: Pair) -> tuple[Round, ...]:
    """Return the rounds of a path's burst; none if there was no reply."""
    reply = facts.reply(burst(*pair))
    return reply.rounds if isinstance(reply, BurstReply) else ()


def never_asked(replies: Iterable[Reply]) -> str:
    """Return why none of the requests was sent, or "" (an older recording has no such replies)."""
    lost = [reply if isinstance(reply, Lost) else None for reply in replies]
    return lost[0].reason if lost and lost[0] and all(each is not None and not each.sent for each in lost) else ""


def as_paths(pairs: Iterable[Pair]) -> list[NodePath]:
    """Return pairs of nodes as the paths of evidence, in order."""
    return sorted(NodePath(one, other) for one, other in pairs)


def both_ways(paths: Iterable[Pair]) -> set[Pair]:
    """Return paths with their reverse paths: replies come back along those."""
    return set(chain.from_iterable(((one, other), (other, one)) for one, other in paths))


def link(one: str, other: str) -> Subject:
    """Return the subject for the link between two nodes."""
    return Subject("NodePair", f"{one}--{other}")


class FaultLocation:
    """The location of bad paths: everywhere, at a node, or between two nodes. ``paths``: the bad paths there."""

    def __init__(self, subject: Subject, paths: set[Pair], nodes: list[str], between: str) -> None:
        self.subject, self.paths, self.nodes, self.between = subject, paths, nodes, between

    def evidence(self) -> dict[str, object]:
        """Return the evidence of a finding about this location: nodes, paths in both directions, and the location as text."""
        return {"nodes": self.nodes, "paths": as_paths(both_ways(self.paths)), "between": self.between}


def locate(bad: Iterable[Pair], measured: Iterable[Pair]) -> list[FaultLocation]:
    """Return the locations of bad paths: everywhere if all links are bad, else nodes with only bad links, else single links.

    A link is bad if either direction is. A node counts as a location only if it has two links or more.
    """
    left, links = set(bad), {(min(pair), max(pair)) for pair in measured}
    broken = {(min(pair), max(pair)) for pair in left}
    if len(links) > 2 and broken == links:
        nodes = sorted({node for pair in links for node in pair})
        return [FaultLocation(NETWORK, left, nodes, "all nodes")]
    found = []
    for node in sorted({node for pair in broken for node in pair}):
        own = {pair for pair in links if node in pair}
        if len(own) > 1 and own <= broken and (paths := {pair for pair in left if node in pair}):
            found.append(FaultLocation(Subject("Node", node), paths, [node], f"{node} and every other node"))
            left -= paths
    for one, other in sorted({(min(pair), max(pair)) for pair in left}):
        paths = left & {(one, other), (other, one)}
        found.append(FaultLocation(link(one, other), paths, [one, other], f"{one} and {other}"))
    return found
