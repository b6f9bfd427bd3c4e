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

    engine = options.engine(source, flags, SERVICE, INGRESS, GATEWAY, *ROUTES)
    found = find(engine)
    click.echo(render(found.within(flags["namespaces"]), output), nl=False)
    return 0


@command.command("coverage")
@_from
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@options.kubectl_flags
def coverage(source: str, output: str, **flags: Any) -> int:
    """Who is isolated, from where each workload lets connections in, and policies that don't do what they look like."""
    from kubectl_netdoc.policy.advice import advice
    from kubectl_netdoc.policy.coverage import Coverage
    from kubectl_netdoc.records import COREFILE, SERVICE
    from kubectl_netdoc.report import policies

    engine = options.engine(source, flags, SERVICE, COREFILE)
    found = Coverage(engine)
    wanted = flags["namespaces"]
    spaces = [space for space in found.namespaces if not wanted or space.name in wanted]
    advised = [policies.Advice(*item.parts) for item in advice(engine, found) if not wanted or item.namespace in wanted]
    click.echo(policies.coverage(spaces, advised, engine.native, output), nl=False)
    return 0


@command.command("diff")
@_from
@click.option("--with", "new", required=True, metavar="FILE|DIR|-", help="Manifests of the new or changed policies.")
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@click.option(
    "--fail-on",
    type=OneOf("change", ("opened", "closed", "any", "never")),
    default="never",
    show_default=True,
    help="Exit with 1 where something is opened, closed, or either.",
)
@options.kubectl_flags
def diff(source: str, new: str, output: str, fail_on: str, **flags: Any) -> int:
    """What new or changed policies open and close, before they are applied."""
    from kubectl_netdoc.policy.change import KINDS, compare
    from kubectl_netdoc.report import policies
    from kubectl_netdoc.sources import SourceError

    engine = options.engine(source, flags)
    coming = options.recorded(new).cluster(KINDS)
    if not any(coming.all(kind) for kind in KINDS if coming.readable(kind)):
        raise SourceError(f"{new}: no network policy that netdoc can evaluate", 2)
    found = compare(engine.cluster, coming).within(flags["namespaces"])
    click.echo(policies.change(found, output), nl=False)
    return int(bool((found.opened and fail_on in ("opened", "any")) or (found.closed and fail_on in ("closed", "any"))))
