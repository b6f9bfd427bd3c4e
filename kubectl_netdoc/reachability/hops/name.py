# SPDX-License-Identifier: Apache-2.0
"""The hops "source" and "name": the pod that connects, and whether it can resolve the name."""

from __future__ import annotations

from msgspec.structs import replace

from kubectl_netdoc.policy import dns_access
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.policy.verdict import Verdict
from kubectl_netdoc.reachability.connection_path import CLUSTER_DNS, resolver
from kubectl_netdoc.reachability.explanation import MOST_ENDS, Answer, Fix, Hop
from kubectl_netdoc.reachability.hops.context import SHOWN, HopContext, doubted, side, unsure
from kubectl_netdoc.reachability.named_end import NamedEnd
from kubectl_netdoc.reachability.policy_fix import named, pods_of
from kubectl_netdoc.records.kinds import POD


class NameHops(HopContext):
    """The source and the name lookup."""

    def _source(self) -> Hop:
        text = several(self.source)
        pods = [self.engine.cluster.get(POD, *end.pod) for end in self.source.ends[:MOST_ENDS] if end.pod != ("", "")]
        waits = [pod.name for pod in pods if pod is not None and not pod.ips and not pod.spec.host_network]
        if waits and len(waits) == len(self.source.ends[:MOST_ENDS]):
            fix = Fix("The pod has no address yet; its Events say why.", command=pods_of(self.source))
            return self._stop("source", f"{text}: {', '.join(waits[:SHOWN])} has no address yet, so it has no network", fix)
        return Hop("source", Answer.OK, text)

    def _name(self) -> Hop:
        """Explain the name lookup: which resolver the source uses, whether policies allow it, what was measured on its node."""
        asked = resolver(self.source)
        if asked != CLUSTER_DNS:
            return self._own_resolver(asked)
        dns = dns_access.servers(self.engine)
        measured = tuple(text for node in self.nodes[:SHOWN] if (text := self.measured.lookups_in_words(node)))
        denied = self._dns_denied()
        if dns is None:
            text = "no DNS pods were found, so it is not known whether policies allow the name lookup"
            return Hop("name", self._resolved(Answer.NOTE), text, measured=measured)
        if not denied:
            text = f"policies allow {self.source.text} to use cluster DNS ({dns.service.namespace}/{dns.service.name})"
            return Hop("name", self._resolved(Answer.OK), text + self._search(), measured=measured)
        by = tuple(dict.fromkeys(ref for verdict in denied for ref in verdict.by))
        text = f"{named(by)} {'block' if len(by) > 1 else 'blocks'} {self.source.text} from cluster DNS over UDP"
        egress, ingress = (
            not all(side(v, direction).allowed for v in denied) for direction in (Direction.EGRESS, Direction.INGRESS)
        )
        open_ = self._open(Direction.EGRESS, self.nodes) if egress else ()
        open_ += self._open(Direction.INGRESS, self.path.dns_nodes) if ingress and bool(open_) == egress else ()
        if open_:
            return Hop("name", Answer.OPEN, f"{text}, as written, but nothing enforces it", tuple(map(str, by)), measured, open_)
        if doubts := unsure(denied):
            return Hop("name", Answer.UNKNOWN, text + doubted(doubts), tuple(map(str, by)), measured)
        return replace(
            self._stop("name", text, self.policy_fixes.allow_dns(dns, denied, by), tuple(map(str, by))), measured=measured
        )

    def _resolved(self, otherwise: Answer) -> Answer:
        """Return ``UNKNOWN`` if no lookup on the source's nodes was answered and no finding says why, else ``otherwise``."""
        seen = [known for node in self.nodes if (known := self.measured.resolves(node)) is not None]
        return Answer.UNKNOWN if seen and not any(seen) else otherwise

    def _search(self) -> str:
        name = self.destination.by_name or self.destination.outside
        return f"; {name} is searched starting in namespace {self.source.namespace}" if name and self.source.namespace else ""

    def _own_resolver(self, asked: str) -> Hop:
        """Explain the lookup of a pod that does not use cluster DNS: it can't resolve the cluster's names."""
        text = f"{self.source.text} uses {asked} instead of cluster DNS"
        if not self.path.inside:
            text = f"{self.source.text} is outside the cluster, where the cluster's names don't resolve"
        if self.destination.outside:
            return Hop("name", Answer.NOTE, f"{text}; it is not known whether that resolves the name")
        if asked != CLUSTER_DNS and self.destination.by_name and self.path.inside:
            fix = Fix(
                "Set dnsPolicy to ClusterFirstWithHostNet (for hostNetwork pods) or ClusterFirst in its pod template, "
                "or use the address instead of the name."
            )
            known = "may not know" if asked != "its node's resolver" else "does not know"
            hop = self._stop("name", f"{text}, which {known} the cluster's names (unless its own dnsConfig changes that)", fix)
            return hop if known == "does not know" else replace(hop, answer=Answer.UNKNOWN)
        return Hop("name", Answer.NOTE, f"{text}; it can reach the Service by its address only")

    def _dns_denied(self) -> list[Verdict]:
        """Return the verdicts of the policies that keep the source from DNS servers; none if a node-local one is used."""
        dns = dns_access.servers(self.engine) if self.path.asks else None
        if dns is None or not dns.udp:
            return []
        mine = (end for end in self.source.ends[:MOST_ENDS] if end.pod_class is not None and not end.host)
        return [verdict for end in mine for verdict in dns_access.verdicts(self.engine, end, dns)]


def several(named_end: NamedEnd) -> str:
    """Return a named end as text, with its pods and their nodes."""
    if len(named_end.ends) == 1:
        node = named_end.ends[0].node
        return f"{named_end.text}" + (f" on node {node}" if node and not named_end.text.startswith("Node") else "")
    nodes = sorted({end.node for end in named_end.ends if end.node})
    return f"{named_end.text}, {len(named_end.ends)} pods" + (f" on {', '.join(nodes[:4])}" if nodes else "")
