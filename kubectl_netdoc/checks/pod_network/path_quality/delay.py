# SPDX-License-Identifier: Apache-2.0
"""Paths that are slow where comparable ones are not, and the latency of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from kubectl_netdoc.api import Code, Explains, Finding, NodePath, Risk, Round, Severity, Subject, percentile
from kubectl_netdoc.checks.pod_network.path_quality.bursts import Bursts, times_of, totals
from kubectl_netdoc.probes import node_pairs

SLOW = Code(
    id="PTQ003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A path is much slower than comparable ones",
    message="Between {between}, half of the round trips take over {p50_ms} ms (the fastest {best_ms} ms), while other paths "
    "between the same zones take {others_ms} ms",
    fix="Look for a saturated link or a queue on that path: interface statistics, rate limits, a busy or throttled node.",
    commands=("kubectl top nodes", "kubectl get nodes -o wide"),
    explains=(Explains(("DNL004", "PNW014"), "path"), Explains(("DNL004", "PNW014"), "node")),
    tells="failure",
)
MEASURED = Code(
    id="PTQ010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Loss and latency between pods, as measured",
    message="{lost} of {sent} datagrams between nodes were lost. Round trips take p50 {p50_ms} ms, p95 {p95_ms} ms, at most "
    "{max_ms} ms; on one node p50 {same_node_ms} ms",
    fix="Nothing to fix: these are measurements.",
)


def slowness(bursts: Bursts) -> Iterator[Finding]:
    """Report slow paths: whole nodes first (compared with paths that do not touch the node), then pairs of nodes."""
    told: set[node_pairs.Pair] = set()
    for node in sorted({node for pair in bursts.across for node in pair}):
        paths = {pair for pair in bursts.across if node in pair}
        slow = bursts.slow(node)
        if len(paths) > 2 and slow == paths:
            yield _slow(
                bursts, node_pairs.FaultLocation(Subject("Node", node), slow, [node], f"{node} and every other node"), node
            )
            told |= slow
    links = bursts.slow() - told
    for one, other in sorted({(min(pair), max(pair)) for pair in links}):
        yield _slow(
            bursts,
            node_pairs.FaultLocation(
                node_pairs.link(one, other), links & {(one, other), (other, one)}, [one, other], f"{one} and {other}"
            ),
        )


def _slow(bursts: Bursts, place: node_pairs.FaultLocation, node: str = "") -> Finding:
    pair = max(place.paths, key=lambda each: (bursts.p50(each), each))
    times = {
        "p50_ms": bursts.p50(pair),
        "best_ms": min(times_of(bursts.across[pair])),
        "others_ms": median(bursts.others(pair, node)),
    }
    return SLOW.on(place.subject, place.evidence() | {key: round(ms, 1) for key, ms in times.items()})


def numbers(bursts: Bursts) -> dict[str, object]:
    """Return loss and latency of all paths between nodes, as evidence."""
    rounds = [each for found in bursts.across.values() for each in found]
    times = times_of(tuple(rounds))
    same = [ms for found in bursts.same.values() for ms in times_of(found)]
    parts = {"p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95), "max_ms": percentile(times, 100)}
    shown = {key: round(ms, 2) for key, ms in parts.items()}
    matrix = [_cell(pair, bursts.across[pair]) for pair in sorted(bursts.across)]
    near = round(percentile(same, 50), 2) if same else "unknown"
    return totals(rounds) | shown | {"same_node_ms": near, "matrix": matrix}


def _cell(pair: node_pairs.Pair, rounds: tuple[Round, ...]) -> NodePath:
    sums, median = totals(rounds), percentile(times_of(rounds), 50)
    words = f"{median:.2f} ms, {sums['lost']}/{sums['sent']} lost"
    return NodePath(pair[0], pair[1], words, median, lossy=bool(sums["lost"]))


CODES = (
    SLOW,
    MEASURED,
)
