# SPDX-License-Identifier: Apache-2.0
"""Which findings of a run concern a connection, at which hop, and what they do to it.

A finding is on the path of a connection if everything that it names is: its subject, the nodes it was seen from, and the node
paths, Services, ports, IP family, addresses and pods in its evidence. A ``fail`` stops the legs that it is on, unless the hop
was seen to work there: then it weakens them, as a ``warn`` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.reachability.connection_path import ConnectionPath, Leg
from kubectl_netdoc.reachability.explanation import Effect
from kubectl_netdoc.reachability.path_measurements import PathMeasurements
from kubectl_netdoc.reachability.topics import Feature, Impact, NodeMatch, Topic, topic

EVERYWHERE = ("Cluster", "Node", "NodePair", "DaemonSet", "Nameserver")
"""Kinds of subjects that are not an end of a connection; their nodes and node paths say what they affect."""

PROVEN = ("Cluster", "Node", "NodePair", "DaemonSet")
"""Kinds of subjects that stop a connection only if that was measured: pods keep working with many faults on their node."""

Pair = tuple[str, str]


class FindingOnPath(Struct, frozen=True):
    """A finding on the path: the hop where it acts, the legs that it is on, and those of them that it stops."""

    finding: Finding
    hop: str
    effect: Effect
    legs: frozenset[Leg]
    stopped: frozenset[Leg] = frozenset()


def findings_on_path(
    path: ConnectionPath, measured: PathMeasurements, findings: Iterable[Finding], policies: Iterable[PolicyRef] = ()
) -> list[FindingOnPath]:
    """Return which of a run's findings concern a connection, in their order. ``policies``: those that deny the connection."""
    known = tuple(findings)
    judge = _Judge(path, measured, {finding.id: finding for finding in known}, frozenset(policies))
    all_of_them = [placed for each in known if each.severity is not Severity.INFO and (placed := judge.place(each))]
    by_id = {each.finding.id: each for each in all_of_them}
    return [_no_wider(each, by_id.get(each.finding.explained_by), judge.legs) for each in all_of_them]


def _no_wider(effect: FindingOnPath, cause: FindingOnPath | None, legs: frozenset[Leg]) -> FindingOnPath:
    """Return an effect limited to the legs of its cause, if the cause is on the path too."""
    if cause is None or cause.legs.isdisjoint(effect.legs) or effect.legs <= cause.legs:
        return effect
    stopped = effect.stopped & cause.legs
    does = Effect.WEAKENS if effect.effect is Effect.STOPS and stopped != legs else effect.effect
    return replace(effect, legs=effect.legs & cause.legs, stopped=stopped, effect=does)


