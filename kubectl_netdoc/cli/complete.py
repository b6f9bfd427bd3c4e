# SPDX-License-Identifier: Apache-2.0
"""Shell completion, in kubectl's protocol for plugins and in click's for bash, zsh and fish.

kubectl runs ``kubectl_complete-netdoc WORD...`` and reads one completion per line, then ``:N``, cobra's directive. Errors
complete to nothing: they print nothing, nothing waits for long, and no credential plugin can ask a question.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class, shell_complete

from kubectl_netdoc.cli.connection import client_options

Items = list[CompletionItem[str]]

EXECUTABLE = "kubectl_complete-netdoc"
"""kubectl looks for a program of this name on the PATH and speaks its own protocol with it."""

VARIABLE = "_KUBECTL_NETDOC_COMPLETE"
"""The variable that the scripts of ``kubectl netdoc completion SHELL`` set (click derives it from the program's name)."""

SHELLS = ("bash", "zsh", "fish")
ANY_FILE, NO_FILE, NO_SPACE = 0, 4, 2
"""Cobra's directives, which are added up: complete files; complete nothing but what is printed; add no space."""

PATIENCE = 1.5
"""Seconds to wait for the names of namespaces, including a credential plugin."""

WORD = re.compile(r"[\w.@:/+=,~%-]+")
"""Characters that are safe to hand to a shell: some scripts expand what they get, and a kubeconfig may contain any name."""


def asked() -> bool:
    """Tell whether this process was started to complete a command line."""
    return VARIABLE in os.environ or Path(sys.argv[0]).name.startswith(EXECUTABLE)


def answer(program: click.Command) -> None:
    """Print the completions that a shell or kubectl asks for."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 2)
    with suppress(Exception):
        if instruction := os.environ.get(VARIABLE):
            shell_complete(program, {}, "kubectl-netdoc", VARIABLE, instruction)
        else:
            click.echo(for_kubectl(program, sys.argv[1:]), nl=False)


def for_kubectl(program: click.Command, words: list[str]) -> str:
    """Return the answer to kubectl. The last word is the one being typed, empty where a new one begins."""
    *before, incomplete = words or [""]
    items = ShellComplete(program, {}, "kubectl netdoc", VARIABLE).get_completions(before, incomplete)
    if any(item.type != "plain" for item in items):
        return f":{ANY_FILE}\n"
    lines = ["\t".join(filter(None, (item.value, " ".join((item.help or "").split())))) for item in items]
    open_end = items and all(item.value.endswith("=") for item in items)
    return "".join(f"{line}\n" for line in (*lines, f":{NO_FILE + NO_SPACE if open_end else NO_FILE}"))


def script(shell: str, program: click.Command) -> str:
    """Return the script that a shell sources to complete ``kubectl-netdoc``."""
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(program, {}, "kubectl-netdoc", VARIABLE).source()


def matching(pairs: Iterable[tuple[str, str]], incomplete: str) -> Items:
    """Return the names with the typed prefix, with their help; names that a shell might expand are left out."""
    return [
        CompletionItem(name, help=text)
        for name, text in pairs
        if name.casefold().startswith(incomplete.casefold()) and WORD.fullmatch(name)
    ]


# What options and arguments complete to: their ``shell_complete``


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete files and folders; the shell does it."""
    return [CompletionItem(incomplete, type="file")]


def checks(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete checks; several can be written with commas between them."""
    from kubectl_netdoc.engine import registry

    done, comma, begun = incomplete.rpartition(",")
    return matching(((f"{done}{comma}{one.id}", one.title) for one in registry.load().checks), f"{done}{comma}{begun}")


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete codes."""
    from kubectl_netdoc.engine import registry

    return matching(((name, code.title) for name, (_, code) in registry.load().codes.items()), incomplete)


def thresholds(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete thresholds, with their defaults."""
    from kubectl_netdoc.engine import registry

    there = (
        (f"{one.id}.{each.name}=", f"{each.default:g} {each.unit}") for one in registry.load().checks for each in one.thresholds
    )
    return matching(there, incomplete)


def pages(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete everything that has a page: checks and codes."""
    return checks(ctx, param, incomplete) + codes(ctx, param, incomplete)


def kubeconfig(section: str) -> Callable[[click.Context, click.Parameter, str], Items]:
    """Return a completer of the contexts, clusters or users in the kubeconfig; it does not contact a cluster.

    Several can be written with commas between them.
    """

    def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        done, comma, _ = incomplete.rpartition(",")
        there = dict.fromkeys(_named_in(section, ctx.params.get("kubeconfig") or ""))
        return matching(((f"{done}{comma}{name}", "") for name in there), incomplete)

    return names


def _named_in(section: str, given: str) -> list[str]:
    import yaml

    paths = given or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    found: list[str] = []
    for path in filter(None, paths.split(os.pathsep)):
        with suppress(OSError, ValueError, AttributeError, TypeError, KeyError, yaml.YAMLError):
            content = yaml.load(Path(path).expanduser().read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            found += [str(entry["name"]) for entry in content[section]]
    return found


def namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the namespaces of the cluster that the flags so far select; nothing if it does not answer soon."""
    recorded = next((each.name for each in ctx.command.params if "--from" in each.opts), None)
    if recorded and ctx.params.get(recorded):
        return []
    return matching(((name, "") for name in _soon(_namespaces, ctx.params)), incomplete)


def _namespaces(flags: dict[str, Any]) -> list[str]:
    from kubectl_netdoc.sources.live import client, lists

    return sorted(lists.namespaces(client.Client(client_options(flags | {"request_timeout": PATIENCE}))))


def _soon(ask: Callable[[dict[str, Any]], list[str]], flags: dict[str, Any]) -> list[str]:
    """Return the result if it comes within ``PATIENCE`` seconds. It runs in a thread: not every call takes a deadline."""
    found: list[str] = []

    def run() -> None:
        with suppress(Exception):
            found.extend(ask(flags))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return list(found)
