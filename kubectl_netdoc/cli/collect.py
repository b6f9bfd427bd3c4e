"""``collect``: record a run in a bundle."""

from __future__ import annotations

import sys
from typing import Any

import click

from kubectl_netdoc.cli import options


@click.command("collect")
@click.argument("file", default="", required=False)
@click.option("--note", "notes", multiple=True, metavar="KEY=VALUE", help="A remark to keep in the bundle (repeatable).")
@options.choosing
@options.targets
@options.measuring
@options.kubectl_flags
def command(file: str, notes: tuple[str, ...], **flags: Any) -> int:
    """Record a run in FILE (default netdoc-TIME.json.gz; - is stdout), to be analysed with check --from FILE.

    The bundle holds no Secret, no environment variable, no container argument and no annotation but those that netdoc
    reads; it does hold names, labels and addresses.
    """
    from pathlib import Path

    from kubectl_netdoc.run import run
    from kubectl_netdoc.sources import bundle

    note = dict(_pair(text) for text in notes)
    registry, chosen = options.choose((), flags["only"], flags["skip"])
    wanted = options.wishes((), flags)
    source = options.live(flags)
    with options.progress() as progress:
        result = run(source, registry, chosen, progress, wanted)
    content = bundle.dump(source.label, result.cluster, result.measured, note)
    if file == "-":
        sys.stdout.buffer.write(content)
        return 0
    path = Path(file or f"netdoc-{result.cluster.time:%Y%m%dT%H%M%SZ}.json.gz")
    bundle.save(path, content)
    size = path.stat().st_size // 1024
    click.echo(f"{path}: {result.report.coverage.objects} objects, {len(result.measured.replies)} replies, {size} KiB")
    if flags["verbose"]:
        click.echo(options.cost(source, result.measured), err=True)
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--note takes KEY=VALUE, not {text!r}")
    return key, value
