# SPDX-License-Identifier: Apache-2.0
"""What do the DNS servers count themselves?

## What it looks at
CoreDNS's own metrics (port 9153), which a debug pod reads once from each DNS pod (8 at most), on the same node if there is one:
answers by response code, cache hits, panics, and the upstream resolvers with their lookups, times and health checks.

## Why it matters
A server that forwards to the address of the DNS Service, or to its own, stays Ready and resolves the cluster's names, and no
other. Its metrics name the resolvers to which it forwards even if the Corefile can't be read.

## What it can't see
The numbers count from the start of the server, not from now. Metrics on another port, over TLS (OpenShift), behind a policy, or
of other servers than CoreDNS are not read; the report says so. Which lookups failed: names are never read.

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
    counted,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.cluster_dns import DEFAULT_FORWARD
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import DnsServer

METRICS_PORT = 9153
"""The port of CoreDNS's metrics (plugin prometheus; kubeadm's Corefile)."""

REQUESTS = ("coredns_proxy_request_duration_seconds_count", "coredns_forward_requests_total")
SECONDS = ("coredns_proxy_request_duration_seconds_sum", "coredns_forward_request_duration_seconds_sum")
UNHEALTHY = ("coredns_proxy_healthcheck_failures_total", "coredns_forward_healthcheck_failures_total")
TRIED = ("coredns_proxy_conn_cache_misses_total", "coredns_proxy_conn_cache_hits_total")
"""Tries to ask an upstream, repeated ones included: one that never answers has these, and no count of answers."""

RELOADS = "coredns_reload_failed_total"
OTHERS = (
    RELOADS,
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
"""The metrics of CoreDNS that are read: current names, and those before 1.11 (forward) and 1.7 (rcode)."""

BROKEN = "coredns_forward_healthcheck_broken_total"
"""Counted from the start on by each server that has the plugin forward."""

UNKNOWN = "unknown"
"""What is said of a number that a page does not have."""

LOOPS = Code(
    id="DNM001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="DNS servers forward to cluster DNS itself",
    message="Since they started, these DNS pods have forwarded {requests} lookups (or tries, where none was answered) to "
    "{target}, which is {itself}: {pods}. Such lookups loop and fail",
    fix=f"Change the Corefile so that it forwards to resolvers outside the cluster (kubeadm's default: '{DEFAULT_FORWARD}').",
    commands=("kubectl -n {namespace} get configmap {config} -o yaml", "kubectl -n {namespace} edit configmap {config}"),
    rows=("D3", "D10"),
    explains=(Explains(("DNC002", "DNC008", "DNU001", "DNU003"), "cluster"),),
)
PANICS = Code(
    id="DNM002",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="A DNS server has panicked",
    message="DNS pod {namespace}/{name} has recovered from {count} since it started ({hours} h)",
    fix="Add 'debug' to the Corefile to have the stack logged, and read the log. Each panic is a lookup that got SERVFAIL, "
    "caused by a bug in CoreDNS or in a plugin.",
    commands=("kubectl -n {namespace} logs {name} | grep -i panic",),
    rows=("D9",),
)
MEASURED = Code(
    id="DNM010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Numbers of a DNS server, as it counts them",
    message="DNS pod {namespace}/{name} ({version}) has given {answers} answers in {hours} h: {servfail} % SERVFAIL, {nxdomain} "
    "% NXDOMAIN, {hits} % from its cache. Upstream resolvers: {upstreams}. All of them were down {broken} times, {rejected} "
    "lookups were rejected, and {refused} changes of its Corefile were refused",
    fix="Nothing to fix: these are measurements. If more than 1 to 5 % of the answers are SERVFAIL, look at the upstream "
    "resolvers.",
    rows=("D6", "D9"),
)


def plan(cluster: Cluster) -> Iterator[HttpGet]:
    """Read each server's metrics once."""
    for server in dns_lookups.servers(cluster):
        for node in dns_lookups.observers(cluster, server)[:1]:
            yield _metrics(node, server)


def _metrics(node: str, server: DnsServer) -> HttpGet:
    return HttpGet(node, Address(server.address.ip, METRICS_PORT), "/metrics", (*REQUESTS, *SECONDS, *UNHEALTHY, *TRIED, *OTHERS))


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report what the servers count, and whether they forward to cluster DNS itself."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    dns = cluster_dns.service(facts.cluster)
    if dns is None:
        raise Skip(cluster_dns.not_found(facts.cluster), not_applicable=True)
    if not dns_lookups.servers(facts.cluster) and facts.cluster.readable(ENDPOINT_SLICE):
        raise Skip("no DNS server is ready: see dns_config")
    pages: dict[DnsServer, Metrics] = {}
    unread: list[tuple[str, bool, str]] = []
    for server in dns_lookups.servers(facts.cluster):
        for node in dns_lookups.observers(facts.cluster, server)[:1]:
            reply = facts.reply(_metrics(node, server))
            if isinstance(reply, HttpReply) and reply.status == 200 and reply.lines:
                pages[server] = Metrics(reply.lines)
            else:
                unread.append((_why(reply), isinstance(reply, Lost), server.subject.name))
    for (why, lost), group in groupby(sorted(unread), key=lambda row: row[:2]):
        yield Unseen(f"metrics of DNS pods {', '.join(name for *_, name in group)}", why, expected=lost)
    yield from _loops(facts.cluster, dns, pages)
    for server, metrics in pages.items():
        started = metrics.total("process_start_time_seconds")
        hours = round(max(facts.cluster.time.timestamp() - started, 0.0) / 3600, 1) if started else "unknown"
        if panics := int(metrics.total("coredns_panics_total")):
            yield PANICS.on(server.subject, panics=panics, count=counted(panics, "panic"), hours=hours)
        yield MEASURED.on(server.subject, _summary(metrics), hours=hours)


