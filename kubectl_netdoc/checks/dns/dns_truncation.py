# SPDX-License-Identifier: Apache-2.0
"""Do large DNS answers get through?

## What it looks at
The SRV records of a Service of netdoc's own with 8 ports, an answer of about 1 KB. Each debug pod asks the nameserver of
resolv.conf for it in three ways: plain UDP (whose answer must be truncated, with the TC bit), UDP with EDNS and 1232 bytes, and
TCP.

## Why it matters
If an answer does not fit into 512 bytes, resolvers ask again over TCP, or get it whole if they offer more with EDNS. If a
firewall or an MTU drops one of these, small answers arrive and large ones (many addresses, SRV, TXT) time out, depending on the
resolver: musl offers no EDNS, and old ones knew no TCP (docs/versions.md).

## What it can't see
Answers above 1232 bytes, and servers outside the cluster. A DNS server without SRV records of Services gives no large answer. If
DNS over TCP fails altogether, `dns_servers` reports it and explains what is found here.

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
from kubectl_netdoc.probes import dns_lookups, seen_from
from kubectl_netdoc.probes import own_policies as policies
from kubectl_netdoc.probes.dns_lookups import GLIBC_RETRY

SAMPLES, EVERY = 5, 0.2
"""Large lookups a node, and seconds between two, so that they are no burst."""

EDNS = 1232
"""Bytes that an EDNS query offers, as every resolver does since the DNS flag day of 2020."""

CLASSIC = 512
"""Bytes of a UDP answer without EDNS at most (RFC 1035, 4.2.1)."""

LOSSES = 2
"""Large answers that must be lost, and no small one, before their size is the reason: a single lost datagram is none."""

LARGE_LOST = Code(
    id="DTR001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Large DNS answers over UDP are lost",
    message="From {nodes}, {lost} of {sent} DNS answers of {size} bytes over UDP (EDNS) are lost, while none of {small} small "
    "answers is",
    fix=f"Find what drops large UDP packets from port 53 between {{nodes}} and the DNS pods: a firewall rule or an MTU. Until "
    f"then a resolver waits {GLIBC_RETRY:g} s before it asks again with a smaller size.",
    commands=("kubectl netdoc check pod_network", cluster_dns.PODS),
    rows=("D8", "M1"),
    tells="failure",
)
NO_TCP = Code(
    id="DTR002",
    severity=Severity.WARN,
    risk=Risk.POLICY,
    title="Truncated DNS answers can't be had over TCP",
    message="From {nodes}, a large answer of {server} is truncated (TC bit), and the same lookups over TCP, which resolvers "
    "send next, {happened}",
    fix="Allow TCP port 53 to the DNS pods wherever UDP port 53 is allowed: ports of the Service, policies, firewalls.",
    commands=(cluster_dns.SERVICE_YAML, "kubectl netdoc check dns_servers policy_coverage"),
    rows=("D8",),
    tells="failure",
)


def plan(cluster: Cluster) -> Iterator[Request]:
    """Ask from each vantage for the large answer in three ways, and for a small one, as dns_latency does."""
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


class _Way:
    """What became of one way of asking.

    ``lost``: lookups without an answer; ``why``: why the measurement failed; ``large``: whether the answer is a large one.
    """

    def __init__(self, facts: Facts, request: DnsLookup) -> None:
        reply = facts.reply(request)
        self.why = reply.reason if isinstance(reply, Lost) else ""
        self.reply = reply if isinstance(reply, DnsReply) else DnsReply("", ())
        samples = self.reply.samples
        self.sent, self.lost = len(samples), sum(s.outcome is not Outcome.OK for s in samples)
        self.outcomes = sorted({sample.outcome for sample in samples})
        self.large = any(s.rcode == "NOERROR" for s in samples) and (self.reply.truncated or self.reply.size > CLASSIC)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each vantage; a condition that all of them see is one finding without a node."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    seen: defaultdict[Code, list[seen_from.SeenFrom]] = defaultdict(list)
    names = cluster_dns.names(facts.cluster)
    for vantage in facts.vantages:
        if not vantage.heard:
            yield Unseen(f"large answers on node {vantage.node}", vantage.why_silent, expected=True)
            continue
        for item in _judge(facts, vantage.node):
            if isinstance(item, Unseen):
                yield item
            else:
                seen[item[0]].append((vantage.node, item[1] | names))
    measured = len(facts.heard)
    for code, places in seen.items():
        yield from seen_from.findings(code, Subject("Cluster", "large DNS answers"), places, measured)


def _judge(facts: Facts, node: str) -> Iterator[tuple[Code, dict[str, object]] | Unseen]:
    small, plain = _Way(facts, dns_lookups.lookup(facts.cluster, node)), _Way(facts, _large(facts.cluster, node))
    edns = _Way(facts, _large(facts.cluster, node, edns=EDNS))
    tcp = _Way(facts, _large(facts.cluster, node, protocol="TCP"))
    what = f"large answers on node {node}"
    if why := small.why or plain.why or edns.why or tcp.why:
        yield Unseen(what, why, expected=True)
    elif small.lost or not small.sent or plain.lost:
        yield Unseen(what, "lookups of small answers fail as well: see dns_latency", expected=small.lost > 1)
    elif not (plain.large or edns.large or tcp.large):
        yield Unseen(what, "this DNS server has no SRV records of netdoc's own Service, so there is no large answer")
    else:
        yield from _verdict(facts, node, small, plain, edns, tcp)


def _verdict(
    facts: Facts, node: str, small: _Way, plain: _Way, edns: _Way, tcp: _Way
) -> Iterator[tuple[Code, dict[str, object]] | Unseen]:
    if edns.lost >= LOSSES:
        size = edns.reply.size or min(tcp.reply.size, EDNS) or f"over {CLASSIC}"
        yield LARGE_LOST, {"lost": edns.lost, "sent": edns.sent, "small": small.sent, "size": size}
    if plain.reply.truncated and tcp.sent and tcp.lost == tcp.sent:
        if forbidden := _forbidden(facts, node):
            yield Unseen(f"DNS over TCP on node {node}", forbidden, expected=True)
        else:
            happened = Outcome.verbs(tcp.outcomes)
            yield NO_TCP, {"server": plain.reply.server, "outcomes": tcp.outcomes, "happened": happened}


def _forbidden(facts: Facts, node: str) -> str:
    """Return which policies keep a debug pod from TCP port 53, or may; "" if none does."""
    cluster = facts.cluster
    dns = cluster_dns.service(cluster) if cluster.readable(ENDPOINT_SLICE) else None
    found = cluster_dns.endpoints(cluster, dns) if dns else []
    doubts = [policies.policy_block(facts, node, address.ip, address.port) for _, address, _ in found]
    return next((doubt.reason for doubt in doubts if doubt), policies.why_servers_unknown(cluster))


check = Check(
    id="dns_truncation",
    title="Large DNS answers get through",
    prefix="DTR",
    needs=Needs(
        kinds=(SERVICE,), optional=(COREFILE,), hints=(ENDPOINT_SLICE, *policies.KINDS), tier=Tier.PODS, makes=(Made.SERVICES,)
    ),
    codes=(LARGE_LOST, NO_TCP),
    plan=plan,
    analyse=analyse,
)
