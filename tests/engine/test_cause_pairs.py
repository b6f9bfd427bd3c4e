# SPDX-License-Identifier: Apache-2.0
"""Every pair of codes of which one may explain the other, once joined and once independent: nothing worse is ever hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.cli.check import exit_code
from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.evidence import NodePath, ObjectRef
from kubectl_netdoc.core.finding import Code, Explains, Finding, Severity, Subject
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.engine import registry, root_causes
from kubectl_netdoc.report import FORMATS, renderer
from kubectl_netdoc.report.text import summary

pytestmark = pytest.mark.slow  # not part of make check

OWNERS: dict[str, Check] = {code.id: check for check in registry.load().checks for code in check.codes}
CODES: dict[str, Code] = {code.id: code for check in OWNERS.values() for code in check.codes}
Pair = tuple[Code, Explains, Code]
LOCALISED = ("TRC011", "TRC013")
"""Of the codes that localise, which one mechanism gives to causes (registry), two stand for all."""

PAIRS: list[Pair] = [
    (cause, explains, CODES[effect])
    for cause in CODES.values()
    for explains in cause.explains
    for effect in explains.codes
    if cause.id != effect and (effect in LOCALISED or CODES[effect].tells != "place")
]
WEB = Subject("Service", "web", "shop")
HERE = {"subject": WEB, "services": WEB, "node": Subject("Node", "n1")}
NEAR: dict[str, Any] = {"nodes": ["n1"], "paths": [NodePath("n1", "n2")], "services": [ObjectRef("Service", "web", "shop")]}
FAR: dict[str, Any] = {"nodes": ["n8"], "paths": [NodePath("n8", "n9")], "services": [ObjectRef("Service", "db", "bank")]}


def made(code: Code, subject: Subject, evidence: dict[str, Any]) -> Finding:
    """Return a finding of a code with its own text, where placeholders have a value."""
    filled: dict[str, Any] = dict.fromkeys(code.placeholders(), 1) | {"outcomes": ["timeout"]} | evidence
    objects = filled.pop("objects", ())
    return msgspec.structs.replace(code.on(subject, filled, objects=objects), check=OWNERS[code.id].id)


def joined(pair: Pair) -> tuple[Finding, Finding]:
    """Return the two findings as the scope wants them to be alike, and in nothing else."""
    cause, explains, effect = pair
    evidence: dict[str, Any] = {key: NEAR[key] for key in {"path": ("paths",), "services": ("services",)}.get(explains.scope, ())}
    evidence["outcomes"] = [next(outcome for outcome in ("timeout", "refused") if outcome not in explains.unless)]
    elsewhere = Subject("Service", "other", "shop")
    evidence |= {"objects": [ObjectRef("Service", "other", "shop")]} if explains.scope == "objects" else {}
    subject = HERE.get(explains.scope)
    return made(cause, subject or Subject("Cluster", "c"), evidence), made(effect, subject or elsewhere, evidence)


def apart(pair: Pair) -> tuple[Finding, Finding]:
    """Return two findings that share nothing."""
    cause, _, effect = pair
    return made(cause, Subject("Thing", "a"), NEAR), made(effect, Subject("Other", "b"), FAR)


def reported(findings: tuple[Finding, ...]) -> Report:
    """Return the report of linked findings, a row a check."""
    linked = root_causes.ranked(root_causes.link(findings, CODES), CODES)
    rows = []
    for check in sorted({finding.check for finding in linked}):
        own = [finding for finding in linked if finding.check == check]
        worst = min((finding.severity for finding in own), key=list(Severity).index)
        state = State.PASS if worst is Severity.INFO else State(worst)
        rows.append(CheckResult(check, check, state, tuple(finding.id for finding in own)))
    return Report(1, "1", "test", "", "", Coverage(), tuple(rows), linked)


def named(report: Report, form: str, show: Severity) -> set[str]:
    """Return the codes of causes that a format names."""
    text = renderer(form, show, colour=False)(report)
    return {finding.code for finding in report.findings if finding.code in text}


def agrees(report: Report) -> Iterator[str]:
    """Yield where the parts of a report differ on what is the worst."""
    worst = report.worst()
    if min((finding.severity for finding in report.causes()), key=list(Severity).index) is not worst:
        yield "the worst finding is below a milder cause"
    if exit_code(report, "fail", strict=False) != (worst is Severity.FAIL):
        yield "exit code"
    failing = {finding.code for finding in report.causes() if finding.severity is Severity.FAIL}
    if not failing <= named(report, "text", Severity.FAIL):
        yield "--show fail hides a failure"
    if summary(report).startswith(f"{len(failing)} fail") != bool(failing):
        yield "summary"


def names(pair: Pair) -> str:
    return f"{pair[0].id} {pair[1].scope} {pair[2].id}"


def test_pairs_name_codes_that_there_are() -> None:
    assert len(PAIRS) > 500


@pytest.mark.parametrize("pair", PAIRS, ids=names)
def test_joined_they_are_one_cause_as_severe_as_the_worse(pair: Pair) -> None:
    cause, explains, effect = pair
    report = reported(joined(pair))
    assert list(agrees(report)) == []
    if cause.severity is effect.severity is Severity.INFO or (explains.scope, cause.severity, effect.severity) == (
        "cluster",
        "warn",
        "fail",
    ):
        assert len(report.causes()) == 2
    else:
        assert len(report.causes()) == 1, "declared, and yet not joined"


@pytest.mark.parametrize("pair", PAIRS, ids=names)
def test_independent_they_are_two_but_for_what_strikes_the_whole_cluster(pair: Pair) -> None:
    cause, _, effect = pair
    wide = any(
        explains.scope == "cluster" and other.id in explains.codes and one.severity is not Severity.INFO
        for one, other in ((cause, effect), (effect, cause))
        for explains in one.explains
        if not (one.severity is Severity.WARN and other.severity is Severity.FAIL)
    )
    report = reported(apart(pair))
    assert list(agrees(report)) == []
    assert len(report.causes()) == (1 if wide else 2)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if "refused" in pair[1].unless], ids=names)
def test_a_refusal_is_not_explained_by_what_loses_packets(pair: Pair) -> None:
    cause, effect = joined(pair)
    refused = msgspec.structs.replace(effect, evidence=effect.evidence | {"outcomes": ["refused"]})
    by = [explains for explains in pair[0].explains if effect.code in explains.codes]
    assert all(explains.unless for explains in by), "another way round the condition"
    back = any(cause.code in explains.codes for explains in CODES[effect.code].explains)
    assert back or len(reported((cause, refused)).causes()) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_calls_a_raised_cause_by_its_worst(form: str) -> None:
    """Of PTQ001 (warn) an effect is SVR005 (fail)."""
    pair = next(p for p in PAIRS if names(p) == "PTQ001 path SVR005")
    text = renderer(form, Severity.FAIL, colour=False)(reported(joined(pair)))
    mild = reported((made(CODES["PTQ001"], Subject("Node", "n1"), {}),))
    assert "PTQ001" in text
    marks = {"text": "FAIL PTQ001", "markdown": "❌", "junit": "<failure", "sarif": '"level": "error"', "html": "FAIL PTQ001"}
    mark = marks.get(form, '"severity": "fail"' if form == "json" else "severity: fail")
    assert mark in text
    assert mark not in renderer(form, Severity.WARN, colour=False)(mild)
