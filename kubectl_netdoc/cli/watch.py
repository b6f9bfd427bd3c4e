# SPDX-License-Identifier: Apache-2.0
"""``check --watch``: one run after the other, with what has changed since the one before."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from kubectl_netdoc.formats.text import safe

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report

INTERVAL, SHORTEST = 60.0, 10.0
"""Seconds between two runs: the default, and the fewest. A run reads every list, so that more often would be a load that somebody
has to explain; with debug pods it takes about 20 s itself."""

CLEAR = "\x1b[2J\x1b[3J\x1b[H"
"""Empties a terminal and what it has scrolled away, and goes to its first line (ECMA-48; 3J is xterm's)."""


def watch(look: Callable[[], Report], render: Callable[[Report], str], interval: float, colour: bool) -> NoReturn:
    """Look again and again until Ctrl-C: redraw a terminal, else print a block each time.

    Raises ``SourceError`` if the first run does; later ones may fail, which is told, and the next is compared with the last that
    did not.
    """
    from kubectl_netdoc.sources import SourceError

    known, number = look(), 1
    _show(number, interval, f"{_now(known)}\n\n{render(known)}", colour)
    while True:
        time.sleep(interval)
        number += 1
        try:
            found = look()
        except SourceError as error:
            _show(number, interval, f"{safe(str(error))}\n", colour)
            continue
        _show(number, interval, f"{_now(found)}\n{_changes(known, found)}\n{render(found)}", colour)
        known = found


def _show(number: int, interval: float, text: str, colour: bool) -> None:
    terminal = sys.stdout.isatty()
    if terminal:
        click.echo(CLEAR, nl=False, color=True)
    click.echo(f"round {number}, every {interval:g} s until Ctrl-C: {text}", nl=not terminal, color=colour)
    sys.stdout.flush()


def _now(report: Report) -> str:
    return f"looked at {report.recorded}"


def _changes(before: Report, now: Report) -> str:
    """Return a line for each condition that is new, gone, worse or better, and their number."""
    from kubectl_netdoc.engine import report_diff
    from kubectl_netdoc.report import diff

    return diff.as_text(report_diff.between(before, now))
