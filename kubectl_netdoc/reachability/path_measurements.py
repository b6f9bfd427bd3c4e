# SPDX-License-Identifier: Apache-2.0
"""What was measured on the path of a connection: names, the Service's address, each endpoint, and the paths between nodes."""

from __future__ import annotations

from kubectl_netdoc.core.facts import Facts, Vantage
from kubectl_netdoc.formats.addresses import ip_address, ip_network
from kubectl_netdoc.measurements.base import Address, Outcome
from kubectl_netdoc.measurements.connect import Connect, ConnectReply, EchoReply
from kubectl_netdoc.measurements.dns import ResolvConf, ResolvConfReply
from kubectl_netdoc.measurements.path import PathMtuReply
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.probes import dns_lookups, node_pairs, own_policies, service_targets
from kubectl_netdoc.reachability.connection_path import ConnectionPath, Leg
from kubectl_netdoc.reachability.explanation import family
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, SERVICE

MOST_PORTS = 3
"""Most ports of an endpoint whose connections are looked at."""


def _answered(tally: dns_lookups.Tally) -> bool | None:
    """Tell whether one of the lookups was answered without an error; None if there were none."""
    return any(s.outcome is Outcome.OK and s.rcode in ("", "NOERROR") for s in tally.samples) if tally.sent else None


ConnectAttempts = list[tuple[Connect, ConnectReply]]


