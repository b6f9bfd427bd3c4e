# SPDX-License-Identifier: Apache-2.0
"""The lookups of one external name: from some nodes through resolv.conf's nameserver, and from each DNS pod."""

from __future__ import annotations

from kubectl_netdoc.api import DnsLookup, Facts, Lost
from kubectl_netdoc.checks.dns.dns_upstream.thresholds import LATE
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import DnsServer, Tally


def lookup(node: str, name: str, rtype: str = "A", samples: int = 5, server: DnsServer | None = None) -> DnsLookup:
    """Return the lookup of an external name, through resolv.conf's nameserver or of one server."""
    return dns_lookups.outside(node, name, rtype, samples, server.address if server else None)


class ExternalName:
    """What became of the lookups of one name.

    ``through``: those through the nameserver; ``bad``: the nodes from which these fail. ``direct``: those from each DNS pod;
    ``failing``: the DNS pods where these fail. ``addresses``, ``ipv6``: how many A and AAAA records came. ``slow_places``: at how
    many nodes and DNS pods an answer was slow. ``lost``: why measurements failed.
    """

    def __init__(self, facts: Facts, name: str, nodes: list[str]) -> None:
        cluster = facts.cluster
        self.name = name
        replies = {node: facts.reply(lookup(node, name)) for node in nodes}
        self.lost = sorted({reply.reason for reply in replies.values() if isinstance(reply, Lost)})
        self.through = Tally(replies.values())
        self.bad = [node for node, reply in replies.items() if _fails(Tally([reply]))]
        pairs = [(server, node) for server in dns_lookups.servers(cluster) for node in dns_lookups.observers(cluster, server)[:1]]
        tallies = [(server, Tally([facts.reply(lookup(node, name, server=server))])) for server, node in pairs]
        self.direct = {server: tally for server, tally in tallies if tally.sent}
        self.failing = [server for server, tally in self.direct.items() if _fails(tally)]
        aaaa = Tally(facts.reply(lookup(node, name, "AAAA", samples=2)) for node in nodes)
        self.addresses = sum(sample.answers for sample in self.through.samples)
        self.ipv6 = max((sample.answers for sample in aaaa.samples), default=0)
        places = (*(Tally([reply]) for reply in replies.values()), *self.direct.values())
        self.slow_places = sum(any(ms > facts.threshold(LATE) for ms in tally.times) for tally in places)

    def all_lookups(self) -> Tally:
        """Return the lookups through the nameserver and from each DNS pod together."""
        return Tally(reply for tally in (self.through, *self.direct.values()) for reply in tally.replies)


def _fails(tally: Tally) -> bool:
    """Whether half of the lookups or more get no answer, or an error (that a name does not exist is an answer)."""
    good = sum(sample.rcode in ("NOERROR", "NXDOMAIN") for sample in tally.samples)
    return 0 < tally.sent >= 2 * good
