# SPDX-License-Identifier: Apache-2.0
"""``schema``: the JSON Schemas of what netdoc prints."""

from __future__ import annotations

import click

from kubectl_netdoc.cli.parameter_types import OneOf


@click.command("schema")
@click.argument("what", default="report", type=OneOf("schema", ("report", "clusters")), metavar="[report|clusters]")
def command(what: str) -> int:
    """Print the JSON Schema of the report, or of the report of several clusters."""
    from kubectl_netdoc.report import json

    click.echo(json.schema(what), nl=False)
    return 0
