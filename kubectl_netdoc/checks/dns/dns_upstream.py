# SPDX-License-Identifier: Apache-2.0
"""Do names outside the cluster resolve through cluster DNS?

## What it looks at
Only with `--external NAME`: lookups of each such name (A five times, AAAA twice) from three debug pods through the nameserver
that pods are told to ask, and of each DNS pod directly. The first answer of a server is its upstream's, later ones its cache's,
so the upstream's time is told from the servers'. Where it fails: what the servers' logs say of their upstreams.

## Why it matters
CoreDNS answers the cluster's names itself and asks upstreams for all others. An upstream that is dead makes it wait for up to 5 s
and say SERVFAIL; the cluster looks well meanwhile.

## What it can't see
A name that was asked for within the last 30 s comes from the cache (kubeadm's Corefile: `cache 30`), so a dead upstream shows
only after that. Whether what the name leads to can be reached. Without `--external` nothing is asked: many clusters have no
way out by design.

## Sources
CoreDNS: plugins forward (2 s for a read, 5 s in all) and cache; RFC 6724 for how clients choose a family; failure catalogue D6,
D9, D10 and D11. The thresholds stand beside the code.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    DNS_LOG,
    ENDPOINT_SLICE,
    SERVICE,
    UPSTREAM,
    Check,
    Cluster,
    Code,
    DnsLookup,
    Facts,
    Finding,
    Lost,
    Needs,
    Reply,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    ip_families,
    percentile,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.dns_lookups import DnsServer, Tally

MOST_NAMES = 5
"""Names that are asked for at most: the load on somebody else's server stays some 100 lookups."""

LATE = Threshold(
    name="slow_ms",
    default=1000.0,
    unit="ms",
    source="the upper end of the field's alert rules for CoreDNS (0.05 to 1 s)",
)

SLOW_LEAST = 2
"""Places where it has to be slow: what one lost datagram costs (2 s) is no slow upstream."""

LOGGED = (*UPSTREAM, "loop")

BROKEN = Code(
    id="DNU001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Names outside the cluster do not resolve",
    message="From {nodes}, {names} gets {failures} from {server} after up to {max_ms} ms, while the cluster's own names "
    "resolve; directly {failing} of {servers} DNS pods fail; in their logs: {log}",
    fix="The servers are well, whom they forward to is not: see whom (the Corefile's 'forward', or their nodes' resolv.conf), "
    "and whether the servers' nodes reach that (UDP and TCP 53; on AWS at most 1024 packets a second and interface).",
    commands=(
        "kubectl -n {dns_space} get configmap {dns_config} -o yaml",
        "kubectl -n {dns_space} logs --tail=20 -l {dns_pods} --prefix",
        "kubectl netdoc check dns_metrics dns_config --show info",
    ),
    rows=("D6", "D9"),
)
NO_SUCH_NAME = Code(
    id="DNU002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A name outside the cluster has no address",
    message="From {nodes}, {name} has no address: {server} answers {answered}",
    fix="Look for a spelling mistake in --external, then ask the name's own servers; a resolver inside may serve another view.",
    commands=("kubectl netdoc check dns_upstream --external {name}",),
    rows=("D9",),
)
SLOW = Code(
    id="DNU003",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="The upstream of cluster DNS is slow",
    message="From {nodes}, {names} takes up to {max_ms} ms through cluster DNS (p50 {p50_ms} ms), while the cluster's own names "
    "take p95 {own_ms} ms: the time is the upstream's",
    fix="Look at whom the servers forward to; a second upstream, and 'policy sequential', keep a slow one out of the way.",
    commands=("kubectl netdoc check dns_metrics --show info", "kubectl -n {dns_space} get configmap {dns_config} -o yaml"),
    rows=("D6", "D9"),
)
NO_IPV6 = Code(
    id="DNU004",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="AAAA answers where pods have no IPv6",
    message="{name} has {count} AAAA records, and pods here have IPv4 addresses alone",
    fix="Clients that try IPv6 first and do not fall back fail: have them prefer IPv4, or answer AAAA with none in the Corefile "
    "('template ANY AAAA').",
    rows=("D11",),
)
MEASURED = Code(
    id="DNU010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="External names as measured",
    message="From {nodes}, {name} resolves through {server}: the slowest answer (the upstream's) {max_ms} ms, p50 {p50_ms} ms",
    fix="Nothing to mend: these are the numbers.",
)


