# SPDX-License-Identifier: Apache-2.0
"""Do paths and Services work all the time, when idle, many at once, and for large answers?

## What it looks at
With `--thorough`, half a minute more: from each debug pod a connection every second to netdoc's pods on two other nodes, to
netdoc's own Service, and to the ClusterIPs and endpoints of Services (24 addresses at most). To netdoc's own pods and Service
besides: two connections that are used again after 16 s, twice 24 connections held at once, and twice an answer of 1 MiB.

## Why it matters
A path that fails for 3 s in every 10, a firewall that forgets idle connections, a limit of connections for each client and a link
that carries a hundredth of the others look healthy to a test of one moment, and break applications every day.

## What it can't see
What happens less often than twice in half a minute, breaks after more than 16 s of silence, or limits more than 24 connections.
Idle, many and large are tried with netdoc's own pods alone: no payload goes to a workload. A debug pod that was held up, or
throttled by its CPU limit, says nothing; a rollout or restart shows as one gap, and one gap is not reported.

## Sources
Kubernetes: Virtual IPs and Service Proxies; kernel: nf_conntrack-sysctl (nf_conntrack_tcp_timeout_established), tc-tbf(8),
iptables-extensions(8) (connlimit, statistic). AWS and Azure drop idle connections after 350 s and 4 min.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    SERVICE,
    Check,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    OverTimeReply,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.services.over_time import held, looks, pipe
from kubectl_netdoc.checks.services.over_time.seen import Seen, plan, requests
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes import own_policies as policies


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge what differs between moments, and between a path and the others at the same time."""
    if not facts.cluster.selection.thorough:
        raise Skip("needs --thorough: with it, each path and Service is looked at for half a minute", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    asked = requests(facts.cluster, [vantage.node for vantage in facts.vantages])
    starved, seen = node_pairs.starved(facts), list[Seen]()
    for vantage in facts.vantages:
        request = asked[vantage.node]
        reply = facts.reply(request)
        what = f"paths and Services over time from node {vantage.node}"
        if vantage.node in starved:
            yield Unseen(what, "its debug pod was throttled by its CPU limit", expected=True)
        elif isinstance(reply, OverTimeReply):
            seen += [Seen(vantage.node, place, what) for place, what in zip(request.places, reply.places, strict=True)]
        else:
            why = reply.reason if isinstance(reply, Lost) and vantage.heard else vantage.why_silent
            yield Unseen(what, why or "no usable answer", expected=True)
    yield from pipe.analyse(seen)
    losing = looks.losing(seen)
    limiting = {each.node for each in seen if held.limited(each) and each.node not in losing}
    yield from held.analyse(seen, limiting)
    yield from looks.analyse(facts.cluster, [each for each in seen if not pipe.is_slow(each, seen)], limiting)


check = Check(
    id="over_time",
    title="Paths and Services work all the time",
    prefix="OVT",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE,),
        hints=policies.KINDS,
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(*looks.CODES, *held.CODES, *pipe.CODES),
    plan=plan,
    analyse=analyse,
)
