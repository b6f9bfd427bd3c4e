# SPDX-License-Identifier: Apache-2.0
"""``version``: the version of netdoc."""

from __future__ import annotations

import click

from kubectl_netdoc import __version__


@click.command("version")
def command() -> int:
    """Print the version of netdoc."""
    click.echo(f"kubectl-netdoc {__version__}")
    return 0
