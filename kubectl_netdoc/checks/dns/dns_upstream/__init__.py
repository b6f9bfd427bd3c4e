# SPDX-License-Identifier: Apache-2.0
"""Do names outside the cluster resolve through cluster DNS?

## What it looks at
Only with `--external NAME`: lookups of each such name (A five times, AAAA twice) from three debug pods through the nameserver of
resolv.conf, and of each DNS pod directly. A server's first answer comes from its upstream resolver, later ones from its cache,
which tells the upstream's time from the server's. If lookups fail, what the servers' logs say about their upstream resolvers.

## Why it matters
CoreDNS answers the cluster's names itself and forwards all others to upstream resolvers. If an upstream does not answer, CoreDNS
waits for up to 5 s and then answers SERVFAIL, while the cluster looks well.

## What it can't see
A name that was looked up within the last 30 s comes from the cache (kubeadm's Corefile: `cache 30`), so a dead upstream shows
only after that. Whether the address of a name can be reached. Without `--external` no name is looked up: many clusters have no
access to the outside by design.

## Sources
CoreDNS: plugins forward (2 s for a read, 5 s in all) and cache; RFC 6724 for how clients choose a family; failure catalogue D6,
D9, D10 and D11. The thresholds stand beside the code.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DNS_LOG,
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
    Subject,
    Tier,
    Unseen,
    is_address,
)
from kubectl_netdoc.checks.dns.dns_upstream import answers, failures, thresholds
from kubectl_netdoc.checks.dns.dns_upstream.measured import ExternalName, lookup
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.dns_lookups import Tally

MOST_NAMES = 5
"""Names that are looked up at most: the load on other people's servers stays at some 100 lookups."""


def _names(cluster: Cluster) -> list[str]:
    """Return the names among what the user gave; an address needs no lookup."""
    return [name for name in cluster.selection.external if not is_address(name.strip("[]"))]


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Look up each name from a few vantages and with each server, without waiting, as a failing upstream takes its time."""
    for name in _names(cluster)[:MOST_NAMES]:
        for node in _nodes(cluster):
            yield from (dns_lookups.lookup(cluster, node), lookup(node, name), lookup(node, name, "AAAA", samples=2))
        for server in dns_lookups.servers(cluster):
            yield from (lookup(node, name, server=server) for node in dns_lookups.observers(cluster, server)[:1])


def _nodes(cluster: Cluster) -> tuple[str, ...]:
    return cluster.vantages[: dns_lookups.OBSERVERS]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each name from the nodes where the cluster's own names resolve."""
    names = _names(facts.cluster)
    if not names:
        raise Skip("no name outside the cluster was given (--external NAME)", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    if len(names) > MOST_NAMES:
        yield Unseen(", ".join(names[MOST_NAMES:]), f"at most {MOST_NAMES} names are looked up")
    nodes: list[str] = []
    for node in _nodes(facts.cluster):
        if unusable := _unusable(facts, node):
            yield Unseen(f"names outside the cluster from node {node}", unusable, expected=True)
        else:
            nodes.append(node)
    if nodes:
        seen = [ExternalName(facts, name, nodes) for name in names[:MOST_NAMES]]
        yield from (Unseen(name.name, "; ".join(name.lost), expected=True) for name in seen if name.lost)
        yield from _judge(facts, nodes, [name for name in seen if not name.lost])


def _unusable(facts: Facts, node: str) -> str:
    """Return why lookups from a node say nothing about upstream resolvers; "" if the cluster's own names resolve there."""
    reply = facts.reply(dns_lookups.lookup(facts.cluster, node))
    if Tally([reply]).times:
        return ""
    if isinstance(reply, Lost):
        return reply.reason
    return policies.why_isolated(facts) or "cluster DNS does not answer there at all"


def _judge(facts: Facts, nodes: list[str], names: list[ExternalName]) -> Iterator[Finding]:
    dns = cluster_dns.service(facts.cluster)
    subject = Subject.of("Service", dns) if dns else Subject("Nameserver", "resolv.conf")
    broken = [name for name in names if name.bad or name.failing]
    if broken:
        yield failures.broken(facts, subject, broken)
    yield from answers.analyse(facts, subject, nodes, [name for name in names if name not in broken])


check = Check(
    id="dns_upstream",
    title="Names outside the cluster resolve",
    prefix="DNU",
    needs=Needs(
        kinds=(SERVICE,),
        optional=(ENDPOINT_SLICE,),
        hints=(COREFILE, DNS_LOG, *policies.KINDS),
        tier=Tier.PODS,
    ),
    codes=(*failures.CODES, *answers.CODES),
    plan=plan,
    analyse=analyse,
    thresholds=(thresholds.LATE,),
)
