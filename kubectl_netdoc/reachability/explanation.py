# SPDX-License-Identifier: Apache-2.0
"""The parts of an answer: question, hops, the findings there, and the whole explanation."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.reachability.named_end import NamedEnd


class Answer(StrEnum):
    """What a hop does to the connection. ``OPEN``: a policy denies it, and nothing enforces the policy."""

    OK = "ok"
    STOPS = "STOPS"
    WEAKENS = "weakens"
    OPEN = "open"
    UNKNOWN = "unknown"
    NOTE = "-"


class Effect(StrEnum):
    """What a finding does to a connection. It weakens it if it affects only some of its pods, packets or attempts."""

    STOPS = "stops it"
    WEAKENS = "weakens it"
    OPENS = "lets it through"
    PERHAPS = "may affect it"
    NOTE = "does not affect it today"


class HopFinding(Struct, frozen=True):
    """A finding at a hop, and what it does there."""

    finding: Finding
    effect: Effect


class Hop(Struct, frozen=True):
    """One step of the connection: the policies that apply there, what was measured, and the findings that affect it."""

    name: str
    answer: Answer
    text: str
    policies: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    findings: tuple[HopFinding, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that affect the connection here, each once."""
        return tuple(dict.fromkeys(each.finding.code for each in self.findings if each.effect is not Effect.NOTE))


class Fix(Struct, frozen=True):
    """The smallest fix of the first hop that stops the connection: words, and YAML or a command."""

    text: str
    yaml: str = ""
    command: str = ""


class Question(Struct, frozen=True):
    """The question: source, destination, and ``port`` as written (a number or the name of a Service port; "": any)."""

    source: NamedEnd
    destination: NamedEnd
    port: str = ""
    protocol: str = "TCP"

    def __str__(self) -> str:
        port = f" on {self.protocol} {self.port}" if self.port else f" over {self.protocol}"
        return f"Can {self.source.text} reach {self.destination.text}{port}?"


class Explanation(Struct, frozen=True):
    """The whole answer. ``asked``: the ports on the destination's pods, after Service translation."""

    question: Question
    hops: tuple[Hop, ...]
    asked: Ports
    fix: Fix | None = None

    def _first(self, answer: Answer) -> Hop | None:
        return next((hop for hop in self.hops if hop.answer is answer), None)

    @property
    def stopped(self) -> Hop | None:
        """The first hop that stops the connection."""
        return self._first(Answer.STOPS)

    @property
    def weakened(self) -> tuple[Hop, ...]:
        """The hops that weaken the connection."""
        return tuple(hop for hop in self.hops if hop.answer is Answer.WEAKENS)

    @property
    def opened(self) -> Hop | None:
        """The first hop where a policy denies the connection and is not enforced."""
        return self._first(Answer.OPEN)

    @property
    def measured(self) -> bool:
        """Tell whether anything was measured."""
        return any(hop.measured for hop in self.hops)

    @property
    def answer(self) -> str:
        """``no``, ``partly``, ``unknown`` or ``yes``, by policies, findings and measurements."""
        if self.stopped:
            return "no"
        if self.weakened:
            return "partly"
        return "unknown" if self._first(Answer.UNKNOWN) else "yes"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that affect the connection, in the order of the hops, each once."""
        found = (each for hop in self.hops for each in hop.findings if each.effect is not Effect.NOTE)
        return tuple({each.finding.id: each.finding for each in found}.values())

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The findings that none of the others explains."""
        ids = {finding.id for finding in self.findings}
        return tuple(finding for finding in self.findings if finding.explained_by not in ids)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings that affect the connection, in the order of the hops, each once."""
        return tuple(dict.fromkeys(code for hop in self.hops for code in hop.codes))


MOST_ENDS = 50
"""Most pods of each end that are judged one by one. A workload with more has pods that are all alike."""


def family(end: End) -> int:
    """Return the IP version in which an end is reached."""
    return end.addresses[0].version if end.addresses else 4
