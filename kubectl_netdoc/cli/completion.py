# SPDX-License-Identifier: Apache-2.0
"""``completion``: the script that makes a shell complete the program's own name."""

from __future__ import annotations

import click

from kubectl_netdoc.cli import complete
from kubectl_netdoc.cli.parameter_types import OneOf


@click.command("completion")
@click.argument("shell", type=OneOf("shell", complete.SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script for a shell. To use it: source <(kubectl netdoc completion bash)

    The script completes "kubectl-netdoc". "kubectl netdoc" is completed by kubectl's own completion if
    kubectl_complete-netdoc is on the PATH: pip installs it; otherwise create it as a link to kubectl-netdoc.
    """
    click.echo(complete.script(shell, ctx.find_root().command), nl=False)
    return 0
