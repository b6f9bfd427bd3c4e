# SPDX-License-Identifier: Apache-2.0
"""Is each DNS server well, seen on its own?

## What it looks at
Each DNS pod directly (8 at most), from the node that it runs on and two others where those carry a debug pod: a trickle of 15
lookups, one every 0.1 s and none waiting for another's answer, so that a server that stands still now and then, or loses some,
is met whenever that happens; then lookups over TCP, of each pod and through the nameserver that pods are told to ask.

## Why it matters
One bad server among good ones spoils its share of all lookups, 2.5 to 5 s each, and its pod stays Ready. An answer that does
not fit a datagram is asked for again over TCP (RFC 7766): where that fails, just the large answers do.

## What it can't see
A server behind a Service that can't be seen (GKE Cloud DNS, EKS Auto Mode). What stands still for less than a quarter of a
second, or less often than once in 2 s. What the servers count themselves is `dns_metrics`.

## Sources
RFC 7766; resolv.conf(5) for the retry times; failure catalogue D8 and D9. The thresholds stand beside the code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

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
    Service,
    Severity,
    Skip,
    Subject,
    Threshold,
    Tier,
    Unseen,
    Vantage,
    patches,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.cluster_dns import THROTTLED, Server, Tally
from kubectl_netdoc.probes import own_policies as policies

LOSSY = Threshold(
    name="lost_percent",
    default=10.0,
    unit="% of lookups to a server",
    source="three lookups at least: one or two of 45 are chance",
    most=100,
)
LOST_LEAST = 3

SLOW_SHARE = 1 / 3
"""Share of slow or unanswered lookups from which a server stalls: it stood still for over 0.7 s of the 1.4 s. A server that is
stopped for 1.9 s of every 2.3 s has at least half; a busy machine that holds everything up for 0.5 s has a sixth."""

APART = 2
"""A server is worse than the others where its share is so many times theirs: what holds up all is not this server's doing."""

CHANCE = 0.01
"""How likely it may be at most that all lookups through the Service met servers that are deaf over TCP, for it to be accused."""

TCP_SAMPLES = 2
DNS_PORT = 53
PATCH = "kubectl -n {namespace} patch service {name} --type json -p {patch}"
AILING = Code(
    id="DSV001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A DNS server stalls or loses lookups",
    message="DNS pod {namespace}/{name} leaves {lost} of {sent} lookups unanswered and answers {slow} after more than 250 ms "
    "(p50 {p50_ms}, max {max_ms} ms; from {nodes}; nodes without trouble: {clean}); the other servers do so "
    "with {others} of {others_sent}",
    fix="Its share of all lookups takes seconds. Where its own node sees it too, it is the server: look at its CPU limit and its "
    "log, or delete it and it is made anew; else look at the path between {nodes} and its node {on}.",
    commands=(
        "kubectl -n {namespace} top pod {name}",
        "kubectl -n {namespace} logs --tail=20 {name}",
        "kubectl -n {namespace} delete pod {name}",
    ),
    rows=("D9",),
    explains=(
        Explains(("DNL003", "DNL004", "DNL005", "DNL007", "DNU001", "DNU003", "DTR001", "DTR002"), "cluster"),
        Explains(("DSV003", "SVR005"), "subject"),
    ),
)
NO_TCP = Code(
    id="DSV002",
    severity=Severity.FAIL,
    risk=Risk.POLICY,
    title="DNS over TCP fails",
    message="From {nodes}, no lookup over TCP is answered through {server} ({outcomes}), while UDP works; directly {answering} "
    "of {servers} DNS pods answer over TCP: answers that do not fit a datagram fail",
    fix="Allow TCP 53 wherever UDP 53 is allowed (firewall, policy, the Service's ports), and have the servers listen on it.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl get networkpolicies -A"),
    rows=("D8",),
    explains=(Explains(("DSV003", "DTR002"), "cluster"), Explains(("SVR003", "SVR004", "SVR006", "SVR012"), "subject")),
)
SERVER_NO_TCP = Code(
    id="DSV003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A DNS server does not answer over TCP",
    message="DNS pod {namespace}/{name} answers over UDP and not over TCP ({outcomes} from {nodes})",
    fix="Look for what stops TCP 53 to it: a firewall on {on}, a policy, or a server that does not listen.",
    commands=("kubectl -n {namespace} get pod {name} -o wide", "kubectl -n {namespace} logs --tail=20 {name}"),
    rows=("D8",),
    explains=(Explains(("SVR005",), "subject"), Explains(("DTR002",), "cluster")),
)


def plan(cluster: Cluster) -> Iterator[DnsLookup]:
    """From each vantage: TCP through the nameserver, the same over UDP; of each server: a trickle and TCP."""
    for node in cluster.vantages:
        yield cluster_dns.lookup(cluster, node)
        yield _over_tcp(cluster, node)
    for server in cluster_dns.servers(cluster):
        for node in cluster_dns.witnesses(cluster, server):
            yield cluster_dns.trickle(cluster, node, server)
            yield _over_tcp(cluster, node, server.address)
            yield cluster_dns.lookup(cluster, node, server=server.address)


