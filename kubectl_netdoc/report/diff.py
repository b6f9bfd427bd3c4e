# SPDX-License-Identifier: Apache-2.0
"""A difference between two reports, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.engine.report_diff import Change, Changed, Difference, counts
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report.json import document


def as_json(difference: Difference) -> str:
    """Return the difference as indented JSON."""
    return document(difference)


def as_text(difference: Difference) -> str:
    """Return one line per changed condition, and a last line with the counts."""
    return "\n".join(_lines(difference)) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    for changed in difference.changes:
        yield _line(changed)
        yield f"        {safe(changed.message)}"
    if difference.changes:
        yield ""
    found = counts(difference)
    told = ", ".join(f"{found[change]} {change}" for change in Change if found[change]) or "nothing changed"
    yield f"{told}; {difference.same} as before; from {safe(difference.old)} to {safe(difference.new)}"


def _line(changed: Changed) -> str:
    severities = f"{changed.before or 'nothing'} -> {changed.after or 'nothing'}"
    effect = f", an effect of {changed.explained_by}" if changed.explained_by else ""
    why = f" ({changed.why})" if changed.why else ""
    return f"{changed.change:<7} {changed.code} {safe(str(changed.subject))}: {severities}{safe(effect)}{why}"
