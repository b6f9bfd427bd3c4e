# SPDX-License-Identifier: Apache-2.0
"""Does DNS know what the API knows?

## What it looks at
The names of Services, of headless Services and of the pods of StatefulSets: a few of each, those first that changed last. The
answers of each DNS pod (4 at most) and of the nameserver of resolv.conf are compared with ClusterIPs and with the ready addresses
in EndpointSlices. The name of netdoc's own new Service shows whether a server still learns of changes.

## Why it matters
A DNS server that lost its watch of the API keeps answering, with old addresses: new Services do not resolve, and names lead to
pods that are gone, in one lookup of several.

## What it can't see
Differences are not reported for what changed within the last minute or while netdoc measures. Of truncated answers only the part
that came is compared. If DNS has no name of a namespace, the Corefile may leave it out, which is no fault.

## Sources
Kubernetes: DNS-Based Service Discovery (specification 1.1.0), StatefulSet; CoreDNS: plugin kubernetes; failure catalogue D9.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DNS_LOG,
    ENDPOINT_SLICE,
    POD,
    SERVICE,
    STATEFUL_SET,
    Check,
    Cluster,
    Facts,
    Finding,
    Made,
    Needs,
    Request,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.dns.dns_records import new_service, stateful_sets, wrong_answers
from kubectl_netdoc.checks.dns.dns_records.answers import Answers, Resolver, lookup, lookup_of_own_service, resolvers, servers
from kubectl_netdoc.checks.dns.dns_records.names import expected_names


def plan(cluster: Cluster) -> Iterator[Request]:
    """Look up each name with each server from one node, and with resolv.conf's nameserver from one node after the other."""
    if not cluster.vantages:
        return
    for server in servers(cluster):
        yield lookup_of_own_service(cluster, server)
    for name in expected_names(cluster):
        yield from (lookup(cluster, resolver, name) for resolver in resolvers(cluster))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge the StatefulSets as written, the servers that do not learn of changes, then the answers of the others."""
    static = list(stateful_sets.analyse(facts.cluster))
    if not facts.vantages and not static:
        raise Skip(facts.why_unmeasured)
    yield from static
    if not facts.vantages:
        yield Unseen("what DNS answers", facts.why_unmeasured)
        return
    answers = Answers(facts)
    if answers.lost:
        yield Unseen("names in DNS", "; ".join(sorted(answers.lost)), expected=True)
    elif answers.names and not answers.by_resolver:
        yield Unseen("names in DNS", "no DNS server answers: see dns_latency", expected=True)
    stale: set[Resolver] = set()
    for item in new_service.analyse(facts.cluster, answers):
        if isinstance(item, tuple):
            stale.add(item[0])
            yield item[1]
        else:
            yield item
    yield from wrong_answers.analyse(facts.cluster, answers, stale)


check = Check(
    id="dns_records",
    title="DNS knows what the API knows",
    prefix="DNR",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE, COREFILE),
        hints=(POD, STATEFUL_SET, DNS_LOG),
        tier=Tier.PODS,
        makes=(Made.SERVICES,),
    ),
    codes=(*new_service.CODES, *wrong_answers.CODES, *stateful_sets.CODES),
    plan=plan,
    analyse=analyse,
)
