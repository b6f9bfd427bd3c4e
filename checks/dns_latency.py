"""Does cluster DNS answer every node, and how fast?

## What it looks at
From a debug pod on each node, A and AAAA lookups of `kubernetes.default.svc` in the cluster domain, one after the other:
through the nameserver that the pod's resolv.conf names (the DNS Service, or a node-local cache), and to each DNS pod
directly. So the path (kube-proxy, the route to another node) and the server are told apart.

## Why it matters
A resolver retries a lost query after 5 s (glibc) or 2.5 s (musl), and by default multiplies each external name by the
search list. What is a little loss here is seconds in every application.

## What it can't see
Names outside the cluster, and what an application's own resolver settings or policies do to it: a debug pod is not the
application. Answers that come after the time-out of 1 s count as lost.

## Sources
RFC 1035; resolv.conf(5) for the retry times; failure catalogue D1, D4 and D9. The thresholds stand beside the code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import cast

from kubectl_netdoc import clusterdns
from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    Outcome,
    Reply,
    ResolvConfNameserver,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    Vantage,
)
from kubectl_netdoc.policy import own as policies
from kubectl_netdoc.stats import percentile

SLOW_MS = 250.0
"""p95 above which DNS is slow: half-way in the field's alert rules for CoreDNS (0.05 to 1 s; coredns-mixin's 4 s is critical)."""

LOSSY = 0.1
"""Share of unanswered lookups from which loss is reported, two at least: a single lost datagram is none."""

RACING = 0.2
"""Share of paired lookups lost, with none lost one by one, from which the conntrack race is named: two of ten."""

THROTTLED = 0.05
"""Seconds that the CPU limit may hold a debug pod back before its times say nothing about the network."""

MOST_SERVERS = 8
"""DNS pods asked directly from each node at most."""

NO_PATH = Code(
    id="DNL001",
    severity=Severity.FAIL,
    title="DNS Service unreachable though its servers answer",
    message="From {nodes}, lookups through {server} fail ({outcomes}) while {answering} of {servers} DNS pods answer directly",
    fix="The path to the Service is broken, not the servers: look at kube-proxy (or what replaces it) on {nodes}.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",),
    rows=("D9", "K8"),
)
NO_ANSWER = Code(
    id="DNL002",
    severity=Severity.FAIL,
    title="Cluster DNS does not answer",
    message="From {nodes}, no lookup is answered: through {server} {outcomes}, directly 0 of {servers} DNS pods",
    fix="Look at the DNS pods first; if they are well, at the path from {nodes} to theirs.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=kube-dns", "kubectl netdoc check nodes_ready dns_config"),
    rows=("D4", "D9"),
    explains=(Explains(("DNL003",), "cluster"),),
)
DEAF_SERVER = Code(
    id="DNL003",
    severity=Severity.FAIL,
    title="A DNS server does not answer",
    message="DNS pod {namespace}/{name} answers no lookup from {nodes} ({outcomes}), other servers do",
    fix="Look at that pod, or at the path from {nodes} to its node; deleting it has it made anew.",
    commands=("kubectl -n {namespace} logs --tail=20 {name}", "kubectl -n {namespace} delete pod {name}"),
    rows=("D9",),
    explains=(Explains(("DNL005",), "cluster"),),
)
SLOW = Code(
    id="DNL004",
    severity=Severity.WARN,
    title="Cluster DNS is slow",
    message="From {nodes}, lookups through {server} take p50 {p50_ms} ms, p95 {p95_ms} ms, at most {max_ms} ms",
    fix="Compare the DNS pods' CPU use with their limits, and their number with the load; see also the upstream's answer times.",
    commands=("kubectl -n kube-system top pods -l k8s-app=kube-dns",),
    rows=("D9",),
)
LOSS = Code(
    id="DNL005",
    severity=Severity.WARN,
    title="Some DNS lookups are lost",
    message="From {nodes}, {lost} of {sent} lookups through {server} get no answer within 1 s",
    fix="Each lost lookup costs an application 2.5 to 5 s: look at the DNS pods one by one, then at conntrack on {nodes}.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=kube-dns",),
    rows=("D1", "D9"),
)
WRONG_ANSWER = Code(
    id="DNL006",
    severity=Severity.FAIL,
    title="Cluster DNS answers with an error",
    message="From {nodes}, {server} answers {rcode} for {query}",
    fix="The server is there but does not know the cluster's names: read its log and its Corefile.",
    commands=("kubectl -n kube-system logs --tail=20 -l k8s-app=kube-dns", "kubectl netdoc explain dns_config"),
    rows=("D9", "D10"),
)
RACE = Code(
    id="DNL007",
    severity=Severity.WARN,
    title="Lookups sent in pairs are lost",
    message="From {nodes}, {lost} of {sent} lookups through {server} are lost when A and AAAA leave together, none one by one",
    fix="Packets of one socket race in conntrack: a node-local DNS cache, or 'options single-request-reopen' (glibc).",
    commands=("kubectl netdoc explain DNL007",),
    rows=("D1",),
)
MEASURED = Code(
    id="DNL010",
    severity=Severity.INFO,
    title="DNS latency as measured",
    message="From {nodes}, {sent} lookups through {server}: p50 {p50_ms} ms, p95 {p95_ms} ms, max {max_ms} ms, {lost} lost",
    fix="Nothing to mend: these are the numbers.",
)


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Ask from each vantage: the resolv.conf's server for A and AAAA, each DNS pod for A."""
    for node in cluster.vantages:
        yield from _through_service(cluster, node)
        yield _together(cluster, node)
        for _, address, _ in _servers(cluster):
            yield clusterdns.lookup(cluster, node, server=address)


