# SPDX-License-Identifier: Apache-2.0
"""The flags that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kubectl_netdoc.cli import complete
from kubectl_netdoc.cli.parameter_types import Pairs, Seconds

F = TypeVar("F", bound=Callable[..., Any])
_NAME = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABELED = _NAME + r"=([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_AMOUNT = _NAME + r"=\d+(\.\d+)?([mkMGTPE]|[KMGTPE]i)?"
"""A label, and an amount of a resource, as the API accepts them (Kubernetes: Labels and Selectors; resource.Quantity)."""


KEPT = 300
"""Reports that are kept: a day of one every five minutes."""


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _one_scope(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse -A together with -n: the one that is parsed later sees the other."""
    other = "namespaces" if param.name == "all_namespaces" else "all_namespaces"
    if value and ctx.params.get(other):
        raise click.UsageError("-A and -n can't be used together")
    return value


kubectl_flags = _all(
    click.option(
        "-n",
        "--namespace",
        "namespaces",
        multiple=True,
        shell_complete=complete.namespaces,
        callback=_one_scope,
        help="Check only this namespace (repeatable).",
    ),
    click.option("-A", "--all-namespaces", is_flag=True, callback=_one_scope, help="Check all namespaces (the default)."),
    click.option("--kubeconfig", default="", shell_complete=complete.files, help="Path to the kubeconfig file."),
    *(
        click.option(
            f"--{name}", default="", shell_complete=complete.kubeconfig(f"{name}s"), help=f"The kubeconfig {name} to use."
        )
        for name in ("context", "cluster", "user")
    ),
    click.option("--as", "as_user", default="", help="User to impersonate."),
    click.option("--as-uid", default="", help="UID to impersonate."),
    click.option("--as-group", "as_groups", multiple=True, help="Group to impersonate (repeatable)."),
    click.option("--request-timeout", type=Seconds(), default=0.0, show_default="none", help="Time limit for each API request."),
)

keeping = _all(
    click.option(
        "--keep",
        default="",
        metavar="FOLDER",
        shell_complete=complete.files,
        help="Keep the report in this folder, for: kubectl netdoc history FOLDER",
    ),
    click.option(
        "--keep-last",
        type=click.IntRange(min=1),
        default=KEPT,
        show_default=True,
        metavar="N",
        help="With --keep: how many reports of each cluster stay there.",
    ),
)

unattended = _all(
    click.option(
        "--lease",
        is_flag=True,
        help="Hold the Lease netdoc, in --pod-namespace or else the context's namespace, so that no two runs overlap.",
    ),
    click.option(
        "--events", is_flag=True, help="Write an Event about each object with a finding, and another one when it has gone."
    ),
)

several_clusters = _all(
    click.option(
        "--contexts",
        multiple=True,
        metavar="NAME,…",
        shell_complete=complete.kubeconfig("contexts"),
        help="Check the clusters of these contexts at the same time, in one report with a row each (repeatable).",
    ),
    click.option("--all-contexts", is_flag=True, help="Check the clusters of all contexts in the kubeconfig so."),
)

own_pods = _all(
    click.option(
        "--image",
        envvar="NETDOC_IMAGE",
        default="",
        show_default="python:3.13-alpine",
        help="Image of the debug pods; it must contain python3. auto: use an image that the nodes already have.",
    ),
    click.option("--image-pull-secret", default="", help="Pull secret for the image; it must exist in --pod-namespace."),
    click.option(
        "--label",
        "labels",
        multiple=True,
        type=Pairs("label", _LABELED),
        metavar="KEY=VALUE",
        help="Label for every object that netdoc creates (repeatable).",
    ),
    click.option(
        "--pod-requests", type=Pairs("amount", _AMOUNT), metavar="cpu=20m,…", help="Resource requests of the debug pods."
    ),
    click.option(
        "--pod-limits",
        type=Pairs("amount", _AMOUNT),
        metavar="memory=64Mi,…",
        help="Resource limits of the debug pods; by default cpu=1,memory=128Mi.",
    ),
    click.option(
        "--pod-namespace",
        default="",
        shell_complete=complete.namespaces,
        help="Run debug pods in this existing namespace instead of a new one.",
    ),
)

debug_pods = _all(
    own_pods,
    click.option("--timeout", type=Seconds(), default=60.0, show_default="60s", help="Time limit for the measurements."),
)

measuring = _all(
    click.option("--no-pods", is_flag=True, help="Read the API only: run no debug pods and measure nothing."),
    click.option(
        "--nodes",
        default="",
        metavar="all|N|SELECTOR",
        show_default="30 at most",
        help="Nodes to measure from: all, a number, or a label selector.",
    ),
    click.option(
        "--node-checks",
        is_flag=True,
        help="Also run a debug pod in each node's host network, to check kernel, routes and kube-proxy.",
    ),
    click.option(
        "--privileged",
        is_flag=True,
        help="Give that pod NET_ADMIN and NET_RAW: check rules, flows and CNI files, follow packets (implies --node-checks).",
    ),
    debug_pods,
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Leave nothing out of the report; also print the paths between nodes, and the calls and the load of the run.",
    ),
)


def from_file(name: str = "source") -> Callable[[F], F]:
    """Return the option --from; its value is passed as the parameter ``name``."""
    return click.option(
        "--from",
        name,
        default="",
        metavar="FILE|DIR|-",
        shell_complete=complete.files,
        help="Read a bundle, manifests or a dump (kubectl, must-gather, sos, troubleshoot) instead of a cluster.",
    )


choosing = _all(
    click.option(
        "--only", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Run only this check (repeatable)."
    ),
    click.option("--skip", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Skip this check (repeatable)."),
)

ignoring = _all(
    click.option(
        "--ignore",
        multiple=True,
        metavar="CODE[=SUBJECT]",
        shell_complete=complete.codes,
        help="Hide this finding, everywhere or for subjects such as web, shop/* or 'Pod shop/*' (repeatable).",
    ),
    click.option(
        "--threshold",
        multiple=True,
        metavar="CHECK.NAME=N",
        shell_complete=complete.thresholds,
        help="Change a threshold; 'explain CHECK' lists them (repeatable).",
    ),
    click.option(
        "--config",
        default="",
        envvar="NETDOC_CONFIG",
        show_default=".netdoc.yaml",
        shell_complete=complete.files,
        help="File with findings to ignore and thresholds.",
    ),
)

targets = _all(
    click.option(
        "--thorough",
        is_flag=True,
        help="Look for half a minute more: at outages that come and go, idle connections, many at once, and large answers.",
    ),
    click.option(
        "--external",
        multiple=True,
        metavar="NAME|IP",
        help="Also measure this DNS name or IP address outside the cluster (repeatable).",
    ),
    click.option(
        "--service", "services", multiple=True, metavar="[NS/]NAME", help="Of all Services, check only this one (repeatable)."
    ),
    click.option(
        "-l", "--selector", default="", metavar="LABELS", help="Of all Services, check only those that match this label selector."
    ),
)


def defaults(flags: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the default values of a group of flags."""
    command = click.Command("defaults")
    flags(command)
    return command.make_context("defaults", []).params
