# SPDX-License-Identifier: Apache-2.0
"""Does cluster DNS answer every node, and how fast?

## What it looks at
From a debug pod on each node, lookups of `kubernetes.default.svc` in the cluster domain, one after the other: A and AAAA
through the nameserver of the pod's resolv.conf (the DNS Service, or a node-local cache), A through the address of the DNS
Service, through its address of a second IP family if pods have that family, and from each DNS pod directly. This tells the
cache, the path (kube-proxy, the route to another node) and the server apart. Each has its p50, p95 and maximum. Then pairs of A
and AAAA from one socket: if these are lost, and single lookups are not, packets race in conntrack.

## Why it matters
A resolver sends a lost query again after 5 s (glibc) or 2.5 s (musl), and tries most external names in every search domain
first. Applications turn a small loss of queries into seconds.

## What it can't see
What an application's own resolver settings and policies do: a debug pod is not the application. An answer that takes longer
than 1 s counts as lost. A node-local cache that took over the address of the DNS Service looks like the Service. For names
outside the cluster see `dns_upstream`, for single servers that stall or lose queries `dns_servers`.

## Sources
RFC 1035; resolv.conf(5) for the retry times; Kubernetes: Using NodeLocal DNSCache; failure catalogue D1, D4, D7 and D9. The
thresholds stand beside the code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    DnsLookup,
    Facts,
    Finding,
    Lost,
    Needs,
    Skip,
    Subject,
    Tier,
    Unseen,
    Vantage,
    shell_word,
)
from kubectl_netdoc.checks.dns.dns_latency import answers, thresholds, unanswered
from kubectl_netdoc.checks.dns.dns_latency.measured import Judged, NodeLookups, pairs, service_ips, through
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups, seen_from
from kubectl_netdoc.probes import own_policies as policies


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Query from each vantage: resolv.conf's nameserver for A, AAAA and pairs, the DNS Service and each DNS pod for A."""
    for node in cluster.vantages:
        yield from through(cluster, node)
        yield pairs(cluster, node)
        for ip in service_ips(cluster):
            yield dns_lookups.lookup(cluster, node, server=Address(ip))
        for server in dns_lookups.servers(cluster):
            yield dns_lookups.lookup(cluster, node, server=server.address)
            if node in dns_lookups.observers(cluster, server):
                yield dns_lookups.trickle(cluster, node, server)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each vantage; a condition that all of them see is one finding without a node."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    seen: defaultdict[tuple[Code, Subject], list[seen_from.SeenFrom]] = defaultdict(list)
    for vantage in facts.vantages:
        for item in _judge(facts, vantage):
            if isinstance(item, Unseen):
                yield item
            else:
                code, subject, evidence = item
                seen[code, subject].append((vantage.node, evidence))
    measured = len(facts.heard)
    for (code, subject), places in seen.items():
        restart = _restart_caches if code is unanswered.NO_CACHE else None
        yield from seen_from.findings(code, subject, places, 0 if code is answers.MEASURED else measured, restart)


def _restart_caches(nodes: list[str]) -> tuple[str, ...]:
    """Return the commands that restart the node-local cache on each of some nodes."""
    restarts = (f"{cluster_dns.RESTART_NODE_CACHE}{shell_word(node)}" for node in nodes if node)
    return (*unanswered.NO_CACHE.commands, *restarts)


def _judge(facts: Facts, vantage: Vantage) -> Iterator[Judged | Unseen]:
    what = f"DNS from node {vantage.node}" if vantage.node else "DNS"
    if not vantage.heard:
        yield Unseen(what, vantage.why_silent, expected=True)
        return
    replies = [facts.reply(request) for request in through(facts.cluster, vantage.node)]
    lost = next((reply for reply in replies if isinstance(reply, Lost)), None)
    if lost:
        yield Unseen(what, lost.reason, expected=True)
        return
    seen = NodeLookups(facts, vantage)
    forbidden = _forbidden(facts, vantage.node)
    if not seen.through.times and (reason := forbidden or policies.why_isolated(facts)):
        yield Unseen(what, reason, expected=True)
        return
    dns = cluster_dns.service(facts.cluster)
    service = Subject.of("Service", dns) if dns else Subject("Nameserver", seen.through.server)
    yield from unanswered.analyse(seen, service, forbidden)
    if seen.through.times:
        yield from unanswered.second_family(seen, service, vantage)
        yield from answers.analyse(facts, seen, service, vantage)


def _forbidden(facts: Facts, node: str) -> str:
    """Return which policies keep a debug pod from every DNS server, or why that is not known; else ""."""
    servers = [server.address for server in dns_lookups.servers(facts.cluster)]
    doubts = [policies.policy_block(facts, node, address.ip, address.port, "UDP") for address in servers]
    certain = [doubt.reason for doubt in doubts if doubt and (doubt.certain or doubt.unreadable)]
    return certain[0] if certain and len(certain) == len(doubts) else policies.why_servers_unknown(facts.cluster)


check = Check(
    id="dns_latency",
    title="Cluster DNS answers every node, fast",
    prefix="DNL",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE, COREFILE), hints=policies.KINDS, tier=Tier.PODS),
    codes=(*unanswered.CODES, *answers.CODES),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.LATE, thresholds.LOSSY),
)
