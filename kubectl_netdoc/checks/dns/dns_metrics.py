# SPDX-License-Identifier: Apache-2.0
"""What do the DNS servers count themselves?

## What it looks at
CoreDNS's own metrics (port 9153), read once from each DNS pod (8 at most) by a debug pod, on the same node where there is one:
answers by code, hits of the cache, panics, and whom it forwards to, how often, how fast and how healthy.

## Why it matters
A server that forwards to the DNS Service's own address, or its own, stays Ready and answers the cluster's names, and no other:
its metrics name whom it asks even where the Corefile can't be read. CoreDNS's loop plugin asks such a name at each start.

## What it can't see
The numbers count from the server's start, not from now. Metrics on another port, over TLS (OpenShift), behind a policy, or of
other servers than CoreDNS, are not read: then it says so. Which lookups failed: names are never read.

## Sources
CoreDNS: plugins metrics (prometheus), forward and loop; failure catalogue D3, D6, D9 and D10. Practitioners' alert rules for
CoreDNS call 1 to 5 % SERVFAIL too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kubectl_netdoc.api import (
    COREFILE,
    ENDPOINT_SLICE,
    SERVICE,
    Address,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    HttpGet,
    HttpReply,
    Lost,
    Metrics,
    Needs,
    Outcome,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import DnsServer

METRICS_PORT = 9153
"""Where CoreDNS serves its metrics (plugin prometheus; kubeadm's Corefile says so too)."""

REQUESTS = ("coredns_proxy_request_duration_seconds_count", "coredns_forward_requests_total")
SECONDS = ("coredns_proxy_request_duration_seconds_sum", "coredns_forward_request_duration_seconds_sum")
UNHEALTHY = ("coredns_proxy_healthcheck_failures_total", "coredns_forward_healthcheck_failures_total")
OTHERS = (
    "coredns_build_info",
    "coredns_cache_hits_total",
    "coredns_cache_misses_total",
    "coredns_dns_responses_total",
    "coredns_dns_response_rcode_count_total",
    "coredns_forward_healthcheck_broken_total",
    "coredns_forward_max_concurrent_rejects_total",
    "coredns_panics_total",
    "process_start_time_seconds",
)
"""What is read of CoreDNS's metrics: the names of today, and of versions before 1.11 (forward) and 1.7 (rcode)."""

LOOPS = Code(
    id="DNM001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="DNS servers forward to themselves",
    message="DNS pods {pods} have forwarded {requests} lookups to {target}, {itself}, since they started: such lookups loop",
    fix="Forward to the resolvers outside the cluster in the Corefile (kubeadm's default is 'forward . /etc/resolv.conf').",
    commands=("kubectl -n {namespace} get configmap {config} -o yaml", "kubectl -n {namespace} edit configmap {config}"),
    rows=("D3", "D10"),
    explains=(Explains(("DNC002", "DNC008", "DNU001", "DNU003"), "cluster"),),
)
PANICS = Code(
    id="DNM002",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A DNS server has panicked",
    message="DNS pod {namespace}/{name} has recovered from {panics} panics in the {hours} h since it started",
    fix="Each is a lookup that got SERVFAIL, and a bug in CoreDNS or a plugin; 'debug' in the Corefile logs the stack.",
    commands=("kubectl -n {namespace} logs {name} | grep -i panic",),
    rows=("D9",),
)
MEASURED = Code(
    id="DNM010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A DNS server's own numbers",
    message="DNS pod {namespace}/{name} ({version}) gave {answers} answers in {hours} h: SERVFAIL {servfail} %, NXDOMAIN "
    "{nxdomain} %, cache hits {hits} %; upstreams: {upstreams}; all upstreams down {broken} times, {rejected} lookups rejected",
    fix="Nothing to mend: these are the numbers. Above 1 to 5 % SERVFAIL, look at the upstreams.",
    rows=("D6", "D9"),
)


def plan(cluster: Cluster) -> Iterator[HttpGet]:
    """Read each server's metrics once."""
    for server in dns_lookups.servers(cluster):
        for node in dns_lookups.observers(cluster, server)[:1]:
            yield _metrics(node, server)


def _metrics(node: str, server: DnsServer) -> HttpGet:
    return HttpGet(node, Address(server.address.ip, METRICS_PORT), "/metrics", (*REQUESTS, *SECONDS, *UNHEALTHY, *OTHERS))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Say what the servers count, and whether they forward to themselves."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    dns = cluster_dns.service(facts.cluster)
    if dns is None:
        raise Skip(
            f"there is no DNS Service in {facts.cluster.scope}: cluster DNS may be outside the cluster", not_applicable=True
        )
    if not dns_lookups.servers(facts.cluster) and facts.cluster.readable(ENDPOINT_SLICE):
        raise Skip("no DNS server is ready: see dns_config")
    pages: dict[DnsServer, Metrics] = {}
    silent: list[tuple[str, bool, str]] = []
    for server in dns_lookups.servers(facts.cluster):
        for node in dns_lookups.observers(facts.cluster, server)[:1]:
            reply = facts.reply(_metrics(node, server))
            if isinstance(reply, HttpReply) and reply.status == 200 and reply.lines:
                pages[server] = Metrics(reply.lines)
            else:
                silent.append((_why(reply), isinstance(reply, Lost), server.subject.name))
    for (why, lost), group in groupby(sorted(silent), key=lambda row: row[:2]):
        yield Unseen(f"metrics of DNS pods {', '.join(name for *_, name in group)}", why, expected=lost)
    yield from _loops(facts.cluster, dns, pages)
    for server, metrics in pages.items():
        started = metrics.total("process_start_time_seconds")
        hours = round(max(facts.cluster.time.timestamp() - started, 0.0) / 3600, 1) if started else "unknown"
        if panics := int(metrics.total("coredns_panics_total")):
            yield PANICS.on(server.subject, panics=panics, hours=hours)
        yield MEASURED.on(server.subject, _summary(metrics), hours=hours)


def _why(reply: object) -> str:
    if isinstance(reply, HttpReply):
        what = f"HTTP status {reply.status}" if reply.outcome is Outcome.OK else str(reply.outcome)
        return f"port {METRICS_PORT} does not give CoreDNS's metrics ({what})"
    return reply.reason if isinstance(reply, Lost) else "not measured"


def _loops(cluster: Cluster, dns: Service, pages: dict[DnsServer, Metrics]) -> Iterator[Finding]:
    """Forwards to a server's own address."""
    own = {server.address.ip: f"DNS pod {server.subject.name} itself" for server in dns_lookups.servers(cluster)}
    own |= dict.fromkeys((dns.spec.cluster_ip, *dns.spec.cluster_ips), f"the ClusterIP of {dns.namespace}/{dns.name} itself")
    counted: dict[str, dict[str, float]] = {}
    for server, metrics in pages.items():
        asked = {to: count for to, count in metrics.by("to", *REQUESTS).items() if count}
        only = all(_host(to) in own for to in asked)
        for to, count in asked.items():
            if _host(to) in own and to.endswith(":53") and _stands(cluster, dns, _host(to), only):
                counted.setdefault(to, {})[server.subject.name] = count
    for to, by_pod in counted.items():
        numbers = {"pods": sorted(by_pod), "requests": int(sum(by_pod.values())), "target": to, "itself": own[_host(to)]}
        numbers["config"] = cluster_dns.config_name(cluster, dns)
        yield LOOPS.on(Subject("Service", dns.name, dns.namespace), numbers)


def _host(to: str) -> str:
    return to.rpartition(":")[0].strip("[]")


def _stands(cluster: Cluster, dns: Service, ip: str, only: bool) -> bool:
    """Whether a forward is no history: a server that reloads its Corefile goes on counting what it did before.

    A Corefile that names other targets was mended since, unless its target is a file and nobody else was ever asked.
    """
    config = cluster_dns.config(cluster, dns) if cluster.readable(COREFILE) else None
    if config is None:
        return True
    told = [word for plugin in config.corefile.plugins("forward") for word in plugin.arguments[1:]]
    named = any(word.removeprefix("dns://").removesuffix(":53").strip("[]") == ip for word in told)
    return named or (only and any(word.startswith("/") for word in told))


def _summary(metrics: Metrics) -> dict[str, object]:
    """The numbers of one server."""
    codes = metrics.by("rcode", "coredns_dns_responses_total", "coredns_dns_response_rcode_count_total")
    answers, hits = sum(codes.values()), metrics.total("coredns_cache_hits_total")
    asked = hits + metrics.total("coredns_cache_misses_total")
    return {
        "version": next((item.labels.get("version", "?") for item in metrics.of("coredns_build_info")), "version unknown"),
        "answers": int(answers),
        "servfail": round(100 * codes.get("SERVFAIL", 0) / answers, 2) if answers else 0.0,
        "nxdomain": round(100 * codes.get("NXDOMAIN", 0) / answers, 2) if answers else 0.0,
        "hits": round(100 * hits / asked, 1) if asked else 0.0,
        "upstreams": list(_upstreams(metrics)) or ["none was asked yet"],
        "broken": int(metrics.total("coredns_forward_healthcheck_broken_total")),
        "rejected": int(metrics.total("coredns_forward_max_concurrent_rejects_total")),
    }


def _upstreams(metrics: Metrics) -> Iterator[str]:
    """Each upstream in a clause: how it answered, or that it never did: then only its health checks are counted."""
    requests, seconds, unhealthy = (metrics.by("to", *names) for names in (REQUESTS, SECONDS, UNHEALTHY))
    for to in sorted({*requests, *unhealthy}):
        failed = f"{int(unhealthy.get(to, 0))} health checks failed"
        if count := requests.get(to, 0):
            yield f"{to} {int(count)} lookups, mean {1000 * seconds.get(to, 0) / count:.1f} ms, {failed}"
        elif unhealthy.get(to, 0):
            yield f"{to} never answered, {failed}"


check = Check(
    id="dns_metrics",
    title="DNS servers count no trouble themselves",
    prefix="DNM",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE,), hints=(COREFILE,), tier=Tier.PODS),
    codes=(LOOPS, PANICS, MEASURED),
    plan=plan,
    analyse=analyse,
)
