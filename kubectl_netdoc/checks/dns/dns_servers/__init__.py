# SPDX-License-Identifier: Apache-2.0
"""Does each DNS server answer, and at once?

## What it looks at
Each DNS pod directly (8 at most), from its own node and from two others, if those have a debug pod. First a trickle of 15
lookups, one every 0.1 s, none of which waits for another's answer. It catches a server that stalls now and then or loses some
lookups, whenever that happens. Then lookups over TCP, to each pod and through the nameserver of resolv.conf.

## Why it matters
One bad server among good ones delays its share of all lookups by 2.5 to 5 s, and its pod stays Ready. A resolver asks again over
TCP if an answer does not fit into a datagram (RFC 7766): if TCP fails, only long answers fail.

## What it can't see
Servers behind a Service that is not in the cluster (GKE Cloud DNS, EKS Auto Mode). A server that stalls for less than a quarter
of a second, or less often than once in 2 s. For what the servers count themselves see `dns_metrics`.

## Sources
RFC 7766; resolv.conf(5) for the retry times; failure catalogue D8 and D9. The thresholds stand beside the code.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Check,
    Cluster,
    DnsLookup,
    Facts,
    Finding,
    Lost,
    Needs,
    Skip,
    Tier,
    Unseen,
)
from kubectl_netdoc.checks.dns.dns_servers import stalls, tcp, thresholds
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups, node_pairs
from kubectl_netdoc.probes import own_policies as policies


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Query the nameserver from each vantage over UDP and TCP; query each server over UDP, in a trickle, and over TCP."""
    for node in cluster.vantages:
        yield dns_lookups.lookup(cluster, node)
        yield tcp.lookup(cluster, node)
    for server in dns_lookups.servers(cluster):
        for node in dns_lookups.observers(cluster, server):
            yield dns_lookups.trickle(cluster, node, server)
            yield tcp.lookup(cluster, node, server.address)
            yield dns_lookups.lookup(cluster, node, server=server.address)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each server by its trickles, then by TCP."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    dns = cluster_dns.service(facts.cluster)
    if dns is None:
        raise Skip(cluster_dns.not_found(facts.cluster), not_applicable=True)
    running = {vantage.node for vantage in facts.vantages if vantage.running}
    if not running:
        yield Unseen("DNS servers", "no debug pod ran", expected=True)
        return
    yield from _not_measured(facts, running)
    ailing = list(stalls.analyse(facts, running - node_pairs.starved(facts)))
    yield from ailing
    yield from tcp.analyse(facts, sorted(running), dns, {finding.subject.name for finding in ailing})


def _not_measured(facts: Facts, running: set[str]) -> Iterator[Unseen]:
    """Report missing servers, missing replies, and debug pods whose times say nothing."""
    cluster = facts.cluster
    servers = dns_lookups.servers(cluster)
    if not servers and cluster.readable(ENDPOINT_SLICE):
        yield Unseen("DNS servers", "no DNS server is ready: see dns_config", expected=True)
    requests = [tcp.lookup(cluster, node) for node in sorted(running)]
    for server in servers:
        nodes = [node for node in dns_lookups.observers(cluster, server) if node in running]
        requests += [dns_lookups.trickle(cluster, node, server) for node in nodes]
        requests += [tcp.lookup(cluster, node, server.address) for node in nodes]
    lost: dict[str, set[str]] = {}
    for request in requests:
        if isinstance(reply := facts.reply(request), Lost):
            lost.setdefault(reply.reason, set()).add(request.node)
    for reason, where in sorted(lost.items()):
        yield Unseen(f"DNS servers from {', '.join(sorted(where))}", reason, expected=True)
    if starved := sorted(running & node_pairs.starved(facts)):
        why = "the debug pods there were throttled by their CPU limit, so their times say nothing"
        yield Unseen(f"how fast DNS servers answer {', '.join(starved)}", why, expected=True)


check = Check(
    id="dns_servers",
    title="Every DNS server answers, and at once",
    prefix="DSV",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE,), hints=(COREFILE, *policies.KINDS), tier=Tier.PODS),
    codes=(*stalls.CODES, *tcp.CODES),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.LOSSY,),
)
