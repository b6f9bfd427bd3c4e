# SPDX-License-Identifier: Apache-2.0
"""``history``: what kept reports say together."""

from __future__ import annotations

from pathlib import Path

import click

from kubectl_netdoc.cli import complete
from kubectl_netdoc.cli.parameter_types import OneOf, Seconds
from kubectl_netdoc.cli.source import warn_on_stderr


@click.command("history")
@click.argument("folder", metavar="FOLDER", shell_complete=complete.files)
@click.argument("codes", nargs=-1, metavar="[CODE]...", shell_complete=complete.codes)
@click.option(
    "--since", type=Seconds(), default=0.0, show_default="all", help="Only the time before the newest report: 24h, 30m."
)
@click.option("-o", "--output", type=OneOf("format", ("text", "json", "yaml")), default="text", show_default=True, help="Format.")
def command(folder: str, codes: tuple[str, ...], since: float, output: str) -> int:
    """Show when findings came and went, for how long, and what else changed then.

    FOLDER has reports: those of check --keep FOLDER, or any that check -o json wrote into files named *.json. With CODE only
    findings of these codes are shown.

    Findings with the same code and subject are the same finding. A finding whose check did not look in a run is held to go on.
    """
    from kubectl_netdoc import __version__
    from kubectl_netdoc.engine import history, registry
    from kubectl_netdoc.report import history as pages
    from kubectl_netdoc.report import json, yaml
    from kubectl_netdoc.sources import reports

    for code in codes:
        if code not in (known := registry.load().codes):
            raise click.UsageError(str(registry.UnknownName("code", code, known)))
    found = history.of(reports.kept(Path(folder), warn_on_stderr, since), __version__, codes)
    render = {"text": pages.as_text, "json": json.document, "yaml": yaml.document}[output]
    click.echo(render(found), nl=False)
    return 0
