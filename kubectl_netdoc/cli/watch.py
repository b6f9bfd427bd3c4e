# SPDX-License-Identifier: Apache-2.0
"""``watch``: run after run where nobody sits, with what others read: Events, metrics, kept reports."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.look import Look
from kubectl_netdoc.cli.parameter_types import Seconds
from kubectl_netdoc.cli.plain import Plain
from kubectl_netdoc.cli.rounds import SHORTEST, Round, fitting, rounds
from kubectl_netdoc.cli.serving import Address, Health, serve
from kubectl_netdoc.cli.unattended import alone, keep, tell
from kubectl_netdoc.formats.text import safe

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report
    from kubectl_netdoc.report.metrics import Seen

EVERY = 300.0
"""Seconds between two runs, unless the flags say otherwise."""

USAGE = 2
"""Exit code of what is wrong with the kubeconfig or the flags. In the first run it ends the program; later it may mend itself."""

LONGEST = 600.0
"""Seconds beyond --timeout after which a run is stuck, for /healthz. Reading and judging 5,000 nodes takes a minute."""


@click.command("watch")
@click.argument("checks", nargs=-1, metavar="[CHECK]...", shell_complete=complete.checks)
@click.option(
    "--every",
    type=Seconds(),
    default=EVERY,
    show_default="5m",
    help=f"The time between two runs, {SHORTEST:g}s at least.",
)
@click.option("--serve", "address", type=Address(), default=None, help="Serve /metrics for Prometheus, and /healthz, there.")
@options.unattended
@options.keeping
@options.choosing
@options.ignoring
@options.targets
@options.measuring
@options.kubectl_flags
def command(checks: tuple[str, ...], every: float, address: tuple[str, int] | None, **flags: Any) -> int:
    """Look at the cluster again and again where nobody sits: in a Deployment, with Events, metrics and kept reports.

    It prints a line a run and what has changed since the one before. A run that fails is told and tried again soon; metrics then
    stay those of the last that did not. It ends with a signal, and exit code 130. In a terminal use: kubectl netdoc check --watch
    """
    from kubectl_netdoc import __version__
    from kubectl_netdoc.report import metrics

    fitting(every)
    look, seen = Look(checks, flags), metrics.Seen(__version__)
    health = Health(every + flags["timeout"] + LONGEST)
    if address:
        try:
            serve(*address, lambda: metrics.render(seen), health)
        except OSError as error:
            raise click.UsageError(f"--serve: can't listen on {address[0]}:{address[1]}: {error.strerror}") from error
    for each in rounds(lambda: _look(look, seen), every):
        _told(each, seen)
        health.beat()
    return 0  # never: rounds go on


def _look(look: Look, seen: Seen) -> Report:
    """Return the report of one run, and do with it what the flags say; raises ``SourceError``."""
    from kubectl_netdoc.report.metrics import Result

    with alone(look.flags):
        source, whole = look.live(Plain())
    keep((whole.report,), look.flags)
    if look.flags["events"]:
        done = tell(source.client, whole.report, look.flags)
        seen.events[Result.SUCCESS] += done.written if done else 0
        seen.events[Result.ERROR] += done.refused if done else 1
        seen.waiting = done.left if done else seen.waiting
    return whole.report


def _told(each: Round, seen: Seen) -> None:
    """Print a line about a run and one a change, and note how it ended. Raises ``SourceError`` if the first can't be meant."""
    from kubectl_netdoc.report import diff, text
    from kubectl_netdoc.report.metrics import Result
    from kubectl_netdoc.sources.live.lease import BUSY

    if each.report is not None:
        result = Result.SUCCESS
        seen.report, seen.ended = each.report, time.time()
        click.echo(f"{each.report.recorded} {text.summary(each.report)}")
        if (changed := each.difference()) and changed.changes:
            click.echo(diff.as_text(changed), nl=False)
    else:
        assert each.error is not None
        if each.number == 1 and each.error.exit_code == USAGE:
            raise each.error
        result = Result.SKIPPED if each.error.exit_code == BUSY else Result.ERROR
        click.echo(f"{datetime.now(UTC).isoformat(timespec='seconds')} {safe(str(each.error))}")
    seen.runs[result] += 1
    seen.last = seen.last if result is Result.SKIPPED else result
    sys.stdout.flush()
