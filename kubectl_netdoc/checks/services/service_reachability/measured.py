# SPDX-License-Identifier: Apache-2.0
"""The measurements of each Service port: its ClusterIPs and its endpoints, from each node."""

from __future__ import annotations

from kubectl_netdoc.api import Address, ConnectReply, Facts, Lost, Outcome, Subject, ip_families
from kubectl_netdoc.probes.service_targets import Target, TargetEndpoint


class MeasuredPort:
    """What became of connections to one Service port.

    ``through``: outcomes by ClusterIP and node. ``direct``: outcomes of each endpoint by node. ``lost``: why measurements
    failed. An address of a family that a debug pod does not have is not judged from there.
    """

    def __init__(self, facts: Facts, target: Target, nodes: list[str]) -> None:
        self.target = target
        self.through: dict[tuple[Address, str], Outcome] = {}
        self.direct: dict[TargetEndpoint, dict[str, Outcome]] = {}
        self.lost: set[str] = set()
        families = {v.node: {ip_families.of(ip) for ip in (v.ip, *v.more_ips) if ip} for v in facts.vantages}
        for node in nodes:
            for through in target.through(node):
                reply = facts.reply(through)
                if isinstance(reply, ConnectReply):
                    self.through[through.to, node] = reply.outcome
            for endpoint, connect in target.direct(node):
                answer = facts.reply(connect)
                if isinstance(answer, ConnectReply) and _has_family(families[node], endpoint.address):
                    self.direct.setdefault(endpoint, {})[node] = answer.outcome
                elif isinstance(answer, Lost):
                    self.lost.add(answer.reason)

    @property
    def subject(self) -> Subject:
        """The Service."""
        return Subject.of("Service", self.target.service)

    @property
    def key(self) -> tuple[str, str]:
        """The Service's namespace and name."""
        return self.target.service.namespace, self.target.service.name

    def reaches_all(self, node: str, family: str) -> bool:
        """Whether every endpoint of a family answers a node; not where there is none."""
        ends = [seen.get(node) for end, seen in self.direct.items() if ip_families.of(end.address.ip) == family]
        return bool(ends) and all(outcome is Outcome.OK for outcome in ends)

    def refusing(self) -> list[TargetEndpoint]:
        """Endpoints that refuse every node."""
        return [endpoint for endpoint, outcomes in self.direct.items() if set(outcomes.values()) == {Outcome.REFUSED}]

    def answers(self) -> bool:
        """Whether some endpoint accepts a connection from some node."""
        return any(Outcome.OK in outcomes.values() for outcomes in self.direct.values())


def _has_family(own_families: set[str], address: Address) -> bool:
    """Whether a debug pod has the family of an address; assumed of one whose own addresses are not known."""
    return not own_families or ip_families.of(address.ip) in own_families