class _Judge:
    """Compares findings with one connection."""

    def __init__(
        self, path: ConnectionPath, measured: PathMeasurements, by_id: dict[str, Finding], policies: frozenset[PolicyRef]
    ) -> None:
        self.path, self.measured, self.by_id, self.policies = path, measured, by_id, policies
        self.legs = frozenset(path.legs)
        self.by_nodes: dict[tuple[str, str], list[Leg]] = {}
        for leg in path.legs:
            self.by_nodes.setdefault((leg[0].node, leg[1].node), []).append(leg)
        self.nodes = path.dns_nodes | {end.node for leg in path.legs for end in leg}

    def place(self, finding: Finding) -> FindingOnPath | None:
        """Return what a finding does to the connection, or None if it is not on its path."""
        declared = topic(finding.code)
        role = self._role(finding)
        if role is None or (not role and self._far(finding)):
            return None
        about = declared or Topic(nodes=NodeMatch.PATH if finding.paths else NodeMatch.ENDS if _nodes(finding) else NodeMatch.ANY)
        hop = self._hop(finding, about, role)
        if not self._of_use(about, hop) or not self._caused_here(finding, hop):
            return None
        legs = self._affected_legs(finding, about, hop)
        return self._weigh(finding, declared, hop, legs) if legs else None

    def _role(self, finding: Finding) -> str | None:
        """Return the hop that the subject belongs to; "" if it is not an object on paths, None if it is not on this path."""
        subject, path = finding.subject, self.path
        found = path.objects.get((subject.kind, subject.namespace, subject.name))
        named = {(ref.namespace, ref.name) for ref in finding.objects("services")}
        if subject.kind in ("Service", *EVERYWHERE) and not path.services.isdisjoint(named):
            return found or "endpoints"
        if found is not None:
            return found
        if subject.kind == "Address":
            return "endpoints" if subject.name in path.addresses else None
        if subject.kind == "Name":
            return "name" if subject.name.rstrip(".") == path.destination.outside.rstrip(".") else None
        if PolicyRef(subject.kind, subject.namespace, subject.name) in self.policies:
            return "policies"
        return "" if subject.kind in EVERYWHERE and not named else None

    def _far(self, finding: Finding) -> bool:
        """Tell whether a finding about nodes names none of the connection's nodes, so that its legs don't matter."""
        if finding.subject.kind not in PROVEN or self.path.entry is not None:
            return False
        told = _nodes(finding) | {node for path in finding.paths for node in path.nodes}
        return bool(told) and told.isdisjoint(self.nodes) and _addresses(finding).isdisjoint(self.path.addresses)

    def _hop(self, finding: Finding, about: Topic, role: str) -> str:
        """Return the hop where a finding acts. Findings about DNS servers always belong to the name lookup."""
        if role == "name" and (finding.subject.namespace, finding.subject.name) not in self.path.services:
            return "name"
        if about.hop:
            return about.hop
        if role:
            return role
        return "path" if finding.paths or finding.subject.kind == "NodePair" else "source"

    def _of_use(self, about: Topic, hop: str) -> bool:
        uses = self.path.uses
        if about.feature is Feature.POLICY:
            return True
        if hop == "name":
            return Feature.NAME in uses and (about.feature in (Feature.SERVICE, Feature.ANY) or about.feature in uses)
        return about.feature in uses

    def _caused_here(self, finding: Finding, hop: str) -> bool:
        """Tell whether a finding's cause can affect this connection: a cause for new pods only has effects on new pods only."""
        cause = self.by_id.get(finding.explained_by)
        declared = topic(cause.code) if cause else None
        if cause is None or declared is None:
            return True
        if declared.impact is Impact.NEW_PODS:
            return any(self._new(leg, cause) for leg in self.legs)
        if cause.objects("pods") and not any(self._of_pods(cause, leg) for leg in self.legs):
            return False
        return declared.feature is Feature.NEVER or self._of_use(declared, hop)

    def _affected_legs(self, finding: Finding, about: Topic, hop: str) -> frozenset[Leg]:
        """Return the legs that a finding is on. What all legs share is checked once, nodes once for each pair of them."""
        if not (self._of_service(finding, hop) and self._of_family(finding) and self._of_zone(finding)):
            return frozenset()
        paths, nodes = frozenset(path.nodes for path in finding.paths), frozenset(_nodes(finding))
        pods = _pods(finding)
        legs = [leg for pair in self._pairs(about.nodes, hop, paths, nodes) for leg in self.by_nodes[pair]]
        named = _addresses(finding) & self.path.addresses
        if named:
            legs += [leg for leg in self.legs if any(str(address) in named for end in leg for address in end.addresses)]
        return frozenset(
            leg for leg in legs if (not pods or leg[0].pod in pods or leg[1].pod in pods) and self._of_subject(finding, leg)
        )

    def _pairs(self, at: NodeMatch, hop: str, paths: frozenset[Pair], nodes: frozenset[str]) -> Iterable[tuple[str, str]]:
        """Return the pairs of nodes that a finding is about; named node paths are looked up instead of trying each pair."""
        if paths and hop != "name" and at in (NodeMatch.PATH, NodeMatch.ENDS):
            return (paths | {(other, one) for one, other in paths}) & self.by_nodes.keys()
        return [pair for pair in self.by_nodes if self._at(at, hop, pair, paths, nodes)]

    def _at(self, at: NodeMatch, hop: str, pair: tuple[str, str], paths: frozenset[Pair], nodes: frozenset[str]) -> bool:
        """Tell whether a finding is about these two nodes."""
        one, others = pair[0], self.path.dns_nodes if hop == "name" else frozenset({pair[1]})
        if at is NodeMatch.ANY or not (paths or nodes):
            return True
        if paths and at in (NodeMatch.PATH, NodeMatch.ENDS):
            return any((one, other) in paths or (other, one) in paths for other in others)
        if at is NodeMatch.SAME:
            return one in others and one in nodes
        if at is NodeMatch.TO:
            return not others.isdisjoint(nodes) or (self.path.entry is not None and self.path.destination.service is not None)
        if at is NodeMatch.FROM:
            return one in nodes
        crosses = at is not NodeMatch.PATH or one not in others
        return crosses and (one in nodes or not others.isdisjoint(nodes))

    def _of_pods(self, finding: Finding, leg: Leg) -> bool:
        """Tell whether a leg has one of the pods that a finding names, if it names any."""
        named = _pods(finding)
        return not named or any(end.pod in named for end in leg)

    def _of_subject(self, finding: Finding, leg: Leg) -> bool:
        subject = finding.subject
        if subject.kind == "Pod" and self.path.objects.get(("Pod", subject.namespace, subject.name)) != "name":
            return any(end.pod == (subject.namespace, subject.name) for end in leg)
        if subject.kind == "Address":
            return any(str(address) == subject.name for end in leg for address in end.addresses) or not leg[1].addresses
        return True

    def _of_service(self, finding: Finding, hop: str) -> bool:
        """Tell whether one of the Services, addresses and ports that a finding names is on the path, if it names any."""
        ports = frozenset({53}) if hop == "name" else self.path.ports
        named, services = [ref for ref in finding.objects("services") if ref.port], self.path.services
        mine = [ref for ref in named if hop == "name" or not services or (ref.namespace, ref.name) in services]
        if named and services and not mine and hop != "name":
            return False
        numbers = {ref.port for ref in (*mine, *finding.objects("address"))}
        if hop != "name" and isinstance(finding.evidence.get("port"), int):
            numbers.add(int(str(finding.evidence["port"])))
        return not numbers or not ports or not numbers.isdisjoint(ports)

    def _of_family(self, finding: Finding) -> bool:
        named = finding.evidence.get("family")
        return named not in ("IPv4", "IPv6") or not self.path.ip_families or named in self.path.ip_families

    def _of_zone(self, finding: Finding) -> bool:
        zone, outside = finding.evidence.get("zone"), self.path.destination.outside.rstrip(".")
        return not isinstance(zone, str) or zone in ("", ".") or f".{outside}".endswith(f".{zone.rstrip('.')}")

    def _new(self, leg: Leg, finding: Finding) -> bool:
        """Tell whether a pod of the leg is on one of the finding's nodes and has no network yet."""
        return any(end.node in _nodes(finding) and end.pod != ("", "") and not end.addresses for end in leg)

    def _weigh(self, finding: Finding, declared: Topic | None, hop: str, legs: frozenset[Leg]) -> FindingOnPath:
        about = declared or Topic()
        if declared is None and finding.subject.kind == "Cluster" and not (_nodes(finding) or finding.paths):
            return FindingOnPath(finding, hop, Effect.PERHAPS, legs)
        if about.impact is Impact.OPENS:
            return FindingOnPath(finding, hop, Effect.OPENS, legs)
        if about.impact is Impact.NOT_TODAY or (
            about.impact is Impact.NEW_PODS and not any(self._new(leg, finding) for leg in legs)
        ):
            return FindingOnPath(finding, hop, Effect.NOTE, legs)
        if finding.severity is not Severity.FAIL:
            return FindingOnPath(finding, hop, Effect.WEAKENS, legs)
        stopped = frozenset(leg for leg in legs if self._stops(finding, about, hop, leg))
        whole = stopped == self.legs
        return FindingOnPath(finding, hop, Effect.STOPS if whole else Effect.WEAKENS, legs, stopped)

    def _stops(self, finding: Finding, about: Topic, hop: str, leg: Leg) -> bool:
        works = self.measured.works(hop, leg)
        if works is not None:
            return not works
        if about.impact is Impact.NEW_PODS:
            return self._new(leg, finding)
        if finding.subject.kind == "Service" and hop == "endpoints":
            return not leg[1].addresses
        if hop == "name" and finding.subject.kind in ("Service", "Pod") and about.feature is not Feature.OUTSIDE:
            return not self.path.dns_ready
        if hop == "entry" and _nodes(finding):  # a load balancer can use other nodes
            return False
        return finding.subject.kind not in PROVEN


def _pods(finding: Finding) -> frozenset[tuple[str, str]]:
    """Return namespace and name of each pod that a finding names."""
    return frozenset((ref.namespace, ref.name) for ref in finding.objects("pods"))


def _addresses(finding: Finding) -> frozenset[str]:
    """Return the addresses of objects that a finding names: ``worker 172.18.0.2``."""
    return frozenset(
        address for ref in finding.objects() if ref.kind != "Address" for address in ref.address.split(", ") if address
    )


def _nodes(finding: Finding) -> set[str]:
    """Return the nodes that a finding was seen from, or is about."""
    subject = finding.subject
    if subject.node:
        return {subject.node}
    nodes = finding.evidence.get("nodes", [])
    listed = set(nodes) if isinstance(nodes, list) else set()
    return listed | {subject.name} if subject.kind == "Node" else listed
