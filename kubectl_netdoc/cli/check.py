# SPDX-License-Identifier: Apache-2.0
"""``check``: the main job."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.look import Look
from kubectl_netdoc.cli.parameter_types import OneOf, Seconds
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.rounds import MINUTE, SHORTEST, fitting, redraw
from kubectl_netdoc.cli.run_cost import cost
from kubectl_netdoc.cli.unattended import alone, keep, tell
from kubectl_netdoc.report import FORMATS

if TYPE_CHECKING:
    from kubectl_netdoc.core.report import Report

SEVERAL_FIRST = (1, 4, 3)
"""Exit codes of a run over several clusters, the one that counts most first: a finding is what somebody has to act on."""


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
    "--every",
    type=Seconds(),
    default=MINUTE,
    show_default=f"{MINUTE:g}s",
    help=f"With --watch: the time between two runs, {SHORTEST:g}s at least.",
)
@options.choosing
@options.ignoring
@options.targets
@options.measuring
@options.kubectl_flags
@options.unattended
@options.keeping
@options.several_clusters
def command(checks: tuple[str, ...], output: str, fail_on: str, show: str, strict: bool, **flags: Any) -> int:
    """Show what is wrong with the cluster's network, why, and how to fix it.

    CHECK is the id of a check to run; by default all of them run. See also: kubectl netdoc list

    With --watch it ends with Ctrl-C, and exit code 130. With --contexts or --all-contexts the report has a row a cluster, with -v
    also each cluster's own report. Exit code then: 1 if any cluster has findings, else 4 or 3 if any could not be looked at.
    """
    from kubectl_netdoc import report
    from kubectl_netdoc.core.finding import Severity

    _fitting(output, flags)
    several = flags["contexts"] or flags["all_contexts"]
    look = Look(checks, flags)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    form = (output, Severity(show), colour, _width(), flags["verbose"])
    if several:
        from kubectl_netdoc.cli import clusters

        fleet = clusters.look_at(look, show_progress)
        keep((row.report for row in fleet.clusters if row.report), flags)
        click.echo(report.renderer_of_clusters(*form)(fleet), nl=False, color=colour)
        codes = {
            exit_code(row.report, fail_on, strict) if row.report else clusters.NO_REPORT[row.state] for row in fleet.clusters
        }
        return next((code for code in SEVERAL_FIRST if code in codes), 0)
    if flags["watch"]:
        redraw(lambda: _one(look), lambda found: report.renderer(*form)(found), flags["every"], colour)
    found = _one(look)
    click.echo(report.renderer(*form)(found), nl=False, color=colour)
    return exit_code(found, fail_on, strict)


def _one(look: Look) -> Report:
    """Return the report of one run, and tell what it cost where that is asked for."""
    from kubectl_netdoc.report import text

    if recorded := look.flags["source"]:
        with show_progress() as progress:
            where, whole = look.offline(recorded, progress)
    else:
        with alone(look.flags), show_progress() as progress:
            where, whole = look.live(progress)
        tell(where.client, whole.report, look.flags)
    if look.flags["verbose"]:
        mesh = text.matrix(whole.report)
        click.echo((f"{mesh}\n" if mesh else "") + cost(where, whole.measured), err=True)
    keep((whole.report,), look.flags)
    return whole.report


def _width() -> int:
    from kubectl_netdoc.report import text

    return shutil.get_terminal_size((text.WIDTH, 0)).columns if sys.stdout.isatty() else text.WIDTH


def _fitting(output: str, flags: dict[str, Any]) -> None:
    several = "--all-contexts" if flags["all_contexts"] else "--contexts" if flags["contexts"] else ""
    if flags["all_contexts"] and flags["contexts"]:
        raise click.UsageError("--all-contexts and --contexts can't be used together")
    for name in ("from", "watch", "context", "cluster", "user"):
        if several and flags["source" if name == "from" else name]:
            raise click.UsageError(f"{several} can't be used with --{name}")
    for name in ("lease", "events"):
        if (several or flags["source"]) and flags[name]:
            raise click.UsageError(f"--{name} is for one live cluster; it can't be used with {several or '--from'}")
    if several and output == "html":
        raise click.UsageError(f"-o html is a page about one cluster; use --context NAME, or {several} with -o markdown")
    if not flags["watch"]:
        return
    if flags["source"]:
        raise click.UsageError("--watch needs a live cluster; it can't be used with --from")
    if output != "text":
        raise click.UsageError("--watch prints text; it can't be used with -o")
    fitting(flags["every"])


def exit_code(result: Report, fail_on: str, strict: bool) -> int:
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
