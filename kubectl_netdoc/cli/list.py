# SPDX-License-Identifier: Apache-2.0
"""``list``: every check and its codes."""

from __future__ import annotations

import click

from kubectl_netdoc.cli.parameter_types import OneOf


@click.command("list")
@click.option("-o", "--output", type=OneOf("format", ("text", "json", "yaml")), default="text", show_default=True, help="Format.")
def command(output: str) -> int:
    """List every check and its codes."""
    from kubectl_netdoc.engine import registry

    known = registry.load()
    if output != "text":
        click.echo(_data(known, output), nl=False)
        return 0
    for check in known.checks:
        click.echo(f"{check.id}  {check.title}")
        for code in check.codes:
            click.echo(f"  {code.id}  {code.severity:4}  {code.title}")
    for row in known.broken:
        click.echo(f"{row.check}  could not be loaded: {row.error}", err=True)
    return 4 if known.broken else 0


def _data(known: object, output: str) -> str:
    import msgspec

    from kubectl_netdoc.engine.registry import Registry

    assert isinstance(known, Registry)
    rows = [
        {
            "id": check.id,
            "title": check.title,
            "tier": str(check.needs.tier),
            "codes": [{"id": c.id, "severity": str(c.severity), "title": c.title, "rows": list(c.rows)} for c in check.codes],
        }
        for check in known.checks
    ]
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(rows)).decode() + "\n"
    import yaml

    return yaml.safe_dump(rows, sort_keys=False)
