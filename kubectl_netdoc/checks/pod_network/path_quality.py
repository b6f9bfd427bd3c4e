# SPDX-License-Identifier: Apache-2.0
"""Do paths between pods lose or delay packets now and then?

## What it looks at
A burst along every pair of pod_network, and on each node that has a second debug pod: 40 small datagrams, one every 5 ms, to
netdoc's own echo and back. A round that loses one is repeated once. Paths are compared with the others between the same zones.

## Why it matters
A path that works when tried once and loses each tenth packet is the fault that is hunted longest: connects take 1 or 3 s more
now and then, lookups 5 s, and transfers crawl.

## What it can't see
Loss below some 5 %: 40 datagrams can't tell it from chance. Loss of large packets alone (mtu_mismatch), or under load only. Which
way a datagram got lost. Where a debug pod was held back by its CPU limit, its paths are unknown.

## Sources
Mathis et al. 1997 (TCP's rate under loss); AWS and Google document zones of a region as 1 to 2 ms apart, single-digit ms at most;
goldpinger and kubenurse measure the same mesh; failure catalogue M3, M6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from kubectl_netdoc.api import (
    CAME_THROUGH,
    NODE,
    Check,
    Cluster,
    Code,
    EchoReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    NodePath,
    Reply,
    Request,
    Risk,
    Round,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    percentile,
)
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import proof

LATE = Threshold(
    name="slow_ms",
    default=10.0,
    unit="ms at p50",
    source="more than two zones of a region are apart (single-digit ms, AWS and Google)",
)
"""The path's proofs over TCP must take as long too: a burst alone may meet a machine that is busy just then (49 ms on a healthy,
loaded lab)."""

SLOWER = Threshold(
    name="slower_times",
    default=5.0,
    unit="times the median of the other paths between the same zones",
    source="a queue, not the spread of a healthy network",
    least=1,
)

COMPARED = 2
"""Other paths that a path or node is compared with at least."""

STEADY = 0.5
"""A best time of so much of the p50 is distance, which a path without zone labels may have by design, and no queue."""

DNS = ("DNL001", "DNL002", "DNL003", "DNL004", "DNL005", "DNL007", "DSV001", "DSV002", "DSV003", "DTR001", "DTR002")
SEEN = (*DNS, "SVR002", "SVR005", "SVR006")
EFFECTS = (*SEEN, "PNW003", "PNW004", "PNW006", "PNW012", "PNW014")

LOST = (
    "Between {between}, {lost} of {sent} small datagrams got lost, in both rounds (worst path {worst}); on the same node "
    "{same_node}"
)

LOSSY = Code(
    id="PTQ001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets between two nodes get lost now and then",
    message=LOST,
    fix="Look at what is there: errors and drops of the interfaces, a full queue, a rate limit or firewall rule, a duplex or "
    "cabling fault, two hosts with one address.",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M3", "M6"),
    explains=(Explains((*EFFECTS, "PTQ003"), "path", CAME_THROUGH), Explains((*EFFECTS, "PTQ003"), "node", CAME_THROUGH)),
)
LOSSY_NODE = Code(
    id="PTQ004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="All paths of a node lose packets now and then",
    message=LOST,
    fix="Look at the node that all these paths have in common: errors and drops of its interfaces, a full queue, a rate limit or "
    "firewall rule, its CPU. Where it is every node, look at what is between them.",
    commands=("kubectl get nodes -o wide", "kubectl netdoc check path_quality --show info"),
    rows=("M3", "M6"),
    # Through a Service any node may get to a pod of that one, or answer by way of it: what is lost is seen from everywhere.
    explains=(Explains((*EFFECTS, "PTQ003"), "path", CAME_THROUGH), Explains(SEEN, "cluster", CAME_THROUGH)),
)
ON_NODE = Code(
    id="PTQ002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Packets between pods on one node get lost now and then",
    message="Between two pods on node {name}, {lost} of {sent} small datagrams got lost, in both rounds",
    fix="Look at that node itself: its CPU, softirq drops, connection tracking, the bridge or CNI plugin.",
    commands=("kubectl describe node {name}", "kubectl top node {name}"),
    explains=(Explains(("PTQ001", "PTQ003", "PTQ004", *EFFECTS), "node", CAME_THROUGH),),
)
SLOW = Code(
    id="PTQ003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Paths are slow where others are not",
    message="Between {between}, half of the datagrams take over {p50_ms} ms there and back (best {best_ms} ms); other paths "
    "between the same zones take {others_ms} ms",
    fix="Look for a full link or queue there: interface statistics, rate limits, a busy or throttled node.",
    commands=("kubectl top nodes", "kubectl get nodes -o wide"),
    explains=(Explains(("DNL004", "PNW014"), "path"), Explains(("DNL004", "PNW014"), "node")),
)
MEASURED = Code(
    id="PTQ010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Loss and latency of the mesh as measured",
    message="{lost} of {sent} datagrams between nodes got lost; p50 {p50_ms} ms, p95 {p95_ms} ms, at most {max_ms} ms; on one "
    "node p50 {same_node_ms} ms",
    fix="Nothing to mend: these are the numbers.",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Send a burst along every pair, and on each node; the proofs of pod_network are its second witness."""
    yield from (node_pairs.burst(*pair) for pair in node_pairs.pairs(cluster))
    yield from (proof(*pair) for pair in node_pairs.pairs(cluster))
    yield from (node_pairs.burst(node, node) for node in cluster.vantages if node)


