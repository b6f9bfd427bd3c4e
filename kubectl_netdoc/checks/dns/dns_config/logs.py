# SPDX-License-Identifier: Apache-2.0
"""What the logs of the DNS pods name: a forwarding loop, panics, upstream resolvers that fail."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DNS_LOG,
    UPSTREAM,
    Cause,
    Cluster,
    Code,
    DnsLog,
    Explains,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Unavailable,
    Unseen,
    counted,
)
from kubectl_netdoc.checks.dns.dns_config.effects import UNSERVED
from kubectl_netdoc.components import cluster_dns

LOOP = Code(
    id="DNC011",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="DNS servers stop because of a forwarding loop",
    message="A forwarding loop ({detail}) stops the DNS servers, as the logs of these pods say: {pods}. The resolver that they "
    "forward to sends the lookups back to them",
    fix="Set resolvConf in the kubelet's configuration on {on} to a file with real resolvers (systemd-resolved: "
    "/run/systemd/resolve/resolv.conf), as a local stub resolver (127.0.0.53) is not reachable from pods. Restart the kubelet "
    "and recreate the pods. Or make the Corefile forward to real resolvers.",
    commands=(
        "kubectl get --raw /api/v1/nodes/{first}/proxy/configz",
        "kubectl -n {namespace} edit configmap {config}",
        "kubectl -n {namespace} delete pod {pod}",
    ),
    rows=("D3",),
    explains=(Explains(("DNC002", "DNC008"), "cluster"), *UNSERVED),
)
COMPLAINTS = Code(
    id="DNC012",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS servers log errors of their upstream resolvers",
    message="The DNS pods have logged errors of their upstream resolvers in the last hour: {log}",
    fix="If pods should resolve names outside the cluster, test whether the nodes of the DNS pods reach that address (UDP and "
    "TCP port 53; 'no route' may also be a firewall that rejects). If the cluster has no access to the outside, this is "
    "expected.",
    commands=(
        "kubectl -n {namespace} logs --since=1h --prefix -l {selector}",
        "kubectl netdoc explain dns_upstream",
    ),
    rows=("D6", "D9"),
)
PANICKED = Code(
    id="DNC013",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A DNS server panicked in the last hour",
    message="DNS pod {namespace}/{name} has logged {panics} in the last hour",
    fix="Each panic is a failed lookup, caused by a bug in CoreDNS or in a plugin. Read the log, then upgrade CoreDNS or remove "
    "the plugin that the log names.",
    commands=("kubectl -n {namespace} logs --since=1h {name} | grep -i -A12 panic",),
    rows=("D9",),
)
LIMITED = Code(
    id="DNC022",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A DNS server refuses lookups, as it forwards too many at once",
    message="DNS pod {namespace}/{name} has refused {count} lookups within the hour (of the last lines of its log): it "
    "forwards at most {limit} at once (max_concurrent)",
    fix="Find out why so many wait: an upstream resolver that is slow or silent keeps each of them for seconds. If the upstream "
    "resolvers are well, raise max_concurrent of the plugin forward (2 KB of memory each), or add DNS servers.",
    commands=("kubectl -n {namespace} logs --since=1h --tail=20 {name}", cluster_dns.CONFIG),
    rows=("D9",),
)
FEWEST_REFUSED = 10
"""Lookups that a server has refused at least to be told: fewer are one burst that clients repeat."""


def analyse(cluster: Cluster, dns: Service, *, troubled: bool) -> Iterator[Finding | Unseen]:
    """Report what the servers' logs name; if servers are in trouble, also that the logs can't be read."""
    listing = cluster.listing(DNS_LOG)
    if isinstance(listing, Unavailable):
        if troubled and not listing.by_design:
            yield Unseen("the logs of the DNS pods, which may name the cause", listing.reason, listing.grant)
        return
    subject, logs = Subject.of("Service", dns), cluster_dns.logs(cluster)
    looping = [pod for pod in cluster_dns.pods(cluster, dns) if causes(logs, pod, "loop")]
    if looping:
        yield _loop(cluster, subject, dns, looping, causes(logs, looping[0], "loop")[0].detail)
    for pod in cluster_dns.pods(cluster, dns):
        for cause in causes(logs, pod, "panic"):
            yield PANICKED.on(Subject.of("Pod", pod), count=cause.count, panics=counted(cause.count, "panic"))
        for cause in causes(logs, pod, "too many forwards at once"):
            if cause.count >= FEWEST_REFUSED:
                numbers = {"count": cause.count, "limit": cause.detail}
                yield LIMITED.on(Subject.of("Pod", pod), numbers | cluster_dns.names(cluster))
    if log := cluster_dns.logged_problems(cluster, UPSTREAM):
        pods = [Subject("Pod", name, dns.namespace) for name in sorted(logs)]
        yield COMPLAINTS.on(subject, objects=pods, log=log, selector=cluster_dns.selector(dns))


def _loop(cluster: Cluster, subject: Subject, dns: Service, looping: list[Pod], detail: str) -> Finding:
    nodes = sorted({pod.spec.node_name for pod in looping})
    names = {
        "pods": [pod.name for pod in looping],
        "pod": looping[0].name,
        "detail": detail,
        "config": cluster_dns.config_name(cluster, dns),
        "on": nodes,
        "nodes": nodes,
        "first": nodes[0],
    }
    return LOOP.on(subject, names, objects=[Subject.of("Pod", pod) for pod in looping])


def causes(logs: dict[str, DnsLog], pod: Pod, name: str) -> list[Cause]:
    """Return the causes of one name in a pod's log."""
    return [cause for cause in logs[pod.name].causes if cause.name == name] if pod.name in logs else []


CODES = (LOOP, COMPLAINTS, PANICKED, LIMITED)
