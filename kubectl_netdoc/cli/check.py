# SPDX-License-Identifier: Apache-2.0
"""``check``: the main job."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.parameter_types import OneOf, Seconds
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.run_cost import cost
from kubectl_netdoc.cli.selection import choose_checks, read_settings, selected
from kubectl_netdoc.cli.source import live_source, offline_source
from kubectl_netdoc.cli.watch import INTERVAL, SHORTEST, watch
from kubectl_netdoc.report import FORMATS

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report


@click.command("check")
@click.argument("checks", nargs=-1, metavar="[CHECK]...", shell_complete=complete.checks)
@options.from_file()
@click.option("-o", "--output", type=OneOf("format", FORMATS), default="text", show_default=True, help="Format of the report.")
@click.option(
    "--fail-on",
    type=OneOf("severity", ("fail", "warn", "info", "never")),
    default="fail",
    show_default=True,
    help="Exit with 1 if there is a finding of this severity or worse.",
)
@click.option(
    "--show",
    type=OneOf("severity", ("fail", "warn", "info")),
    default="warn",
    show_default=True,
    help="Print findings of this severity or worse.",
)
@click.option("--strict", is_flag=True, help="Exit with 4 if something could not be checked.")
@click.option("-w", "--watch", is_flag=True, help="Look again and again until Ctrl-C, and say what has changed.")
@click.option(
    "--interval",
    type=Seconds(),
    default=INTERVAL,
    show_default=f"{INTERVAL:g}s",
    help=f"With --watch: the time between two runs, {SHORTEST:g}s at least.",
)
@options.choosing
@options.ignoring
@options.targets
@options.measuring
@options.kubectl_flags
def command(checks: tuple[str, ...], source: str, output: str, fail_on: str, show: str, strict: bool, **flags: Any) -> int:
    """Show what is wrong with the cluster's network, why, and how to fix it.

    CHECK is the id of a check to run; by default all of them run. See also: kubectl netdoc list

    With --watch it ends with Ctrl-C, and exit code 130.
    """
    from kubectl_netdoc import report
    from kubectl_netdoc.core.finding import Severity
    from kubectl_netdoc.engine.run import run
    from kubectl_netdoc.report import text

    _fitting(source, output, flags)
    registry, chosen = choose_checks(checks, flags["only"], flags["skip"])
    wanted = selected(checks, flags)
    settings = read_settings(flags, registry)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def look() -> Report:
        with show_progress() as progress:
            where = offline_source(source, flags) if source else live_source(flags, progress)
            whole = run(where, registry, chosen, progress, wanted, settings)
        if flags["verbose"]:
            mesh = text.matrix(whole.report)
            click.echo((f"{mesh}\n" if mesh else "") + cost(where, whole.measured), err=True)
        return whole.report

    def render(result: Report) -> str:
        width = shutil.get_terminal_size((text.WIDTH, 0)).columns if sys.stdout.isatty() else text.WIDTH
        return report.renderer(output, Severity(show), colour, width, flags["verbose"])(result)

    if flags["watch"]:
        watch(look, render, flags["interval"], colour)
    result = look()
    click.echo(render(result), nl=False, color=colour)
    return exit_code(result, fail_on, strict)


def _fitting(source: str, output: str, flags: dict[str, Any]) -> None:
    if not flags["watch"]:
        return
    if source:
        raise click.UsageError("--watch needs a live cluster; it can't be used with --from")
    if output != "text":
        raise click.UsageError("--watch prints text; it can't be used with -o")
    if flags["interval"] < SHORTEST:
        raise click.UsageError(f"--interval takes {SHORTEST:g}s at least: each run reads every list")


def exit_code(result: Any, fail_on: str, strict: bool) -> int:
    """Return the exit code of a report: 4 for a crash, 1 for findings, else 0.

    4 also if no measurement succeeded, and, if strict, if anything could not be checked.
    """
    from kubectl_netdoc.core.finding import Severity, at_least
    from kubectl_netdoc.core.report import State

    states = {entry.state for entry in result.results}
    if State.CRASHED in states or (strict and result.partial()):
        return 4
    worst = result.worst()
    if fail_on != "never" and worst is not None and at_least(worst, Severity(fail_on)):
        return 1
    return 4 if result.coverage.unmeasured else 0