def _names(cluster: Cluster) -> list[str]:
    """The names among what was given; an address needs no lookup."""
    return [name for name in cluster.selection.external if not _is_address(name)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Ask for each name from a few vantages, and each server once; without waiting, as a failing upstream takes its time."""
    for name in _names(cluster)[:MOST_NAMES]:
        for node in _nodes(cluster):
            yield from (dns_lookups.lookup(cluster, node), _ask(node, name), _ask(node, name, "AAAA", samples=2))
        for server in dns_lookups.servers(cluster):
            yield from (_ask(node, name, server=server) for node in dns_lookups.observers(cluster, server)[:1])


def _nodes(cluster: Cluster) -> tuple[str, ...]:
    return cluster.vantages[: dns_lookups.OBSERVERS]


def _ask(node: str, name: str, rtype: str = "A", samples: int = 5, server: DnsServer | None = None) -> DnsLookup:
    return dns_lookups.outside(node, name, rtype, samples, server.address if server else None)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each name from where the cluster's own names resolve."""
    names = _names(facts.cluster)
    if not names:
        raise Skip("no name outside the cluster was given (--external NAME)", not_applicable=True)
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    if len(names) > MOST_NAMES:
        yield Unseen(", ".join(names[MOST_NAMES:]), f"at most {MOST_NAMES} names are asked for")
    nodes: list[str] = []
    for node in _nodes(facts.cluster):
        reply = facts.reply(dns_lookups.lookup(facts.cluster, node))
        if Tally([reply]).times:
            nodes.append(node)
        else:
            why = (
                reply.reason if isinstance(reply, Lost) else policies.walled(facts) or "cluster DNS itself does not answer there"
            )
            yield Unseen(f"names outside from node {node}", why, expected=True)
    if nodes:
        seen = [_Seen(facts, name, nodes) for name in names[:MOST_NAMES]]
        yield from (Unseen(name.name, "; ".join(name.lost), expected=True) for name in seen if name.lost)
        yield from _judge(facts, nodes, [name for name in seen if not name.lost])


class _Seen:
    """What became of one name: from the nodes, for both types, and of each server."""

    def __init__(self, facts: Facts, name: str, nodes: list[str]) -> None:
        cluster = facts.cluster
        self.name = name
        replies = {node: facts.reply(_ask(node, name)) for node in nodes}
        second = [facts.reply(_ask(node, name, "AAAA", samples=2)) for node in nodes]
        self.lost = sorted({reply.reason for reply in replies.values() if isinstance(reply, Lost)})
        self.through, self.aaaa = Tally(replies.values()), Tally(second)
        self.bad = [node for node, reply in replies.items() if _fails(Tally([reply]))]
        asked = [(server, node) for server in dns_lookups.servers(cluster) for node in dns_lookups.observers(cluster, server)[:1]]
        both = [(server, Tally([facts.reply(_ask(node, name, server=server))])) for server, node in asked]
        self.direct = {server: tally for server, tally in both if tally.sent}
        self.failing = [server for server, tally in self.direct.items() if _fails(tally)]
        answers = sum(sample.answers for sample in self.through.samples)
        self.addresses, self.v6 = answers, max((sample.answers for sample in self.aaaa.samples), default=0)
        places = (*(Tally([reply]) for reply in replies.values()), *self.direct.values())
        self.slow_places = sum(any(ms > facts.threshold(LATE) for ms in tally.times) for tally in places)

    @property
    def failures(self) -> list[str]:
        """What came instead of an answer, each once."""
        words = set(self.through.outcomes) - {"ok"} | set(self.through.rcodes) - {"NOERROR", "NXDOMAIN"}
        return sorted(words) or sorted({code for s in self.failing for code in self.direct[s].rcodes} or {"no answer"})


def _fails(tally: Tally) -> bool:
    """Whether half of the lookups or more get no answer, or an error (a name that does not exist is an answer)."""
    good = sum(sample.rcode in ("NOERROR", "NXDOMAIN") for sample in tally.samples)
    return 0 < tally.sent >= 2 * good


def _judge(facts: Facts, nodes: list[str], seen: list[_Seen]) -> Iterator[Finding]:
    dns = cluster_dns.service(facts.cluster)
    subject = Subject("Service", dns.name, dns.namespace) if dns else Subject("Nameserver", "resolv.conf")
    broken = [name for name in seen if name.bad or name.failing]
    yield from _broken(facts, subject, broken)
    good = [name for name in seen if name not in broken]
    slow = [name for name in good if name.slow_places >= SLOW_LEAST]
    if slow:
        own = Tally(facts.reply(dns_lookups.lookup(facts.cluster, node)) for node in nodes)
        worst = Tally(reply for name in slow for reply in (*name.through.replies, *_replies(name)))
        numbers = {**worst.evidence(), "own_ms": round(percentile(own.times, 95), 1), "names": [name.name for name in slow]}
        numbers |= cluster_dns.names(facts.cluster)
        yield SLOW.on(subject, numbers, nodes=nodes)
    for name in good:
        about = Subject("Name", name.name)
        if name.v6 and set(ip_families.of_pods(facts.cluster)) == {ip_families.IPV4}:
            yield NO_IPV6.on(about, count=name.v6)
        if not name.addresses and not name.v6:
            rcodes = sorted(name.through.rcodes)
            yield NO_SUCH_NAME.on(about, name.through.evidence(), nodes=nodes, answered=rcodes)
        elif name not in slow:
            yield MEASURED.on(about, name.through.evidence(), nodes=nodes)


def _replies(name: _Seen) -> Iterator[Reply]:
    return (reply for tally in name.direct.values() for reply in tally.replies)


def _broken(facts: Facts, subject: Subject, broken: list[_Seen]) -> Iterator[Finding]:
    """One finding for all names that fail."""
    if not broken:
        return
    servers = {server.subject.name for name in broken for server in name.direct}
    failing = {server.subject.name for name in broken for server in name.failing}
    readable = facts.cluster.readable(DNS_LOG)
    log = cluster_dns.logged_problems(facts.cluster, LOGGED) or ["nothing about it" if readable else "they can't be read"]
    times = Tally(reply for name in broken for reply in (*name.through.replies, *_replies(name)))
    yield BROKEN.on(
        subject,
        {
            **cluster_dns.names(facts.cluster),
            **times.evidence(),
            "max_ms": round(max((sample.ms for sample in times.samples), default=0.0), 1),
        },
        names=[name.name for name in broken],
        nodes=sorted({node for name in broken for node in name.bad}) or ["the nodes of the failing servers"],
        failures=sorted({word for name in broken for word in name.failures}),
        failing=len(failing),
        servers=len(servers),
        log=log,
    )


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
    codes=(BROKEN, NO_SUCH_NAME, SLOW, NO_IPV6, MEASURED),
    plan=plan,
    analyse=analyse,
    thresholds=(LATE,),
)
