# SPDX-License-Identifier: Apache-2.0
"""Compares two reports: which findings are new, gone, worse or better."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.report import LOOKED, Report, State

Condition = tuple[str, Subject]
"""What a finding is recognised by in another report: its code and its subject."""


class Change(StrEnum):
    """How a condition changed. ``unseen``: its check did not look in the other report, so it is not known."""

    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    GONE = "gone"
    UNSEEN = "unseen"


class Changed(Struct, frozen=True):
    """A condition that changed: its severities before and after (empty: it did not hold), and its latest message."""

    change: Change
    code: str
    subject: Subject
    before: Severity | None
    after: Severity | None
    message: str
    check: str
    explained_by: str = ""
    why: str = ""


class Difference(Struct, frozen=True):
    """The difference of two reports. ``same``: the number of conditions above info that both have."""

    old: str
    new: str
    changes: tuple[Changed, ...]
    same: int = 0

    def worse(self) -> bool:
        """Tell whether there is a new failure (new or worse) that is not the effect of another finding."""
        return any(
            changed.change in (Change.NEW, Change.WORSE) and changed.after is Severity.FAIL and not changed.explained_by
            for changed in self.changes
        )


def between(old: Report, new: Report) -> Difference:
    """Compare two reports. Conditions are the same where code and subject are; advice (``info``) is left out on both sides."""
    before, after = conditions(old), conditions(new)
    states_before, states_after = _states(old), _states(new)
    changes: list[Changed] = []
    for key in dict.fromkeys((*after, *before)):
        was, now = before.get(key), after.get(key)
        told = now or was
        assert told is not None
        change, why = _change(was, now, states_before.get(told.check), states_after.get(told.check))
        if change is not None:
            changes.append(
                Changed(
                    change=change,
                    code=told.code,
                    subject=told.subject,
                    before=was.severity if was else None,
                    after=now.severity if now else None,
                    message=told.message,
                    check=told.check,
                    explained_by=now.explained_by if now else "",
                    why=why,
                )
            )
    order = list(Change)
    changes.sort(key=lambda c: (order.index(c.change), bool(c.explained_by), c.code, c.subject))
    return Difference(_name(old), _name(new), tuple(changes), len(before.keys() & after.keys()))


def conditions(report: Report) -> dict[Condition, Finding]:
    """Return the findings of a report that are no advice, by what makes them the same in another report."""
    return {(f.code, f.subject): f for f in report.findings if f.severity is not Severity.INFO}


def _states(report: Report) -> dict[str, State]:
    return {result.check: result.state for result in report.results}


def _change(was: Finding | None, now: Finding | None, then: State | None, today: State | None) -> tuple[Change | None, str]:
    if was and now:
        if was.severity is now.severity:
            return None, ""
        return (Change.WORSE if now.severity is Severity.FAIL else Change.BETTER), ""
    if now:
        return Change.NEW, "" if then in LOOKED else f"it may be older: in the older run its check was {then or 'not run'}"
    if today in LOOKED:
        return Change.GONE, ""
    return Change.UNSEEN, f"in the newer run its check is {today or 'not run'}"


def _name(report: Report) -> str:
    return f"{report.source}, {report.recorded}"


def counts(difference: Difference) -> Mapping[Change, int]:
    """Return the number of conditions by change."""
    return {change: sum(changed.change is change for changed in difference.changes) for change in Change}