class PathMeasurements:
    """The replies about one connection. Debug pods measured it, and what only they can't do says nothing about the source."""

    def __init__(self, facts: Facts, path: ConnectionPath) -> None:
        self.facts, self.path = facts, path
        self._stands: dict[Leg, bool] = {}
        self._targets: list[service_targets.Target] | None = None
        self._new_only: dict[str, bool] = {}
        self._vantages = {vantage.node: vantage for vantage in facts.vantages if vantage.running}

    # Names

    def resolves(self, node: str) -> bool | None:
        """Tell whether the name can be resolved on a node; None if that was not measured.

        If the cluster's own names can't be resolved, a name outside can't be either; the reverse does not hold.
        """
        outside = self.path.destination.outside
        own_name = _answered(dns_lookups.Tally([self.facts.reply(dns_lookups.lookup(self.path.cluster, node))]))
        if not outside:
            return own_name
        asked = _answered(dns_lookups.Tally([self.facts.reply(dns_lookups.outside(node, outside))]))
        return False if own_name is False and asked is None else asked

    def lookups_in_words(self, node: str) -> str:
        """Return the result of lookups on a node as text; "" where there were none."""
        outside, cluster = self.path.destination.outside, self.path.cluster
        lookups = [dns_lookups.outside(node, outside)] if outside else []
        told = [dns_lookups.Tally([self.facts.reply(each)]) for each in (*lookups, dns_lookups.lookup(cluster, node))]
        tally = next((each for each in told if each.sent), None)
        if tally is None:
            return ""
        codes = "".join(f", {count} {code}" for code, count in tally.rcodes.items() if code != "NOERROR")
        return (
            f"from node {node}: {tally.sent} lookups sent to {tally.server}, {tally.lost} lost{codes}, {tally}{self._conf(node)}"
        )

    def _conf(self, node: str) -> str:
        """Return the resolv.conf of new pods on a node as text: nameservers, and the search list after their own namespace."""
        conf = self.facts.reply(ResolvConf(node))
        if not isinstance(conf, ResolvConfReply):
            return ""
        told = [f"nameserver {', '.join(conf.nameservers) or 'none'}", f"search {' '.join(conf.search[1:]) or 'none'}"]
        return f"; pods there have {', '.join(told)} (behind their own namespace), ndots {conf.ndots}"

    # Connections

    def front(self, node: str) -> ConnectAttempts:
        """Return the connections from a node to the Service's own addresses."""
        service, question = self.path.destination.service, self.path.question
        if service is None or not self.path.translated or question.protocol != "TCP":
            return []
        wanted = [p.port for p in service.spec.ports if p.protocol == "TCP" and question.port in ("", str(p.port), p.name)]
        ips = service.spec.cluster_ips or (service.spec.cluster_ip,)
        return self._tries(Connect(node, Address(ip, port)) for ip in ips for port in wanted)

    def direct(self, node: str, end: End) -> ConnectAttempts:
        """Return the connections from a node to an endpoint, on the connection's ports."""
        numbers = [low for protocol, low, high in self.path.asked.ranges() if low == high and protocol == "TCP"]
        found = (Connect(node, Address(str(ip), number)) for ip in end.addresses[:1] for number in numbers[:MOST_PORTS])
        return self._tries(found)

    def _tries(self, requests: object) -> ConnectAttempts:
        asked: list[Connect] = list(requests)  # type: ignore[call-overload]
        return [(each, reply) for each in asked if isinstance(reply := self.facts.reply(each), ConnectReply)]

    def proved(self, one: str, other: str) -> EchoReply | None:
        """Return the replies of the echo server on a path between two nodes, if it was tried."""
        reply = self.facts.reply(service_targets.proof(one, other)) if one and other and one != other else None
        return reply if isinstance(reply, EchoReply) else None

    # Conclusions

    def works(self, hop: str, leg: Leg) -> bool | None:
        """Tell whether a hop was seen to work for a leg; None if no pod that is comparable to the source tried it."""
        a, b = leg
        if hop == "name":
            return self.resolves(a.node)
        outcomes = [reply.outcome for _, reply in (self.front(a.node) if hop == "proxy" else self.direct(a.node, b))]
        echo = self.proved(a.node, b.node)
        good = Outcome.OK in outcomes or (not outcomes and echo is not None and any(s.who for s in echo.samples))
        if hop == "path" and Outcome.REFUSED in outcomes:
            good = True
        if good:
            return True
        if outcomes:
            return False if self.stands_for(leg) else None
        return False if echo is not None and self.stands_for(leg) and self._receives_as(b) else None

    def stands_for(self, leg: Leg) -> bool:
        """Tell whether the source can't do what netdoc's pod on its node could not do.

        False if a policy forbids it to netdoc's pod, or if only new pods have no network and the source is an older pod.
        """
        if leg not in self._stands:
            self._stands[leg] = self._stands_for(leg)
        return self._stands[leg]

    def _stands_for(self, leg: Leg) -> bool:
        a, b = leg
        vantage = self._vantages.get(a.node)
        if vantage is None or (a.pod_class is not None and a.pod_class.host_network):
            return False
        verdict = self.path.engine.verdict(own_policies.end(self.path.engine, a.node), b, self._ports(), family(b))
        if not verdict.allowed or verdict.depends or verdict.incomplete:
            return False
        return self._alike(a, vantage) and not self._new_only_on(a.node)

    def _new_only_on(self, node: str) -> bool:
        if node not in self._new_only:
            self._new_only[node] = self._new_pods_only(node)
        return self._new_only[node]

    def _receives_as(self, end: End) -> bool:
        """Tell whether netdoc's pod on an end's node can be reached the same way as that end."""
        vantage = self._vantages.get(end.node)
        return vantage is None or (self._alike(end, vantage) and not self._new_only_on(end.node))

    def _ports(self) -> ports.Ports:
        return self.path.asked or ports.every("TCP")

    def _alike(self, end: End, vantage: Vantage) -> bool:
        """Tell whether a pod and netdoc's pod on its node are both in the node's own pod ranges, or both not."""
        cluster = self.path.cluster
        node = cluster.get(NODE, "", end.node) if cluster.readable(NODE) else None
        if node is None or not node.spec.pod_cidrs or not vantage.ip or not end.addresses:
            return True
        ranges = [ip_network(text) for text in node.spec.pod_cidrs]
        inside = [any(address in each for each in ranges) for address in (ip_address(vantage.ip), end.addresses[0])]
        return inside[0] == inside[1]

    def _new_pods_only(self, node: str) -> bool:
        """Tell whether netdoc's new pod there reaches no other, although older pods of the node are reached from elsewhere."""
        others = [other for other in self._vantages if other != node]
        echoes = [echo for other in others for pair in ((node, other), (other, node)) if (echo := self.proved(*pair))]
        if not echoes or any(sample.who for echo in echoes for sample in echo.samples):
            return False
        return any(endpoint.node == node and self._answers(request) for o in others for endpoint, request in self._direct(o))

    def _direct(self, node: str) -> list[tuple[service_targets.TargetEndpoint, Connect]]:
        cluster = self.path.cluster
        if not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
            return []
        if self._targets is None:
            self._targets = service_targets.targets(cluster)
        return [pair for target in self._targets for pair in target.direct(node)]

    def _answers(self, request: Connect) -> bool:
        reply = self.facts.reply(request)
        return isinstance(reply, ConnectReply) and reply.outcome in (Outcome.OK, Outcome.REFUSED)

    # Texts

    def why_unmeasured(self, node: str) -> str:
        """Return why nothing was measured from a node."""
        if self.facts.why_unmeasured:
            return self.facts.why_unmeasured
        return f"no debug pod ran on node {node}" if node else "the source's node is not known"

    def in_words(self, tries: ConnectAttempts) -> list[str]:
        """Return connections as text."""
        return [f"{each.to} from node {each.node}: {reply.outcome} after {reply.ms:.0f} ms" for each, reply in tries]

    def path_in_words(self, one: str, other: str) -> str:
        """Return as text what was measured on a path between two nodes, or ""."""
        said = []
        echo = self.proved(one, other)
        if echo is not None:
            said.append(f"{sum(bool(s.who) for s in echo.samples)} of {len(echo.samples)} proofs over TCP")
        rounds = node_pairs.rounds(self.facts, (one, other))
        if rounds and one != other:
            said.append(f"{sum(each.lost for each in rounds)} of {sum(each.sent for each in rounds)} datagrams lost")
        mtu = self.facts.reply(node_pairs.path_mtu(one, other)) if one != other else None
        if isinstance(mtu, PathMtuReply) and node_pairs.loses_large(mtu):
            large = [sum(numbers) for numbers in zip(*mtu.large, strict=True)]
            said.append(f"{large[0] - large[1]} of {large[0]} large datagrams lost")
        elif isinstance(mtu, PathMtuReply) and mtu.own:
            said.append(f"packets of {mtu.carried} of {mtu.own} bytes get through")
        return f"{one} -> {other}: {', '.join(said)}" if said else ""
