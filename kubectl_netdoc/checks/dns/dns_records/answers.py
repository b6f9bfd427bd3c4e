# SPDX-License-Identifier: Apache-2.0
"""The answers of each DNS pod, and of resolv.conf's nameserver, to each name."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.api import (
    Address,
    Cluster,
    DnsLookup,
    DnsReply,
    Facts,
    Lost,
    Outcome,
    OwnName,
    OwnService,
    Reply,
    ResolvConfNameserver,
    Subject,
    once,
)
from kubectl_netdoc.checks.dns.dns_records.names import MOST, Name, expected_names
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups

MOST_SERVERS = 4
"""DNS pods that are queried for every name."""

SAMPLES, EVERY = 2, 0.15
"""Lookups of a name, and seconds between them: the second is for a first that gets lost."""

OWN_SAMPLES, OWN_EVERY = 3, 0.6
"""The same for netdoc's own Service, which is 2 s old at its first lookup: it has the time of three lookups more."""


class Resolver(Struct, frozen=True):
    """Who is queried: a DNS pod, or the nameserver of resolv.conf (which has no subject)."""

    to: Address | ResolvConfNameserver
    subject: Subject | None = None
    node: str = ""

    def __str__(self) -> str:
        return f"DNS pod {self.subject.namespace}/{self.subject.name}" if self.subject else "the nameserver of resolv.conf"


NAMESERVER = Resolver(ResolvConfNameserver())


@once
def servers(cluster: Cluster) -> list[Resolver]:
    """Return the DNS pods that are queried."""
    return [Resolver(each.address, each.subject, each.node) for each in dns_lookups.servers(cluster, MOST_SERVERS)]


def resolvers(cluster: Cluster) -> list[Resolver]:
    """Return the DNS pods that are queried, then resolv.conf's nameserver."""
    return [*servers(cluster), NAMESERVER]


def _node(cluster: Cluster, server: Resolver) -> str:
    """Return the server's own node if it has a debug pod, so that no path between nodes matters."""
    return server.node if server.node in cluster.vantages else cluster.vantages[0]


def lookup(cluster: Cluster, resolver: Resolver, name: Name) -> DnsLookup:
    """Return the lookup of a name."""
    node = _node(cluster, resolver)
    if resolver is NAMESERVER:
        node = cluster.vantages[len(name.fqdn) % len(cluster.vantages)]
    return DnsLookup(node, resolver.to, name.fqdn, name.rtype, SAMPLES, interval=EVERY)


def lookup_of_own_service(cluster: Cluster, server: Resolver) -> DnsLookup:
    """Return the lookup of the name of netdoc's own new Service."""
    name = OwnName(OwnService(), cluster_dns.domain(cluster))
    return DnsLookup(_node(cluster, server), server.to, name, samples=OWN_SAMPLES, interval=OWN_EVERY)


class RecordAnswer(Struct, frozen=True):
    """The addresses of an answer, its response code, and whether it was truncated."""

    got: frozenset[str]
    rcode: str
    truncated: bool

    def fits(self, want: frozenset[str]) -> bool:
        """Whether it has the wanted addresses, as far as that can be known."""
        return self.got <= want if self.truncated and self.got else self.got == want

    def __str__(self) -> str:
        return ", ".join(sorted(self.got)[:MOST]) or (self.rcode if self.rcode != "NOERROR" else "no address")


def _answer(reply: Reply, rtype: str) -> RecordAnswer | None:
    """Return the answer of a reply; None if there is none, or an error that says nothing about the name."""
    if not isinstance(reply, DnsReply):
        return None
    rcode = next((sample.rcode for sample in reply.samples if sample.outcome is Outcome.OK), "")
    if rcode not in ("NOERROR", "NXDOMAIN"):
        return None
    got = frozenset(record.split()[1] for record in reply.records if record.startswith(f"{rtype} "))
    return RecordAnswer(got, rcode, reply.truncated)


class Answers:
    """All answers.

    ``by_resolver``: the answer of a resolver to a name. ``learns``: whether a server knows netdoc's own new Service, None if that
    is unknown. ``lost``: why measurements failed.
    """

    def __init__(self, facts: Facts) -> None:
        cluster = facts.cluster
        self.names = expected_names(cluster)
        self.servers = servers(cluster)
        self.by_resolver: dict[tuple[Resolver, Name], RecordAnswer] = {}
        self.lost: set[str] = set()
        for name in self.names:
            for resolver in resolvers(cluster):
                reply = facts.reply(lookup(cluster, resolver, name))
                if isinstance(reply, Lost):
                    self.lost.add(reply.reason)
                elif (answer := _answer(reply, name.rtype)) is not None:
                    self.by_resolver[resolver, name] = answer
        self.learns = {server: _learns(facts.reply(lookup_of_own_service(cluster, server))) for server in self.servers}

    def wrong(self, resolver: Resolver) -> list[Name]:
        """Return the names for which a resolver's answer differs from the API."""
        answers = ((name, self.by_resolver.get((resolver, name))) for name in self.names)
        return [name for name, answer in answers if answer and not answer.fits(name.want)]

    def right(self, name: Name) -> list[Resolver]:
        """Return the DNS pods whose answer to a name agrees with the API."""
        answers = ((server, self.by_resolver.get((server, name))) for server in self.servers)
        return [server for server, answer in answers if answer and answer.fits(name.want)]


def _learns(reply: Reply) -> bool | None:
    """Return whether a server knows netdoc's own new Service; None if that is unknown."""
    samples = reply.samples if isinstance(reply, DnsReply) else ()
    rcodes = [sample.rcode for sample in samples if sample.outcome is Outcome.OK]
    if any(sample.answers for sample in samples if sample.rcode == "NOERROR"):
        return True
    return False if len(rcodes) > 1 and set(rcodes) <= {"NXDOMAIN", "NOERROR"} else None
