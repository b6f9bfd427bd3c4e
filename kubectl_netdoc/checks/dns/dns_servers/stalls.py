# SPDX-License-Identifier: Apache-2.0
"""Servers that stall or lose lookups while the others, observed from the same nodes at the same time, do not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from kubectl_netdoc.api import Code, Explains, Facts, Finding, NodePath, Risk, Severity, Subject
from kubectl_netdoc.checks.dns.dns_servers.thresholds import LOSSY
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.probes import dns_lookups
from kubectl_netdoc.probes.dns_lookups import SLOW_MS, DnsServer, Tally

LOST_LEAST = 3
"""Lookups that must be lost: one or two of 45 are chance."""

SLOW_SHARE = 1 / 3
"""Share of slow or unanswered lookups from which a server stalls: it stood still for over 0.7 s of the 1.4 s. A server that is
stopped for 1.9 s of every 2.3 s has at least half; a busy machine that holds everything up for 0.5 s has a sixth."""

TIMES_WORSE = 2
"""A server is worse than the others if its share is this many times theirs: what delays all of them is not its fault."""

AILING = Code(
    id="DSV001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A DNS server stalls or loses lookups",
    message=f"DNS pod {{namespace}}/{{name}} leaves {{lost}} of {{sent}} lookups from {{nodes}} unanswered and answers {{slow}} "
    f"after more than {SLOW_MS:g} ms (p50 {{p50_ms}} ms, at most {{max_ms}} ms). Nodes that see no trouble with it: {{clean}}. "
    f"Of {{others_sent}} lookups to the other servers, {{others}} are slow or unanswered",
    fix="If its own node ({on}) sees the trouble too, the server is at fault: look at its CPU limit and its log, or delete the "
    "pod, and its workload creates a new one. If not, look at the path between {nodes} and that node.",
    commands=("kubectl -n {namespace} top pod {name}", cluster_dns.POD_LOG, cluster_dns.DELETE_POD),
    rows=("D9",),
    explains=(
        Explains(("DNL003", "DNL004", "DNL005", "DNL007", "DNU001", "DNU003", "DTR001", "DTR002"), "cluster"),
        Explains(("DSV003", "SVR005"), "subject"),
    ),
    tells="failure",
)


class _Observed(Struct):
    """The trickles of one server, by node."""

    server: DnsServer
    tallies: dict[str, Tally]

    def lost(self, nodes: Collection[str]) -> int:
        """Lookups from some nodes that were not answered."""
        return sum(tally.lost for node, tally in self.tallies.items() if node in nodes)

    def bad(self, nodes: Collection[str]) -> int:
        """Lookups from some nodes that were slow or not answered."""
        return self.lost(nodes) + sum(tally.slow for node, tally in self.tallies.items() if node in nodes)

    def sent(self, nodes: Collection[str]) -> int:
        """Lookups from some nodes."""
        return sum(tally.sent for node, tally in self.tallies.items() if node in nodes)


def analyse(facts: Facts, nodes: Collection[str]) -> Iterator[Finding]:
    """Report the servers that stall or lose lookups; ``nodes``: those whose debug pods were not throttled."""
    observed = [_observed(facts, server, nodes) for server in dns_lookups.servers(facts.cluster)]
    for each in observed:
        seen = set(each.tallies)
        sent, lost, bad = each.sent(seen), each.lost(seen), each.bad(seen)
        loses = lost >= LOST_LEAST and 100 * lost >= facts.threshold(LOSSY) * sent
        if not loses and not (sent and bad >= SLOW_SHARE * sent):
            continue
        others = [other for other in observed if other is not each]
        others_bad, others_sent = sum(other.bad(seen) for other in others), sum(other.sent(seen) for other in others)
        if others_sent and TIMES_WORSE * others_bad / others_sent > bad / sent:
            continue
        yield _ailing(each, others_bad, others_sent)


def _observed(facts: Facts, server: DnsServer, nodes: Collection[str]) -> _Observed:
    """Return a server's trickles. A path on which no answer comes back is left to dns_latency: it says nothing of the server."""
    there = [node for node in dns_lookups.observers(facts.cluster, server) if node in nodes]
    tallies = {node: Tally([facts.reply(dns_lookups.trickle(facts.cluster, node, server))]) for node in there}
    return _Observed(server, {node: tally for node, tally in tallies.items() if tally.times})


def _ailing(observed: _Observed, others: int, others_sent: int) -> Finding:
    """Return the finding; if only one of several nodes sees it, its subject names that node."""
    bad = sorted(node for node in observed.tallies if observed.bad({node}))
    clean = sorted(set(observed.tallies) - set(bad))
    tally = Tally(reply for node in bad for reply in observed.tallies[node].replies)
    server = observed.server
    subject = Subject("Pod", server.subject.name, server.subject.namespace, bad[0] if clean and len(bad) == 1 else "")
    paths = [NodePath(node, server.node) for node in bad]
    numbers = {**tally.evidence(), "slow": tally.slow, "others": others, "others_sent": others_sent}
    return AILING.on(subject, numbers, nodes=bad, clean=clean or ["none"], paths=paths, on=server.node or "unknown")


CODES = (AILING,)