class _Bursts:
    """The rounds by path, between nodes and on them; ``unknown``: why those are missing that were asked for."""

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
                self.unknown[pair] = f"its CPU limit held the debug pod on {', '.join(held)} back"
            elif isinstance(reply, Lost):
                self.unknown[pair] = reply.reason
            else:
                self.across[pair] = node_pairs.rounds(facts, pair)
        on_one = {node: node_pairs.rounds(facts, (node, node)) for node in sorted(ran - starved)}
        self.same = {node: rounds for node, rounds in on_one.items() if rounds}
        self.proven = {pair: _best(facts.reply(proof(*pair))) for pair in self.across}
        zones = node_pairs.zones(facts.cluster)
        self.relation = {pair: tuple(sorted(zones.get(node, "") for node in pair)) for pair in self.across}

    def lossy(self) -> set[node_pairs.Pair]:
        """Paths between nodes that lose datagrams again and again."""
        return {pair for pair, rounds in self.across.items() if node_pairs.lossy(rounds)}

    def p50(self, pair: node_pairs.Pair) -> float:
        """The typical time of a path, in milliseconds; 0 where nothing came back."""
        return percentile(_times(self.across[pair]), 50)

    def slow(self, node: str = "") -> set[node_pairs.Pair]:
        """Paths much slower than the others of their zones; with a node, than those that do not touch it."""
        return {pair for pair in self.across if (not node or node in pair) and self._slow(pair, node)}

    def _slow(self, pair: node_pairs.Pair, node: str) -> bool:
        others, times = self.others(pair, node), _times(self.across[pair])
        if len(others) < COMPARED or self.p50(pair) < max(self.late, self.slower * median(others)):
            return False
        if self.proven[pair] < self.late:  # a machine that was busy just then, at one end of the burst
            return False
        return "" not in self.relation[pair] or min(times) < STEADY * self.p50(pair)

    def others(self, pair: node_pairs.Pair, node: str = "") -> list[float]:
        """The typical times that a path is compared with."""
        return [
            self.p50(each)
            for each in self.across
            if self.relation[each] == self.relation[pair]
            and set(each) != set(pair)
            and (not node or node not in each)
            and self.p50(each)
        ]


def _best(reply: Reply) -> float:
    """The best time of a path's proofs over TCP, measured at another moment than its burst, in milliseconds; 0 without one."""
    times = [sample.ms for sample in reply.samples if sample.who] if isinstance(reply, EchoReply) else []
    return min(times, default=0.0)


def _times(rounds: tuple[Round, ...]) -> list[float]:
    return [ms for each in rounds for ms in each.times]


