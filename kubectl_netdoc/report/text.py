# SPDX-License-Identifier: Apache-2.0
"""The report for the person on call: causes, one line per check, what was not looked at, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from kubectl_netdoc.core.finding import Finding, Severity, at_least
from kubectl_netdoc.core.report import CheckResult, Report, State
from kubectl_netdoc.formats.text import counted, safe, some
from kubectl_netdoc.report import common, layout

WIDTH, LEAST, MOST = 100, 80, 120
"""Width of a line in cells: without a terminal, and the least and most with one."""

Painter = Callable[[str, str], str]
"""A function that colours a text by its label."""

LABELS = {
    State.PASS: "ok",
    State.WARN: "WARN",
    State.FAIL: "FAIL",
    State.UNKNOWN: "unknown",
    State.SKIPPED: "skipped",
    State.CRASHED: "CRASHED",
}
COLOURS = {"FAIL": "1;31", "WARN": "1;33", "CRASHED": "1;35", "ok": "32", "info": "36", "unknown": "33", "skipped": "2"}
NAME = 31
"""Most cells of the column of check ids: the longest id that the contract allows."""

MOST_EFFECTS = 5
MOST_VALUES = 8


def render(report: Report, show: Severity = Severity.WARN, colour: bool = False, width: int = WIDTH) -> str:
    """Return the report as text. ``show``: findings less severe are only counted. ``colour``: ANSI colours.

    ``width``: of the terminal, in cells (a Chinese character takes two); only commands, which people
    copy, and single words are wider.
    """
    return "\n".join(_Writer(report, show, _paint if colour else _plain, width).lines()).rstrip() + "\n"


def block(finding: Finding, among: Iterable[Finding], width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of one finding: message, evidence, fix and commands. ``among``: the findings that it may explain."""
    known = {each.id: each for each in among}
    told = msgspec.structs.replace(finding, explains=tuple(each for each in finding.explains if each in known))
    yield from Blocks(known, _plain, width).finding(told)


def _paint(label: str, text: str) -> str:
    code = COLOURS.get(label)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _plain(label: str, text: str) -> str:
    return text


class Blocks:
    """Writes findings, one block each. ``by_id``: all findings, as one may explain others."""

    def __init__(self, by_id: Mapping[str, Finding], paint: Painter, width: int) -> None:
        self.by_id, self.paint = by_id, paint
        self.width = max(LEAST, min(width, MOST))

    def finding(self, finding: Finding) -> Iterator[str]:
        """Yield the lines of a finding: message, evidence, what it explains, recent changes, and the fix."""
        label = finding.severity.upper() if finding.severity is not Severity.INFO else "info"
        indent = len(label) + len(finding.code) + 3
        yield from self._wrapped(f"{self.paint(label, label)} {finding.code}  ", indent, finding.message)
        if evidence := ", ".join(f"{key}={value}" for key, value in common.evidence(finding, MOST_VALUES, ",")):
            yield from self._wrapped("  evidence: ", 12, evidence)
        if finding.explains:
            effects = [f"{self.by_id[effect].code} {self.by_id[effect].subject}" for effect in finding.explains]
            head = f"  explains {len(effects)} finding{'s' if len(effects) > 1 else ''}: "
            yield from self._wrapped(head, 12, some(effects, MOST_EFFECTS, "; "))
        for change in finding.recent:
            yield from self._wrapped("  recent: ", 10, str(change))
        for odd in finding.odd:
            yield from self._wrapped("  unlike its peers: ", 10, str(odd))
            yield from (f"    {safe(command)}" for command in odd.commands)
        yield from self._wrapped(f"  fix ({finding.risk}): ", 7, finding.fix)
        yield from (f"    {safe(command)}" for command in finding.commands)
        yield f"  more: kubectl netdoc explain {finding.code}"

    def _wrapped(self, head: str, indent: int, text: str) -> Iterator[str]:
        """Wrap ``text`` behind ``head``; further lines are indented."""
        yield from layout.wrapped(text, self.width, head, " " * indent)


class _Writer(Blocks):
    """Writes one report, one method per part."""

    def __init__(self, report: Report, show: Severity, paint: Painter, width: int) -> None:
        super().__init__({finding.id: finding for finding in report.findings}, paint, width)
        self.report, self.show = report, show

    def lines(self) -> Iterator[str]:
        """Yield all lines."""
        for finding in self.report.causes():
            if at_least(finding.severity, self.show):
                yield from self.finding(finding)
                yield ""
        yield from self._checks()
        yield from self._listed("Not looked at:", [f"{what}: {reason}" for what, reason in common.unseen(self.report)])
        yield from self._listed("Ignored:", self.report.ignored)
        yield from self._listed("Thresholds that were changed:", self.report.thresholds)
        yield ""
        yield from self._wrapped("", 0, summary(self.report))

    def _checks(self) -> Iterator[str]:
        wide = min(max((layout.cells(safe(result.check)) for result in self.report.results), default=0), NAME)
        for result in self.report.results:
            label, name = LABELS[result.state], layout.padded(safe(result.check), wide)
            head = f"{self.paint(label, label)}{' ' * (9 - len(label))}{name}  "
            yield from self._wrapped(head, 11 + wide, result.title + self._remark(result))

    def _remark(self, result: CheckResult) -> str:
        if result.error:
            return f": {result.error}"
        count = sum(self.by_id[finding].severity is not Severity.INFO for finding in result.findings)
        return f": {count} finding{'s' if count > 1 else ''}" if count and result.state in (State.FAIL, State.WARN) else ""

    def _listed(self, head: str, items: Collection[object]) -> Iterator[str]:
        if items:
            yield ""
            yield head
            for item in items:
                yield from self._wrapped("  - ", 4, str(item))


def matrix(report: Report) -> str:
    """Return the paths between nodes, one row per source and one column per target; empty if not measured."""
    cells: dict[tuple[str, str], list[str]] = {}
    for finding in report.findings:
        for path, cell in common.measured_paths(finding).items():
            cells.setdefault(path, []).append(cell.words)
    nodes = sorted({node for pair in cells for node in pair})
    rows = [[one, *("; ".join(cells.get((one, other), ())) for other in nodes)] for one in nodes]
    return layout.table(["from \\ to", *nodes], rows, "simple") if rows else ""


def summary(report: Report) -> str:
    """Return the last line: what was found, how long it took, and how much was looked at."""
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
        *([f"{counted(len(report.thresholds), 'threshold')} changed"] if report.thresholds else []),
        f"{counted(coverage.nodes, 'node')}{measured}",
        counted(coverage.objects, "object"),
        f"{report.seconds:.1f} s",
        safe(f"{report.source}, {coverage.scope}"),
    ]
    return "; ".join(parts)
