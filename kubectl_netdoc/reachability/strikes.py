# SPDX-License-Identifier: Apache-2.0
"""Which findings are on a way, at which hop and for which of its legs, and what they do there.

A finding is on the way where all that it names is: its subject, the nodes it was seen from, the paths, Services, ports, family,
addresses and pods of its evidence. A ``fail`` stops the legs that it is on, unless what the hop is for was seen to work there:
then, as a ``warn`` does, it weakens them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.reachability.measured import Measured
from kubectl_netdoc.reachability.story import Effect
from kubectl_netdoc.reachability.topics import Act, At, Topic, Use, topic
from kubectl_netdoc.reachability.way import Leg, Way

EVERYWHERE = ("Cluster", "Node", "NodePair", "DaemonSet", "Nameserver")
"""Kinds of subjects that are no end of a way; where they strike, nodes and paths tell."""

PROVEN = ("Cluster", "Node", "NodePair", "DaemonSet")
"""Kinds of subjects that stop a way only where that was measured: a pod outlives much that is wrong with its node's agents."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Strike:
    """A finding on the way: the hop, the legs that it is on, and those of them that it stops."""

    finding: Finding
    hop: str
    effect: Effect
    legs: frozenset[Leg]
    stopped: frozenset[Leg] = frozenset()


def strikes(way: Way, measured: Measured, findings: Iterable[Finding], policies: Iterable[PolicyRef] = ()) -> list[Strike]:
    """Return the strikes of a run's findings on a way, in the order of the findings. ``policies``: those that deny it."""
    known = tuple(findings)
    judge = _Judge(way, measured, {finding.id: finding for finding in known}, frozenset(policies))
    all_of_them = [strike for each in known if each.severity is not Severity.INFO and (strike := judge.strike(each))]
    by_id = {strike.finding.id: strike for strike in all_of_them}
    return [_no_wider(strike, by_id.get(strike.finding.explained_by), judge.legs) for strike in all_of_them]


def _no_wider(strike: Strike, cause: Strike | None, legs: frozenset[Leg]) -> Strike:
    """An effect as far as its cause reaches, where that is on the way too."""
    if cause is None or cause.legs.isdisjoint(strike.legs) or strike.legs <= cause.legs:
        return strike
    stopped = strike.stopped & cause.legs
    effect = Effect.WEAKENS if strike.effect is Effect.STOPS and stopped != legs else strike.effect
    return replace(strike, legs=strike.legs & cause.legs, stopped=stopped, effect=effect)


