# SPDX-License-Identifier: Apache-2.0
"""``diff``: what got better or worse between two runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.selection import choose_checks, read_settings
from kubectl_netdoc.cli.source import recorded_source, warn_on_stderr

if TYPE_CHECKING:
    from kubectl_netdoc.core.check import Check
    from kubectl_netdoc.core.report import Report
    from kubectl_netdoc.engine.registry import Registry
    from kubectl_netdoc.engine.settings import Settings


@click.command("diff")
@click.argument("old", metavar="OLD", shell_complete=complete.files)
@click.argument("new", metavar="NEW", shell_complete=complete.files)
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True, help="Format.")
@options.choosing
@options.ignoring
def command(old: str, new: str, output: str, **flags: Any) -> int:
    """Compare two runs: which findings are new, gone, worse or better.

    OLD and NEW are bundles, reports (check -o json), manifests or dumps; one of them can be - for stdin.

    Findings with the same code and subject are the same finding. A finding whose check did not look again in the newer
    run does not count as gone. Exit code 1: a finding is newly a failure and is not the effect of another finding.
    """
    from kubectl_netdoc.engine import report_diff
    from kubectl_netdoc.report import diff as report

    if old == new == "-":
        raise click.UsageError("only one of OLD and NEW can be stdin")
    registry, chosen = choose_checks((), flags["only"], flags["skip"])
    settings = read_settings(flags, registry)
    found = report_diff.between(_report(old, registry, chosen, settings), _report(new, registry, chosen, settings))
    click.echo((report.as_json if output == "json" else report.as_text)(found), nl=False)
    return int(found.worse())


def _report(path: str, registry: Registry, chosen: tuple[Check, ...], settings: Settings) -> Report:
    """Return the report in a file, or the report of what else is in it; raises ``SourceError``."""
    import msgspec

    from kubectl_netdoc.engine.run import run
    from kubectl_netdoc.sources import offline, reports

    raw = sys.stdin.buffer.read() if path == "-" else _if_report(Path(path))
    if not reports.is_report(raw):
        source = recorded_source(path) if path != "-" else offline.parse(raw, "stdin", warn_on_stderr)
        return run(source, registry, chosen, settings=settings).report
    report = reports.decode(raw, path)
    ids = {check.id for check in chosen}
    kept = tuple(
        f for f in report.findings if f.check in ids and not any(suppression.applies_to(f) for suppression in settings.ignore)
    )
    return msgspec.structs.replace(report, findings=kept, results=tuple(r for r in report.results if r.check in ids))


def _if_report(place: Path) -> bytes:
    """Return the bytes of a report; none of anything else, which may be large. Raises ``SourceError``."""
    from kubectl_netdoc.sources import SourceError, reports

    try:
        if place.is_dir():
            return b""
        with place.open("rb") as file:
            return file.read() if reports.is_report(file.peek(reports.HEAD)) else b""
    except OSError as error:
        raise SourceError(f"can't read {place}: {error.strerror}", 2) from error
