# SPDX-License-Identifier: Apache-2.0
"""Several clusters: a row each, and their own reports as each format has them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.fleet import WORST_FIRST, ClusterReport, Fleet
from kubectl_netdoc.core.report import State
from kubectl_netdoc.formats.text import counted, safe
from kubectl_netdoc.report import json, junit, layout, markdown, sarif, text, yaml

NAME = 40
"""Most cells of the column of contexts; a longer name, as managed clusters have, moves the rest of its row."""


def as_text(fleet: Fleet, show: Severity, colour: bool, width: int = text.WIDTH, whole: bool = False) -> str:
    """Return a row a cluster, the worst last, and a line that counts them. ``whole``: each cluster's own report above."""
    blocks = [list(_rows(fleet, colour, max(text.LEAST, min(width, text.MOST))))]
    if whole:
        blocks = [list(_details(row, show, colour, width)) for row in _best_first(fleet) if row.report] + blocks
    return "\n\n".join("\n".join(lines) for lines in (*blocks, [_summary(fleet, whole)])) + "\n"


def as_json(fleet: Fleet) -> str:
    """Return the rows with the reports behind them as indented JSON."""
    return json.document(fleet)


def as_yaml(fleet: Fleet) -> str:
    """Return the same as YAML."""
    return yaml.document(fleet)


def as_markdown(fleet: Fleet) -> str:
    """Return a table with a row a cluster, and each report folded away."""
    lines = ["## kubectl netdoc: clusters", "", f"**{markdown.text(_counts(fleet))}**", ""]
    lines += ["| | Cluster | Worst cause |", "| --- | --- | --- |"]
    rows = _best_first(fleet)[::-1]
    lines += [
        f"| {markdown.MARKS[row.state]} {row.state} | {markdown.text(row.context)} | {markdown.text(_said(row))} |"
        for row in rows
    ]
    for row in rows:
        if row.report:
            inner = markdown.render(row.report).replace("## kubectl netdoc\n", "")
            lines += ["", *markdown.folded(markdown.text(row.context), [inner])]
    return "\n".join(lines).rstrip() + "\n"


def as_junit(fleet: Fleet) -> str:
    """Return a test suite a cluster; one that could not be reached is an error."""
    suites = [
        junit.suite(row.report) if row.report else junit.unreached(f"context {row.context}", row.error) for row in fleet.clusters
    ]
    return junit.document(suites, fleet.seconds)


def as_sarif(fleet: Fleet) -> str:
    """Return a run a cluster; of one that could not be reached the execution has failed."""
    return sarif.document(
        [
            (sarif.run(row.report) if row.report else sarif.unreached(fleet.tool, row.error))
            | {"automationDetails": {"id": safe(f"netdoc/{row.context}/")}}
            for row in fleet.clusters
        ]
    )


def _best_first(fleet: Fleet) -> list[ClusterReport]:
    """Return the rows as a terminal shows them: the worst last, the others as they were asked for."""
    return sorted(fleet.clusters, key=lambda row: (-WORST_FIRST.index(row.state), row.fail, row.warn))


def _rows(fleet: Fleet, colour: bool, width: int) -> Iterator[str]:
    paint = text.painter(colour)
    wide = min(max(layout.cells(safe(row.context)) for row in fleet.clusters), NAME)
    for row in _best_first(fleet):
        label = text.LABELS[row.state]
        name = safe(row.context)
        head = f"{paint(label, label)}{' ' * (9 - len(label))}{layout.padded(name, wide)}  "
        yield from layout.wrapped(_said(row), width, head, " " * (11 + wide))


def _said(row: ClusterReport) -> str:
    """Return what a row says of its cluster."""
    if row.report is None:
        return row.error
    worst = row.worst
    if worst is None:
        crashed = [result.error for result in row.report.results if result.error]
        why = row.report.coverage.unmeasured or next(iter(crashed), "")
        return "nothing wrong found" + (
            f" in what could be looked at{f': {why}' if why else ''}" if row.state is not State.PASS else ""
        )
    number = ", ".join(f"{many} {what}" for many, what in ((row.fail, "fail"), (row.warn, "warn")) if many)
    return f"{number}: {worst.code} {worst.message}"


def _details(row: ClusterReport, show: Severity, colour: bool, width: int) -> Iterator[str]:
    if row.report:
        yield f"== {safe(row.context)}"
        yield text.render(row.report, show, colour, width, whole=True).rstrip()


def _counts(fleet: Fleet) -> str:
    number = Counter(row.state for row in fleet.clusters)
    states = ", ".join(f"{number[state]} {text.LABELS[state].lower()}" for state in WORST_FIRST if number[state])
    return f"{counted(len(fleet.clusters), 'cluster')}: {states}; {fleet.seconds:.1f} s"


def _summary(fleet: Fleet, whole: bool) -> str:
    worst = _best_first(fleet)[-1]
    more = worst.report is not None and worst.state is not State.PASS and not whole
    hint = f"; more: kubectl netdoc check --context {shlex.quote(safe(worst.context))}, or all of it with -v" if more else ""
    return _counts(fleet) + hint
