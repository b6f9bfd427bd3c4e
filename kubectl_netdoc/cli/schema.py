# SPDX-License-Identifier: Apache-2.0
"""``schema``: the JSON Schemas of what netdoc prints."""

from __future__ import annotations

import click

from kubectl_netdoc.cli.parameter_types import OneOf


@click.command("schema")
@click.argument(
    "what", default="report", type=OneOf("schema", ("report", "clusters", "history")), metavar="[report|clusters|history]"
)
def command(what: str) -> int:
    """Print the JSON Schema of the report, of the report of several clusters, or of the history."""
    from kubectl_netdoc.report import json

    click.echo(json.schema(what), nl=False)
    return 0
