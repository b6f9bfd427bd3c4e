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
@click.option("--tier", type=OneOf("tier", Tier), default=str(Tier.PODS), show_default=True, help="How far a run may go.")
@click.option("--check", is_flag=True, help="Say which of the rights you lack, instead of printing them.")
@click.option("--for-user", "users", multiple=True, metavar="NAME", help="Give them to this user (repeatable).")
@click.option("--for-group", "groups", multiple=True, metavar="NAME", help="Give them to this group (repeatable).")
@click.option(
    "--for-serviceaccount", "accounts", multiple=True, metavar="NS:NAME", help="Give them to this ServiceAccount (repeatable)."
)
@click.option(
    "--pod-namespace",
    default="",
    shell_complete=complete.namespaces,
    show_default="netdoc",
    help="The namespace that debug pods run in.",
)
@click.option("--new-namespaces", is_flag=True, help="Let each run make a namespace of its own: far wider rights.")
@click.option("--tls-secrets", is_flag=True, help="With the Secrets that Ingresses and Gateways name today, each by its name.")
@click.option("--offline", is_flag=True, help="For any cluster: look at none to see which APIs and namespaces it has.")
@click.option("-o", "--output", type=OneOf("format", ("text", "yaml", "json")), default="text", show_default=True, help="Format.")
@options.choosing
@options.kubectl_flags
def command(check: bool, output: str, **flags: Any) -> int:
    """The least rights that a run takes, as manifests: kubectl netdoc rbac --for-user NAME | kubectl apply -f -

    A ClusterRole that reads, Roles where single objects are read, and a Role for the namespace of the debug pods, computed
    from what the checks need and from which APIs the cluster has; -n, --only and --skip make it less. --check asks the API
    server which of them you lack (with --as, somebody else) and says what becomes of which checks; exit code 1: something
    that is not optional is lacking.
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
            raise SourceError(f"{error}; --offline prints the rights for any cluster", error.exit_code) from error
    render = report.as_json if output == "json" else report.as_yaml
    click.echo(render(wanted, least(wanted), subjects), nl=False)
    return 0


def _wanted(flags: dict[str, Any]) -> Wanted:
    from kubectl_netdoc.permissions.needed import OWN_NAMESPACE, Wanted

    if flags["offline"] and flags["tls_secrets"]:
        raise click.UsageError("--tls-secrets asks the cluster for the names: --offline does not go with it")
    if flags["pod_namespace"] and flags["new_namespaces"]:
        raise click.UsageError("--pod-namespace and --new-namespaces exclude each other")
    for flag, name in (("--pod-namespace", flags["pod_namespace"] or "x"), *(("-n", name) for name in flags["namespaces"])):
        if not re.fullmatch(NAMESPACE, name):
            raise click.UsageError(f"{flag}: {name!r} can't be the name of a namespace")
    _, chosen = choose_checks((), flags["only"], flags["skip"])
    return Wanted(
        checks=chosen,
        tier=Tier(flags["tier"]),
        namespaces=flags["namespaces"],
        pod_namespace="" if flags["new_namespaces"] else flags["pod_namespace"] or OWN_NAMESPACE,
    )


def _subjects(flags: dict[str, Any]) -> list[Grantee]:
    from kubectl_netdoc.permissions.needed import Grantee

    found = [Grantee("User", name) for name in flags["users"]] + [Grantee("Group", name) for name in flags["groups"]]
    for account in flags["accounts"]:
        namespace, colon, name = account.partition(":")
        if not (colon and re.fullmatch(NAMESPACE, namespace) and re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", name)):
            raise click.UsageError(f"--for-serviceaccount takes NAMESPACE:NAME; {account!r} is none")
        found.append(Grantee("ServiceAccount", name, namespace))
    if not all(subject.name.strip() for subject in found):
        raise click.UsageError("--for-user and --for-group take a name")
    return found


def _of_cluster(wanted: Wanted, flags: dict[str, Any]) -> tuple[Wanted, Client, str]:
    """Return what is wanted of the cluster at hand, with its APIs and namespaces, a client of it, and its version.

    Raises ``SourceError`` where it can't be reached.
    """
    from msgspec.structs import replace

    from kubectl_netdoc.core.check import kinds_of
    from kubectl_netdoc.sources.live import client, lists

    connection = client.Client(client_options(flags))
    version = lists.server_version(connection)
    spaces = lists.existing(connection, *wanted.elsewhere)
    pointed = lists.pointed(connection, kinds_of(wanted.seen), wanted.namespaces) if flags["tls_secrets"] else {}
    here = replace(wanted, versions=lists.api_versions(connection), spaces=spaces, pointed=pointed)
    return here, connection, version


def _check(wanted: Wanted, subjects: list[Grantee], output: str, flags: dict[str, Any]) -> int:
    from kubectl_netdoc.permissions.needed import Grantee, ask, for_server, least
    from kubectl_netdoc.report import permissions as report
    from kubectl_netdoc.sources.live import access, lists
    from kubectl_netdoc.sources.manifests import warn_on_stderr

    if subjects:
        raise click.UsageError(
            "--check asks for yourself; --as NAME asks for somebody else, and --for-… prints what to give them"
        )
    if flags["offline"]:
        raise click.UsageError("--check asks the cluster: --offline does not go with it")
    wanted, connection, version = _of_cluster(wanted, flags)
    rights = for_server(least(wanted), version)
    who = Grantee.of(access.username(connection))
    answer = ask(rights, lambda rules: access.allowed(connection, rules), connection.namespace, who)
    if wanted.measuring and wanted.pod_namespace and lists.existing(connection, wanted.pod_namespace) == frozenset():
        warn_on_stderr(f"namespace {wanted.pod_namespace} is not there yet: kubectl create namespace {wanted.pod_namespace}")
    click.echo(report.answer(wanted, answer, output, _flags(flags)), nl=False)
    return int(answer.lacking)


def _flags(flags: dict[str, Any]) -> str:
    """Return the flags that say which rights are meant, as they were given, with a space after each."""
    given = [("--tier", flags["tier"])] if flags["tier"] != Tier.PODS else []
    given += [("-n", name) for name in flags["namespaces"]]
    given += [(f"--{key}", name) for key in ("only", "skip") for name in flags[key]]
    given += [("--pod-namespace", flags["pod_namespace"])] if flags["pod_namespace"] else []
    given += [("--tls-secrets", "")] if flags["tls_secrets"] else []
    given += [("--new-namespaces", "")] if flags["new_namespaces"] else []
    return "".join(f"{shlex.quote(word)} " for pair in given for word in pair if word)
