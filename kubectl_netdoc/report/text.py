# SPDX-License-Identifier: Apache-2.0
"""The report for the person on call: a screen that ends with the worst cause, its fix and a summary; or all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

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

SCREEN = 22
"""Rows of a terminal in which the worst cause and the summary stand: 24, less two for the prompt that comes after them."""

ROOM_FOR_OTHERS = 8
"""Most rows that the worst cause, beside its commands, leaves to others: three of them, a heading and a blank line."""

LONGEST = {"message": 6, "fix": 6, "evidence": 2}
"""Most lines of a part of a finding on the first screen; of any other part one."""


def render(report: Report, show: Severity = Severity.WARN, colour: bool = False, width: int = WIDTH, whole: bool = False) -> str:
    """Return the report as text. ``show``: findings less severe are only counted. ``colour``: ANSI colours.

    ``width``: of the terminal, in cells (a Chinese character takes two); only commands, which people
    copy, and single words are wider.
    ``whole``: everything, instead of a screen: the worst cause as far as it has room, and two lines for each other.
    Either way the worst cause and the summary come last, where a terminal shows them.
    """
    sections = _Writer(report, show, painter(colour), width, whole).sections()
    return "\n\n".join("\n".join(lines).rstrip() for lines in sections if lines) + "\n"


def block(finding: Finding, among: Iterable[Finding], width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of one finding: message, evidence, fix and commands. ``among``: the findings that it may explain."""
    known = {each.id: each for each in among}
    told = msgspec.structs.replace(finding, explains=tuple(each for each in finding.explains if each in known))
    yield from Blocks(known, _plain, width).finding(told)


def painter(colour: bool) -> Painter:
    """Return what colours a text by its label, or leaves it as it is."""
    return _paint if colour else _plain


def _paint(label: str, text: str) -> str:
    code = COLOURS.get(label)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _plain(label: str, text: str) -> str:
    return text


class Part(Struct, frozen=True):
    """A part of a finding that is printed as a whole or left out. ``what``: how it is called where it is counted."""

    what: str
    lines: tuple[str, ...]


ORDER = ("message", "fix", "command", "evidence", "difference", "effects", "recent change")
"""The parts of a finding, the first screen's first choice first. It always has the message, the fix and one command."""

COUNTED = ("command", "difference", "recent change")
"""Those of which a finding may have several."""


class Blocks:
    """Writes findings, one block each. ``by_id``: all findings, as one may explain others. ``whole``: no part is cut."""

    def __init__(self, by_id: Mapping[str, Finding], paint: Painter, width: int, whole: bool = True) -> None:
        self.by_id, self.paint, self.whole = by_id, paint, whole
        self.width = max(LEAST, min(width, MOST))

    def finding(self, finding: Finding, room: int = 0, others: int = 0) -> Iterator[str]:
        """Yield the lines of a finding, unless it is to be whole those that fit into ``room`` rows.

        ``others``: rows among those that only its commands may take from other findings.
        """
        parts = list(self._parts(finding))
        kept = parts if self.whole else self._fitting(parts, room - 2, others)
        yield from (line for part in kept for line in part.lines)
        if left := Counter(part.what for part in parts if part not in kept):
            words = [counted(number, what) if what in COUNTED else what for what, number in left.items()]
            yield f"  left out: {', '.join(words)}; -v shows all"
        yield f"  more: kubectl netdoc explain {finding.code}"

    def short(self, finding: Finding) -> Iterator[str]:
        """Yield the message of a finding, in at most two lines."""
        label = self._label(finding)
        head = f"{self.paint(label, label)} {finding.code}  "
        yield from layout.wrapped(finding.message, self.width, head, " " * (len(label) + 1), most=2)

    def _fitting(self, parts: list[Part], room: int, others: int) -> list[Part]:
        """Return what is always there, and of the other parts as many as have room, as ``ORDER`` says."""
        first = next((part for part in parts if part.what == "command"), None)
        kept = [part for part in parts if part.what in ("message", "fix") or part is first]
        used = sum(layout.rows(part.lines, self.width) for part in kept)
        for part in sorted((part for part in parts if part not in kept), key=lambda part: ORDER.index(part.what)):
            used += layout.rows(part.lines, self.width)
            if used > (room if part.what == "command" else room - others):
                break
            kept.append(part)
        return sorted(kept, key=parts.index)

    def _parts(self, finding: Finding) -> Iterator[Part]:
        """Yield the parts of a finding: message, evidence, what it explains, recent changes, and the fix."""
        label = self._label(finding)
        yield self._part("message", f"{self.paint(label, label)} {finding.code}  ", len(label) + 1, finding.message)
        if evidence := ", ".join(f"{key}={value}" for key, value in common.evidence(finding, MOST_VALUES, ",")):
            yield self._part("evidence", "  evidence: ", 12, evidence)
        if finding.explains:
            effects = [f"{self.by_id[effect].code} {self.by_id[effect].subject}" for effect in finding.explains]
            head = f"  explains {counted(len(effects), 'finding')}: "
            yield self._part("effects", head, 12, some(effects, MOST_EFFECTS, "; "))
        for change in finding.recent:
            yield self._part("recent change", "  recent: ", 10, str(change))
        for odd in finding.odd:
            told = self._part("difference", "  unlike its peers: ", 10, str(odd))
            yield Part(told.what, (*told.lines, *(f"    {safe(command)}" for command in odd.commands)))
        yield self._part("fix", f"  fix ({finding.risk}): ", 7, finding.fix)
        yield from (Part("command", (f"    {safe(command)}",)) for command in finding.commands)

    def _part(self, what: str, head: str, indent: int, text: str) -> Part:
        """Return a text behind ``head`` as a part; further lines are indented."""
        most = 0 if self.whole else LONGEST.get(what, 1)
        return Part(what, tuple(layout.wrapped(text, self.width, head, " " * indent, most)))

    @staticmethod
    def _label(finding: Finding) -> str:
        return finding.severity.upper() if finding.severity is not Severity.INFO else "info"


