# SPDX-License-Identifier: Apache-2.0
"""What is told during a run where stderr is not a terminal: long waits and notes, each as a line."""

from __future__ import annotations

import click

from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.formats.text import safe

LONG = 2.0
"""Seconds of waiting after which a line says so."""


class Plain(Progress):
    """The progress display if stderr is not a terminal: it prints long waits and notes only."""

    def __init__(self) -> None:
        self.told = False

    def waiting(self, text: str, seconds: float) -> None:
        """Print once what takes long."""
        if seconds >= LONG and not self.told:
            self.told = True
            self.note(f"{text}; with --image you can name an image that the nodes have or can pull faster")

    def note(self, text: str) -> None:
        """Print the note."""
        click.echo(f"kubectl-netdoc: {safe(text)}", err=True)
