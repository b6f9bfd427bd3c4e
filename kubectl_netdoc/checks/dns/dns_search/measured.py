# SPDX-License-Identifier: Apache-2.0
"""The lookups of a name that cannot exist, in each of the cluster's search domains, from one node."""

from __future__ import annotations

from kubectl_netdoc.api import Cluster, DnsLookup, DnsReply, DnsSample, Facts, Lost, Outcome, ResolvConfNameserver, percentile
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups

NONEXISTENT = "nobody.netdoc.invalid"
"""A name that cannot exist: .invalid is reserved for that (RFC 6761, 6.4)."""

SAMPLES = 3
"""Pairs of queries for each search domain."""


def search_domains(cluster: Cluster) -> tuple[str, ...]:
    """Return the search domains of the cluster that each pod has; ``default`` is used in place of the pod's own namespace."""
    domain = cluster_dns.domain(cluster)
    return f"default.svc.{domain}", f"svc.{domain}", domain


def lookup(node: str, domain: str) -> DnsLookup:
    """Return the lookup of the name that cannot exist in one search domain."""
    return DnsLookup(node, ResolvConfNameserver(), f"{NONEXISTENT}.{domain}.", samples=SAMPLES, parallel=True)


def code_of(sample: DnsSample) -> str:
    """Return the response code of a sample, or its outcome if there was no answer."""
    return sample.rcode or str(sample.outcome)


class NegativeAnswers:
    """What one node got for the name that cannot exist.

    ``replies``: by search domain. ``lost``: why measurements failed. ``works``: whether every lookup of a name that exists was
    answered.
    """

    def __init__(self, facts: Facts, node: str) -> None:
        replies = {domain: facts.reply(lookup(node, domain)) for domain in search_domains(facts.cluster)}
        self.replies = {domain: reply for domain, reply in replies.items() if isinstance(reply, DnsReply)}
        self.lost = next((reply.reason for reply in replies.values() if isinstance(reply, Lost)), "")
        existing = facts.reply(dns_lookups.lookup(facts.cluster, node))
        samples = existing.samples if isinstance(existing, DnsReply) else ()
        self.server = existing.server if isinstance(existing, DnsReply) else ""
        self.works = bool(samples) and all(s.outcome is Outcome.OK and s.rcode == "NOERROR" for s in samples)

    def resolved(self) -> dict[str, list[str]]:
        """Return the search domains in which the name has addresses, with their records."""
        records = {
            domain: [record for record in reply.records if record.startswith(("A ", "AAAA "))]
            for domain, reply in self.replies.items()
        }
        return {domain: found for domain, found in records.items() if found}

    def failed(self) -> dict[str, tuple[DnsSample, ...]]:
        """Return the search domains in which no query got a proper answer, with their samples."""
        samples = {domain: reply.samples for domain, reply in self.replies.items()}
        good = ("NXDOMAIN", "NOERROR")
        return {domain: found for domain, found in samples.items() if not any(code_of(sample) in good for sample in found)}

    def unusable(self, failing: bool) -> str:
        """Return why nothing follows from this; "" if something does. ``failing``: whether all domains failed."""
        if self.lost:
            return self.lost
        return "lookups of names that exist fail as well: see dns_latency" if failing and not self.works else ""

    @property
    def ms(self) -> float:
        """Milliseconds that a resolver waits for the answers of all domains, one after the other."""
        ok = [[s.ms for s in reply.samples if s.outcome is Outcome.OK] for reply in self.replies.values()]
        return round(sum(percentile(times, 50) for times in ok), 1)
