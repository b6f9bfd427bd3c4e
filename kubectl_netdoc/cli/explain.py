# SPDX-License-Identifier: Apache-2.0
"""``explain``: the page of a check or a code, from the check's own file."""

from __future__ import annotations

import click

from kubectl_netdoc.cli import complete


@click.command("explain")
@click.argument("name", metavar="CODE|CHECK", shell_complete=complete.pages)
def command(name: str) -> int:
    """Explain a check or a code: what it looks at, why it matters, and how to fix it."""
    from kubectl_netdoc.engine import registry
    from kubectl_netdoc.report import check_pages

    known = registry.load()
    try:
        click.echo(check_pages.page(known, name))
    except registry.UnknownName as error:
        raise click.UsageError(str(error)) from error
    return 0
