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
    from kubectl_netdoc.performance.figures import BenchReport

BENCH_MARK = b'"netdoc_bench"'
"""By what a benchmark says at its beginning that it is one."""


@click.command("diff")
@click.argument("old", metavar="OLD", shell_complete=complete.files)
@click.argument("new", metavar="NEW", shell_complete=complete.files)
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True, help="Format.")
@options.choosing
@options.ignoring
def command(old: str, new: str, output: str, **flags: Any) -> int:
    """Compare two runs: which findings are new, gone, worse or better.

    OLD and NEW are bundles, reports (check -o json), manifests or dumps; one of them can be - for stdin. Two benchmarks
    (bench -o json) are compared by their figures.

    Findings with the same code and subject are the same finding. A finding whose check did not look again in the newer
    run does not count as gone. Exit code 1: a finding is newly a failure and is not the effect of another finding; of
    benchmarks, a figure is worse by a tenth or more, and by more than both confidence intervals.
    """
    from kubectl_netdoc.engine import report_diff
    from kubectl_netdoc.report import diff as report
    from kubectl_netdoc.sources import reports

    if old == new == "-":
        raise click.UsageError("only one of OLD and NEW can be stdin")
    told = {path: sys.stdin.buffer.read() if path == "-" else _if_report(Path(path)) for path in (old, new)}
    if any(BENCH_MARK in raw[: reports.HEAD] for raw in told.values()):
        return _compare_benchmarks(_benchmark(old, told[old]), _benchmark(new, told[new]), output)
    registry, chosen = choose_checks((), flags["only"], flags["skip"])
    settings = read_settings(flags, registry)
    found = report_diff.between(*(_report(path, told[path], registry, chosen, settings) for path in (old, new)))
    click.echo((report.as_json if output == "json" else report.as_text)(found), nl=False)
    return int(found.worse())


def _benchmark(path: str, raw: bytes) -> BenchReport:
    """Return the benchmark in a file; raises ``SourceError``."""
    import msgspec

    from kubectl_netdoc.performance.figures import BENCH_VERSION, BenchReport
    from kubectl_netdoc.sources import UNREADABLE, SourceError, reports

    if BENCH_MARK not in raw[: reports.HEAD]:
        raise SourceError(f"{path} is no benchmark (bench -o json), and the other file is one", 2)
    try:
        found = msgspec.json.decode(raw, type=BenchReport)
    except UNREADABLE as error:
        raise SourceError(f"{path}: the benchmark is damaged or truncated: {error}", 2) from error
    if found.netdoc_bench > BENCH_VERSION:
        raise SourceError(f"{path}: benchmark version {found.netdoc_bench} is newer than this netdoc can read; upgrade netdoc", 2)
    return found


def _compare_benchmarks(old: BenchReport, new: BenchReport, output: str) -> int:
    from kubectl_netdoc.performance.comparison import between
    from kubectl_netdoc.report.bench import render_comparison

    found = between(old, new)
    click.echo(render_comparison(found, output), nl=False)
    return int(found.worse())


def _report(path: str, raw: bytes, registry: Registry, chosen: tuple[Check, ...], settings: Settings) -> Report:
    """Return the report in a file, or the report of what else is in it; raises ``SourceError``. ``raw``: what was read of it."""
    import msgspec

    from kubectl_netdoc.engine.run import run
    from kubectl_netdoc.sources import offline, reports

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
    """Return the bytes of a report or benchmark; none of anything else, which may be large. Raises ``SourceError``."""
    from kubectl_netdoc.sources import SourceError, reports

    try:
        if place.is_dir():
            return b""
        with place.open("rb") as file:
            head = file.peek(reports.HEAD)
            return file.read() if reports.is_report(head) or BENCH_MARK in head[: reports.HEAD] else b""
    except OSError as error:
        raise SourceError(f"can't read {place}: {error.strerror}", 2) from error
