# SPDX-License-Identifier: Apache-2.0
"""Do large DNS answers get through?

## What it looks at
The SRV records of a Service of netdoc's own with 8 ports, an answer of about 1 KB, from each debug pod through the nameserver
of resolv.conf in three ways: plain UDP (which has to come cut, with the TC bit), UDP with EDNS and 1232 bytes, and TCP.

## Why it matters
What does not fit into 512 bytes is asked for again over TCP, or comes whole to those who offer more with EDNS. Where a firewall
or an MTU drops one of these, small names resolve and large ones (many addresses, SRV, TXT) hang, depending on the resolver: musl
offers no EDNS, and before 1.2.4 knew no TCP.

## What it can't see
Answers above 1232 bytes, and servers outside the cluster. A DNS server that keeps no SRV records of Services shows nothing here.
That TCP does not work at all is a finding of its own, of which this is then an effect.

## Sources
RFC 1035 (4.2.1), RFC 6891, RFC 7766; dnsflagday.net/2020 for 1232; coredns#3391; failure catalogue D8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Check,
    Cluster,
    Code,
    DnsLookup,
    DnsReply,
    Facts,
    Finding,
    Lost,
    Made,
    Needs,
    Outcome,
    OwnName,
    OwnService,
    Request,
    ResolvConfNameserver,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes import own_policies as policies

SAMPLES, EVERY = 5, 0.2
"""Large queries a node, and seconds between two: one beside the others, not to be taken for a burst."""

EDNS = 1232
"""Bytes that an EDNS query offers: what every resolver offers since the DNS flag day of 2020."""

CLASSIC = 512
"""Bytes of a UDP answer without EDNS at most (RFC 1035, 4.2.1)."""

LOSSES = 2
"""Large answers of five lost, with no small one lost, from which size is the reason: a single lost datagram is none."""

LARGE_LOST = Code(
    id="DTR001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Large DNS answers over UDP get lost",
    message="From {nodes}, {lost} of {sent} answers of {size} bytes over UDP (EDNS) get lost, and none of {small} small ones",
    fix="Find what drops UDP from port 53 by its size between {nodes} and the DNS pods: a firewall rule, an MTU. Resolvers wait "
    "5 s before they ask again with less.",
    commands=("kubectl netdoc check pod_network", "kubectl -n {dns_space} get pods -o wide -l {dns_pods}"),
    rows=("D8", "M1"),
)
NO_WAY = Code(
    id="DTR002",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Cut DNS answers can't be had over TCP",
    message="From {nodes}, a large answer of {server} comes cut (TC bit), and asking again over TCP, as resolvers do, ends in "
    "{outcomes}",
    fix="Open TCP 53 to the DNS pods wherever UDP 53 is open: Service, NetworkPolicies, firewalls.",
    commands=("kubectl -n {dns_space} get service {dns_service} -o yaml", "kubectl netdoc check dns_servers policy_coverage"),
    rows=("D8",),
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage for the large answer in its three ways; the small one is dns_latency's."""
    for node in cluster.vantages:
        yield dns_lookups.lookup(cluster, node)
        yield _large(cluster, node)
        yield _large(cluster, node, edns=EDNS)
        yield _large(cluster, node, protocol="TCP")


def _large(cluster: Cluster, node: str, *, edns: int = 0, protocol: str = "UDP") -> DnsLookup:
    name, server = OwnName(OwnService(empty=True), cluster_dns.domain(cluster)), ResolvConfNameserver()
    if protocol == "TCP":
        return DnsLookup(node, server, name, "SRV", 2, protocol=protocol)
    return DnsLookup(node, server, name, "SRV", SAMPLES, edns=edns, interval=EVERY)


