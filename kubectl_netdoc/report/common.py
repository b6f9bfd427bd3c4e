# SPDX-License-Identifier: Apache-2.0
"""Parts that several formats share: evidence, what was not looked at, and the paths between nodes."""

from __future__ import annotations

from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.facts import NOT_SELECTED
from kubectl_netdoc.core.finding import Finding, Unseen
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.formats.text import some

FILLS_IN = frozenset(
    {
        *("patch", "edit", "first", "paths", "example_namespace", "example_name", "detail", "why", "parts", "matrix", "advice"),
        *("jsonpath", "slice", "hops", "asked", "dev", "differences"),
        *("dns_space", "dns_service", "dns_config", "dns_pods", "space", "setting", "owner", "object", "speaker"),
    }
)
"""Names of evidence that is not printed: it fills in a command, or the message contains it already."""

MOST_UNSEEN = 12
"""Most things that are named for one reason; the JSON has them all."""


def evidence(finding: Finding, most: int = 0, between: str = ", ") -> list[tuple[str, str]]:
    """Return the evidence to print, as text. ``most``: at most this many values of a list are written out, 0 for all."""
    shown = {key: value for key, value in finding.evidence.items() if value not in ("", []) and not _said(finding, key, value)}
    return [(key, _words(value, most, between)) for key, value in shown.items()]


def _said(finding: Finding, key: str, value: object) -> bool:
    """Tell whether a value only fills in a command, or is a phrase that the message or the fix already contains."""
    phrase = isinstance(value, str) and " " in value.strip() and value in finding.message + finding.fix
    return key in FILLS_IN or phrase


def _words(value: object, most: int, between: str) -> str:
    if not isinstance(value, list):
        return str(value)
    return some(value, most or len(value), between)


def unseen(report: Report) -> list[tuple[str, str]]:
    """Return what was not looked at and why: one entry per reason, with the first ``MOST_UNSEEN`` things that have it."""
    told: dict[str, dict[str, None]] = {}
    for item in (*report.unseen, *(item for result in report.results for item in result.unseen)):
        told.setdefault(_reason(item), {})[item.what] = None
    return [(some(whats, MOST_UNSEEN), reason) for reason, whats in told.items()]


def _reason(item: Unseen) -> str:
    """Return the reason under which items are listed together. A missing flag is named once, whatever each item would add."""
    if flag := next((text for text in NOT_SELECTED.values() if item.reason.startswith(text)), ""):
        return flag
    return item.reason + (f"; missing right: {item.grant}" if item.grant else "")


def measured_paths(finding: Finding) -> dict[tuple[str, str], NodePath]:
    """Return what a finding measured between nodes, by source and target."""
    return {ref.nodes: ref for ref in finding.references.get("matrix", ()) if isinstance(ref, NodePath)}
