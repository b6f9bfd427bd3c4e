# SPDX-License-Identifier: Apache-2.0
"""Does cluster DNS answer every node, and how fast?

## What it looks at
From a debug pod on each node, lookups of `kubernetes.default.svc` in the cluster domain, one after the other: A and AAAA
through the nameserver that the pod's resolv.conf names (the DNS Service, or a node-local cache), A through the DNS Service's
address, through its address of a second IP family where pods have that, and from each DNS pod directly. So the cache, the path
(kube-proxy, the route to another node) and the server are told apart, each with its p50, p95 and maximum.
Then A and AAAA in pairs from one socket: what is lost so and not one by one races in conntrack.

## Why it matters
A resolver retries a lost query after 5 s (glibc) or 2.5 s (musl), and by default multiplies each external name by the
search list. What is a little loss here is seconds in every application.

## What it can't see
What an application's own resolver settings or policies do to it: a debug pod is not the application. Answers that come after
the time-out of 1 s count as lost. A node-local cache that has taken over the Service's own address looks like the Service.
Names outside the cluster are `dns_upstream`, single servers that stall or lose are `dns_servers`.

## Sources
RFC 1035; resolv.conf(5) for the retry times; Kubernetes: Using NodeLocal DNSCache; failure catalogue D1, D4, D7 and D9. The
thresholds stand beside the code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import cast

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    DnsLookup,
    Explains,
    Facts,
    Finding,
    Lost,
    Needs,
    NodePath,
    ResolvConfNameserver,
    Risk,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    Vantage,
    ip_families,
    percentile,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.cluster_dns import SLOW_MS, THROTTLED, Tally
from kubectl_netdoc.probes import own_policies as policies

LOSSY = Threshold(
    name="lost_percent",
    default=10.0,
    unit="% of lookups",
    source="two lookups at least: a single lost datagram is no loss",
    most=100,
)

LATE = Threshold(
    name="slow_ms",
    default=SLOW_MS,
    unit="ms at p95",
    source="half-way in the field's alert rules for CoreDNS (0.05 to 1 s)",
)

RACING = 0.2
"""Share of paired lookups lost, with none lost one by one or on the way to a single server, from which the conntrack race is
named: two of ten."""

NO_PATH = Code(
    id="DNL001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="DNS Service unreachable though its servers answer",
    message="From {nodes}, lookups through {server} fail ({outcomes}) while {answering} of {servers} DNS pods answer directly",
    fix="The path to the Service is broken, not the servers: look at kube-proxy (or what replaces it) on {nodes}.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",),
    rows=("D9", "K8"),
)
NO_ANSWER = Code(
    id="DNL002",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS does not answer",
    message="From {nodes}, no lookup is answered: through {server} {outcomes}, directly 0 of {servers} DNS pods",
    fix="Look at the DNS pods first; if they are well, at the path from {nodes} to theirs.",
    commands=("kubectl -n {dns_space} get pods -o wide -l {dns_pods}", "kubectl netdoc check nodes_ready dns_config"),
    rows=("D4", "D9"),
    explains=(Explains(("DNL003",), "cluster"), Explains(("SVR005",), "path")),
)
DEAF_SERVER = Code(
    id="DNL003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
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
    risk=Risk.SAFE,
    title="Cluster DNS is slow",
    message="From {nodes}, lookups through {server} take p50 {p50_ms} ms, p95 {p95_ms} ms, at most {max_ms} ms; by part: {parts}",
    fix="Where every DNS pod is slow, compare their CPU use with their limits, and their number with the load; where only the "
    "Service or the cache is, look at kube-proxy and conntrack on {nodes}.",
    commands=("kubectl -n {dns_space} top pods -l {dns_pods}",),
    rows=("D9",),
)
LOSS = Code(
    id="DNL005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Some DNS lookups are lost",
    message="From {nodes}, {lost} of {sent} lookups through {server} get no answer within 1 s; asked directly, the DNS "
    "pods leave {direct_lost} of {direct_sent} unanswered",
    fix="Each lost lookup costs an application 2.5 to 5 s. Where the pods lose some too, look at them one by one; where only the "
    "Service does, it leads to a server that is gone: look at kube-proxy and at conntrack on {nodes}.",
    commands=(
        "kubectl netdoc check dns_servers pod_network",
        "kubectl -n {dns_space} get pods -o wide -l {dns_pods}",
    ),
    rows=("D1", "D7", "D9"),
)
WRONG_ANSWER = Code(
    id="DNL006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS answers with an error",
    message="From {nodes}, {server} answers {rcode} for {query}",
    fix="The server is there but does not know the cluster's names: read its log and its Corefile.",
    commands=("kubectl -n {dns_space} logs --tail=20 -l {dns_pods}", "kubectl netdoc explain dns_config"),
    rows=("D9", "D10"),
)
RACE = Code(
    id="DNL007",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Lookups sent in pairs are lost",
    message="From {nodes}, {lost} of {sent} lookups through {server} are lost when A and AAAA leave together, none one by one",
    fix="Packets of one socket race in conntrack. Put a node-local DNS cache on the nodes, or have the pods that suffer use "
    "'options single-request-reopen' (dnsConfig; glibc heeds it, musl does not).",
    commands=("kubectl netdoc explain DNL007",),
    rows=("D1",),
)
NO_CACHE = Code(
    id="DNL008",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="Node-local DNS cache does not answer",
    message="On {nodes}, pods are told to ask {server}, which does not answer ({outcomes}); the DNS Service at {service_ip}: "
    "{service}; {answering} of {servers} DNS pods answer directly",
    fix="Restart the node-local cache there; until it runs, pods on {nodes} have no DNS.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=node-local-dns",),
    rows=("D9",),
)
WRONG_SERVER = Code(
    id="DNL012",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="New pods are told a nameserver that does not answer",
    message="On {nodes}, new pods are told to ask {server}, which does not answer ({outcomes}) and is not the DNS Service at "
    "{service_ip}: {service}",
    fix="The kubelet's clusterDNS on {nodes} is not the DNS Service: set it to {service_ip}, restart the kubelet, and recreate "
    "the pods that were made since.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl get pods -A -o wide --field-selector spec.nodeName={first}",
    ),
    rows=("D9",),
    explains=(Explains(("DSE003", "DTR001", "DTR002"), "node"),),
)
ONLY_CACHE = Code(
    id="DNL009",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="DNS answers from the node-local cache alone",
    message="From {nodes}, the cache {server} answers, while the DNS Service behind it ({service_ip}) does not and "
    "{answering} of {servers} DNS pods answer directly",
    fix="The path to the Service is broken: look at kube-proxy (or what replaces it) on {nodes}, before the cache runs out.",
    commands=("kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",),
    rows=("D9", "K8"),
)
NO_FAMILY = Code(
    id="DNL011",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="DNS Service deaf over its second IP family",
    message="From {nodes}, the DNS Service answers over {family} and not at its other address {other} ({outcomes})",
    fix="Look at kube-proxy's rules of that family, and whether the DNS Service has endpoints of it.",
    commands=("kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o wide",),
    rows=("D9",),
)
MEASURED = Code(
    id="DNL010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS latency as measured",
    message="From {nodes}, {sent} lookups through {server}: p50 {p50_ms} ms, p95 {p95_ms} ms, max {max_ms} ms, {lost} lost; "
    "by part: {parts}",
    fix="Nothing to mend: these are the numbers.",
)


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """Ask from each vantage: the resolv.conf's server for A and AAAA and for pairs, the DNS Service and each DNS pod for A."""
    for node in cluster.vantages:
        yield from _through(cluster, node)
        yield _together(cluster, node)
        for ip in _service_ips(cluster):
            yield cluster_dns.lookup(cluster, node, server=Address(ip))
        for server in cluster_dns.servers(cluster):
            yield cluster_dns.lookup(cluster, node, server=server.address)
            if node in cluster_dns.witnesses(cluster, server):
                yield cluster_dns.trickle(cluster, node, server)