def _sums(rounds: Iterable[Round]) -> dict[str, object]:
    return {"sent": sum(each.sent for each in rounds), "lost": sum(each.lost for each in rounds)}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Name lossy and slow places, then the numbers."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    if why := node_pairs.never_asked([facts.reply(node_pairs.burst(*pair)) for pair in node_pairs.pairs(facts.cluster)]):
        raise Skip(why)
    bursts = _Bursts(facts)
    if bursts.unknown:
        reasons = "; ".join(sorted(set(bursts.unknown.values())))
        yield Unseen(f"loss and latency of {len(bursts.unknown)} paths", reasons, asked=True)
    elif len(node_pairs.usable(facts)) < 2:
        yield Unseen("paths between nodes", "fewer than two nodes carry a debug pod", asked=len(facts.cluster.vantages) > 1)
    came = any(_times(rounds) for rounds in (*bursts.across.values(), *bursts.same.values()))
    if bursts.across and not came and (wall := policies.walled(facts)):
        yield Unseen("loss between pods", f"netdoc's own pods can't reach each other at all: {wall}", asked=True)
        return
    yield from _losses(bursts)
    yield from _slowness(bursts)
    if came and bursts.across:
        yield MEASURED.on(node_pairs.NETWORK, _numbers(bursts))


def _losses(bursts: _Bursts) -> Iterator[Finding]:
    for node, rounds in bursts.same.items():
        if node_pairs.lossy(rounds):
            yield ON_NODE.on(Subject("Node", node), _sums(rounds), nodes=[node])
    same = sorted({"loses too" if node_pairs.lossy(rounds) else "nothing does" for rounds in bursts.same.values()})
    for place in node_pairs.places(bursts.lossy(), bursts.across):
        lost = [each for pair in place.paths for each in bursts.across[pair]]
        worst = max(place.paths, key=lambda pair: (sum(each.lost for each in bursts.across[pair]), pair))
        more = {"worst": node_pairs.as_paths([worst])[0], "same_node": ", ".join(same) or "not measured"}
        code = LOSSY if place.subject.kind == "NodePair" else LOSSY_NODE
        yield code.on(place.subject, place.evidence() | _sums(lost) | more)


def _slowness(bursts: _Bursts) -> Iterator[Finding]:
    """Whole nodes first: they are compared with paths that do not touch them."""
    told: set[node_pairs.Pair] = set()
    for node in sorted({node for pair in bursts.across for node in pair}):
        paths = {pair for pair in bursts.across if node in pair}
        slow = bursts.slow(node)
        if len(paths) > 2 and slow == paths:
            yield _slow(bursts, node_pairs.Place(Subject("Node", node), slow, [node], f"{node} and every other node"), node)
            told |= slow
    links = bursts.slow() - told
    for one, other in sorted({(min(pair), max(pair)) for pair in links}):
        yield _slow(
            bursts,
            node_pairs.Place(
                node_pairs.link(one, other), links & {(one, other), (other, one)}, [one, other], f"{one} and {other}"
            ),
        )


def _slow(bursts: _Bursts, place: node_pairs.Place, node: str = "") -> Finding:
    pair = max(place.paths, key=lambda each: (bursts.p50(each), each))
    times = {
        "p50_ms": bursts.p50(pair),
        "best_ms": min(_times(bursts.across[pair])),
        "others_ms": median(bursts.others(pair, node)),
    }
    return SLOW.on(place.subject, place.evidence() | {key: round(ms, 1) for key, ms in times.items()})


def _numbers(bursts: _Bursts) -> dict[str, object]:
    rounds = [each for found in bursts.across.values() for each in found]
    times = _times(tuple(rounds))
    same = [ms for found in bursts.same.values() for ms in _times(found)]
    parts = {"p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95), "max_ms": percentile(times, 100)}
    shown = {key: round(ms, 2) for key, ms in parts.items()}
    matrix = [_cell(pair, bursts.across[pair]) for pair in sorted(bursts.across)]
    near = round(percentile(same, 50), 2) if same else "unknown"
    return _sums(rounds) | shown | {"same_node_ms": near, "matrix": matrix}


def _cell(pair: node_pairs.Pair, rounds: tuple[Round, ...]) -> NodePath:
    sums, median = _sums(rounds), percentile(_times(rounds), 50)
    words = f"{median:.2f} ms, {sums['lost']}/{sums['sent']} lost"
    return NodePath(pair[0], pair[1], words, median, lossy=bool(sums["lost"]))


check = Check(
    id="path_quality",
    title="Paths between pods lose and delay nothing",
    prefix="PTQ",
    needs=Needs(optional=(NODE,), hints=policies.KINDS, tier=Tier.PODS),
    codes=(LOSSY, LOSSY_NODE, ON_NODE, SLOW, MEASURED),
    plan=plan,
    analyse=analyse,
    thresholds=(
        LATE,
        SLOWER,
    ),
)
