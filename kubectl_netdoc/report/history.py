# SPDX-License-Identifier: Apache-2.0
"""The history in kept reports, as text for people; JSON and YAML are the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.engine.history import History, Series, Span
from kubectl_netdoc.formats.text import counted, safe, some
from kubectl_netdoc.report import layout

WIDTH = 100
MOST_BESIDE = 5
"""Most causes that are named as having come with another."""


def as_text(history: History) -> str:
    """Return a block for each time that a cause held, those that still hold last, and a line that counts them."""
    return "\n\n".join("\n".join(_series(series)) for series in history.series) + "\n"


def _series(series: Series) -> Iterator[str]:
    causes = [span for span in series.spans if span.explained_by is None]
    holding = [span for span in causes if span.gone_by is None]
    gone = sorted(
        (span for span in causes if span.gone_by is not None), key=lambda span: (span.gone_by or span.last, span.condition)
    )
    for span in (*gone, *sorted(holding, key=lambda span: (span.severity is Severity.FAIL, span.first, span.condition))):
        yield from _span(span)
        yield ""
    effects = len(series.spans) - len(causes)
    parts = [
        f"{len(holding)} now" if holding else "nothing now",
        f"{len(gone)} gone",
        *([f"{counted(effects, 'effect')} of them"] if effects else []),
        f"{counted(series.looks, 'look')} from {_moment(series.first)} to {_moment(series.last)} UTC",
        safe(f"{series.source}, {series.scope}"),
    ]
    yield "; ".join(parts)


def _span(span: Span) -> Iterator[str]:
    head = f"{'now ' if span.gone_by is None else 'gone'}  {span.severity.upper()} "
    yield from layout.wrapped(f"{span.condition}: {_lasted(span)}", WIDTH, head, " " * 6)
    came = (
        f"came between {_moment(span.came_after)} and {_moment(span.first)}"
        if span.came_after
        else f"seen from {_moment(span.first)} on"
    )
    went = f"went between {_moment(span.last)} and {_moment(span.gone_by)}" if span.gone_by else f"last seen {_moment(span.last)}"
    yield from layout.wrapped(f"{came}, {went}, in {counted(span.seen, 'look')}", WIDTH, " " * 6, " " * 8)
    yield from layout.wrapped(span.message, WIDTH, " " * 6, " " * 8)
    for change in span.changes:
        yield from layout.wrapped(
            f"{_moment(change.at)} {change.subject} {change.what}", WIDTH, "      changed before: ", " " * 8
        )
    if span.beside:
        yield from layout.wrapped(some(span.beside, MOST_BESIDE, "; "), WIDTH, "      came with it: ", " " * 8)


def _moment(when: datetime | None) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if when else ""


def _lasted(span: Span) -> str:
    least, most = (_in_words(length) for length in span.lasted)
    if span.gone_by is None:
        return f"for {most} or longer"
    return f"for {most}" if least == most else f"for {least} to {most}"


def _in_words(length: timedelta) -> str:
    """Return a time in its largest unit of which there are two, so that "90 min" stays what it is."""
    seconds = length.total_seconds()
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
