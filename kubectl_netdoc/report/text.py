"""The report for the person on call: causes first, then a line a check, what was not looked at, and a summary."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from tabulate import tabulate

from kubectl_netdoc.model import CheckResult, Finding, Report, Severity, State, at_least
from kubectl_netdoc.report import parts
from kubectl_netdoc.report.terminal import safe

WIDTH = 100
Painter = Callable[[str, str], str]
"""Colours a text by its label."""

LABELS = {
    State.PASS: "ok",
    State.WARN: "WARN",
    State.FAIL: "FAIL",
    State.UNKNOWN: "unknown",
    State.SKIPPED: "skipped",
    State.CRASHED: "CRASHED",
}
COLOURS = {"FAIL": "1;31", "WARN": "1;33", "CRASHED": "1;35", "ok": "32", "info": "36", "unknown": "33", "skipped": "2"}
MOST_EFFECTS = 5
MOST_VALUES = 8


def render(report: Report, show: Severity = Severity.WARN, colour: bool = False) -> str:
    """Return the report as text. ``show``: findings less severe are only counted. ``colour``: ANSI colours."""
    paint = _paint if colour else _plain
    return "\n".join(_lines(report, show, paint)).rstrip() + "\n"


def _paint(label: str, text: str) -> str:
    code = COLOURS.get(label)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _plain(label: str, text: str) -> str:
    return text


def _lines(report: Report, show: Severity, paint: Painter) -> Iterator[str]:
    by_id = {finding.id: finding for finding in report.findings}
    for finding in report.causes():
        if at_least(finding.severity, show):
            yield from _finding(finding, by_id, paint)
            yield ""
    yield from _checks(report.results, by_id, paint)
    yield from _not_looked_at(report)
    yield from _listed("Ignored:", report.ignored)
    yield from _listed("Thresholds that are not the checks' own:", report.thresholds)
    yield ""
    yield summary(report)


def _finding(finding: Finding, by_id: dict[str, Finding], paint: Painter) -> Iterator[str]:
    label = finding.severity.upper() if finding.severity is not Severity.INFO else "info"
    yield from _wrapped(f"{paint(label, label)} {finding.code}  ", len(label) + len(finding.code) + 3, safe(finding.message))
    if evidence := ", ".join(f"{key}={value}" for key, value in parts.evidence(finding, MOST_VALUES, ",")):
        yield from _wrapped("  evidence: ", 12, safe(evidence))
    if finding.explains:
        effects = [f"{by_id[effect].code} {by_id[effect].subject}" for effect in finding.explains]
        more = f" and {len(effects) - MOST_EFFECTS} more" if len(effects) > MOST_EFFECTS else ""
        plural = "s" if len(effects) > 1 else ""
        yield from _wrapped(f"  explains {len(effects)} finding{plural}: ", 12, safe("; ".join(effects[:MOST_EFFECTS])) + more)
    for change in finding.recent:
        yield from _wrapped("  recent: ", 10, safe(str(change)))
    yield from _wrapped(f"  fix ({finding.risk}): ", 7, safe(finding.fix))
    yield from (f"    {safe(command)}" for command in finding.commands)  # never wrapped: it is to be copied
    yield f"  more: kubectl netdoc explain {finding.code}"


def _wrapped(head: str, indent: int, text: str) -> Iterator[str]:
    """Wrap ``text`` behind ``head``, whose colour codes take no room; further lines are indented."""
    room = re.sub(r"\x1b\[[0-9;]*m", "", head)
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent="_" * len(room),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield head + (lines[0][len(room) :] if lines else "")
    yield from lines[1:]


def _checks(results: Iterable[CheckResult], by_id: dict[str, Finding], paint: Painter) -> Iterator[str]:
    rows = [[paint(LABELS[r.state], LABELS[r.state]), safe(r.check), safe(r.title), safe(_remark(r, by_id))] for r in results]
    if rows:
        table = tabulate(rows, tablefmt="plain", disable_numparse=True)
        yield from (line.rstrip() for line in table.splitlines())


def _remark(result: CheckResult, by_id: dict[str, Finding]) -> str:
    if result.error:
        return result.error
    count = sum(by_id[finding].severity is not Severity.INFO for finding in result.findings)
    return f"{count} finding{'s' if count > 1 else ''}" if count and result.state in (State.FAIL, State.WARN) else ""


def _not_looked_at(report: Report) -> Iterator[str]:
    if told := parts.unseen(report):
        yield ""
        yield "Not looked at:"
        for what, reason in told:
            yield from _wrapped("  - ", 4, safe(f"{what}: {reason}"))


def _listed(head: str, items: Collection[object]) -> Iterator[str]:
    if items:
        yield ""
        yield head
        for item in items:
            yield from _wrapped("  - ", 4, safe(str(item)))


def matrix(report: Report) -> str:
    """Return the mesh between nodes, a row a source and a column a target, or nothing where it was not measured."""
    cells: dict[tuple[str, str], list[str]] = {}
    for finding in report.findings:
        for path, value in parts.paths(finding).items():
            cells.setdefault(path, []).append(value)
    nodes = sorted({node for pair in cells for node in pair})
    rows = [[safe(one), *(safe("; ".join(cells.get((one, other), ()))) for other in nodes)] for one in nodes]
    return tabulate(rows, headers=["from \\ to", *map(safe, nodes)], disable_numparse=True) if rows else ""


def summary(report: Report) -> str:
    """Return the last line: what was found, how long it took, and on how much that rests."""
    causes = [finding for finding in report.causes() if finding.severity is not Severity.INFO]
    effects = sum(bool(finding.explained_by) for finding in report.findings)
    advice = sum(finding.severity is Severity.INFO for finding in report.findings)
    if causes:
        counts = Counter(cause.severity for cause in causes)
        verdict = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
        verdict += f" ({effects} more explained by them)" if effects else ""
    else:
        verdict = "nothing wrong found" + (" in what could be looked at" if report.partial() else "")
    coverage = report.coverage
    measured = f", measured from {len(coverage.measured_nodes)}" if coverage.measured_nodes else ", nothing measured"
    parts = [
        verdict,
        *([f"{advice} info (--show info)"] if advice else []),
        *([f"{len(report.ignored)} ignored"] if report.ignored else []),
        *([f"{len(report.thresholds)} thresholds set"] if report.thresholds else []),
        f"{coverage.nodes} nodes{measured}",
        f"{coverage.objects} objects",
        f"{report.seconds:.1f} s",
        safe(f"{report.source}, {coverage.scope}"),
    ]
    return "; ".join(parts)
