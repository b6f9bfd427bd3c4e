# SPDX-License-Identifier: Apache-2.0
"""``schema``: the JSON Schema of the report."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> int:
    """Print the JSON Schema of the report."""
    from kubectl_netdoc.report import json

    click.echo(json.schema(), nl=False)
    return 0
