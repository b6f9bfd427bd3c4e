# SPDX-License-Identifier: Apache-2.0
"""External names that do not resolve, while the cluster's own names do."""

from __future__ import annotations

from kubectl_netdoc.api import DNS_LOG, UPSTREAM, Code, Facts, Finding, Outcome, Risk, Severity, Subject
from kubectl_netdoc.checks.dns.dns_upstream.measured import ExternalName
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes.dns_lookups import Tally

LOGGED = (*UPSTREAM, "loop")
"""Causes in the servers' logs that explain it."""

BROKEN = Code(
    id="DNU001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Names outside the cluster do not resolve",
    message="From {nodes}, lookups of {names} through {server} {happened} after up to {max_ms} ms, while the cluster's own "
    "names resolve. Queried directly, {failing} of {servers} DNS pods fail. {logs}",
    fix="Look at the upstream resolvers, as the DNS servers themselves work: they are the targets of 'forward' in the Corefile, "
    "or in the resolv.conf of the servers' nodes. Test whether those nodes reach them over UDP and TCP port 53 (AWS allows 1024 "
    "packets a second and interface).",
    commands=(cluster_dns.CONFIG, cluster_dns.LOGS, "kubectl netdoc check dns_metrics dns_config --show info"),
    rows=("D6", "D9"),
    tells="failure",
)


def broken(facts: Facts, subject: Subject, names: list[ExternalName]) -> Finding:
    """Return one finding for all names that fail."""
    servers = {server.subject for name in names for server in name.direct}
    failing = {server.subject for name in names for server in name.failing}
    log = cluster_dns.logged_problems(facts.cluster, LOGGED)
    times = Tally(reply for name in names for reply in name.all_lookups().replies)
    failures = sorted({failure for name in names for failure in _failures(name)})
    numbers = {
        **cluster_dns.names(facts.cluster),
        **times.evidence(),
        "max_ms": round(max((sample.ms for sample in times.samples), default=0.0), 1),
        "names": [name.name for name in names],
        "nodes": sorted({node for name in names for node in name.bad}) or ["the nodes of the failing servers"],
        "failures": failures,
        "happened": " or ".join(dict.fromkeys(map(_verb, failures))) or "got no answer",
        "failing": len(failing),
        "servers": len(servers),
        "log": log or ["nothing about it" if facts.cluster.readable(DNS_LOG) else "not readable"],
        "logs": _logs(log, readable=facts.cluster.readable(DNS_LOG)),
    }
    return BROKEN.on(subject, numbers, objects=sorted(servers))


def _failures(name: ExternalName) -> list[str]:
    """Return what came instead of answers: outcomes and response codes, each once."""
    good = {Outcome.OK, "NOERROR", "NXDOMAIN"}
    found = {*name.through.outcomes, *name.through.rcodes} - good
    return sorted(found or {code for server in name.failing for code in name.direct[server].rcodes} or {"no answer"})


def _verb(failure: str) -> str:
    """Return an outcome or a response code as the verb of a sentence: "timed out", "got SERVFAIL"."""
    return Outcome.verbs([Outcome(failure)]) if failure in set(Outcome) else f"got {failure}"


def _logs(log: list[str], *, readable: bool) -> str:
    """Return a sentence about the servers' logs."""
    if not readable:
        return "Their logs can't be read"
    return f"Their logs name: {', '.join(log)}" if log else "Their logs name no cause"


CODES = (BROKEN,)