class _Writer(Blocks):
    """Writes one report, one method per section."""

    def __init__(self, report: Report, show: Severity, paint: Painter, width: int, whole: bool) -> None:
        super().__init__({finding.id: finding for finding in report.findings}, paint, width, whole)
        self.report = report
        self.causes = [finding for finding in report.causes() if at_least(finding.severity, show)]

    def sections(self) -> Iterator[list[str]]:
        """Yield the sections of lines: what was looked at, the causes with the worst one last, and the summary."""
        end = list(layout.wrapped(summary(self.report), self.width))
        if self.whole:
            yield from self._looked_at()
            yield from (list(self.finding(cause)) for cause in reversed(self.causes))
        else:
            yield [*self._counted(), *self._missed()]
            yield (others := list(self._others()))
            room, left = SCREEN - len(end) - 1, min(len(others) + bool(others), ROOM_FOR_OTHERS)
            yield from (list(self.finding(cause, room, left)) for cause in self.causes[:1])
        yield end

    def _others(self) -> Iterator[str]:
        """Yield two lines for each cause but the worst."""
        if others := self.causes[:0:-1]:
            yield f"{counted(len(others), 'more finding')}, -v shows {'its fix' if len(others) == 1 else 'their fixes'}:"
            yield from (line for finding in others for line in self.short(finding))

    def _looked_at(self) -> Iterator[list[str]]:
        yield list(self._checks())
        yield list(self._listed("Not looked at:", [f"{what}: {reason}" for what, reason in common.unseen(self.report)]))
        yield list(self._listed("Ignored:", self.report.ignored))
        yield list(self._listed("Thresholds that were changed:", self.report.thresholds))

    def _counted(self) -> Iterator[str]:
        """Yield the line that counts what the first screen does not show."""
        if self.report.results:
            passed = sum(result.state is State.PASS for result in self.report.results)
            skipped, partly = common.by_design(self.report)
            left = f"; {skipped} not asked for or not applicable{f', {partly} in part' if partly else ''}: -v shows them"
            yield f"{counted(passed, 'check')} passed{left if skipped or partly else ''}"

    def _missed(self) -> Iterator[str]:
        """Yield a line for each crash and each reason, with what it is about where that has room. No reason is cut."""
        for result in self.report.results:
            if result.error:
                label = LABELS[result.state]
                yield from layout.wrapped(result.error, self.width, f"{self.paint(label, label)} {safe(result.check)}: ", "  ")
        for whats, reason in common.missed(self.report):
            named = (some(whats, 2), some(whats, 1), counted(len(whats), "thing"))
            lines = (f"Not looked at ({reason}): {what}" for what in named)
            fitting = (line for line in lines if layout.cells(safe(line)) <= self.width)
            yield from layout.wrapped(next(fitting, f"Not looked at: {reason}"), self.width, rest="  ")

    def _checks(self) -> Iterator[str]:
        wide = min(max((layout.cells(safe(result.check)) for result in self.report.results), default=0), NAME)
        for result in self.report.results:
            label, name = LABELS[result.state], layout.padded(safe(result.check), wide)
            head = f"{self.paint(label, label)}{' ' * (9 - len(label))}{name}  "
            yield from layout.wrapped(result.title + self._remark(result), self.width, head, " " * (11 + wide))

    def _remark(self, result: CheckResult) -> str:
        if result.error:
            return f": {result.error}"
        count = sum(self.by_id[finding].severity is not Severity.INFO for finding in result.findings)
        return f": {count} finding{'s' if count > 1 else ''}" if count and result.state in (State.FAIL, State.WARN) else ""

    def _listed(self, head: str, items: Collection[object]) -> Iterator[str]:
        if items:
            yield head
            for item in items:
                yield from layout.wrapped(str(item), self.width, "  - ", "    ")


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