def _through_service(cluster: Cluster, node: str) -> list[DnsLookup]:
    return [clusterdns.lookup(cluster, node, rtype) for rtype in ("A", "AAAA")]


def _together(cluster: Cluster, node: str) -> DnsLookup:
    """A and AAAA from one socket at once, as resolvers send them (D1); compared with the same one by one."""
    return DnsLookup(node, ResolvConfNameserver(), clusterdns.api_server_name(cluster), samples=clusterdns.SAMPLES, parallel=True)


def _servers(cluster: Cluster) -> list[tuple[Subject, Address, str]]:
    """The DNS pods: which, where they take queries, and their nodes."""
    dns = clusterdns.service(cluster)
    if dns is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    found = clusterdns.endpoints(cluster, dns)[:MOST_SERVERS]
    return [(Subject("Pod", name, dns.namespace), address, node) for name, address, node in found]


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each vantage; the same condition seen from every one of them is one finding without a node."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    seen: defaultdict[tuple[Code, Subject], list[tuple[str, dict[str, object]]]] = defaultdict(list)
    for vantage in facts.vantages:
        for item in _judge(facts, vantage):
            if isinstance(item, Unseen):
                yield item
            else:
                code, subject, evidence = item
                seen[code, subject].append((vantage.node, evidence))
    measured = sum(vantage.running for vantage in facts.vantages)
    for (code, subject), places in seen.items():
        yield from _merge(code, subject, places, everywhere=len(places) == measured > 1 and code is not MEASURED)


Judged = tuple[Code, Subject, dict[str, object]]


def _merge(code: Code, subject: Subject, places: list[tuple[str, dict[str, object]]], everywhere: bool) -> Iterator[Finding]:
    if everywhere:
        paths = sorted({path for _, evidence in places for path in cast("list[str]", evidence.get("paths", []))})
        yield code.on(subject, places[0][1], nodes=[node for node, _ in places], paths=paths)
        return
    for node, evidence in places:
        yield code.on(Subject(subject.kind, subject.name, subject.namespace, node), evidence, nodes=[node])


def _judge(facts: Facts, vantage: Vantage) -> Iterator[Judged | Unseen]:
    where = f"DNS from node {vantage.node}" if vantage.node else "DNS"
    if not vantage.running:
        yield Unseen(where, f"no debug pod ran there: {vantage.reason}", asked=True)
        return
    requests = _through_service(facts.cluster, vantage.node)
    replies = [facts.reply(request) for request in requests]
    lost = next((reply for reply in replies if isinstance(reply, Lost)), None)
    if lost:
        yield Unseen(where, lost.reason, asked=True)
        return
    through = _Tally(replies)
    if not through.times and (forbidden := _forbidden(facts, vantage.node) or policies.walled(facts)):
        yield Unseen(where, forbidden, asked=True)
        return
    direct: dict[Subject, _Tally] = {}
    for subject, address, on in _servers(facts.cluster):
        tally = _Tally([facts.reply(clusterdns.lookup(facts.cluster, vantage.node, server=address))])
        tally.path = f"{vantage.node} -> {on}"
        if tally.sent:
            direct[subject] = tally
    together = _Tally([facts.reply(_together(facts.cluster, vantage.node))])
    yield from _verdict(facts, through, direct, together, vantage)


