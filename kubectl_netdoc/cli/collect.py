# SPDX-License-Identifier: Apache-2.0
"""``collect``: record a run in a bundle."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.run_cost import cost
from kubectl_netdoc.cli.selection import choose_checks, selected
from kubectl_netdoc.cli.source import live_source


@click.command("collect")
@click.argument("file", default="", required=False, shell_complete=complete.files)
@click.option("--note", "notes", multiple=True, metavar="KEY=VALUE", help="A note to keep in the bundle (repeatable).")
@click.option("--anonymize", is_flag=True, help="Replace names and addresses by made-up ones; notes are dropped.")
@click.option("--from", "recorded", default="", metavar="BUNDLE", help="Anonymize this bundle instead of recording a run.")
@click.option(
    "--map",
    "translation",
    default="",
    metavar="FILE",
    help="Write the translation of names and addresses to this file; keep it private.",
)
@options.choosing
@options.targets
@options.measuring
@options.kubectl_flags
def command(file: str, notes: tuple[str, ...], anonymize: bool, recorded: str, translation: str, **flags: Any) -> int:
    """Record a run in FILE (default: netdoc-TIME.json.gz; - is stdout). Analyse it with: kubectl netdoc check --from FILE

    The bundle contains no Secret, and of annotations, environment variables and container arguments only the few that
    netdoc reads. It does contain names, labels and addresses, unless --anonymize replaces them.
    """
    if (recorded or translation) and not anonymize:
        raise click.UsageError(f"{'--from' if recorded else '--map'} needs --anonymize")
    content, name, told = _read(recorded) if recorded else _recorded(notes, flags)
    if anonymize:
        content = _anonymous(content, translation)
    if file == "-":
        sys.stdout.buffer.write(content)
        return 0
    from kubectl_netdoc.sources import bundle

    path = Path(file or name)
    bundle.save(path, content)
    click.echo(f"{path}: {told}{path.stat().st_size // 1024} KiB")
    return 0


def _recorded(notes: tuple[str, ...], flags: dict[str, Any]) -> tuple[bytes, str, str]:
    """Run, and return the bundle, a name for its file, and a summary of its content."""
    from kubectl_netdoc.engine.run import run
    from kubectl_netdoc.sources import bundle

    note = dict(_pair(text) for text in notes)
    registry, chosen = choose_checks((), flags["only"], flags["skip"])
    wanted = selected((), flags)
    with show_progress() as progress:
        source = live_source(flags, progress)
        result = run(source, registry, chosen, progress, wanted)
    if flags["verbose"]:
        click.echo(cost(source, result.measured), err=True)
    name = f"netdoc-{result.cluster.time:%Y%m%dT%H%M%SZ}.json.gz"
    told = f"{result.report.coverage.objects} objects, {len(result.measured.replies)} replies, "
    return bundle.dump(source.label, result.cluster, result.measured, note), name, told


def _read(recorded: str) -> tuple[bytes, str, str]:
    """Return the JSON of a bundle, and a name for its anonymized copy; raises ``SourceError``."""
    from kubectl_netdoc.sources import SourceError, bundle

    path = Path(recorded)
    try:
        return bundle.unpack(path.read_bytes(), recorded), f"anonymous-{path.name}", ""
    except OSError as error:
        raise SourceError(f"can't read {recorded}: {error.strerror}", 2) from error


def words_kept() -> frozenset[str]:
    """Return the words that stay in an anonymized bundle: those that the checks (plugins' too) and the engine know by name."""
    from kubectl_netdoc.anonymize.vocabulary import vocabulary
    from kubectl_netdoc.engine import registry, run

    return vocabulary([run.__name__, *(check.analyse.__module__ for check in registry.load().checks)])


def _anonymous(content: bytes, translation: str) -> bytes:
    """Return the bundle with other names and addresses, and print what was kept; raises ``SourceError``."""
    from kubectl_netdoc.anonymize import anonymize
    from kubectl_netdoc.sources import SourceError

    done = anonymize(content, os.urandom(32), words_kept())
    click.echo(
        f"replaced {len(done.words)} parts of names and {len(done.addresses)} addresses; kept: ports, times, versions, "
        "numbers and words that netdoc knows (kube-system, coredns …). Review the file before you share it",
        err=True,
    )
    if translation:
        try:
            with open(os.open(translation, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(done.map())
        except OSError as error:
            raise SourceError(f"can't write {translation}: {error.strerror}", 2) from error
    return done.content


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--note takes KEY=VALUE, not {text!r}")
    return key, value
