# SPDX-License-Identifier: Apache-2.0
"""The entry point: finds the verb, imports only that, and turns every error into one line and an exit code."""

from __future__ import annotations

import gc
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
    "bench": "Measure what the network between nodes carries, how fast it answers, and what that costs.",
    "check": "Show what is wrong with the cluster's network, why, and how to fix it.",
    "clean": "Delete debug pods and namespaces that interrupted runs left behind.",
    "collect": "Record a run in a bundle file that can be analysed anywhere.",
    "completion": "Print the completion script for bash, zsh or fish.",
    "diff": "Compare two runs: what got better and what got worse.",
    "explain": "Explain a check or a code.",
    "history": "Show when findings came and went, and what else changed then.",
    "list": "List every check and its codes.",
    "mcp": "Serve the verbs that only look as tools for an agent (Model Context Protocol).",
    "policy": "Show what network policies allow, what they protect, and what a change would do.",
    "rbac": "Print the least RBAC rights that netdoc needs, or which of them you lack.",
    "schema": "Print the JSON Schema of the report.",
    "trace": "Follow packets from A to B through every interface, and say where they end and what takes them.",
    "version": "Print the version of netdoc.",
    "watch": "Look again and again where nobody sits: Events, metrics for Prometheus, kept reports.",
    "why": "Can A reach B? Show every hop, the one that stops the connection, and the fix.",
}


RARELY = 100_000
"""Objects by which the process has to grow before Python looks for circles of them. What is read stays until the end, and next to
nothing in it is a circle: at Python's own 700 the looking took a fifth of all CPU on 300 nodes."""


class Verbs(click.Group):
    """Imports a verb's module only when that verb is called, so that --help is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb's command. An unknown verb is an error that names the closest one."""
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
        """Complete verbs, without importing them, and options."""
        return complete.matching(VERBS.items(), incomplete) + click.Command.shell_complete(self, ctx, incomplete)


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 no finding at or above --fail-on; 1 findings; 2 wrong usage or bad input; 3 the cluster could not "
    "be reached; 4 a check crashed, nothing could be measured, or --strict and something could not be checked; 130 "
    "interrupted.",
)
def main() -> None:
    """Find out what is wrong with this cluster's network, why, and which command fixes it.

    netdoc reads the API and measures from short-lived debug pods. It needs nothing installed in the cluster and
    leaves nothing behind.
    Start with: kubectl netdoc check
    """


def entry() -> NoReturn:
    """Run the command line, or complete it; the only place where an exception becomes an exit code."""
    if complete.asked():
        complete.answer(main)
        sys.exit(0)
    gc.set_threshold(RARELY)
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
        code = _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # Python 3.11 puts a RuntimeError around what comes out of __set_name__, so while it imports
        code = _interrupted() if Interrupted.came else _unexpected(error)
    sys.exit(code)


class Interrupted(BaseException):
    """SIGINT or SIGTERM. It unwinds the stack, so that everything netdoc created in the cluster is removed on the way.

    ``came``: whether one came, as whatever it interrupts may make another exception of it.
    """

    came = False


def _interrupt(number: int, frame: FrameType | None) -> None:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)  # a second one must not stop the removal
    Interrupted.came = True
    raise Interrupted


def _interrupted() -> int:
    return _complain("interrupted; everything that netdoc created in the cluster has been removed", 130)


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
    return _complain(f"this is a bug in netdoc: {type(error).__name__}: {error} (set NETDOC_DEBUG=1 to see the traceback)", 4)
