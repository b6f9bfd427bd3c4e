# SPDX-License-Identifier: Apache-2.0
"""What all hops are told from: the question, its way, what was measured and what was found."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Direction, PolicyRef
from kubectl_netdoc.policy.verdict import Side, Verdict
from kubectl_netdoc.reachability.measured import Measured
from kubectl_netdoc.reachability.mending import Mender
from kubectl_netdoc.reachability.story import Answer, Effect, Fix, Hop, Question, Struck, family
from kubectl_netdoc.reachability.strikes import Strike
from kubectl_netdoc.reachability.way import Way

SHOWN = 4
"""Measurements of one kind that a hop tells."""


class Teller:
    """Holds one question against the facts; keeps the fix of the first hop that stops."""

    def __init__(self, engine: Engine, facts: Facts, question: Question, asked: Ports, mapping: str) -> None:
        self.engine, self.facts, self.question, self.asked, self.mapping = engine, facts, question, asked, mapping
        self.source, self.destination = question.source, question.destination
        self.fix: Fix | None = None
        self.way = Way(engine, question, asked)
        self.measured = Measured(facts, self.way)
        self.mender = Mender(engine, self.source, self.destination, asked)
        real = [(a, b) for a, b in self.way.legs if b in self.destination.ends]
        self.pairs = [(a, b, engine.verdict(a, b, asked, family(b))) for a, b in real]
        self.nodes = sorted({end.node for end in self.source.ends if end.node})
        self.strikes: list[Strike] = []
        self.denying: set[PolicyRef] = set()

    def _stop(self, name: str, text: str, fix: Fix, policies: tuple[str, ...] = ()) -> Hop:
        self.fix = self.fix or fix
        return Hop(name, Answer.STOPS, text, policies)

    def _not_measured(self) -> str:
        if self.question.protocol != "TCP":
            return f"not measured: {self.question.protocol} is not tried"
        reason = next((self.measured.why_not(node) for node in self.nodes or [""]), "")
        return f"not measured ({reason})" if reason else "not measured"

    def _open(self, direction: Direction, nodes: Iterable[str]) -> tuple[Struck, ...]:
        """The findings by which policies of a direction are not enforced on any of the nodes that would have to."""
        opening = [strike.finding for strike in self.strikes if strike.effect is Effect.OPENS]
        told = [f for f in opening if f.evidence.get("direction", str(direction)) == direction]
        here = set(nodes)
        everywhere = [f for f in told if f.subject.kind != "Node"]
        single = [f for f in told if f.subject.kind == "Node"]
        shut = here - {f.subject.name for f in single}
        return tuple(Struck(f, Effect.OPENS) for f in everywhere or ([] if shut else single))


def side(verdict: Verdict, direction: Direction) -> Side:
    """Return what a verdict says of one direction."""
    return verdict.egress if direction is Direction.EGRESS else verdict.ingress


def unsure(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Return what could change verdicts and is not judged, each once."""
    return tuple(dict.fromkeys(text for verdict in verdicts for text in (*verdict.depends, *verdict.incomplete)))