class _Judge:
    """Holds findings against one way."""

    def __init__(self, way: Way, measured: Measured, by_id: dict[str, Finding], policies: frozenset[PolicyRef]) -> None:
        self.way, self.measured, self.by_id, self.policies = way, measured, by_id, policies
        self.legs = frozenset(way.legs)
        self.by_nodes: dict[tuple[str, str], list[Leg]] = {}
        for leg in way.legs:
            self.by_nodes.setdefault((leg[0].node, leg[1].node), []).append(leg)
        self.nodes = way.dns_nodes | {end.node for leg in way.legs for end in leg}

    def strike(self, finding: Finding) -> Strike | None:
        """Return what a finding does to the way, or None where it is not on it."""
        declared = topic(finding.code)
        role = self._role(finding)
        if role is None or (not role and self._far(finding)):
            return None
        about = declared or Topic(at=At.PATH if finding.paths else At.ENDS if _nodes(finding) else At.ANY)
        hop = self._hop(finding, about, role)
        if not self._of_use(about, hop) or not self._caused_here(finding, hop):
            return None
        legs = self._struck(finding, about, hop)
        return self._weigh(finding, declared, hop, legs) if legs else None

    def _role(self, finding: Finding) -> str | None:
        """The hop that the subject stands for, "" where it is no end of a way, None where it is not on this one."""
        subject, way = finding.subject, self.way
        found = way.objects.get((subject.kind, subject.namespace, subject.name))
        named = {(ref.namespace, ref.name) for ref in finding.objects("services")}
        if subject.kind in ("Service", *EVERYWHERE) and not way.services.isdisjoint(named):
            return found or "endpoints"
        if found is not None:
            return found
        if subject.kind == "Address":
            return "endpoints" if subject.name in way.addresses else None
        if subject.kind == "Name":
            return "name" if subject.name.rstrip(".") == way.destination.outside.rstrip(".") else None
        if PolicyRef(subject.kind, subject.namespace, subject.name) in self.policies:
            return "policies"
        return "" if subject.kind in EVERYWHERE and not named else None

    def _far(self, finding: Finding) -> bool:
        """Whether a finding about nodes names none of the way's, so that its legs need not be gone through."""
        if finding.subject.kind not in PROVEN or self.way.entry is not None:
            return False
        told = _nodes(finding) | {node for path in finding.paths for node in path.nodes}
        return bool(told) and told.isdisjoint(self.nodes) and _addresses(finding).isdisjoint(self.way.addresses)

    def _hop(self, finding: Finding, about: Topic, role: str) -> str:
        """Where it is told: names that are asked for go their own way to the DNS servers, whatever is wrong with that."""
        if role == "name" and (finding.subject.namespace, finding.subject.name) not in self.way.services:
            return "name"
        if about.hop:
            return about.hop
        if role:
            return role
        return "path" if finding.paths or finding.subject.kind == "NodePair" else "source"

    def _of_use(self, about: Topic, hop: str) -> bool:
        uses = self.way.uses
        if about.use is Use.POLICY:
            return True
        if hop == "name":
            return Use.NAME in uses and (about.use in (Use.SERVICE, Use.ANY) or about.use in uses)
        return about.use in uses

    def _caused_here(self, finding: Finding, hop: str) -> bool:
        """Whether what brought it about could be on the way: an effect of what only new pods meet strikes only those."""
        cause = self.by_id.get(finding.explained_by)
        declared = topic(cause.code) if cause else None
        if cause is None or declared is None:
            return True
        if declared.act is Act.NEWCOMERS:
            return any(self._new(leg, cause) for leg in self.legs)
        if cause.objects("pods") and not any(self._of_pods(cause, leg) for leg in self.legs):
            return False
        return declared.use is Use.NEVER or self._of_use(declared, hop)

    def _struck(self, finding: Finding, about: Topic, hop: str) -> frozenset[Leg]:
        """The legs that it is on. What does not differ between legs is asked once, what nodes tell once for each two of them."""
        if not (self._of_service(finding, hop) and self._of_family(finding) and self._of_zone(finding)):
            return frozenset()
        paths, nodes = frozenset(path.nodes for path in finding.paths), frozenset(_nodes(finding))
        pods = _pods(finding)
        legs = [leg for pair in self._pairs(about.at, hop, paths, nodes) for leg in self.by_nodes[pair]]
        named = _addresses(finding) & self.way.addresses
        if named:
            legs += [leg for leg in self.legs if any(str(address) in named for end in leg for address in end.addresses)]
        return frozenset(
            leg for leg in legs if (not pods or leg[0].pod in pods or leg[1].pod in pods) and self._of_subject(finding, leg)
        )

    def _pairs(self, at: At, hop: str, paths: frozenset[Pair], nodes: frozenset[str]) -> Iterable[tuple[str, str]]:
        """The pairs of nodes that it is about; where paths are named, those are looked up instead of trying each pair."""
        if paths and hop != "name" and at in (At.PATH, At.ENDS):
            return (paths | {(other, one) for one, other in paths}) & self.by_nodes.keys()
        return [pair for pair in self.by_nodes if self._at(at, hop, pair, paths, nodes)]

    def _at(self, at: At, hop: str, pair: tuple[str, str], paths: frozenset[Pair], nodes: frozenset[str]) -> bool:
        """Whether two nodes are those that it is about."""
        one, others = pair[0], self.way.dns_nodes if hop == "name" else frozenset({pair[1]})
        if at is At.ANY or not (paths or nodes):
            return True
        if paths and at in (At.PATH, At.ENDS):
            return any((one, other) in paths or (other, one) in paths for other in others)
        if at is At.SAME:
            return one in others and one in nodes
        if at is At.TO:
            return not others.isdisjoint(nodes) or (self.way.entry is not None and self.way.destination.service is not None)
        if at is At.FROM:
            return one in nodes
        crosses = at is not At.PATH or one not in others
        return crosses and (one in nodes or not others.isdisjoint(nodes))

    def _of_pods(self, finding: Finding, leg: Leg) -> bool:
        """Where pods are named with their namespaces, only those are meant."""
        named = _pods(finding)
        return not named or any(end.pod in named for end in leg)

    def _of_subject(self, finding: Finding, leg: Leg) -> bool:
        subject = finding.subject
        if subject.kind == "Pod" and self.way.objects.get(("Pod", subject.namespace, subject.name)) != "name":
            return any(end.pod == (subject.namespace, subject.name) for end in leg)
        if subject.kind == "Address":
            return any(str(address) == subject.name for end in leg for address in end.addresses) or not leg[1].addresses
        return True

    def _of_service(self, finding: Finding, hop: str) -> bool:
        """Where Services, addresses and ports are named, one of them has to be on the way."""
        ports = frozenset({53}) if hop == "name" else self.way.ports
        named, services = [ref for ref in finding.objects("services") if ref.port], self.way.services
        mine = [ref for ref in named if hop == "name" or not services or (ref.namespace, ref.name) in services]
        if named and services and not mine and hop != "name":
            return False
        numbers = {ref.port for ref in (*mine, *finding.objects("address"))}
        if hop != "name" and isinstance(finding.evidence.get("port"), int):
            numbers.add(int(str(finding.evidence["port"])))
        return not numbers or not ports or not numbers.isdisjoint(ports)

    def _of_family(self, finding: Finding) -> bool:
        named = finding.evidence.get("family")
        return named not in ("IPv4", "IPv6") or not self.way.ip_families or named in self.way.ip_families

    def _of_zone(self, finding: Finding) -> bool:
        zone, outside = finding.evidence.get("zone"), self.way.destination.outside.rstrip(".")
        return not isinstance(zone, str) or zone in ("", ".") or f".{outside}".endswith(f".{zone.rstrip('.')}")

    def _new(self, leg: Leg, finding: Finding) -> bool:
        """Whether a pod of the leg on one of the finding's nodes is one that has no network yet."""
        return any(end.node in _nodes(finding) and end.pod != ("", "") and not end.addresses for end in leg)

    def _weigh(self, finding: Finding, declared: Topic | None, hop: str, legs: frozenset[Leg]) -> Strike:
        about = declared or Topic()
        if declared is None and finding.subject.kind == "Cluster" and not (_nodes(finding) or finding.paths):
            return Strike(finding, hop, Effect.PERHAPS, legs)
        if about.act is Act.OPENS:
            return Strike(finding, hop, Effect.OPENS, legs)
        if about.act is Act.LATER or (about.act is Act.NEWCOMERS and not any(self._new(leg, finding) for leg in legs)):
            return Strike(finding, hop, Effect.NOTE, legs)
        if finding.severity is not Severity.FAIL:
            return Strike(finding, hop, Effect.WEAKENS, legs)
        stopped = frozenset(leg for leg in legs if self._stops(finding, about, hop, leg))
        whole = stopped == self.legs
        return Strike(finding, hop, Effect.STOPS if whole else Effect.WEAKENS, legs, stopped)

    def _stops(self, finding: Finding, about: Topic, hop: str, leg: Leg) -> bool:
        works = self.measured.works(hop, leg)
        if works is not None:
            return not works
        if about.act is Act.NEWCOMERS:
            return self._new(leg, finding)
        if finding.subject.kind == "Service" and hop == "endpoints":
            return not leg[1].addresses
        if hop == "name" and finding.subject.kind in ("Service", "Pod") and about.use is not Use.OUTSIDE:
            return not self.way.dns_ready
        if hop == "entry" and _nodes(finding):  # a load balancer has other nodes to send it to
            return False
        return finding.subject.kind not in PROVEN


def _pods(finding: Finding) -> frozenset[tuple[str, str]]:
    """Namespace and name of each pod that a finding names."""
    return frozenset((ref.namespace, ref.name) for ref in finding.objects("pods"))


def _addresses(finding: Finding) -> frozenset[str]:
    """The addresses of objects that a finding names: ``worker 172.18.0.2``."""
    return frozenset(
        address for ref in finding.objects() if ref.kind != "Address" for address in ref.address.split(", ") if address
    )


def _nodes(finding: Finding) -> set[str]:
    """The nodes that a finding was seen from, or is about."""
    subject = finding.subject
    if subject.node:
        return {subject.node}
    nodes = finding.evidence.get("nodes", [])
    listed = set(nodes) if isinstance(nodes, list) else set()
    return listed | {subject.name} if subject.kind == "Node" else listed
