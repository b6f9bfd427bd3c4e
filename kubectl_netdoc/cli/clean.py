# SPDX-License-Identifier: Apache-2.0
"""``clean``: sweep what killed runs left behind."""

from __future__ import annotations

from typing import Any

import click

from kubectl_netdoc.cli import complete, options
from kubectl_netdoc.cli.connection import client_options


@click.command("clean")
@click.option(
    "--pod-namespace",
    default="",
    shell_complete=complete.namespaces,
    help="Sweep this namespace instead of those that netdoc made itself.",
)
@options.kubectl_flags
def command(pod_namespace: str, **flags: Any) -> int:
    """Delete debug pods and namespaces of runs that were killed, once their time is up by the server's clock.

    What belongs to a run that may still go on, a colleague's too, is left alone. Each run sweeps like this before it starts.
    """
    from kubectl_netdoc.sources import SourceError
    from kubectl_netdoc.sources.live import client, debug_pods

    connection = client.Client(client_options(flags))
    try:
        gone = debug_pods.sweep(connection, pod_namespace)
    except client.ApiError as error:
        raise SourceError(f"can't look for left-overs on {connection.host}: {error}") from error
    for path in gone:
        click.echo(f"deleted {path.removeprefix('/api/v1/')}")
    if not gone:
        click.echo("nothing of netdoc's is left over")
    return 0
