# SPDX-License-Identifier: Apache-2.0
"""One run after the other, for ``check --watch`` and ``watch``: when the next one is, and what has changed since the last."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from kubectl_netdoc.formats.text import safe

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report
    from kubectl_netdoc.engine.report_diff import Difference
    from kubectl_netdoc.sources import SourceError

SHORTEST = 10.0
"""Fewest seconds between two runs. A run reads every list, so that more often would be a load that somebody has to explain; with
debug pods it takes about 20 s itself."""

MINUTE = 60.0
"""Seconds between two runs that somebody looks at, unless the flags say otherwise."""

CLEAR = "\x1b[2J\x1b[3J\x1b[H"
"""Empties a terminal and what it has scrolled away, and goes to its first line (ECMA-48; 3J is xterm's)."""

AGAIN = 10.0
"""Seconds after which a run that failed is tried again, twice as many each time, up to the usual time between two runs."""


class Round(NamedTuple):
    """One of many runs: its report, or why there is none. ``before``: the report of the last run that has one, before this."""

    number: int
    report: Report | None
    error: SourceError | None = None
    before: Report | None = None

    def difference(self) -> Difference | None:
        """Return what has changed since the run before; None if there is nothing to compare."""
        from kubectl_netdoc.engine import report_diff

        return report_diff.between(self.before, self.report) if self.before and self.report else None


def fitting(every: float) -> None:
    """Complain of a time between two runs that is too short."""
    if every < SHORTEST:
        raise click.UsageError(f"--every takes {SHORTEST:g}s at least: each run reads every list")


def rounds(look: Callable[[], Report], every: float) -> Iterator[Round]:
    """Look again and again, and wait in between; a run that fails is a round, too, and the next one comes sooner."""
    from kubectl_netdoc.sources import SourceError

    before: Report | None = None
    number = failed = 0
    while True:
        number += 1
        try:
            found = look()
        except SourceError as error:
            failed += 1
            yield Round(number, None, error, before)
        else:
            failed = 0
            yield Round(number, found, None, before)
            before = found
        time.sleep(min(every, AGAIN * 2 ** (failed - 1)) if failed else every)


def redraw(look: Callable[[], Report], render: Callable[[Report], str], every: float, colour: bool) -> NoReturn:
    """Show round after round until Ctrl-C: redraw a terminal, else print a block each time.

    Raises ``SourceError`` if the first run does; later ones may fail, which is told.
    """
    from kubectl_netdoc.report import diff

    for each in rounds(look, every):
        if each.report is not None:
            changed = each.difference()
            changes = diff.as_text(changed) if changed else ""
            text = f"looked at {each.report.recorded}\n{changes}\n{render(each.report)}"
        elif each.error is not None and each.number == 1:
            raise each.error
        else:
            text = f"{safe(str(each.error))}\n"
        terminal = sys.stdout.isatty()
        if terminal:
            click.echo(CLEAR, nl=False, color=True)
        click.echo(f"round {each.number}, every {every:g} s until Ctrl-C: {text}", nl=not terminal, color=colour)
        sys.stdout.flush()
    raise AssertionError("rounds never end")
