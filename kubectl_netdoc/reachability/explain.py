# SPDX-License-Identifier: Apache-2.0
"""Can A reach B? Every hop on the way, what was measured and found there, what stops it, and the least that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import FIRST, LAST
from kubectl_netdoc.policy.rules import Direction
from kubectl_netdoc.reachability import strikes as found
from kubectl_netdoc.reachability.endpoints import NoSuchPlace
from kubectl_netdoc.reachability.hops_name import NameHops
from kubectl_netdoc.reachability.hops_path import PathHops
from kubectl_netdoc.reachability.hops_policy import PolicyHops
from kubectl_netdoc.reachability.hops_service import ServiceHops
from kubectl_netdoc.reachability.mending import pods_of
from kubectl_netdoc.reachability.story import Answer, Effect, Fix, Hop, Question, Story, Struck
from kubectl_netdoc.reachability.strikes import Strike
from kubectl_netdoc.reachability.teller import side
from kubectl_netdoc.reachability.translation import translate
from kubectl_netdoc.reachability.way import Leg, Way

ORDER = (Answer.STOPS, Answer.WEAKENS, Answer.OPEN, Answer.UNKNOWN)
"""What a hop says where several things are said of it: the first of these counts."""

POLICY_HOPS = ("policies", "egress", "ingress")


def why(engine: Engine, facts: Facts, question: Question, findings: Iterable[Finding] = ()) -> Story:
    """Return the story of a connection. ``findings``: of a run over the same facts, causes joined.

    Raises ``NoSuchPlace`` for a source or a port that can't be.
    """
    if question.source.outside:
        raise NoSuchPlace(f"{question.source.text} is outside: as a source it is to be an address, not a name")
    if question.port.isdigit() and not FIRST <= int(question.port) <= LAST:
        raise NoSuchPlace(f"{question.port} is no port: {FIRST} to {LAST}")
    asked, mapping = translate(engine, question)
    teller = _Walk(engine, facts, question, asked, mapping)
    hops = tuple(teller.told(tuple(findings)))
    return Story(question, hops, asked, teller.fix)


class _Walk(NameHops, ServiceHops, PolicyHops, PathHops):
    """Goes from hop to hop."""

    def told(self, findings: tuple[Finding, ...]) -> Iterator[Hop]:
        """Yield each hop in the order in which a packet meets them, with what was found there."""
        if not self.source.ends:
            fix = Fix("Look at why it has none.", command=pods_of(self.source))
            yield self._stop("source", f"{self.source.text} has no pod", fix)
            return
        for direction in (Direction.EGRESS, Direction.INGRESS):
            self.denying |= {ref for *_, v in self.pairs if not (s := side(v, direction)).allowed for ref in s.by}
        self.denying |= {ref for verdict in self._dns_denied() for ref in verdict.by}
        self.strikes = found.strikes(self.way, self.measured, findings, self.denying)
        hops = [self._with_findings(hop) for hop in self._hops()]
        told = {hop.name for hop in hops}
        left = [strike for strike in self.strikes if strike.hop not in told and strike.hop not in POLICY_HOPS]
        if left:
            hops[-1] = _answered(hops[-1], left, self.way)
        yield from self._together(hops)

    def _together(self, hops: list[Hop]) -> Iterator[Hop]:
        """The hops; where each stops a part, and nothing is left of the whole, the last of them stops it."""
        weak = [hop for hop in hops if hop.answer is Answer.WEAKENS and (hop.name != "name" or self.destination.by_name)]
        dead = {leg for strike in self.strikes if strike.hop != "name" for leg in strike.stopped}
        dead |= {(a, b) for a, b, v in self.pairs if not v.allowed and not (v.depends or v.incomplete) and self._shut(hops)}
        dead |= {leg for leg in self.way.legs if self._closed(leg)}
        if not weak or any(hop.answer is Answer.STOPS for hop in hops) or not dead >= set(self.way.legs):
            yield from hops
            return
        for hop in hops:
            yield replace(hop, answer=Answer.STOPS) if hop is weak[-1] else hop

    @staticmethod
    def _shut(hops: list[Hop]) -> bool:
        """Whether what policies deny is denied, as far as can be told."""
        return not any(hop.name in POLICY_HOPS and hop.answer in (Answer.OPEN, Answer.UNKNOWN) for hop in hops)

    def _closed(self, leg: Leg) -> bool:
        """Whether an endpoint was seen to refuse, or not to answer, whoever stands for the source."""
        return bool(self.measured.direct(leg[0].node, leg[1])) and self.measured.works("port", leg) is False

    def _hops(self) -> Iterator[Hop]:
        yield self._source()
        if self.way.named:
            yield self._name()
        if self.way.entry is not None:
            yield self._entry(self.way.entry)
        if self.destination.service is not None:
            yield self._service()
            if not self.destination.outside:
                if self.way.translated:
                    yield self._proxy()
                yield self._endpoints()
        if not self.asked or not self.way.legs:
            return
        if self.destination.outside:
            yield self._outside()
            return
        for direction in (Direction.EGRESS, Direction.INGRESS):
            yield self._policies(direction)
        yield from self._paths()
        yield self._port()

    def _with_findings(self, hop: Hop) -> Hop:
        mine = [strike for strike in self.strikes if strike.hop == hop.name]
        if hop.answer is Answer.OPEN:
            mine = [replace(s, effect=Effect.NOTE, stopped=frozenset()) if _of_policy(s) else s for s in mine]
        told = _answered(hop, mine, self.way)
        if hop.name == "name" and told.answer is Answer.STOPS and not (self.destination.by_name or self.destination.outside):
            return replace(told, answer=Answer.WEAKENS, text=f"{told.text}; it can reach the Service by address only")
        return told


def _of_policy(strike: Strike) -> bool:
    return strike.finding.subject.kind.endswith("Policy")


def _answered(hop: Hop, mine: list[Strike], way: Way) -> Hop:
    """A hop with the findings that strike it: it stops where all legs are stopped, each by one of them."""
    if not mine:
        return hop
    stopped: set[Leg] = set().union(*(strike.stopped for strike in mine))
    whole = stopped >= set(way.legs)
    struck = tuple(
        Struck(s.finding, Effect.STOPS if whole and s.stopped else s.effect) for s in mine if s.effect is not Effect.OPENS
    )
    effects = {each.effect for each in struck}
    said = {hop.answer}
    said |= {Answer.STOPS} if whole and stopped else {Answer.WEAKENS} if effects & {Effect.STOPS, Effect.WEAKENS} else set()
    said |= {Answer.UNKNOWN} if Effect.PERHAPS in effects else set()
    answer = next((each for each in ORDER if each in said), hop.answer)
    return replace(hop, answer=answer, findings=(*hop.findings, *struck))
