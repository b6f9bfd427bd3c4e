# SPDX-License-Identifier: Apache-2.0
"""The report as Markdown (GitHub's), for a pull request or an incident ticket: causes first, the rest folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report, State
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report import common
from kubectl_netdoc.report.text import summary

MARKS = {State.PASS: "✅", State.WARN: "⚠️", State.FAIL: "❌", State.UNKNOWN: "❔", State.SKIPPED: "➖", State.CRASHED: "💥"}
MOST = 200
"""Most findings and rows that are written out: a comment on GitHub holds 65,536 characters."""

_ACTS = re.compile(r"[\\`*_{}\[\]#!|<>~$@&]|:(?=//)")
"""Characters that mean something in GitHub's Markdown: marks, HTML, tables, mentions, links."""


ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}


def render(report: Report) -> str:
    """Return the report as Markdown."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "## kubectl netdoc"
    yield ""
    yield f"**{text(summary(report))}**"
    yield ""
    by_id = {finding.id: finding for finding in report.findings}
    causes = [finding for finding in report.causes() if finding.severity is not Severity.INFO]
    for finding in causes[:MOST]:
        yield from _finding(finding, by_id)
    if len(causes) > MOST:
        yield f"and {len(causes) - MOST} more; `-o json` prints all"
        yield ""
    yield from folded("Checks", _checks(report))
    yield from folded("Not looked at", [f"- {text(what)}: {text(reason)}" for what, reason in common.unseen(report)[:MOST]])
    yield from folded("Ignored", [f"- {text(str(item))}" for item in report.ignored[:MOST]])
    yield from folded("Thresholds that were changed", [f"- {text(str(item))}" for item in report.thresholds])
    advice = [finding for finding in report.causes() if finding.severity is Severity.INFO]
    yield from folded("Advice", [f"- **{finding.code}** {text(finding.message)}" for finding in advice[:MOST]])
    yield f"<sub>kubectl netdoc {text(report.tool)}, {text(report.recorded)}, server {text(report.server)}</sub>"


def _finding(finding: Finding, by_id: dict[str, Finding]) -> Iterator[str]:
    mark = MARKS[State.FAIL if finding.severity is Severity.FAIL else State.WARN]
    yield f"### {mark} {finding.code}: {text(finding.message)}"
    yield ""
    if evidence := common.evidence(finding):
        yield "| Evidence | |"
        yield "| --- | --- |"
        yield from (f"| {text(key)} | {text(value)} |" for key, value in evidence)
        yield ""
    yield f"**Fix** ({finding.risk}): {text(finding.fix)}"
    yield ""
    if finding.commands:
        yield from _code(map(safe, finding.commands))
        yield ""
    for change in finding.recent:
        yield f"- recent: {text(str(change))}"
    if finding.recent:
        yield ""
    for odd in finding.odd:
        yield f"- unlike its peers: {text(str(odd))}"
        yield ""
        if odd.commands:
            yield from _code(map(safe, odd.commands))
            yield ""
    if finding.explains:
        effects = [by_id[effect] for effect in finding.explains]
        yield from folded(
            f"Explains {len(effects)} finding{'s' if len(effects) > 1 else ''}",
            [f"- **{effect.code}** {text(effect.message)}" for effect in effects[:MOST]],
        )


def _code(lines: Iterable[str]) -> Iterator[str]:
    """Return a code block whose fence nothing inside can end."""
    block = list(lines)
    longest = max((len(run) for line in block for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}sh"
    yield from block
    yield fence


def _checks(report: Report) -> list[str]:
    rows = [f"| {MARKS[row.state]} {row.state} | {text(row.check)} | {text(row.title)} |" for row in report.results]
    return ["| State | Check | Question |", "| --- | --- | --- |", *rows] if rows else []


def folded(title: str, lines: list[str]) -> Iterator[str]:
    """Yield lines that are folded away below a title; nothing if there are none."""
    if lines:
        yield f"<details><summary>{title}</summary>"
        yield ""
        yield from lines
        yield ""
        yield "</details>"
        yield ""


def text(value: str) -> str:
    """Return a text from a cluster as Markdown shows it: on one line, with no mark, tag, link or mention in it."""
    return _ACTS.sub(lambda match: ENTITIES.get(match[0], f"\\{match[0]}"), safe(value))
