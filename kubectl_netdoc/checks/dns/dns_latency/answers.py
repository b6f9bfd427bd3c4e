# SPDX-License-Identifier: Apache-2.0
"""What the answers of cluster DNS are worth: errors, losses, the conntrack race of pairs, and their latency."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import Code, Facts, Risk, Severity, Subject, Unseen, Vantage, percentile
from kubectl_netdoc.checks.dns.dns_latency.measured import Judged, NodeLookups
from kubectl_netdoc.checks.dns.dns_latency.thresholds import LATE, LOSSY
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.dns_lookups import GLIBC_RETRY, MUSL_RETRY, TIMEOUT

LOST_LEAST = 2
"""Lookups, or pairs of them, that must be lost: a single lost datagram is no loss."""


RACING = 0.2
"""Share of pairs lost from which the conntrack race is named, if no single lookup was lost, to whatever server: two of ten."""

SLOW = Code(
    id="DNL004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Cluster DNS is slow",
    message="From {nodes}, lookups through {server} take {p50_ms} ms (p50), {p95_ms} ms (p95) and at most {max_ms} ms. By part: "
    "{by_part}",
    fix="If every DNS pod is slow, compare their CPU use with their limits, and their number with the load. If only the Service "
    "or the node-local cache is slow, look at kube-proxy and conntrack on {nodes}.",
    commands=(cluster_dns.TOP,),
    rows=("D9",),
    tells="failure",
)
LOSS = Code(
    id="DNL005",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Some DNS lookups are lost",
    message=f"From {{nodes}}, {{lost}} of {{sent}} lookups through {{server}} get no answer within {TIMEOUT:g} s. Of "
    f"{{direct_sent}} lookups that were sent to the DNS pods directly, {{direct_lost}} were lost",
    fix=f"Each lost lookup delays an application by {MUSL_RETRY:g} s (musl) to {GLIBC_RETRY:g} s (glibc). If those that are sent "
    "directly are lost too, look at the DNS pods one by one. If not, the Service still sends to a server that is gone: look at "
    "kube-proxy and conntrack on {nodes}.",
    commands=("kubectl netdoc check dns_servers pod_network", cluster_dns.PODS),
    rows=("D1", "D7", "D9"),
    tells="failure",
)
WRONG_ANSWER = Code(
    id="DNL006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Cluster DNS answers with an error",
    message="From {nodes}, {server} answers {rcode} for {query}",
    fix="Read the log and the Corefile of the DNS servers: they answer, but do not know the names of the cluster.",
    commands=(cluster_dns.LOGS, "kubectl netdoc explain dns_config"),
    rows=("D9", "D10"),
)
RACE = Code(
    id="DNL007",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Lookups that are sent in pairs are lost",
    message="From {nodes}, {lost} of {sent} pairs of lookups through {server} get no answer if A and AAAA are sent together "
    "from one socket, while no lookup that is sent alone is lost",
    fix="Run a node-local DNS cache on the nodes, or set 'options single-request-reopen' in the dnsConfig of the pods that "
    "suffer (glibc uses it, musl does not): packets that one socket sends at the same moment race in conntrack.",
    commands=("kubectl netdoc explain DNL007",),
    rows=("D1",),
    tells="failure",
)
MEASURED = Code(
    id="DNL010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="DNS latency, as measured",
    message="From {nodes}, {sent} lookups through {server} took {p50_ms} ms (p50), {p95_ms} ms (p95) and at most {max_ms} ms; "
    "{lost} were lost. By part: {by_part}",
    fix="Nothing to fix: these are measurements.",
)


def analyse(facts: Facts, seen: NodeLookups, service: Subject, vantage: Vantage) -> Iterator[Judged | Unseen]:
    """Report errors, losses, the race and slow answers of a node where cluster DNS answers; else its latency."""
    through, pairs, evidence = seen.through, seen.pairs, seen.evidence()
    wrong = [rcode for rcode in through.rcodes if rcode != "NOERROR"]
    if wrong:
        yield WRONG_ANSWER, service, {**evidence, "rcode": wrong[0], "query": cluster_dns.api_server_name(facts.cluster)}
    if through.lost >= LOST_LEAST and 100 * through.lost / through.sent >= facts.threshold(LOSSY):
        yield LOSS, service, evidence
    elif (
        not (through.lost or seen.observed.lost or seen.blind) and pairs.lost >= LOST_LEAST and pairs.lost / pairs.sent >= RACING
    ):
        yield RACE, service, {**pairs.evidence(), "paths": []}
    if vantage.node in node_pairs.starved(facts):
        why = f"the debug pod was throttled by its CPU limit for {vantage.throttled:.2f} s, so its times say nothing"
        yield Unseen(f"DNS latency from node {vantage.node}", why, expected=True)
    elif percentile(through.times, 95) > facts.threshold(LATE):
        yield SLOW, service, evidence
    else:
        yield MEASURED, Subject("Node", vantage.node or "any"), evidence


CODES = (SLOW, LOSS, WRONG_ANSWER, RACE, MEASURED)
