# SPDX-License-Identifier: Apache-2.0
"""The entry point: finds the verb, imports only that, and turns every error into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from kubectl_netdoc.cli import complete

VERBS = {
    "check": "What is wrong with the cluster's network, why, and what mends it.",
    "clean": "Delete what killed runs left behind.",
    "collect": "Record a run in a bundle, to be analysed anywhere.",
    "completion": "The script that completes kubectl-netdoc in bash, zsh or fish.",
    "diff": "What got better or worse between two runs.",
    "explain": "The page of a check or a code.",
    "list": "Every check and its codes.",
    "policy": "What the network policies allow, whom they protect, and what a change would do.",
    "rbac": "The least rights that netdoc needs, and which of them you lack.",
    "schema": "The JSON Schema of the report.",
    "version": "The version of netdoc.",
    "why": "Can A reach B? Every hop, the one that stops it, and its fix.",
}


class Verbs(click.Group):
    """Imports a verb's module only when that verb is called, so that --help is at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb's command; an unknown one is an error with the nearest name."""
        if cmd_name not in VERBS and ctx.resilient_parsing:
            return None
        if cmd_name not in VERBS:
            from kubectl_netdoc.engine.registry import UnknownName

            ctx.fail(str(UnknownName("verb", cmd_name, VERBS)))
        command: click.Command = importlib.import_module(f"kubectl_netdoc.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete to verbs without importing them, and to options."""
        return complete.matching(VERBS.items(), incomplete) + click.Command.shell_complete(self, ctx, incomplete)


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 nothing at or above --fail-on; 1 findings; 2 usage or bad input; 3 cluster not reached; "
    "4 a check crashed, or --strict and something could not be looked at; 130 interrupted.",
)
def main() -> None:
    """What is wrong with this cluster's network, why, and which command fixes it.

    Reads the API and measures from short-lived debug pods; needs nothing in the cluster and leaves nothing there.
    Start with: kubectl netdoc check
    """


def entry() -> NoReturn:
    """Run the command line, or complete it; the only place where an exception becomes an exit code."""
    if complete.asked():
        complete.answer(main)
        sys.exit(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        result = main.main(prog_name="kubectl netdoc", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        code = _complain(error.format_message(), 2)
    except Interrupted:
        code = _complain("interrupted; what was made in the cluster is removed", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _unexpected(error)
    sys.exit(code)


class Interrupted(BaseException):
    """SIGINT or SIGTERM: unwinds everything, so that what was made in the cluster is removed on the way."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)  # a second one must not stop the removal
    raise Interrupted


def _complain(text: str, code: int) -> int:
    from kubectl_netdoc.formats.text import safe

    click.echo(f"kubectl-netdoc: {safe(text)}", err=True)
    return code


def _unexpected(error: Exception) -> int:
    from kubectl_netdoc.sources import SourceError

    if isinstance(error, SourceError):
        return _complain(str(error), error.exit_code)
    if os.environ.get("NETDOC_DEBUG"):
        raise error
    return _complain(f"a bug in netdoc: {type(error).__name__}: {error} (NETDOC_DEBUG=1 shows where)", 4)