def _why(reply: object) -> str:
    if isinstance(reply, HttpReply):
        got = f"got HTTP status {reply.status}" if reply.outcome is Outcome.OK else reply.outcome.verb
        return f"port {METRICS_PORT} does not serve CoreDNS's metrics: the request {got}"
    return reply.reason if isinstance(reply, Lost) else "not measured"


def _loops(cluster: Cluster, dns: Service, pages: dict[DnsServer, Metrics]) -> Iterator[Finding]:
    """Report forwards to cluster DNS itself."""
    subject = Subject.of("Service", dns)
    own = {server.address.ip: f"DNS pod {server.subject.name}" for server in dns_lookups.servers(cluster)}
    own |= dict.fromkeys((dns.spec.cluster_ip, *dns.spec.cluster_ips), f"the ClusterIP of {subject}")
    by_target: dict[str, dict[Subject, float]] = {}
    for server, metrics in pages.items():
        answered, tried = metrics.by("to", *REQUESTS), metrics.by("to", *TRIED)
        asked = {to: count for to in sorted({*answered, *tried}) if (count := answered.get(to, 0) or tried.get(to, 0))}
        only = all(_host(to) in own for to in asked)
        for to, count in asked.items():
            if _host(to) in own and to.endswith(":53") and _is_current(cluster, dns, _host(to), only):
                by_target.setdefault(to, {})[server.subject] = count
    for to, by_pod in by_target.items():
        pods = sorted(by_pod)
        numbers = {
            "pods": [pod.name for pod in pods],
            "requests": int(sum(by_pod.values())),
            "target": to,
            "itself": own[_host(to)],
        }
        numbers["config"] = cluster_dns.config_name(cluster, dns)
        yield LOOPS.on(subject, numbers, objects=pods)


def _host(to: str) -> str:
    return to.rpartition(":")[0].strip("[]")


def _is_current(cluster: Cluster, dns: Service, ip: str, only: bool) -> bool:
    """Whether a server still forwards to an address: the counts go on when it reloads a changed Corefile.

    A Corefile that names other targets was corrected since. If its target is a file, the address counts if it is the ``only``
    one to which the server ever forwarded.
    """
    config = cluster_dns.config(cluster, dns) if cluster.readable(COREFILE) else None
    if config is None:
        return True
    targets = [word for plugin in config.corefile.plugins("forward") for word in plugin.arguments[1:]]
    named = any(word.removeprefix("dns://").removesuffix(":53").strip("[]") == ip for word in targets)
    return named or (only and any(word.startswith("/") for word in targets))


def _summary(metrics: Metrics) -> dict[str, object]:
    """Return the numbers of one server; a share of nothing, and what a page does not have, is not known."""
    codes = metrics.by("rcode", "coredns_dns_responses_total", "coredns_dns_response_rcode_count_total")
    answers, hits = sum(codes.values()), metrics.total("coredns_cache_hits_total")
    asked = hits + metrics.total("coredns_cache_misses_total")
    return {
        "version": next((item.labels.get("version", "?") for item in metrics.of("coredns_build_info")), "version unknown"),
        "answers": int(answers),
        "servfail": round(100 * codes.get("SERVFAIL", 0) / answers, 2) if answers else UNKNOWN,
        "nxdomain": round(100 * codes.get("NXDOMAIN", 0) / answers, 2) if answers else UNKNOWN,
        "hits": round(100 * hits / asked, 1) if asked else UNKNOWN,
        "upstreams": list(_upstreams(metrics)) or [_no_upstream(metrics)],
        "broken": _count(metrics, BROKEN),
        "rejected": _count(metrics, "coredns_forward_max_concurrent_rejects_total"),
        "refused": _count(metrics, RELOADS),
    }


def _count(metrics: Metrics, name: str) -> int | str:
    """Return a counter; where a page has none it is not known, as the plugin is not there or of another version."""
    value = metrics.value(name)
    return UNKNOWN if value is None else int(value)


def _no_upstream(metrics: Metrics) -> str:
    """Say what is known where no series names an upstream: CoreDNS 1.11 to 1.15 make the first with the first try."""
    return "none was asked yet" if metrics.of(BROKEN) else "not known, as there are no metrics of the plugin forward"


def _upstreams(metrics: Metrics) -> Iterator[str]:
    """Yield a clause for each upstream resolver: how it answered, or that it never did, though it was asked or checked."""
    requests, seconds, unhealthy, tried = (metrics.by("to", *names) for names in (REQUESTS, SECONDS, UNHEALTHY, TRIED))
    for to in sorted({*requests, *unhealthy, *tried} - {""}):
        failed = counted(int(unhealthy.get(to, 0)), "failed health check")
        if count := requests.get(to, 0):
            mean = 1000 * seconds.get(to, 0) / count
            yield f"{to} answered {counted(int(count), 'lookup')} in {mean:.1f} ms on average ({failed})"
        elif tried.get(to, 0) or unhealthy.get(to, 0):
            attempts = f"{counted(int(tried[to]), 'try', 'tries')}, " if tried.get(to) else ""
            yield f"{to} never answered ({attempts}{failed})"


check = Check(
    id="dns_metrics",
    title="The metrics of DNS servers show no trouble",
    prefix="DNM",
    needs=Needs(kinds=(SERVICE,), optional=(ENDPOINT_SLICE,), hints=(COREFILE,), tier=Tier.PODS),
    codes=(LOOPS, PANICS, MEASURED),
    plan=plan,
    analyse=analyse,
)
