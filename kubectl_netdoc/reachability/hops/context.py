# SPDX-License-Identifier: Apache-2.0
"""The data that explains all hops: the question, the connection's path, measurements and findings."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Direction, PolicyRef
from kubectl_netdoc.policy.verdict import Side, Verdict
from kubectl_netdoc.reachability.connection_path import ConnectionPath
from kubectl_netdoc.reachability.explanation import Answer, Effect, Fix, Hop, HopFinding, Question, family
from kubectl_netdoc.reachability.findings_on_path import FindingOnPath
from kubectl_netdoc.reachability.path_measurements import PathMeasurements
from kubectl_netdoc.reachability.policy_fix import PolicyFixes

SHOWN = 4
"""Most measurements of one kind that a hop shows."""


class HopContext:
    """One question and the data that explains its hops; keeps the fix of the first hop that stops the connection."""

    def __init__(self, engine: Engine, facts: Facts, question: Question, asked: Ports, mapping: str) -> None:
        self.engine, self.facts, self.question, self.asked, self.mapping = engine, facts, question, asked, mapping
        self.source, self.destination = question.source, question.destination
        self.fix: Fix | None = None
        self.path = ConnectionPath(engine, question, asked)
        self.measured = PathMeasurements(facts, self.path)
        self.policy_fixes = PolicyFixes(engine, self.source, self.destination, asked)
        real = [(a, b) for a, b in self.path.legs if b in self.destination.ends]
        self.pairs = [(a, b, engine.verdict(a, b, asked, family(b))) for a, b in real]
        self.nodes = sorted({end.node for end in self.source.ends if end.node})
        self.findings: list[FindingOnPath] = []
        self.denying: set[PolicyRef] = set()

    def _stop(self, name: str, text: str, fix: Fix, policies: tuple[str, ...] = ()) -> Hop:
        self.fix = self.fix or fix
        return Hop(name, Answer.STOPS, text, policies)

    def _not_measured(self) -> str:
        if self.question.protocol != "TCP":
            return f"not measured: netdoc does not try {self.question.protocol}"
        reason = next((self.measured.why_unmeasured(node) for node in self.nodes or [""]), "")
        return f"not measured ({reason})" if reason else "not measured"

    def _open(self, direction: Direction, nodes: Iterable[str]) -> tuple[HopFinding, ...]:
        """Return the findings that say that policies of a direction are enforced on none of these nodes."""
        opening = [each.finding for each in self.findings if each.effect is Effect.OPENS]
        told = [f for f in opening if f.evidence.get("direction", str(direction)) == direction]
        here = set(nodes)
        everywhere = [f for f in told if f.subject.kind != "Node"]
        single = [f for f in told if f.subject.kind == "Node"]
        shut = here - {f.subject.name for f in single}
        return tuple(HopFinding(f, Effect.OPENS) for f in everywhere or ([] if shut else single))


def side(verdict: Verdict, direction: Direction) -> Side:
    """Return the side of a verdict for one direction."""
    return verdict.egress if direction is Direction.EGRESS else verdict.ingress


def unsure(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Return what could change the verdicts and was not evaluated, each once."""
    return tuple(dict.fromkeys(text for verdict in verdicts for text in (*verdict.depends, *verdict.incomplete)))


def doubted(doubts: tuple[str, ...]) -> str:
    """Return the end of a sentence that says why a verdict is not certain."""
    return f"; not certain, because not evaluated or up to the CNI: {'; '.join(doubts[:4])}"