def _through(cluster: Cluster, node: str) -> list[DnsLookup]:
    return [cluster_dns.lookup(cluster, node, rtype) for rtype in ("A", "AAAA")]


def _together(cluster: Cluster, node: str) -> DnsLookup:
    """A and AAAA from one socket at once, as resolvers send them (D1); compared with the same one by one."""
    return DnsLookup(
        node, ResolvConfNameserver(), cluster_dns.api_server_name(cluster), samples=cluster_dns.SAMPLES, parallel=True
    )


def _service_ips(cluster: Cluster) -> tuple[str, ...]:
    """The DNS Service's addresses, primary first."""
    dns = cluster_dns.service(cluster)
    return tuple(dict.fromkeys(ip for ip in (dns.spec.cluster_ip, *dns.spec.cluster_ips) if ip)) if dns else ()


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
        paths = sorted({path for _, evidence in places for path in cast("list[NodePath]", evidence.get("paths", []))})
        nodes = [node for node, _ in places]
        yield code.on(subject, places[0][1], try_=_commands(code, nodes), nodes=nodes, paths=paths)
        return
    for node, evidence in places:
        seen_from = Subject(subject.kind, subject.name, subject.namespace, node)
        yield code.on(seen_from, evidence, try_=_commands(code, [node]), nodes=[node])


