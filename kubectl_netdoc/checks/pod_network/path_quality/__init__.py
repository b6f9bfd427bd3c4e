# SPDX-License-Identifier: Apache-2.0
"""Do paths between pods lose or delay packets from time to time?

## What it looks at
A burst along every path that pod_network tests, and on each node with two debug pods: 40 small datagrams, one every 5 ms, to
netdoc's own echo server and back. A burst that loses one is repeated once. Paths are compared with others between the same zones.
Of the datagrams with which mtu_mismatch tries sizes, how many of the large ones are lost where the size is not the reason.

## Why it matters
A path that works when tried once but loses every tenth packet is among the hardest faults to find: some connections take 1 or 3 s
longer, lookups 5 s, and transfers are very slow.

## What it can't see
Loss below some 5 %: 40 datagrams can't tell it from chance. Loss of large packets below some 20 %, as 12 are tried first. Loss
under load only. In which direction a datagram was lost. If a debug pod was throttled by its CPU limit, its paths are unknown.

## Sources
Mathis et al. 1997 (TCP throughput under loss). AWS and Google document zones of a region as 1 to 2 ms apart, single-digit ms at
most. goldpinger and kubenurse measure the same paths. Failure catalogue M3, M6.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import NODE, Check, Cluster, Facts, Finding, Needs, Request, Skip, Tier, Unseen
from kubectl_netdoc.checks.pod_network.path_quality import delay, loss, thresholds
from kubectl_netdoc.checks.pod_network.path_quality.bursts import Bursts, times_of
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.service_targets import proof


def plan(cluster: Cluster) -> Iterator[Request]:
    """Send a burst along every path and within each node. The TCP connections of pod_network serve as a second measurement."""
    yield from (node_pairs.burst(*pair) for pair in node_pairs.pairs(cluster))
    yield from (proof(*pair) for pair in node_pairs.pairs(cluster))
    yield from (node_pairs.burst(node, node) for node in cluster.vantages if node)
    yield from (node_pairs.path_mtu(*pair) for pair in node_pairs.pairs(cluster))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report lossy and slow paths, then the numbers."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    if why := node_pairs.never_asked([facts.reply(node_pairs.burst(*pair)) for pair in node_pairs.pairs(facts.cluster)]):
        raise Skip(why)
    measured = Bursts(facts)
    if measured.unknown:
        reasons = "; ".join(sorted(set(measured.unknown.values())))
        yield Unseen(f"loss and latency of {len(measured.unknown)} paths", reasons, expected=True)
    elif few := node_pairs.too_few(facts):
        yield few
    came = any(times_of(rounds) for rounds in (*measured.across.values(), *measured.same.values()))
    if measured.across and not came and (isolated := policies.why_isolated(facts)):
        yield Unseen("loss between pods", isolated, expected=True)
        return
    yield from loss.losses(measured)
    yield from delay.slowness(measured)
    if came and measured.across:
        yield delay.MEASURED.on(node_pairs.NETWORK, delay.numbers(measured))


check = Check(
    id="path_quality",
    title="Paths between pods neither lose nor delay packets",
    prefix="PTQ",
    needs=Needs(optional=(NODE,), hints=policies.KINDS, tier=Tier.PODS),
    codes=(
        *loss.CODES,
        *delay.CODES,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(
        thresholds.LATE,
        thresholds.SLOWER,
    ),
)
