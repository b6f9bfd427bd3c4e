# SPDX-License-Identifier: Apache-2.0
"""Reports one after the other: when conditions came and went, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubectl_netdoc.core.finding import Finding, Recent, Severity, Subject
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.engine import history
from kubectl_netdoc.engine.history import Named, Series
from kubectl_netdoc.remediation.commands import Risk

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
WARN = Severity.WARN


def finding(name: str, severity: Severity = Severity.FAIL, check: str = "x", **more: object) -> Finding:
    made = Finding("X001", severity, Subject("Service", name, "shop"), "m", {}, "f", (), Risk.SAFE, check=check, id=name)
    return msgspec.structs.replace(made, **more)


def at(number: int) -> datetime:
    return BEGAN + number * STEP


Look = tuple[Finding, ...] | State | None


def series(*looks: Look, scope: str = "the whole cluster") -> Series:
    """The history of looks five minutes apart: findings, a state of the check without any, or no look at all."""
    reports = []
    for number, look in enumerate(looks):
        if look is None:
            continue
        found, state = (look, State.PASS) if isinstance(look, tuple) else ((), look)
        results = (CheckResult("x", "X", state),)
        reports.append(Report(1, "0", "a", at(number).isoformat(), "v1", Coverage(scope=scope), results, found))
    (one,) = history.of(reports, "0").series
    return one


A, B = finding("a"), finding("b")
ROWS: list[tuple[str, list[Look], list[tuple[str, int | None, int, int, int | None, int]]]] = [
    ("came and went", [(), (A,), (A,), ()], [("a", 0, 1, 2, 3, 2)]),
    ("there from the beginning", [(A,), ()], [("a", None, 0, 0, 1, 1)]),
    ("still there", [(), (A,), (A,)], [("a", 0, 1, 2, None, 2)]),
    ("twice", [(), (A,), (), (A,)], [("a", 0, 1, 1, 2, 1), ("a", 2, 3, 3, None, 1)]),
    ("not looked at in between is no end", [(), (A,), State.SKIPPED, (A,)], [("a", 0, 1, 3, None, 2)]),
    ("crashed in between is no end", [(A,), State.CRASHED, State.UNKNOWN, (A,)], [("a", None, 0, 3, None, 2)]),
    ("not looked at, then gone", [(), (A,), State.SKIPPED, ()], [("a", 0, 1, 1, 3, 1)]),
    ("not looked at before", [State.SKIPPED, (A,)], [("a", None, 1, 1, None, 1)]),
    ("looked at long before", [(), State.SKIPPED, (A,)], [("a", 0, 2, 2, None, 1)]),
    ("a look is missing", [(), None, (A,)], [("a", 0, 2, 2, None, 1)]),
    ("two of them", [(A,), (B,)], [("a", None, 0, 0, 1, 1), ("b", 0, 1, 1, None, 1)]),
    ("advice is left out", [(finding("a", Severity.INFO),)], []),
    ("advice that became a fault", [(finding("a", Severity.INFO),), (A,)], [("a", 0, 1, 1, None, 1)]),
]


@pytest.mark.parametrize(("looks", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_when_a_condition_came_and_went(
    looks: list[Look], expected: list[tuple[str, int | None, int, int, int | None, int]]
) -> None:
    found = [
        (span.condition.subject.name, span.came_after, span.first, span.last, span.gone_by, span.seen)
        for span in series(*looks).spans
    ]
    assert found == [
        (name, None if after is None else at(after), at(first), at(last), None if gone is None else at(gone), seen)
        for name, after, first, last, gone, seen in expected
    ]


def test_how_long_it_held_is_between_two_bounds() -> None:
    (span,) = series((), (A,), (A,), (A,), ()).spans
    assert span.lasted == (2 * STEP, 4 * STEP)
    (single,) = series((), (A,), ()).spans
    assert single.lasted == (timedelta(0), 2 * STEP)


def test_the_worst_severity_and_the_last_message() -> None:
    looks = [(finding("a", WARN, message="1"),), (finding("a", message="2"),), (finding("a", WARN, message="3"),)]
    (span,) = series(*looks).spans
    assert (span.severity, span.message) == (Severity.FAIL, "3")


def test_changes_have_their_own_time_and_causes_name_what_came_with_them() -> None:
    changed = Recent(90, Subject("DaemonSet", "kube-proxy", "kube-system"), "changed by kubectl-edit")
    cause = finding("a", recent=(changed,), explains=("b",))
    effect = finding("b", explained_by="a")
    spans = {
        span.condition.subject.name: span for span in series((finding("c"),), (finding("c"), cause, effect, finding("d"))).spans
    }
    assert [(each.at, each.what) for each in spans["a"].changes] == [(at(1) - timedelta(seconds=90), "changed by kubectl-edit")]
    assert spans["b"].explained_by == Named("X001", cause.subject)
    assert {name: [each.subject.name for each in span.beside] for name, span in spans.items()} == {
        "a": ["d"],
        "b": ["a", "d"],
        "c": [],
        "d": ["a"],
    }


def test_another_cluster_and_another_scope_are_series_of_their_own() -> None:
    def report(source: str, scope: str, *findings: Finding) -> Report:
        results = (CheckResult("x", "X", State.PASS),)
        return Report(1, "0", source, BEGAN.isoformat(), "v1", Coverage(scope=scope), results, findings)

    told = history.of([report("a", "all", A), report("b", "all"), report("a", "namespace shop")], "0")
    assert [(one.source, one.scope, len(one.spans)) for one in told.series] == [
        ("a", "all", 1),
        ("b", "all", 0),
        ("a", "namespace shop", 0),
    ]
    assert all(span.gone_by is None for one in told.series for span in one.spans)


def test_only_some_codes() -> None:
    report = Report(1, "0", "a", BEGAN.isoformat(), "v1", Coverage(), (CheckResult("x", "X", State.FAIL),), (A,))
    assert [len(history.of([report], "0", codes).series[0].spans) for codes in ((), ("X001",), ("X002",))] == [1, 1, 0]
