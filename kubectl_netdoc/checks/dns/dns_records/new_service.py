# SPDX-License-Identifier: Apache-2.0
"""DNS servers that do not know netdoc's own new Service, so that they may have stopped learning of changes."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Cluster, Code, Finding, Risk, Severity, Unseen, counted
from kubectl_netdoc.checks.dns.dns_records.answers import Answers, Resolver
from kubectl_netdoc.components import cluster_dns

SHOWN = 3
"""Wrong answers, and problems in its log, that a finding names."""

NOT_LEARNING = Code(
    id="DNR001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A DNS server does not learn of changes",
    message="DNS pod {namespace}/{name} does not know netdoc's own new Service, and more shows that it no longer learns of "
    "changes: {signs}",
    fix="Read its log and check its connection to the API server: its watch of the API has ended or hangs, although the pod "
    "stays Ready. Then delete the pod: its workload creates a new one.",
    commands=(cluster_dns.POD_LOG, cluster_dns.DELETE_POD),
    rows=("D9",),
)
BEHIND = Code(
    id="DNR005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A DNS server lags behind the API",
    message="DNS pod {namespace}/{name} does not know a Service that netdoc created some seconds before. {others} answered for "
    "it in that time",
    fix="Run this check again in a minute. If the server is still reported, read its log and compare its CPU use with its "
    "limit: it lags, or its watch of the API has ended.",
    commands=(cluster_dns.POD_LOG, "kubectl -n {namespace} top pod {name}"),
    rows=("D9",),
)


def analyse(cluster: Cluster, answers: Answers) -> Iterator[tuple[Resolver, Finding] | Unseen]:
    """Yield each server that does not know netdoc's own new Service, with its finding.

    If the server is wrong about something else as well, this is more than a delay.
    """
    logs = cluster_dns.logs(cluster)
    known = sum(value is True for value in answers.learns.values())
    unsure = False
    for server, learns in answers.learns.items():
        if learns is not False or server.subject is None:
            continue
        wrong = [f"it answers {answers.by_resolver[server, name]} for {name.fqdn}" for name in answers.wrong(server)]
        causes = logs[server.subject.name].causes if server.subject.name in logs else ()
        wrong += [f"its log says: {cause.detail}" for cause in causes if cause.name == "API unreachable"]
        nodes = [server.node] if server.node else []
        if wrong:
            signs = "; ".join(wrong[:SHOWN])
            yield server, NOT_LEARNING.on(server.subject, wrong=wrong[:SHOWN], signs=signs, nodes=nodes)
        elif known:
            others = counted(known, "other DNS server")
            yield server, BEHIND.on(server.subject, known=known, others=others, nodes=nodes)
        else:
            unsure = True
    if unsure:
        why = "no DNS server knows netdoc's own new Service: none learns of changes, or the Corefile leaves out its namespace"
        yield Unseen("whether DNS learns of changes", why, expected=True)


CODES = (NOT_LEARNING, BEHIND)
