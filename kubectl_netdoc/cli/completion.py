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
    """The script that completes kubectl-netdoc in a shell: source <(kubectl netdoc completion bash)

    kubectl's own completion completes "kubectl netdoc" where kubectl_complete-netdoc is on the PATH: pip puts it there; else
    link it to kubectl-netdoc. SHELL is bash, zsh or fish.
    """
    click.echo(complete.script(shell, ctx.find_root().command), nl=False)
    return 0
