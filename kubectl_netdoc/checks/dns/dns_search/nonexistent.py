# SPDX-License-Identifier: Apache-2.0
"""Search domains in which a name that cannot exist resolves, or gets no negative answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import (
    COREFILE,
    Cluster,
    Code,
    DnsSample,
    Explains,
    Facts,
    Finding,
    Risk,
    Severity,
    Subject,
    Unseen,
    joined,
)
from kubectl_netdoc.checks.dns.dns_search.measured import NONEXISTENT, NegativeAnswers, code_of
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import seen_from

WILDCARD = Code(
    id="DSE001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A search domain resolves every name",
    message="From {nodes}, {server} answers the query {query} with the record {answer}, although this name cannot exist: "
    "external names with fewer dots than ndots resolve to it in {domains}",
    fix="Find the wildcard record: the plugins template, rewrite or file in the Corefile, or a plugin kubernetes that falls "
    "through to an upstream resolver with such a record. Until it is gone, external names resolve with a dot at their end.",
    commands=(cluster_dns.CONFIG,),
    rows=("D2", "D10"),
    explains=(Explains((*cluster_dns.WRONG_NAMES, "EXN001"), "cluster"),),
)
NO_NEGATIVE = Code(
    id="DSE002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="DNS gives no negative answers",
    message="From {nodes}, {server} resolves names that exist, but lookups of {query} {happened} instead of getting NXDOMAIN, "
    "although this name cannot exist. The same happens in {domains}",
    fix="Find the upstream resolver to which the plugin kubernetes in the Corefile falls through, and why it fails. Until then "
    "each external name waits for these lookups first, and musl gives up at the first SERVFAIL.",
    commands=(cluster_dns.CONFIG, cluster_dns.LOGS),
    rows=("D2", "D9"),
)


def analyse(facts: Facts, nodes: list[str]) -> Iterator[Finding | Unseen]:
    """Judge each node; a condition that all of them see is one finding without a node."""
    seen: defaultdict[Code, list[seen_from.SeenFrom]] = defaultdict(list)
    names = cluster_dns.names(facts.cluster)
    for node in nodes:
        answers = NegativeAnswers(facts, node)
        resolved, failed = answers.resolved(), answers.failed()
        all_failed = len(failed) == len(answers.replies)
        if resolved and (why := _autopath(facts.cluster)):
            yield Unseen("wildcards in the search domains", why)
        elif resolved:
            domain, records = next(iter(resolved.items()))
            evidence = {"answer": records[0], "query": f"{NONEXISTENT}.{domain}.", "domains": list(resolved)}
            seen[WILDCARD].append((node, {**evidence, "server": answers.server, **names}))
        elif why := answers.unusable(all_failed):
            yield Unseen(f"negative answers from node {node}", why, expected=True)
        elif all_failed:
            domain, samples = next(iter(failed.items()))
            evidence = {"query": f"{NONEXISTENT}.{domain}.", "domains": list(failed), **_happened(samples)}
            seen[NO_NEGATIVE].append((node, {**evidence, "server": answers.server, **names}))
    for code, places in seen.items():
        yield from seen_from.findings(code, Subject("Cluster", "search list"), places, len(nodes))


def _happened(samples: tuple[DnsSample, ...]) -> dict[str, str]:
    """Return what became of lookups, as words and as the verbs of a sentence."""
    verbs = {f"got {sample.rcode}" if sample.rcode else sample.outcome.verb.replace("was ", "were ") for sample in samples}
    return {"outcomes": ", ".join(sorted(set(map(code_of, samples)))), "happened": joined(sorted(verbs), "or")}


def _autopath(cluster: Cluster) -> str:
    """Return why CoreDNS may have answered for another search domain; "" if it has not."""
    if not cluster.readable(COREFILE):
        return "the Corefile can't be read, and its plugin autopath may answer for other search domains"
    runs = any(item.corefile.plugins("autopath") for item in cluster.all(COREFILE))
    return "CoreDNS runs the plugin autopath, which answers for other search domains" if runs else ""


CODES = (WILDCARD, NO_NEGATIVE)
