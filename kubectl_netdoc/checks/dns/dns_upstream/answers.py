# SPDX-License-Identifier: Apache-2.0
"""External names that get an answer: without an address, slow, IPv6 addresses that pods can't use, or as they should be."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Facts, Finding, Risk, Severity, Subject, counted, ip_families, percentile
from kubectl_netdoc.checks.dns.dns_upstream.measured import ExternalName
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import Tally

SLOW_LEAST = 2
"""Nodes and DNS pods at which a name must be slow: one lost datagram, which costs 2 s, is no slow upstream."""

NO_SUCH_NAME = Code(
    id="DNU002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A name outside the cluster has no address",
    message="From {nodes}, {name} has no address: {server} answers {answered}",
    fix="Check the spelling of the name in --external. If it is right, query the name's own servers: a resolver inside a "
    "network may serve another view of the zone.",
    commands=("kubectl netdoc check dns_upstream --external {name}",),
    rows=("D9",),
)
SLOW = Code(
    id="DNU003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The upstream resolver of cluster DNS is slow",
    message="From {nodes}, lookups of {names} through cluster DNS take up to {max_ms} ms (p50 {p50_ms} ms), while those of the "
    "cluster's own names take {own_ms} ms (p95): the upstream resolver is slow",
    fix="Find out to which upstream resolvers the servers forward, and why those are slow. With a second upstream resolver and "
    "'policy sequential' in the Corefile, a slow one is used only if the first fails.",
    commands=("kubectl netdoc check dns_metrics --show info", cluster_dns.CONFIG),
    rows=("D6", "D9"),
)
NO_IPV6 = Code(
    id="DNU004",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="AAAA answers where pods have no IPv6",
    message="{name} has {records}, but pods in this cluster have IPv4 addresses only",
    fix="If clients fail because they try IPv6 first and do not fall back, make them prefer IPv4, or make the Corefile answer "
    "AAAA without records ('template ANY AAAA').",
    rows=("D11",),
)
MEASURED = Code(
    id="DNU010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="External names, as measured",
    message="From {nodes}, {name} resolves through {server}. The slowest answer, that of the upstream resolver, took {max_ms} "
    "ms (p50 {p50_ms} ms)",
    fix="Nothing to fix: these are measurements.",
)


def analyse(facts: Facts, subject: Subject, nodes: list[str], names: list[ExternalName]) -> Iterator[Finding]:
    """Report names that are slow, one finding for all of them, then what each name resolves to."""
    slow = [name for name in names if name.slow_places >= SLOW_LEAST]
    if slow:
        yield _slow(facts, subject, nodes, slow)
    ipv4_only = set(ip_families.of_pods(facts.cluster)) == {ip_families.IPV4}
    for name in names:
        about = Subject("Name", name.name)
        if name.ipv6 and ipv4_only:
            yield NO_IPV6.on(about, count=name.ipv6, records=counted(name.ipv6, "AAAA record"))
        if not name.addresses and not name.ipv6:
            yield NO_SUCH_NAME.on(about, name.through.evidence(), nodes=nodes, answered=sorted(name.through.rcodes))
        elif name not in slow:
            yield MEASURED.on(about, name.through.evidence(), nodes=nodes)


def _slow(facts: Facts, subject: Subject, nodes: list[str], slow: list[ExternalName]) -> Finding:
    own = Tally(facts.reply(dns_lookups.lookup(facts.cluster, node)) for node in nodes)
    times = Tally(reply for name in slow for reply in name.all_lookups().replies)
    numbers = {"own_ms": round(percentile(own.times, 95), 1), "names": [name.name for name in slow]}
    return SLOW.on(subject, {**times.evidence(), **numbers, **cluster_dns.names(facts.cluster)}, nodes=nodes)


CODES = (NO_SUCH_NAME, SLOW, NO_IPV6, MEASURED)