def _commands(code: Code, nodes: list[str]) -> tuple[str, ...]:
    """A cache is made anew on each node where it is deaf."""
    anew = "kubectl -n kube-system delete pods -l k8s-app=node-local-dns --field-selector "
    return (*code.commands, *(f"{anew}spec.nodeName={node}" for node in nodes if node and code is NO_CACHE))


class _Seen:
    """All that one vantage saw: through resolv.conf's server, in pairs, the Service's addresses, each DNS pod."""

    def __init__(self, facts: Facts, vantage: Vantage) -> None:
        cluster, node = facts.cluster, vantage.node
        self.through = Tally(facts.reply(request) for request in _through(cluster, node))
        self.together = Tally([facts.reply(_together(cluster, node))])
        self.ips = _service_ips(cluster)
        self.services = {ip: Tally([facts.reply(cluster_dns.lookup(cluster, node, server=Address(ip)))]) for ip in self.ips}
        self.direct: dict[cluster_dns.Server, Tally] = {}
        self.watched = Tally([])
        self.blind = not cluster.readable(ENDPOINT_SLICE)
        for server in cluster_dns.servers(cluster):
            tally = Tally([facts.reply(cluster_dns.lookup(cluster, node, server=server.address))])
            watched = Tally([facts.reply(cluster_dns.trickle(cluster, node, server))])
            self.watched = Tally([*self.watched.replies, *watched.replies])
            if tally.sent:
                self.direct[server] = tally if tally.times or not watched.times else watched
        self.node = node
        self.place = cluster_dns.where(cluster)
        self.cached = bool(self.ips) and self.through.server not in self.ips
        """Whether pods are told to ask something else than the Service: a node-local cache."""
        if not self.cached and self.ips:
            self.through = Tally([*self.through.replies, *self.services[self.through.server].replies])

    @property
    def answering(self) -> int:
        """How many DNS pods answer."""
        return sum(bool(tally.times) for tally in self.direct.values())

    def evidence(self) -> dict[str, object]:
        """The numbers of a finding, by part, and the paths to servers that are silent."""
        service = self.services.get(self.ips[0], Tally([])) if self.ips else Tally([])
        parts = [f"Service {ip}: {tally}" for ip, tally in self.services.items() if tally.sent]
        parts += [f"pod {server.subject.name}: {tally}" for server, tally in self.direct.items()]
        lost = [sum(getattr(tally, word) for tally in self.direct.values()) for word in ("lost", "sent")]
        return {
            **self.place,
            **self.through.evidence(),
            "servers": len(self.direct),
            "answering": self.answering,
            "paths": sorted(NodePath(self.node, server.node) for server, tally in self.direct.items() if not tally.times),
            "parts": parts,
            "service_ip": self.ips[0] if self.ips else "",
            "service": str(service),
            "direct_lost": lost[0],
            "direct_sent": lost[1],
        }


def _judge(facts: Facts, vantage: Vantage) -> Iterator[Judged | Unseen]:
    where = f"DNS from node {vantage.node}" if vantage.node else "DNS"
    if not vantage.running:
        yield Unseen(where, f"no debug pod ran there: {vantage.reason}", asked=True)
        return
    replies = [facts.reply(request) for request in _through(facts.cluster, vantage.node)]
    lost = next((reply for reply in replies if isinstance(reply, Lost)), None)
    if lost:
        yield Unseen(where, lost.reason, asked=True)
        return
    seen = _Seen(facts, vantage)
    if not seen.through.times and (forbidden := _forbidden(facts, vantage.node) or policies.walled(facts)):
        yield Unseen(where, forbidden, asked=True)
        return
    dns = cluster_dns.service(facts.cluster)
    service = Subject("Service", dns.name, dns.namespace) if dns else Subject("Nameserver", seen.through.server)
    yield from _deaf(seen, service, _forbidden(facts, vantage.node))
    if seen.through.times:
        yield from _families(seen, service, vantage)
        yield from _answers(facts, seen, service, vantage)


