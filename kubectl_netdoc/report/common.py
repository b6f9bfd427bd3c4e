# SPDX-License-Identifier: Apache-2.0
"""Parts that several formats share: evidence, what was not looked at, and the paths between nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kubectl_netdoc.core.evidence import NodePath
from kubectl_netdoc.core.facts import NOT_SELECTED
from kubectl_netdoc.core.finding import Finding, Unseen
from kubectl_netdoc.core.report import CheckResult, Report, State
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
    every = (*report.unseen, *(item for result in report.results for item in result.unseen))
    return [(some(whats, MOST_UNSEEN), reason) for reason, whats in _by_reason(every, _reason)]


def missed(report: Report) -> list[tuple[list[str], str]]:
    """Return what netdoc wanted to look at and could not, and why: one entry per reason, what any right is missing for in one."""
    return [(whats, reason) for reason, whats in _by_reason(_missed(report), _short_reason)]


def by_design(report: Report) -> tuple[int, int]:
    """Return how many checks did not run by design, as nobody asked or nothing is there, and how many left something out so."""
    kept = [result for result in report.results if not all(_wanted(item, result) for item in result.unseen)]
    skipped = sum(result.state is State.SKIPPED for result in kept)
    return skipped, len(kept) - skipped


def _missed(report: Report) -> Iterator[Unseen]:
    """Yield what the run as a whole lacks, and what its checks lack."""
    yield from report.unseen
    for result in report.results:
        yield from (item for item in result.unseen if _wanted(item, result))


def _wanted(item: Unseen, result: CheckResult) -> bool:
    """Tell whether a check asked for something in vain, or was skipped as it could not be had."""
    return item.expected or (result.state is State.SKIPPED and not item.not_applicable)


def _by_reason(items: Iterable[Unseen], reason: Callable[[Unseen], str]) -> Iterator[tuple[str, list[str]]]:
    told: dict[str, dict[str, None]] = {}
    for item in items:
        told.setdefault(reason(item), {})[item.what] = None
    yield from ((why, list(whats)) for why, whats in told.items())


def _reason(item: Unseen) -> str:
    """Return the reason under which items are listed together. A missing flag is named once, whatever each item would add."""
    if flag := next((text for text in NOT_SELECTED.values() if item.reason.startswith(text)), ""):
        return flag
    return item.reason + (f"; missing right: {item.grant}" if item.grant else "")


def _short_reason(item: Unseen) -> str:
    return "rights are missing: kubectl netdoc rbac --check" if item.grant else _reason(item)


def measured_paths(finding: Finding) -> dict[tuple[str, str], NodePath]:
    """Return what a finding measured between nodes, by source and target."""
    return {ref.nodes: ref for ref in finding.references.get("matrix", ()) if isinstance(ref, NodePath)}