def _over_tcp(cluster: Cluster, node: str, server: Address | None = None) -> DnsLookup:
    name = cluster_dns.api_server_name(cluster)
    return DnsLookup(node, server or ResolvConfNameserver(), name, samples=TCP_SAMPLES, protocol="TCP")


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Judge each server by its trickles, then by TCP."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    dns = cluster_dns.service(facts.cluster)
    if dns is None:
        raise Skip(f"there is no DNS Service in {facts.cluster.scope}: cluster DNS may be outside the cluster", moot=True)
    running = {vantage.node: vantage for vantage in facts.vantages if vantage.running}
    if not running:
        yield Unseen("DNS servers", "no debug pod ran", asked=True)
        return
    yield from _unseen(facts, running)
    steady = {node for node, vantage in running.items() if vantage.throttled <= THROTTLED}
    ailing = list(_ailing(facts, steady))
    yield from ailing
    yield from _tcp(facts, list(running), dns, {finding.subject.name for finding in ailing})


def _unseen(facts: Facts, running: Mapping[str, Vantage]) -> Iterator[Unseen]:
    """What was wanted and not had: servers, replies, times of debug pods that ran free."""
    cluster = facts.cluster
    servers = cluster_dns.servers(cluster)
    if not servers and cluster.readable(ENDPOINT_SLICE):
        yield Unseen("DNS servers", "none is ready: see dns_config", asked=True)
    asked = [_over_tcp(cluster, node) for node in running]
    for server in servers:
        nodes = [node for node in cluster_dns.witnesses(cluster, server) if node in running]
        asked += [cluster_dns.trickle(cluster, node, server) for node in nodes]
        asked += [_over_tcp(cluster, node, server.address) for node in nodes]
    lost: dict[str, set[str]] = {}
    for request in asked:
        if isinstance(reply := facts.reply(request), Lost):
            lost.setdefault(reply.reason, set()).add(request.node)
    for reason, where in sorted(lost.items()):
        yield Unseen(f"DNS servers from {', '.join(sorted(where))}", reason, asked=True)
    held = sorted(node for node, vantage in running.items() if vantage.throttled > THROTTLED)
    if held:
        why = "their CPU limit held the debug pods back, so their times say nothing"
        yield Unseen(f"how fast DNS servers are from {', '.join(held)}", why, asked=True)


@dataclass
class _Watched:
    """One server's trickles by node."""

    server: Server
    seen: dict[str, Tally]

    def add(self, word: str, nodes: Collection[str]) -> int:
        """Add up a tally's number over nodes."""
        return sum(getattr(tally, word) for node, tally in self.seen.items() if node in nodes)

    def spoilt(self, nodes: Collection[str]) -> int:
        """Lookups that were slow or got no answer."""
        return self.add("lost", nodes) + self.add("slow", nodes)


def _ailing(facts: Facts, steady: set[str]) -> Iterator[Finding]:
    """Servers that stall or lose while the others, seen from the same nodes at the same time, do not."""
    all_watched = []
    for server in cluster_dns.servers(facts.cluster):
        nodes = [node for node in cluster_dns.witnesses(facts.cluster, server) if node in steady]
        tallies = {node: Tally([facts.reply(cluster_dns.trickle(facts.cluster, node, server))]) for node in nodes}
        # A path on which nothing comes back is dns_latency's; it tells nothing of how the server does.
        all_watched.append(_Watched(server, {node: tally for node, tally in tallies.items() if tally.times}))
    for watched in all_watched:
        seen = set(watched.seen)
        sent, lost, spoilt = watched.add("sent", seen), watched.add("lost", seen), watched.spoilt(seen)
        loses = lost >= LOST_LEAST and 100 * lost >= facts.threshold(LOSSY) * sent
        if not loses and not (sent and spoilt >= SLOW_SHARE * sent):
            continue
        others = [other for other in all_watched if other is not watched]
        theirs, theirs_sent = sum(o.spoilt(seen) for o in others), sum(o.add("sent", seen) for o in others)
        if theirs_sent and APART * theirs / theirs_sent > spoilt / sent:
            continue
        yield _named(watched, theirs, theirs_sent)


def _named(watched: _Watched, others: int, others_sent: int) -> Finding:
    """The finding; one of several nodes that alone sees it stands in its subject."""
    bad = sorted(node for node in watched.seen if watched.spoilt({node}))
    clean = sorted(set(watched.seen) - set(bad))
    tally = Tally(reply for node in bad for reply in watched.seen[node].replies)
    server = watched.server
    subject = Subject("Pod", server.subject.name, server.subject.namespace, bad[0] if clean and len(bad) == 1 else "")
    paths = [NodePath(node, server.node) for node in bad]
    numbers = {**tally.evidence(), "slow": tally.slow, "others": others, "others_sent": others_sent}
    return AILING.on(subject, numbers, nodes=bad, clean=clean or ["none"], paths=paths, on=server.node or "unknown")


