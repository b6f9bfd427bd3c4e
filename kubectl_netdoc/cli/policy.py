"""``policy``: what the network policies allow, whom they protect, and what a change would do."""

from __future__ import annotations

from typing import Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.options import OneOf


@click.group("policy")
def command() -> None:
    """What the network policies, as written, allow; whom they protect; and what a change opens or closes.

    Whether anything enforces them is another question: kubectl netdoc check policy_enforcement
    """


def _from(function: Any) -> Any:
    return click.option(
        "--from", "source", default="", metavar="FILE|DIR|-", help="Look at a bundle or at manifests instead of a cluster."
    )(function)


@command.command("connections")
@_from
@click.option(
    "-o", "--output", type=OneOf("format", ("text", "json", "dot", "mermaid")), default="text", show_default=True, help="Format."
)
@options.kubectl_flags
def connections(source: str, output: str, **flags: Any) -> int:
    """All connections that the policies allow, between workloads and to and from the outside."""
    from kubectl_netdoc.policy.connections import connections as find
    from kubectl_netdoc.records import GATEWAY, INGRESS, ROUTES, SERVICE
    from kubectl_netdoc.report.connections import render

    engine = options.engine(source, flags, (SERVICE, INGRESS, GATEWAY, *ROUTES))
    found = find(engine)
    click.echo(render(found.within(flags["namespaces"]), output), nl=False)
    return 0
