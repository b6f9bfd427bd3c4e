# SPDX-License-Identifier: Apache-2.0
"""``mcp``: the verbs that only look, as tools for an agent (Model Context Protocol, over stdin and stdout).

Which cluster, and as whom, is said when it starts; an agent can't change it. Each call is a run of netdoc in a process of its
own, with arguments of known forms, a time and a size.
"""

from __future__ import annotations

from typing import Any

import click

from kubectl_netdoc.cli import options

EXTRA = ("mcp", "anyio", "pydantic")
"""What comes with the extra, and is imported here."""

MISSING = "the tools for agents need the package mcp; install it with: pip install 'kubectl-netdoc[mcp]'"


@click.command("mcp")
@options.from_file()
@click.option("--pods", is_flag=True, help="Let check run debug pods and measure; without it, it reads the API only.")
@click.option("--trace", is_flag=True, help="Also offer trace, which follows packets from privileged debug pods.")
@options.kubectl_flags
def command(source: str, pods: bool, trace: bool, **flags: Any) -> int:
    """Serve check, why, policy, diff and explain as tools for an agent, over stdin and stdout (Model Context Protocol).

    Tools only look. They reach nothing but the cluster that the flags select, within -n if it is given, or what --from holds. An
    agent's client starts this command; see docs/mcp.md.
    """
    try:
        from kubectl_netdoc.cli.mcp_tools import Tools, server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise click.UsageError(MISSING) from error
    if source and (pods or trace):
        raise click.UsageError("--pods and --trace need a live cluster; they can't be used with --from")
    server(Tools(_given(source, flags), flags["namespaces"], pods=pods, live=not source), trace=trace).run("stdio")
    return 0


def _given(source: str, flags: dict[str, Any]) -> tuple[str, ...]:
    """Return the flags that every run gets, as they are written."""
    if source:
        return (f"--from={source}",)
    named = {
        "kubeconfig": "kubeconfig",
        "context": "context",
        "cluster": "cluster",
        "user": "user",
        "as": "as_user",
        "as-uid": "as_uid",
    }
    written = [f"--{flag}={flags[name]}" for flag, name in named.items() if flags[name]]
    written += [f"--as-group={group}" for group in flags["as_groups"]]
    return (*written, *([f"--request-timeout={flags['request_timeout']:g}s"] if flags["request_timeout"] else []))