class _Tally:
    """What became of one way of asking."""

    def __init__(self, facts: Facts, request: DnsLookup) -> None:
        reply = facts.reply(request)
        self.why = reply.reason if isinstance(reply, Lost) else ""
        self.reply = reply if isinstance(reply, DnsReply) else DnsReply("", ())
        samples = self.reply.samples
        self.sent, self.lost = len(samples), sum(s.outcome is not Outcome.OK for s in samples)
        self.outcomes = sorted({str(sample.outcome) for sample in samples})
        self.large = any(s.rcode == "NOERROR" for s in samples) and (self.reply.truncated or self.reply.size > CLASSIC)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each vantage; the same from every one of them is one finding without a node."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    seen: defaultdict[Code, list[tuple[str, dict[str, object]]]] = defaultdict(list)
    for vantage in facts.vantages:
        if not vantage.running:
            yield Unseen(f"large answers on node {vantage.node}", f"no debug pod ran there: {vantage.reason}", expected=True)
            continue
        for item in _judge(facts, vantage.node):
            if isinstance(item, Unseen):
                yield item
            else:
                seen[item[0]].append((vantage.node, item[1]))
    place = cluster_dns.names(facts.cluster)
    everywhere = sum(vantage.running for vantage in facts.vantages)
    for code, places in seen.items():
        if len(places) == everywhere > 1:
            yield code.on(Subject("Cluster", "large DNS answers"), places[0][1] | place, nodes=[node for node, _ in places])
            continue
        for node, evidence in places:
            yield code.on(Subject("Cluster", "large DNS answers", node=node), evidence | place, nodes=[node])


def _judge(facts: Facts, node: str) -> Iterator[tuple[Code, dict[str, object]] | Unseen]:
    small, plain = _Tally(facts, dns_lookups.lookup(facts.cluster, node)), _Tally(facts, _large(facts.cluster, node))
    edns = _Tally(facts, _large(facts.cluster, node, edns=EDNS))
    tcp = _Tally(facts, _large(facts.cluster, node, protocol="TCP"))
    what = f"large answers on node {node}"
    if why := small.why or plain.why or edns.why or tcp.why:
        yield Unseen(what, why, expected=True)
    elif small.lost or not small.sent or plain.lost:
        yield Unseen(what, "small ones are not all answered either: see dns_latency", expected=small.lost > 1)
    elif not (plain.large or edns.large or tcp.large):
        yield Unseen(what, "this DNS server has no SRV records of netdoc's own Service, so there was none")
    else:
        yield from _verdict(facts, node, small, plain, edns, tcp)


def _verdict(
    facts: Facts, node: str, small: _Tally, plain: _Tally, edns: _Tally, tcp: _Tally
) -> Iterator[tuple[Code, dict[str, object]] | Unseen]:
    if edns.lost >= LOSSES:
        size = edns.reply.size or min(tcp.reply.size, EDNS) or f"over {CLASSIC}"
        yield LARGE_LOST, {"lost": edns.lost, "sent": edns.sent, "small": small.sent, "size": size}
    if plain.reply.truncated and tcp.sent and tcp.lost == tcp.sent:
        if forbidden := _forbidden(facts, node):
            yield Unseen(f"DNS over TCP on node {node}", forbidden, expected=True)
        else:
            yield NO_WAY, {"server": plain.reply.server, "outcomes": tcp.outcomes}


def _forbidden(facts: Facts, node: str) -> str:
    """Which policies keep a debug pod from TCP 53, or may."""
    cluster = facts.cluster
    dns = cluster_dns.service(cluster) if cluster.readable(ENDPOINT_SLICE) else None
    found = cluster_dns.endpoints(cluster, dns) if dns else []
    doubts = [policies.doubt(facts, node, address.ip, address.port) for _, address, _ in found]
    return next((doubt.reason for doubt in doubts if doubt), policies.unplaced(cluster))


check = Check(
    id="dns_truncation",
    title="Large DNS answers get through",
    prefix="DTR",
    needs=Needs(
        kinds=(SERVICE,), optional=(COREFILE,), hints=(ENDPOINT_SLICE, *policies.KINDS), tier=Tier.PODS, makes=(Made.SERVICES,)
    ),
    codes=(LARGE_LOST, NO_WAY),
    plan=plan,
    analyse=analyse,
)