def _forbidden(facts: Facts, node: str) -> str:
    """The policies that keep a debug pod from every DNS server, as written."""
    doubts = [policies.doubt(facts, node, address.ip, address.port, "UDP") for _, address, _ in _servers(facts.cluster)]
    certain = [doubt.reason for doubt in doubts if doubt and doubt.certain]
    return certain[0] if certain and len(certain) == len(doubts) else ""


class _Tally:
    """The samples of some replies, summed up."""

    def __init__(self, replies: list[Reply]) -> None:
        dns = [reply for reply in replies if isinstance(reply, DnsReply)]
        samples = [sample for reply in dns for sample in reply.samples]
        self.server = dns[0].server if dns else ""
        self.path = ""
        self.sent = len(samples)
        self.times = [sample.ms for sample in samples if sample.outcome is Outcome.OK]
        self.lost = self.sent - len(self.times)
        self.outcomes = Counter(str(sample.outcome) for sample in samples)
        self.rcodes = Counter(sample.rcode for sample in samples if sample.rcode)

    def evidence(self) -> dict[str, object]:
        """The numbers of a finding."""
        times = {key: round(percentile(self.times, p), 1) for key, p in (("p50_ms", 50), ("p95_ms", 95), ("max_ms", 100))}
        counted = [f"{count} {word}" for word, count in sorted(self.outcomes.items())]
        return {"server": self.server, "sent": self.sent, "lost": self.lost, "outcomes": counted, **times}


def _verdict(
    facts: Facts, through: _Tally, direct: dict[Subject, _Tally], together: _Tally, vantage: Vantage
) -> Iterator[Judged | Unseen]:
    dns = clusterdns.service(facts.cluster)
    service = Subject("Service", dns.name, dns.namespace) if dns else Subject("Nameserver", through.server)
    answering = [subject for subject, tally in direct.items() if tally.times]
    silent = sorted(tally.path for tally in direct.values() if not tally.times)
    counts = {**through.evidence(), "servers": len(direct), "answering": len(answering), "paths": silent}
    if not through.times:
        yield (NO_PATH if answering else NO_ANSWER), service, counts
    for subject, tally in direct.items():
        if not tally.times and (answering or through.times):
            yield DEAF_SERVER, subject, {**tally.evidence(), "paths": [tally.path]}
    if not through.times:
        return
    wrong = [rcode for rcode in through.rcodes if rcode != "NOERROR"]
    if wrong:
        yield WRONG_ANSWER, service, {**counts, "rcode": wrong[0], "query": clusterdns.api_server_name(facts.cluster)}
    if through.lost > 1 and through.lost / through.sent >= LOSSY:
        yield LOSS, service, counts
    elif not through.lost and together.lost > 1 and together.lost / together.sent >= RACING:
        yield RACE, service, {**together.evidence(), "paths": []}
    if vantage.throttled > THROTTLED:
        why = f"its CPU limit held the debug pod back for {vantage.throttled:.2f} s, so its times say nothing"
        yield Unseen(f"DNS latency from node {vantage.node}", why, asked=True)
    elif percentile(through.times, 95) > SLOW_MS:
        yield SLOW, service, counts
    else:
        yield MEASURED, Subject("Node", vantage.node or "any"), counts


check = Check(
    id="dns_latency",
    title="Cluster DNS answers every node, fast",
    prefix="DNL",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE, COREFILE), hints=policies.KINDS, tier=Tier.PODS),
    codes=(NO_PATH, NO_ANSWER, DEAF_SERVER, SLOW, LOSS, WRONG_ANSWER, RACE, MEASURED),
    plan=plan,
    analyse=analyse,
)