def _forbidden(facts: Facts, node: str) -> str:
    """The policies that keep a debug pod from every DNS server, as written, or what keeps netdoc from telling."""
    servers = [server.address for server in cluster_dns.servers(facts.cluster)]
    doubts = [policies.doubt(facts, node, address.ip, address.port, "UDP") for address in servers]
    certain = [doubt.reason for doubt in doubts if doubt and (doubt.certain or doubt.blind)]
    return certain[0] if certain and len(certain) == len(doubts) else policies.unplaced(facts.cluster)


def _is_cache(address: str) -> bool:
    """Whether an address may be a node-local cache's: link-local (NodeLocal DNSCache, AKS), or any that IPv6 leaves open."""
    return ip_families.of(address) == ip_families.IPV6 or ip_families.link_local(address)


def _deaf(seen: _Seen, service: Subject, forbidden: str) -> Iterator[Judged]:
    """What does not answer at all: the cache, the Service, single servers, everything."""
    evidence, cache = seen.evidence(), Subject("Nameserver", seen.through.server)
    behind = seen.services[seen.ips[0]] if seen.ips else Tally([])
    if not seen.through.times:
        if seen.cached and (behind.times or seen.answering):
            code = NO_CACHE if _is_cache(seen.through.server) else WRONG_SERVER
            yield code, cache, {**evidence, "paths": [], "first": seen.node}
        elif seen.answering:
            yield NO_PATH, service, evidence
        else:
            yield NO_ANSWER, service, evidence
    elif seen.cached and behind.sent and not behind.times and seen.answering and not forbidden:
        yield ONLY_CACHE, service, evidence
    for server, tally in seen.direct.items():
        if not tally.times and (seen.answering or seen.through.times):
            yield DEAF_SERVER, server.subject, {**tally.evidence(), "paths": [NodePath(seen.node, server.node)]}


def _families(seen: _Seen, service: Subject, vantage: Vantage) -> Iterator[Judged]:
    """The Service's further addresses, in families that the debug pod itself has."""
    own = {ip_families.of(ip) for ip in (vantage.ip, *vantage.more_ips) if ip}
    for ip in seen.ips[1:]:
        tally = seen.services[ip]
        if ip_families.of(ip) in own and tally.sent and not tally.times and seen.services[seen.ips[0]].times:
            numbers = {**tally.evidence(), "family": ip_families.of(seen.ips[0]), "other": ip}
            yield NO_FAMILY, service, numbers


def _answers(facts: Facts, seen: _Seen, service: Subject, vantage: Vantage) -> Iterator[Judged | Unseen]:
    """What the answers are worth: errors, loss, the race, slowness; else their times."""
    through, together, evidence = seen.through, seen.together, seen.evidence()
    wrong = [rcode for rcode in through.rcodes if rcode != "NOERROR"]
    if wrong:
        yield WRONG_ANSWER, service, {**evidence, "rcode": wrong[0], "query": cluster_dns.api_server_name(facts.cluster)}
    if through.lost > 1 and 100 * through.lost / through.sent >= facts.threshold(LOSSY):
        yield LOSS, service, evidence
    elif not (through.lost or seen.watched.lost or seen.blind) and together.lost > 1 and together.lost / together.sent >= RACING:
        yield RACE, service, {**together.evidence(), "paths": []}
    if vantage.throttled > THROTTLED:
        why = f"its CPU limit held the debug pod back for {vantage.throttled:.2f} s, so its times say nothing"
        yield Unseen(f"DNS latency from node {vantage.node}", why, asked=True)
    elif percentile(through.times, 95) > facts.threshold(LATE):
        yield SLOW, service, evidence
    else:
        yield MEASURED, Subject("Node", vantage.node or "any"), evidence


check = Check(
    id="dns_latency",
    title="Cluster DNS answers every node, fast",
    prefix="DNL",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE, COREFILE), hints=policies.KINDS, tier=Tier.PODS),
    codes=(
        NO_PATH,
        NO_ANSWER,
        DEAF_SERVER,
        SLOW,
        LOSS,
        WRONG_ANSWER,
        RACE,
        NO_CACHE,
        WRONG_SERVER,
        ONLY_CACHE,
        NO_FAMILY,
        MEASURED,
    ),
    plan=plan,
    analyse=analyse,
    thresholds=(
        LATE,
        LOSSY,
    ),
)
