# SPDX-License-Identifier: Apache-2.0
"""``rbac``: the least rights for a run, and which of them its user lacks."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.connection import client_options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.selection import choose_checks
from kubectl_netdoc.core.tier import Tier

if TYPE_CHECKING:
    from kubectl_netdoc.permissions.needed import Grantee, Wanted
    from kubectl_netdoc.sources.live.client import Client

NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


@click.command("rbac")
@click.option(
    "--tier",
    type=OneOf("tier", Tier),
    default=str(Tier.PODS),
    show_default=True,
    help="How much a run may do; each tier includes the ones before it.",
)
@click.option("--check", is_flag=True, help="Print which of these rights you lack, instead of manifests.")
@click.option("--for-user", "users", multiple=True, metavar="NAME", help="Bind the rights to this user (repeatable).")
@click.option("--for-group", "groups", multiple=True, metavar="NAME", help="Bind the rights to this group (repeatable).")
@click.option(
    "--for-serviceaccount",
    "accounts",
    multiple=True,
    metavar="NS:NAME",
    help="Bind the rights to this ServiceAccount (repeatable).",
)
@click.option(
    "--pod-namespace",
    default="",
    shell_complete=complete.namespaces,
    show_default="netdoc",
    help="The existing namespace that debug pods run in.",
)
@click.option(
    "--watch", is_flag=True, help="Include what a run that nobody sits at needs: its Lease, beside its debug pods, and Events."
)
@click.option("--new-namespaces", is_flag=True, help="Let each run create its own namespace; this needs much wider rights.")
@click.option(
    "--tls-secrets", is_flag=True, help="Include reading the TLS Secrets that Ingresses and Gateways use now, each by its name."
)
@click.option(
    "--offline", is_flag=True, help="Print the rights for any cluster, without looking at the APIs and namespaces of this one."
)
@click.option("-o", "--output", type=OneOf("format", ("text", "yaml", "json")), default="text", show_default=True, help="Format.")
@options.choosing
@options.kubectl_flags
def command(check: bool, output: str, **flags: Any) -> int:
    """Print the least RBAC rights that a run needs, as manifests.

    To grant them: kubectl netdoc rbac --for-user NAME | kubectl apply -f -

    The manifests are a ClusterRole for reading, Roles for objects that are read by name, and a Role in the namespace of the
    debug pods. They follow from what the checks need and from the APIs that the cluster has; -n, --only and --skip make
    them smaller.

    --check asks the API server which of the rights you lack (with --as: which another user lacks), and prints which checks
    that affects. Exit code 1: a right that is not optional is missing.
    """
    from kubectl_netdoc.permissions.needed import least
    from kubectl_netdoc.report import permissions as report
    from kubectl_netdoc.sources import SourceError

    subjects = _subjects(flags)
    wanted = _wanted(flags)
    if check:
        return _check(wanted, subjects, output, flags)
    if not flags["offline"]:
        try:
            wanted, _, _ = _of_cluster(wanted, flags)
        except SourceError as error:
            raise SourceError(f"{error}; use --offline to print the rights for any cluster", error.exit_code) from error
    render = report.as_json if output == "json" else report.as_yaml
    click.echo(render(wanted, least(wanted), subjects), nl=False)
    return 0


def _wanted(flags: dict[str, Any]) -> Wanted:
    from kubectl_netdoc.permissions.needed import OWN_NAMESPACE, Wanted

    if flags["offline"] and flags["tls_secrets"]:
        raise click.UsageError(
            "--tls-secrets reads the names of the Secrets from the cluster, so it can't be used with --offline"
        )
    if flags["pod_namespace"] and flags["new_namespaces"]:
        raise click.UsageError("--pod-namespace and --new-namespaces can't be used together")
    if flags["watch"] and flags["new_namespaces"]:
        raise click.UsageError(
            "--watch and --new-namespaces can't be used together: the Lease has to be in a namespace that stays"
        )
    for flag, name in (("--pod-namespace", flags["pod_namespace"] or "x"), *(("-n", name) for name in flags["namespaces"])):
        if not re.fullmatch(NAMESPACE, name):
            raise click.UsageError(f"{flag}: {name!r} is not a valid name of a namespace")
    _, chosen = choose_checks((), flags["only"], flags["skip"])
    return Wanted(
        checks=chosen,
        tier=Tier(flags["tier"]),
        namespaces=flags["namespaces"],
        pod_namespace="" if flags["new_namespaces"] else flags["pod_namespace"] or OWN_NAMESPACE,
        watch=flags["watch"],
    )


def _subjects(flags: dict[str, Any]) -> list[Grantee]:
    from kubectl_netdoc.permissions.needed import Grantee

    found = [Grantee("User", name) for name in flags["users"]] + [Grantee("Group", name) for name in flags["groups"]]
    for account in flags["accounts"]:
        namespace, colon, name = account.partition(":")
        if not (colon and re.fullmatch(NAMESPACE, namespace) and re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", name)):
            raise click.UsageError(f"--for-serviceaccount takes NAMESPACE:NAME, not {account!r}")
        found.append(Grantee("ServiceAccount", name, namespace))
    if not all(subject.name.strip() for subject in found):
        raise click.UsageError("--for-user and --for-group need a name")
    return found


def _of_cluster(wanted: Wanted, flags: dict[str, Any]) -> tuple[Wanted, Client, str]:
    """Return the rights for the selected cluster, given its APIs and namespaces, with a client and the cluster's version.

    Raises ``SourceError`` if the cluster can't be reached.
    """
    from msgspec.structs import replace

    from kubectl_netdoc.core.check import kinds_of
    from kubectl_netdoc.sources.live import client, discovery, lists

    connection = client.Client(client_options(flags))
    version = lists.server_version(connection)
    spaces = lists.existing(connection, *wanted.elsewhere)
    pointed = lists.pointed(connection, kinds_of(wanted.seen), wanted.namespaces) if flags["tls_secrets"] else {}
    here = replace(wanted, served=discovery.read(connection, kinds_of(wanted.seen)), spaces=spaces, pointed=pointed)
    return here, connection, version


def _check(wanted: Wanted, subjects: list[Grantee], output: str, flags: dict[str, Any]) -> int:
    from kubectl_netdoc.cli.source import warn_on_stderr
    from kubectl_netdoc.permissions.needed import Grantee, ask, for_server, least
    from kubectl_netdoc.report import permissions as report
    from kubectl_netdoc.sources.live import access, lists

    if subjects:
        raise click.UsageError(
            "--check can't be used with --for-…: it checks your own rights, or with --as NAME those of another user"
        )
    if flags["offline"]:
        raise click.UsageError("--check asks the API server, so it can't be used with --offline")
    wanted, connection, version = _of_cluster(wanted, flags)
    rights = for_server(least(wanted), version)
    who = Grantee.of(access.username(connection))
    answer = ask(rights, lambda rules: access.allowed(connection, rules), connection.namespace, who)
    if wanted.measuring and wanted.pod_namespace and lists.existing(connection, wanted.pod_namespace) == frozenset():
        warn_on_stderr(
            f"namespace {wanted.pod_namespace} does not exist yet; create it: kubectl create namespace {wanted.pod_namespace}"
        )
    click.echo(report.answer(wanted, answer, output, _flags(flags)), nl=False)
    return int(answer.lacking)


def _flags(flags: dict[str, Any]) -> str:
    """Return the flags that selected these rights, as they were given, each followed by a space."""
    given = [("--tier", flags["tier"])] if flags["tier"] != Tier.PODS else []
    given += [("-n", name) for name in flags["namespaces"]]
    given += [(f"--{key}", name) for key in ("only", "skip") for name in flags[key]]
    given += [("--pod-namespace", flags["pod_namespace"])] if flags["pod_namespace"] else []
    given += [("--tls-secrets", "")] if flags["tls_secrets"] else []
    given += [("--watch", "")] if flags["watch"] else []
    given += [("--new-namespaces", "")] if flags["new_namespaces"] else []
    return "".join(f"{shlex.quote(word)} " for pair in given for word in pair if word)
