# SPDX-License-Identifier: Apache-2.0
"""``policy``: what network policies allow, what they protect, and what a change would do."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.policy_engine import policy_kinds, read_engine
from kubectl_netdoc.cli.source import recorded_source, warn_on_stderr

SHOWN = 8
"""Most namespaces that a line names."""

if TYPE_CHECKING:
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.records.base import Kind


@click.group("policy")
def command() -> None:
    """Show what network policies allow, what they protect, and what a change would do.

    The policies are judged as written. To measure whether they are enforced: kubectl netdoc check policy_enforcement
    """


def _engine(source: str, flags: dict[str, Any], *kinds: Kind[Any]) -> Engine:
    """Return the compiled policies; print a line on stderr for each object that can't be decoded."""
    found = read_engine(source, flags, *kinds)
    undecodable(found, policy_kinds(*kinds))
    return found


def undecodable(engine: Engine, kinds: Collection[Kind[Any]]) -> None:
    """Print on stderr which objects can't be decoded. Reading manifests prints that itself."""
    if engine.cluster.origin == "manifests":
        return
    for kind in kinds:
        for item in getattr(engine.cluster.listing(kind), "undecodable", ()):
            warn_on_stderr(f"ignored: {item.what}: {item.reason}")


def _known(engine: Engine, wanted: Collection[str], also: Collection[str] = ()) -> None:
    """Refuse a namespace that does not exist: an empty answer would look as if nothing were allowed, opened or closed."""
    from difflib import get_close_matches

    from kubectl_netdoc.engine.registry import UnknownName
    from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE
    from kubectl_netdoc.records.kinds import NAMESPACE

    there = (*(name for name in engine.selection.namespace_names if name != UNKNOWN_NAMESPACE), *also)
    for name in wanted:
        if name not in there and engine.cluster.readable(NAMESPACE):
            near = get_close_matches(name, there, n=1, cutoff=0.5) or sorted(there)[:SHOWN]
            raise click.UsageError(str(UnknownName("namespace", name, near)))


@command.command("connections")
@options.from_file()
@click.option(
    "-o", "--output", type=OneOf("format", ("text", "json", "dot", "mermaid")), default="text", show_default=True, help="Format."
)
@options.kubectl_flags
def connections(source: str, output: str, **flags: Any) -> int:
    """List all connections that the policies allow, between workloads and with the outside."""
    from kubectl_netdoc.policy.connections import connections as find
    from kubectl_netdoc.records.kinds import GATEWAY, INGRESS, ROUTES, SERVICE
    from kubectl_netdoc.report.connections import render

    engine = _engine(source, flags, SERVICE, INGRESS, GATEWAY, *ROUTES)
    _known(engine, flags["namespaces"])
    found = find(engine)
    click.echo(render(found.within(flags["namespaces"]), output), nl=False)
    return 0


@command.command("coverage")
@options.from_file()
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@options.kubectl_flags
def coverage(source: str, output: str, **flags: Any) -> int:
    """Show which workloads are isolated, from where each one can be reached, and policies that don't do what they seem to."""
    from kubectl_netdoc.policy.advice import advice
    from kubectl_netdoc.policy.coverage import PolicyCoverage
    from kubectl_netdoc.records.cni import NETWORK_AGENT
    from kubectl_netdoc.records.kinds import COREFILE, SERVICE
    from kubectl_netdoc.report import policies

    engine = _engine(source, flags, SERVICE, COREFILE, NETWORK_AGENT)
    _known(engine, flags["namespaces"])
    found = PolicyCoverage(engine)
    wanted = flags["namespaces"]
    spaces = [space for space in found.namespaces if not wanted or space.name in wanted]
    advised = [policies.Advice(*item.parts) for item in advice(engine, found) if not wanted or item.namespace in wanted]
    click.echo(policies.coverage(spaces, advised, engine.incomplete_at_all, output), nl=False)
    return 0


@command.command("diff")
@options.from_file()
@click.option(
    "--with",
    "new",
    required=True,
    metavar="FILE|DIR|-",
    shell_complete=complete.files,
    help="Manifests of the new or changed policies.",
)
@click.option("-o", "--output", type=OneOf("format", ("text", "json")), default="text", show_default=True)
@click.option(
    "--fail-on",
    type=OneOf("change", ("opened", "closed", "any", "never")),
    default="never",
    show_default=True,
    help="Exit with 1 if a connection is opened, closed, or either.",
)
@options.kubectl_flags
def diff(source: str, new: str, output: str, fail_on: str, **flags: Any) -> int:
    """Show which connections new or changed policies would open and close, before you apply them."""
    from kubectl_netdoc.policy.diff import compare
    from kubectl_netdoc.report import policies

    if source == new == "-":
        raise click.UsageError("--from and --with can't both be stdin")
    engine = _engine(source, flags)
    coming = _coming(new)
    named = {item.namespace for items in coming.values() for item in items}
    _known(engine, flags["namespaces"], named)
    found = compare(engine.cluster, coming).within(flags["namespaces"])
    click.echo(policies.change(found, output), nl=False)
    return int(bool((found.opened and fail_on in ("opened", "any")) or (found.closed and fail_on in ("closed", "any"))))


def _coming(new: str) -> dict[str, tuple[Any, ...]]:
    """Return the policies in a file by kind.

    Raises ``SourceError`` if a policy can't be decoded, or no API server takes it: it must not look like no change.
    """
    from kubectl_netdoc.policy.diff import ALL, EVALUATED
    from kubectl_netdoc.records.kinds import KINDS
    from kubectl_netdoc.sources import SourceError

    cluster = recorded_source(new).cluster(tuple(KINDS.values()))
    for kind in ALL:
        for item in getattr(cluster.listing(kind), "undecodable", ()):
            raise SourceError(f"nothing is compared; correct it first: {item.what}: {item.reason}", 2)
    found = {kind.name: cluster.all(kind) for kind in ALL if cluster.readable(kind) and cluster.all(kind)}
    if not any(kind.name in found for kind in EVALUATED):
        raise SourceError(f"{new} contains no network policy that netdoc can evaluate", 2)
    others = [kind.name for kind in KINDS.values() if kind not in ALL and cluster.readable(kind) and cluster.all(kind)]
    if others:
        warn_on_stderr(f"ignored: {', '.join(others)} in {new}; only its policies are used")
    return found
