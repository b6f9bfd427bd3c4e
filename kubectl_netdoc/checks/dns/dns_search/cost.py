# SPDX-License-Identifier: Apache-2.0
"""How many queries and how much time the search domains add to each external name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from kubectl_netdoc.api import (
    Cluster,
    Code,
    DnsReply,
    Facts,
    Finding,
    Outcome,
    ResolvConfReply,
    Risk,
    Severity,
    Subject,
    percentile,
)
from kubectl_netdoc.checks.dns.dns_search.measured import NegativeAnswers, code_of
from kubectl_netdoc.probes import dns_lookups, node_pairs

MOST_EXTERNAL = 3
"""External names that are looked up at most."""

COST = Code(
    id="DSE020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="What the search domains cost",
    message="From {nodes}, an external name with fewer than {ndots} dots takes {queries} queries: A and AAAA of itself and of "
    "its name in each of {searched} search domains. The negative answers of the cluster's own domains take {ms} ms in "
    "all{external}",
    fix="If an application looks up many external names, write them with a dot at the end: that saves {saved} queries each. For "
    "names with two dots or more, ndots 2 in the pod's dnsConfig saves the same.",
    commands=("kubectl explain pod.spec.dnsConfig.options",),
    rows=("D2",),
)


def external_names(cluster: Cluster) -> list[str]:
    """Return the external names to look up, of those that the user gave."""
    names = [name.rstrip(".") for name in cluster.selection.external if ":" not in name and not name[-1:].isdigit()]
    return names[:MOST_EXTERNAL]


def analyse(facts: Facts, files: dict[str, ResolvConfReply]) -> Iterator[Finding]:
    """Yield one finding for all nodes with the same number of search domains and ndots; its time is the worst node's."""
    starved = node_pairs.starved(facts)
    seen: defaultdict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for node, file in files.items():
        answers = NegativeAnswers(facts, node)
        works = answers.works and not answers.failed() and not answers.resolved()
        if file.search and file.ndots > 1 and node not in starved and works:
            seen[file.ndots, len(file.search)][node] = answers.ms
    for (ndots, searched), times in seen.items():
        numbers = {"ndots": ndots, "searched": searched, "queries": 2 * (searched + 1), "saved": 2 * searched}
        external = "".join(f"; {_external(facts, name, list(times))}" for name in external_names(facts.cluster))
        worst = max(times.values())
        yield COST.on(Subject("Cluster", "search list"), numbers, nodes=list(times), ms=worst, external=external)


def _external(facts: Facts, name: str, nodes: list[str]) -> str:
    """Return how long the lookup of an external name itself takes."""
    replies = [reply for node in nodes if isinstance(reply := facts.reply(dns_lookups.outside(node, name)), DnsReply)]
    samples = [sample for reply in replies for sample in reply.samples]
    times = [sample.ms for sample in samples if sample.outcome is Outcome.OK]
    if not times:
        return f"{name} itself gets no answer"
    code = Counter(map(code_of, samples)).most_common(1)[0][0]
    return f"{name} itself takes {percentile(times, 50):.1f} ms ({code})"


CODES = (COST,)
