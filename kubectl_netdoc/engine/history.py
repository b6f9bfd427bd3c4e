# SPDX-License-Identifier: Apache-2.0
"""What kept reports say together: when each condition came and went, for how long, and what else changed then.

A condition is what it is for ``report_diff``: code and subject. Of a look at which its check did not look nothing follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.core.finding import Finding, Severity, Subject, at_least
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine.report_diff import Condition, conditions

HISTORY_VERSION = 1
"""Version of the history's JSON; raised when a field changes its meaning or is removed."""


class Named(Struct, frozen=True, order=True):
    """A condition by its code and subject."""

    code: str
    subject: Subject

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"


class Change(Struct, frozen=True):
    """A change of an object that the finding names, and when it was."""

    at: datetime
    subject: Subject
    what: str


class Span(Struct, frozen=True):
    """One time that a condition held.

    ``came_after``: the last look before, which did not see it; None if it was there at the first look, or nobody had looked.
    ``first`` and ``last``: the looks that saw it first and last. ``gone_by``: the first look that saw it gone; None while it
    holds. ``seen``: how many looks saw it. ``severity``: its worst, ``message``: its last. ``explained_by``: the condition whose
    effect it was last. ``changes``: as the first look tells them. ``beside``: causes that came with it.
    """

    condition: Named
    check: str
    severity: Severity
    message: str
    came_after: datetime | None
    first: datetime
    last: datetime
    gone_by: datetime | None
    seen: int
    explained_by: Named | None = None
    changes: tuple[Change, ...] = ()
    beside: tuple[Named, ...] = ()

    @property
    def lasted(self) -> tuple[timedelta, timedelta]:
        """How long it held, at least and at most as far as looks tell."""
        return self.last - self.first, (self.gone_by or self.last) - (self.came_after or self.first)


class Series(Struct, frozen=True):
    """The looks at one cluster in one scope, and what they saw, in the order in which it came."""

    source: str
    scope: str
    looks: int
    first: datetime
    last: datetime
    spans: tuple[Span, ...]


class History(Struct, frozen=True):
    """What kept reports say together, a series a cluster and scope."""

    netdoc_history: int
    tool: str
    series: tuple[Series, ...]


class _Open(Struct):
    """A condition that holds as far as it is known."""

    came_after: datetime | None
    first: datetime
    last: datetime
    worst: Severity
    latest: Finding
    explained_by: Named | None
    changes: tuple[Change, ...]
    seen: int = 0

    def done(self, gone_by: datetime | None) -> Span:
        """Return it as a span."""
        latest = self.latest
        return Span(
            condition=Named(latest.code, latest.subject),
            check=latest.check,
            severity=self.worst,
            message=latest.message,
            came_after=self.came_after,
            first=self.first,
            last=self.last,
            gone_by=gone_by,
            seen=self.seen,
            explained_by=self.explained_by,
            changes=self.changes,
        )


class _Looks:
    """The looks at one cluster, taken one after the other."""

    def __init__(self, report: Report) -> None:
        self.source, self.scope = report.source, report.coverage.scope
        self.number = 0
        self.first = self.last = datetime.fromisoformat(report.recorded)
        self._open: dict[Condition, _Open] = {}
        self._spans: list[Span] = []
        self._looked: dict[str, datetime] = {}

    def take(self, report: Report) -> None:
        """Take the next look."""
        self.number += 1
        self.last = now = datetime.fromisoformat(report.recorded)
        here = conditions(report)
        looked = report.looked()
        for key in [key for key, known in self._open.items() if key not in here and known.latest.check in looked]:
            self._spans.append(self._open.pop(key).done(now))
        by_id = {finding.id: finding for finding in report.findings}
        for key, finding in here.items():
            cause = by_id.get(finding.explained_by)
            known = self._open.get(key)
            if known is None:
                changes = tuple(Change(now - timedelta(seconds=each.seconds), each.subject, each.what) for each in finding.recent)
                before = self._looked.get(finding.check)
                known = self._open[key] = _Open(before, now, now, finding.severity, finding, None, changes)
            known.last, known.latest, known.seen = now, finding, known.seen + 1
            known.worst = finding.severity if at_least(finding.severity, known.worst) else known.worst
            known.explained_by = Named(cause.code, cause.subject) if cause else None
        self._looked |= dict.fromkeys(looked, now)

    def series(self) -> Series:
        """Return what was seen."""
        spans = [*self._spans, *(known.done(None) for known in self._open.values())]
        spans.sort(key=lambda span: (span.first, span.severity is not Severity.FAIL, span.condition))
        return Series(self.source, self.scope, self.number, self.first, self.last, tuple(_beside(spans)))


def _beside(spans: Iterable[Span]) -> Iterable[Span]:
    """Yield the spans, each with the causes that came with it; nothing came with what was there at the first look."""
    every = list(spans)
    together: dict[datetime, list[Span]] = {}
    for span in every:
        if span.came_after is not None and span.explained_by is None:
            together.setdefault(span.first, []).append(span)
    for span in every:
        others = together.get(span.first, ()) if span.came_after is not None else ()
        yield replace(span, beside=tuple(other.condition for other in others if other.condition != span.condition))


def of(reports: Iterable[Report], tool: str, codes: Iterable[str] = ()) -> History:
    """Return the history in reports, which come oldest first. ``tool``: netdoc's version; ``codes``: those to tell of, or all."""
    known: dict[tuple[str, str], _Looks] = {}
    for report in reports:
        key = report.source, report.coverage.scope
        known.setdefault(key, _Looks(report)).take(report)
    series = [looks.series() for looks in known.values()]
    if wanted := frozenset(codes):
        series = [replace(one, spans=tuple(s for s in one.spans if s.condition.code in wanted)) for one in series]
    return History(HISTORY_VERSION, tool, tuple(series))
