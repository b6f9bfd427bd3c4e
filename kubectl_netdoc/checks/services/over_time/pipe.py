# SPDX-License-Identifier: Apache-2.0
"""Paths that carry far less than the others at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from kubectl_netdoc.api import Code, Explains, Finding, OverTime, Risk, Severity
from kubectl_netdoc.checks.services.over_time.seen import Seen, pairs
from kubectl_netdoc.probes import node_pairs

SIZE = OverTime("", ()).size

FAST = 4.0
"""MB/s from which a path is not called slow, however fast the others are: a busy node of the lab still carries as much."""

SHARE = 10
"""How many times as much the other paths carry."""

OTHERS = 2
"""Other paths that a path is compared with at least."""

SLOW = Code(
    id="OVT005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A path carries far less than the others",
    message="Between {between}, an answer of 1 MiB comes with {rate} MB/s at most, in both tries, while other paths carry "
    "{others} MB/s at the same time",
    fix="Look for a rate limit or a slow link there: queueing disciplines (tc) on the interfaces, the bandwidth annotations of "
    "pods, a link that negotiated a lower speed, or packet loss (path_quality).",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M6",),
    explains=(Explains(("PNW014", "PTQ003"), "path"),),
    tells="failure",
)


def rate(seen: Seen) -> float | None:
    """Return the most that a path carried in MB/s; None without two tries."""
    rates = [each.got / 1000 / max(each.ms, 0.1) for each in seen.what.bulk if each.got or each.ms > 1000]
    return max(rates) if len(rates) > 1 else None


def is_slow(seen: Seen, every: list[Seen]) -> bool:
    """Whether a path carries far less than others that don't have the same ends."""
    own, others = rate(seen), _others(seen, every)
    return own is not None and own < FAST and len(others) >= OTHERS and median(others) >= SHARE * own


def _others(seen: Seen, every: list[Seen]) -> list[float]:
    found = [rate(each) for each in every if each.pair and seen.pair and set(each.pair) != set(seen.pair)]
    return [value for value in found if value is not None]


def analyse(seen: list[Seen]) -> Iterator[Finding]:
    """Report where slow paths are."""
    slow = {each.pair: each for each in seen if each.pair and is_slow(each, seen)}
    for place in node_pairs.locate(pairs(slow.values()), pairs(seen)):
        rows = [slow[pair] for pair in place.paths]
        best = max(value for each in rows if (value := rate(each)) is not None)
        numbers = {"rate": round(best, 2), "others": round(median(_others(rows[0], seen)), 1)}
        yield SLOW.on(place.subject, place.evidence() | numbers)


CODES = (SLOW,)
