# SPDX-License-Identifier: Apache-2.0
"""``clean``: delete what interrupted runs left behind."""

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
    help="Clean up in this namespace instead of the namespaces that netdoc created.",
)
@options.kubectl_flags
def command(pod_namespace: str, **flags: Any) -> int:
    """Delete debug pods and namespaces that interrupted runs left behind, once they have expired.

    Pods of runs that may still be going on, yours or a colleague's, are left alone: whether a pod has expired is judged
    by the API server's clock. Every run cleans up like this before it starts.
    """
    from kubectl_netdoc.sources import SourceError
    from kubectl_netdoc.sources.live import client, debug_pods

    connection = client.Client(client_options(flags))
    try:
        gone = debug_pods.sweep(connection, pod_namespace)
    except client.ApiError as error:
        raise SourceError(f"can't look for leftovers on {connection.host}: {error}") from error
    for path in gone:
        click.echo(f"deleted {path.removeprefix('/api/v1/')}")
    if not gone:
        click.echo("nothing to clean up: no expired debug pods or namespaces")
    return 0
