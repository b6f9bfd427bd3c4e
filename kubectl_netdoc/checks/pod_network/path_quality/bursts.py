# SPDX-License-Identifier: Apache-2.0
"""The rounds of datagrams along each path, and which paths lose or delay them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from kubectl_netdoc.api import EchoReply, Facts, Lost, PathMtuReply, Reply, Round, percentile
from kubectl_netdoc.checks.pod_network.path_quality.thresholds import LATE, SLOWER
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.service_targets import proof

COMPARED = 2
"""A path or node is compared with at least this many other paths."""

STEADY = 0.5
"""If the fastest round trip takes this share of the median, the path is long, not congested. That is fine where zones are
unknown, unless the way by another node is much shorter."""


class Bursts:
    """The rounds by path, between nodes and within them. ``unknown``: why some of those asked for are missing.

    ``large``: what became of large datagrams on paths that lose them by chance.
    """

    def __init__(self, facts: Facts) -> None:
        self.late, self.slower = facts.threshold(LATE), facts.threshold(SLOWER)
        ran, starved = set(node_pairs.usable(facts)), node_pairs.starved(facts)
        self.unknown: dict[node_pairs.Pair, str] = {}
        self.across: dict[node_pairs.Pair, tuple[Round, ...]] = {}
        for pair in node_pairs.pairs(facts.cluster):
            reply = facts.reply(node_pairs.burst(*pair))
            if not ran >= set(pair):
                continue
            if held := sorted(starved & set(pair)):
                self.unknown[pair] = f"the debug pod on {', '.join(held)} was throttled by its CPU limit"
            elif isinstance(reply, Lost):
                self.unknown[pair] = reply.reason
            else:
                self.across[pair] = node_pairs.rounds(facts, pair)
        sizes = {pair: facts.reply(node_pairs.path_mtu(*pair)) for pair in self.across}
        quiet = {pair for pair, rounds in self.across.items() if rounds and not node_pairs.queued(rounds)}
        self.large = {
            pair: reply
            for pair, reply in sizes.items()
            if isinstance(reply, PathMtuReply) and pair in quiet and node_pairs.loses_large(reply)
        }
        on_one = {node: node_pairs.rounds(facts, (node, node)) for node in sorted(ran - starved)}
        self.same = {node: rounds for node, rounds in on_one.items() if rounds}
        self.proven = {pair: _best(facts.reply(proof(*pair))) for pair in self.across}
        zones = node_pairs.zones(facts.cluster)
        self.relation = {pair: tuple(sorted(zones.get(node, "") for node in pair)) for pair in self.across}

    def lossy(self) -> set[node_pairs.Pair]:
        """Return the paths between nodes that lose datagrams in both rounds."""
        return {pair for pair, rounds in self.across.items() if node_pairs.lossy(rounds)}

    def p50(self, pair: node_pairs.Pair) -> float:
        """Return the median round trip of a path, in milliseconds; 0 if nothing came back."""
        return percentile(times_of(self.across[pair]), 50)

    def slow(self, node: str = "") -> set[node_pairs.Pair]:
        """Return the paths much slower than others between the same zones; with ``node``, than those that do not touch it."""
        return {pair for pair in self.across if (not node or node in pair) and self._slow(pair, node)}

    def _slow(self, pair: node_pairs.Pair, node: str) -> bool:
        others, times = self.others(pair, node), times_of(self.across[pair])
        if len(others) < COMPARED or self.p50(pair) < max(self.late, self.slower * median(others)):
            return False
        if self.proven[pair] < self.late:  # one end was busy just when the burst ran
            return False
        back = times_of(self.across.get((pair[1], pair[0]), ()))
        if back and percentile(back, 50) < self.late:  # a round trip takes both ways: from the other end it would be as slow
            return False
        uneven = min(times) < STEADY * self.p50(pair)
        return "" not in self.relation[pair] or uneven or self._detour(pair) * self.slower <= self.p50(pair)

    def _detour(self, pair: node_pairs.Pair) -> float:
        """Return the milliseconds of the shortest way by another node: a path that is much longer is not so by distance."""
        one, other = pair
        halves = ([self._median(one, by), self._median(by, other)] for by in {node for known in self.across for node in known})
        return min((sum(both) for both in halves if all(both)), default=math.inf)

    def _median(self, one: str, other: str) -> float:
        return self.p50((one, other)) if (one, other) in self.across else 0.0

    def others(self, pair: node_pairs.Pair, node: str = "") -> list[float]:
        """Return the median round trips that a path is compared with."""
        return [
            self.p50(each)
            for each in self.across
            if self.relation[each] == self.relation[pair]
            and set(each) != set(pair)
            and (not node or node not in each)
            and self.p50(each)
        ]


def _best(reply: Reply) -> float:
    """Return the fastest TCP connection along a path (made at another moment than its burst) in milliseconds; 0 without one."""
    times = [sample.ms for sample in reply.samples if sample.who] if isinstance(reply, EchoReply) else []
    return min(times, default=0.0)


def times_of(rounds: tuple[Round, ...]) -> list[float]:
    """Return the round-trip times of all rounds, in milliseconds."""
    return [ms for each in rounds for ms in each.times]


def totals(rounds: Iterable[Round]) -> dict[str, object]:
    """Return how many datagrams were sent and lost in all rounds."""
    return {"sent": sum(each.sent for each in rounds), "lost": sum(each.lost for each in rounds)}
