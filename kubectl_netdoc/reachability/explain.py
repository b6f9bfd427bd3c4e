# SPDX-License-Identifier: Apache-2.0
"""Explains whether A can reach B: every hop, the measurements and findings there, what stops it, and the smallest fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import FIRST, LAST
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.reachability.connection_path import ConnectionPath, Leg
from kubectl_netdoc.reachability.explanation import Answer, Effect, Explanation, Fix, Hop, HopFinding, Question
from kubectl_netdoc.reachability.findings_on_path import FindingOnPath, findings_on_path
from kubectl_netdoc.reachability.hops.context import side
from kubectl_netdoc.reachability.hops.mesh import MeshHops
from kubectl_netdoc.reachability.hops.name import NameHops
from kubectl_netdoc.reachability.hops.path import PathHops
from kubectl_netdoc.reachability.hops.policy import PolicyHops
from kubectl_netdoc.reachability.hops.service import ServiceHops
from kubectl_netdoc.reachability.named_end import NoSuchEnd
from kubectl_netdoc.reachability.policy_fix import pods_of
from kubectl_netdoc.reachability.translation import translate

ORDER = (Answer.STOPS, Answer.WEAKENS, Answer.OPEN, Answer.UNKNOWN)
"""Answers of a hop, in order of precedence: if several apply, the first counts."""

POLICY_HOPS = ("policies", "egress", "ingress")


def why(engine: Engine, facts: Facts, question: Question, findings: Iterable[Finding] = ()) -> Explanation:
    """Return the explanation of a connection. ``findings``: those of a run over the same facts, with causes joined.

    Raises ``NoSuchEnd`` for a source or a port that is not possible.
    """
    if question.source.outside:
        raise NoSuchEnd(f"{question.source.text} is outside the cluster; give an IP address as the source, not a name")
    if question.port.isdigit() and not FIRST <= int(question.port) <= LAST:
        raise NoSuchEnd(f"{question.port} is not a port; ports are {FIRST} to {LAST}")
    asked, mapping = translate(engine, question)
    explainer = _Explainer(engine, facts, question, asked, mapping)
    hops = tuple(explainer.hops(tuple(findings)))
    return Explanation(question, hops, asked, explainer.fix)


class _Explainer(NameHops, ServiceHops, PolicyHops, MeshHops, PathHops):
    """Explains a connection, hop by hop."""

    def hops(self, findings: tuple[Finding, ...]) -> Iterator[Hop]:
        """Yield the hops in the order in which a packet passes them, with the findings there."""
        if not self.source.ends:
            fix = Fix("Find out why it has no pod.", command=pods_of(self.source))
            yield self._stop("source", f"{self.source.text} has no pod", fix)
            return
        for direction in (Direction.EGRESS, Direction.INGRESS):
            self.denying |= {ref for *_, v in self.pairs if not (s := side(v, direction)).allowed for ref in s.by}
        self.denying |= {ref for verdict in self._dns_denied() for ref in verdict.by}
        self.findings = findings_on_path(self.path, self.measured, findings, self.denying)
        hops = [self._with_findings(hop) for hop in self._hops()]
        told = {hop.name for hop in hops}
        left = [each for each in self.findings if each.hop not in told and each.hop not in POLICY_HOPS]
        if left:
            hops[-1] = _answered(hops[-1], left, self.path)
        yield from self._together(hops)

    def _together(self, hops: list[Hop]) -> Iterator[Hop]:
        """Yield the hops. If several stop a part each and nothing gets through, the last of them stops the connection."""
        weak = [hop for hop in hops if hop.answer is Answer.WEAKENS and (hop.name != "name" or self.destination.by_name)]
        dead = {leg for each in self.findings if each.hop != "name" for leg in each.stopped}
        dead |= {(a, b) for a, b, v in self.pairs if not v.allowed and not (v.depends or v.incomplete) and self._shut(hops)}
        dead |= {leg for leg in self.path.legs if self._closed(leg)}
        if not weak or any(hop.answer is Answer.STOPS for hop in hops) or not dead >= set(self.path.legs):
            yield from hops
            return
        for hop in hops:
            yield replace(hop, answer=Answer.STOPS) if hop is weak[-1] else hop

    @staticmethod
    def _shut(hops: list[Hop]) -> bool:
        """Tell whether policies are known to deny it and may be enforced."""
        return not any(hop.name in POLICY_HOPS and hop.answer in (Answer.OPEN, Answer.UNKNOWN) for hop in hops)

    def _closed(self, leg: Leg) -> bool:
        """Tell whether an endpoint was seen to refuse or not to answer."""
        return bool(self.measured.direct(leg[0].node, leg[1])) and self.measured.works("port", leg) is False

    def _hops(self) -> Iterator[Hop]:
        yield self._source()
        if self.path.named:
            yield self._name()
        if self.path.entry is not None:
            yield self._entry(self.path.entry)
        if self.destination.service is not None:
            yield self._service()
            if not self.destination.outside:
                if self.path.translated:
                    yield self._proxy()
                yield self._endpoints()
        if not self.asked or not self.path.legs:
            return
        if self.destination.outside:
            yield self._outside()
            return
        for direction in (Direction.EGRESS, Direction.INGRESS):
            yield self._policies(direction)
        yield from self._paths()
        yield from self._mesh()
        yield self._port()

    def _with_findings(self, hop: Hop) -> Hop:
        mine = [each for each in self.findings if each.hop == hop.name]
        if hop.answer is Answer.OPEN:
            mine = [replace(s, effect=Effect.NOTE, stopped=frozenset()) if _of_policy(s) else s for s in mine]
        told = _answered(hop, mine, self.path)
        if hop.name == "name" and told.answer is Answer.STOPS and not (self.destination.by_name or self.destination.outside):
            return replace(told, answer=Answer.WEAKENS, text=f"{told.text}; it can reach the Service by its address only")
        return told


def _of_policy(each: FindingOnPath) -> bool:
    return each.finding.subject.kind.endswith("Policy")


def _answered(hop: Hop, mine: list[FindingOnPath], path: ConnectionPath) -> Hop:
    """Return a hop with its findings. It stops the connection if each leg is stopped by one of them."""
    if not mine:
        return hop
    stopped: set[Leg] = set().union(*(each.stopped for each in mine))
    whole = stopped >= set(path.legs)
    there = tuple(
        HopFinding(s.finding, Effect.STOPS if whole and s.stopped else s.effect) for s in mine if s.effect is not Effect.OPENS
    )
    effects = {each.effect for each in there}
    said = {hop.answer}
    said |= {Answer.STOPS} if whole and stopped else {Answer.WEAKENS} if effects & {Effect.STOPS, Effect.WEAKENS} else set()
    said |= {Answer.UNKNOWN} if Effect.PERHAPS in effects else set()
    answer = next((each for each in ORDER if each in said), hop.answer)
    return replace(hop, answer=answer, findings=(*hop.findings, *there))
