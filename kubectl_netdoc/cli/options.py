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
"""A label, and an amount of a resource, as the API takes them (Kubernetes: Labels and Selectors; resource.Quantity)."""


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _one_scope(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse -A beside -n: whichever is parsed later sees the other one."""
    other = "namespaces" if param.name == "all_namespaces" else "all_namespaces"
    if value and ctx.params.get(other):
        raise click.UsageError("-A and -n exclude each other")
    return value


kubectl_flags = _all(
    click.option(
        "-n",
        "--namespace",
        "namespaces",
        multiple=True,
        shell_complete=complete.namespaces,
        callback=_one_scope,
        help="Look at this namespace only (repeatable).",
    ),
    click.option("-A", "--all-namespaces", is_flag=True, callback=_one_scope, help="Look at the whole cluster (the default)."),
    click.option("--kubeconfig", default="", shell_complete=complete.files, help="Path of the kubeconfig file."),
    *(
        click.option(
            f"--{name}", default="", shell_complete=complete.kubeconfig(f"{name}s"), help=f"The kubeconfig {name} to use."
        )
        for name in ("context", "cluster", "user")
    ),
    click.option("--as", "as_user", default="", help="User to impersonate."),
    click.option("--as-uid", default="", help="UID to impersonate."),
    click.option("--as-group", "as_groups", multiple=True, help="Group to impersonate (repeatable)."),
    click.option("--request-timeout", type=Seconds(), default=0.0, show_default="none", help="Limit for each API request."),
)

debug_pods = _all(
    click.option(
        "--image",
        envvar="NETDOC_IMAGE",
        default="",
        show_default="python:3.13-alpine",
        help="Image of the debug pods; needs python3. auto: one that the nodes have.",
    ),
    click.option("--image-pull-secret", default="", help="Pull secret for that image, which is in --pod-namespace."),
    click.option(
        "--label",
        "labels",
        multiple=True,
        type=Pairs("label", _LABELED),
        metavar="KEY=VALUE",
        help="Label for all that netdoc makes (repeatable).",
    ),
    click.option("--pod-requests", type=Pairs("amount", _AMOUNT), metavar="cpu=20m,…", help="Resources that debug pods request."),
    click.option(
        "--pod-limits",
        type=Pairs("amount", _AMOUNT),
        metavar="memory=64Mi,…",
        help="Their limits; cpu=1,memory=128Mi if not given.",
    ),
    click.option(
        "--pod-namespace",
        default="",
        shell_complete=complete.namespaces,
        help="Run debug pods in this namespace instead of a new one.",
    ),
    click.option("--timeout", type=Seconds(), default=60.0, show_default="60s", help="Limit for the measurements."),
)

measuring = _all(
    click.option("--no-pods", is_flag=True, help="API only: run no debug pod, measure nothing."),
    click.option("--nodes", default="", metavar="all|N|SELECTOR", show_default="30 at most", help="Nodes to measure from."),
    click.option("--node-checks", is_flag=True, help="Run a pod on each node's own network too: kernel, routes, kube-proxy."),
    click.option("--privileged", is_flag=True, help="With NET_ADMIN there: rules, tracked flows, CNI files (and --node-checks)."),
    debug_pods,
    click.option("-v", "--verbose", is_flag=True, help="Print the mesh between nodes, what the run cost, and its load."),
)


def from_file(name: str = "source") -> Callable[[F], F]:
    """Return the option --from under a parameter's name."""
    return click.option(
        "--from",
        name,
        default="",
        metavar="FILE|DIR|-",
        shell_complete=complete.files,
        help="Look at a bundle or at manifests instead of a cluster.",
    )


choosing = _all(
    click.option(
        "--only", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Run only this check (repeatable)."
    ),
    click.option(
        "--skip", multiple=True, metavar="CHECK", shell_complete=complete.checks, help="Leave this check out (repeatable)."
    ),
)

ignoring = _all(
    click.option(
        "--ignore",
        multiple=True,
        metavar="CODE[=SUBJECT]",
        shell_complete=complete.codes,
        help="Leave this finding out; on subjects like web, shop/* or 'Pod shop/*' (repeatable).",
    ),
    click.option(
        "--threshold",
        multiple=True,
        metavar="CHECK.NAME=N",
        shell_complete=complete.thresholds,
        help="Set a threshold that explain CHECK lists (repeatable).",
    ),
    click.option(
        "--config",
        default="",
        envvar="NETDOC_CONFIG",
        show_default=".netdoc.yaml",
        shell_complete=complete.files,
        help="A file of what to ignore and set.",
    ),
)

targets = _all(
    click.option(
        "--external", multiple=True, metavar="NAME|IP", help="Measure this DNS name or IP address outside too (repeatable)."
    ),
    click.option(
        "--service", "services", multiple=True, metavar="[NS/]NAME", help="Of the Services, look at this one only (repeatable)."
    ),
    click.option(
        "-l", "--selector", default="", metavar="LABELS", help="Of the Services, look at those with these labels, as in kubectl."
    ),
)


def defaults(flags: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the values that some of these flags have where none is given on the command line."""
    command = click.Command("defaults")
    flags(command)
    return command.make_context("defaults", []).params
