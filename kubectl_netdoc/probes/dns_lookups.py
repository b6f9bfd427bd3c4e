# SPDX-License-Identifier: Apache-2.0
"""The lookups by which cluster DNS is measured: which servers are queried, from which nodes, and sums of their replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Subject
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.measurements.base import Address, Outcome, ResolvConfNameserver
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.measurements.statistics import percentile
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE

TIMEOUT = 1.0
"""Seconds to wait for an answer to a name of the cluster."""

OUTSIDE_TIMEOUT = 7.0
"""Seconds to wait for an answer from outside: the plugin forward tries for 5 s, and its last try may take 2 s more."""

MUSL_RETRY, GLIBC_RETRY = 2.5, 5.0
"""Seconds after which a resolver sends a lost query again: musl (half of the default timeout), glibc (resolv.conf(5))."""

SAMPLES = 10
"""Lookups a server and record type, fewer where two are lost: enough for a p95 that one slow answer does not make."""

MOST_SERVERS = 8
"""DNS pods that are queried directly from each node at most."""

SLOW_MS = 250.0
"""Answers above this are slow: half-way in the field's alert rules for CoreDNS (0.05 to 1 s; coredns-mixin's 4 s is critical)."""

OBSERVERS = 3
"""Nodes that observe each server for a while: its own if it has a debug pod, and two more to tell the path from the server."""

TRICKLE, TRICKLE_EVERY = 15, 0.1
"""Lookups in a trickle and seconds between two: a stall of half a second is caught with 10 queries a second."""


class DnsServer(Struct, frozen=True):
    """A DNS pod: which, where it takes UDP queries, and its node."""

    subject: Subject
    address: Address
    node: str


class Tally:
    """Sums of the samples of some replies to lookups; other replies are left out."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = [reply for reply in replies if isinstance(reply, DnsReply)]
        self.samples = [sample for reply in self.replies for sample in reply.samples]
        self.server = self.replies[0].server if self.replies else ""
        self.sent = len(self.samples)
        self.times = [sample.ms for sample in self.samples if sample.outcome is Outcome.OK]
        self.lost = self.sent - len(self.times)
        self.slow = sum(ms > SLOW_MS for ms in self.times)
        self.outcomes = Counter(sample.outcome for sample in self.samples)
        self.rcodes = Counter(sample.rcode for sample in self.samples if sample.rcode)

    def counted(self) -> list[str]:
        """Return how often each outcome came, for evidence: "8 ok", "2 timeout"."""
        return [f"{count} {word}" for word, count in sorted(self.outcomes.items())]

    def happened(self) -> str:
        """Return what became of the lookups, as the verbs of a sentence: "1 was refused and 9 timed out"."""
        return joined(
            f"{count} {outcome.verb if count == 1 else Outcome.verbs([outcome])}"
            for outcome, count in sorted(self.outcomes.items())
        )

    def evidence(self) -> dict[str, object]:
        """Return the numbers of a finding."""
        times = {key: round(percentile(self.times, p), 1) for key, p in (("p50_ms", 50), ("p95_ms", 95), ("max_ms", 100))}
        counts = {"sent": self.sent, "lost": self.lost, "outcomes": self.counted(), "happened": self.happened()}
        return {"server": self.server, **counts, **times}

    def __str__(self) -> str:
        """Return its latency in words."""
        if not self.times:
            return "no answer"
        return "p50 {:.1f}, p95 {:.1f}, max {:.1f} ms".format(*(percentile(self.times, p) for p in (50, 95, 100)))


def lookup(cluster: Cluster, node: str, rtype: str = "A", server: Address | None = None) -> DnsLookup:
    """Return the lookup of ``kubernetes.default``, through resolv.conf's nameserver or of one server.

    Checks share it, so that it is measured once.
    """
    return DnsLookup(
        node, server or ResolvConfNameserver(), cluster_dns.api_server_name(cluster), rtype, SAMPLES, timeout=TIMEOUT
    )


def outside(node: str, name: str, rtype: str = "A", samples: int = 5, server: Address | None = None) -> DnsLookup:
    """Return the lookup of a name outside the cluster.

    Checks share it, as a second query would be answered from the cache.
    """
    fqdn = name.rstrip(".") + "."
    return DnsLookup(node, server or ResolvConfNameserver(), fqdn, rtype, samples, timeout=OUTSIDE_TIMEOUT, interval=0.2)


def servers(cluster: Cluster, most: int = MOST_SERVERS) -> list[DnsServer]:
    """Return the ready DNS pods, ``most`` of them at most; none if there is no DNS Service or EndpointSlices can't be read."""
    dns = cluster_dns.service(cluster)
    if dns is None or not cluster.readable(ENDPOINT_SLICE):
        return []
    found = cluster_dns.endpoints(cluster, dns)[:most]
    return [DnsServer(Subject("Pod", name, dns.namespace), address, node) for name, address, node in found]


def observers(cluster: Cluster, server: DnsServer) -> tuple[str, ...]:
    """Return the nodes that observe a server, its own first if it has a debug pod."""
    nodes = cluster.vantages
    start = nodes.index(server.node) if server.node in nodes else 0
    return tuple(nodes[(start + step) % len(nodes)] for step in range(min(OBSERVERS, len(nodes))))


def trickle(cluster: Cluster, node: str, server: DnsServer) -> DnsLookup:
    """Return the lookups that observe one server for 1.4 s, without waiting for answers; checks share them."""
    name = cluster_dns.api_server_name(cluster)
    return DnsLookup(node, server.address, name, samples=TRICKLE, timeout=TIMEOUT, interval=TRICKLE_EVERY)