def _tcp(facts: Facts, nodes: list[str], dns: Service, ailing: set[str]) -> Iterator[Finding | Unseen]:
    """TCP where UDP works: each server from its witnesses, then the nameserver from each node."""
    bad: dict[Server, dict[str, Tally]] = {}
    good: set[Server] = set()
    for server in cluster_dns.servers(facts.cluster):
        for node in cluster_dns.witnesses(facts.cluster, server):
            asked = (
                cluster_dns.lookup(facts.cluster, node, server=server.address),
                cluster_dns.trickle(facts.cluster, node, server),
            )
            udp, tcp = Tally(map(facts.reply, asked)), Tally([facts.reply(_over_tcp(facts.cluster, node, server.address))])
            if tcp.times:
                good.add(server)
            elif tcp.sent and udp.times and server.subject.name not in ailing:
                bad.setdefault(server, {})[node] = tcp
    servers = set(bad) | good
    for each, seen in bad.items():
        yield from _server_tcp(facts, each, seen)
    through = {node: tcp for node in nodes if (tcp := _through_tcp(facts, node)).sent and not tcp.times}
    by_chance = (len(bad) / len(servers)) ** sum(tally.sent for tally in through.values()) if bad and good else 0.0
    if (
        through
        and not policies.unplaced(facts.cluster)
        and by_chance < CHANCE
        and not ailing
        and not _doubts(facts, set(through), [server.address for server in servers])
    ):
        name = next(iter(through.values())).server
        words = sorted({word for tally in through.values() for word in tally.counted()})
        numbers = {"server": name, "outcomes": words, "answering": len(good), "servers": len(servers), "nodes": sorted(through)}
        try_ = (*NO_TCP.commands, PATCH) if (patch := _without_tcp(dns)) else None
        yield NO_TCP.on(Subject("Service", dns.name, dns.namespace), numbers | {"patch": patch}, try_=try_)


def _without_tcp(dns: Service) -> str:
    """The patch that gives the DNS Service the port of TCP that it lacks beside that of UDP; nothing where it has one."""
    ports = {port.protocol: port.target_port for port in dns.spec.ports if port.port == DNS_PORT}
    target = ports.get("UDP")
    if "TCP" in ports or not isinstance(target, int):  # a name would be that of a port of UDP
        return ""
    port = {"name": "dns-tcp", "port": DNS_PORT, "protocol": "TCP", "targetPort": target or DNS_PORT}
    return patches.append("/spec/ports", port)


def _through_tcp(facts: Facts, node: str) -> Tally:
    """What TCP through the nameserver came to, where UDP through it works and reaches every server; else nothing.

    Both connections may have met a server that the node can't reach at all, and that is no question of TCP.
    """
    cluster = facts.cluster
    udp = Tally([facts.reply(cluster_dns.lookup(cluster, node))])
    direct = [
        Tally([facts.reply(cluster_dns.lookup(cluster, node, server=each.address))]) for each in cluster_dns.servers(cluster)
    ]
    whole = udp.times and all(tally.times for tally in direct if tally.sent)
    return Tally([facts.reply(_over_tcp(cluster, node))] if whole else [])


def _server_tcp(facts: Facts, server: Server, seen: dict[str, Tally]) -> Iterator[Finding | Unseen]:
    doubts = _doubts(facts, set(seen), [server.address])
    for reason in sorted(set(doubts.values())):
        nodes = sorted(node for node in seen if doubts.get(node) == reason)
        yield Unseen(f"TCP to DNS pod {server.subject.name} from {', '.join(nodes)}", reason)
    nodes = sorted(set(seen) - set(doubts))
    if nodes:
        words = sorted({word for node in nodes for word in seen[node].counted()})
        paths = [NodePath(node, server.node) for node in nodes]
        yield SERVER_NO_TCP.on(server.subject, outcomes=words, nodes=nodes, paths=paths, on=server.node or "unknown")


def _doubts(facts: Facts, nodes: set[str], servers: list[Address]) -> dict[str, str]:
    """Why TCP to a server may be forbidden from nodes."""
    both = [(node, policies.doubt(facts, node, server.ip, server.port)) for node in sorted(nodes) for server in servers]
    return {node: doubt.reason for node, doubt in both if doubt}


check = Check(
    id="dns_servers",
    title="Every DNS server answers, and at once",
    prefix="DSV",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE,), hints=(COREFILE, *policies.KINDS), tier=Tier.PODS),
    codes=(AILING, NO_TCP, SERVER_NO_TCP),
    plan=plan,
    analyse=analyse,
    thresholds=(LOSSY,),
)
