# SPDX-License-Identifier: Apache-2.0
"""The lookups of one node: through resolv.conf's nameserver, in pairs, through the DNS Service, and from each DNS pod."""

from __future__ import annotations

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    Address,
    Cluster,
    Code,
    DnsLookup,
    Facts,
    NodePath,
    ResolvConfNameserver,
    Subject,
    Vantage,
    once,
)
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import DnsServer, Tally

Judged = tuple[Code, Subject, dict[str, object]]
"""A condition that one node sees: its code, subject and evidence."""


def through(cluster: Cluster, node: str) -> list[DnsLookup]:
    """Return the lookups through resolv.conf's nameserver."""
    return [dns_lookups.lookup(cluster, node, rtype) for rtype in ("A", "AAAA")]


def pairs(cluster: Cluster, node: str) -> DnsLookup:
    """Return lookups of A and AAAA at once from one socket, as resolvers send them (failure catalogue D1)."""
    name = cluster_dns.api_server_name(cluster)
    return DnsLookup(node, ResolvConfNameserver(), name, samples=dns_lookups.SAMPLES, timeout=dns_lookups.TIMEOUT, parallel=True)


@once
def service_ips(cluster: Cluster) -> tuple[str, ...]:
    """Return the addresses of the DNS Service, the primary one first."""
    dns = cluster_dns.service(cluster)
    return tuple(dict.fromkeys(ip for ip in (dns.spec.cluster_ip, *dns.spec.cluster_ips) if ip)) if dns else ()


class NodeLookups:
    """What became of the lookups of one node.

    ``through``: those through resolv.conf's nameserver. ``pairs``: those in pairs. ``services``: those through the DNS Service,
    by its address. ``direct``: those from each DNS pod. ``observed``: the trickles of all DNS pods. ``cached``: whether the
    nameserver is not the DNS Service, so a node-local cache. ``blind``: whether it is unknown which DNS pods there are.
    """

    def __init__(self, facts: Facts, vantage: Vantage) -> None:
        cluster, node = facts.cluster, vantage.node
        self.node = node
        self.through = Tally(facts.reply(request) for request in through(cluster, node))
        self.pairs = Tally([facts.reply(pairs(cluster, node))])
        self.ips = service_ips(cluster)
        self.services = {ip: Tally([facts.reply(dns_lookups.lookup(cluster, node, server=Address(ip)))]) for ip in self.ips}
        self.direct: dict[DnsServer, Tally] = {}
        self.observed = Tally([])
        self.blind = not cluster.readable(ENDPOINT_SLICE)
        for server in dns_lookups.servers(cluster):
            tally = Tally([facts.reply(dns_lookups.lookup(cluster, node, server=server.address))])
            observed = Tally([facts.reply(dns_lookups.trickle(cluster, node, server))])
            self.observed = Tally([*self.observed.replies, *observed.replies])
            if tally.sent:
                self.direct[server] = tally if tally.times or not observed.times else observed
        self.names = cluster_dns.names(cluster)
        self.cached = bool(self.ips) and self.through.server not in self.ips
        if not self.cached and self.ips:
            self.through = Tally([*self.through.replies, *self.services[self.through.server].replies])

    @property
    def answering(self) -> int:
        """How many DNS pods answer directly."""
        return sum(bool(tally.times) for tally in self.direct.values())

    @property
    def service(self) -> Tally:
        """The lookups through the primary address of the DNS Service."""
        return self.services[self.ips[0]] if self.ips else Tally([])

    def evidence(self) -> dict[str, object]:
        """Return the numbers of a finding, by part, and the paths to servers that do not answer."""
        parts = [f"Service {ip}: {tally}" for ip, tally in self.services.items() if tally.sent]
        parts += [f"pod {server.subject.name}: {tally}" for server, tally in self.direct.items()]
        return {
            **self.names,
            **self.through.evidence(),
            "servers": len(self.direct),
            "answering": self.answering,
            "paths": sorted(NodePath(self.node, server.node) for server, tally in self.direct.items() if not tally.times),
            "parts": parts,
            "by_part": "; ".join(parts),
            "service_ip": self.ips[0] if self.ips else "",
            "service": _answers(self.service),
            "direct_lost": sum(tally.lost for tally in self.direct.values()),
            "direct_sent": sum(tally.sent for tally in self.direct.values()),
        }


def _answers(tally: Tally) -> str:
    """Return whether a server answers, as the verb of a sentence."""
    return f"answers ({tally})" if tally.times else "does not answer" if tally.sent else "was not measured"
