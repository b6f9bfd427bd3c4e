# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows during a run: a line per stage and per finished check; it is erased before the report."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.report import State
from kubectl_netdoc.formats.text import safe

STYLES = {State.PASS: "green", State.WARN: "yellow", State.FAIL: "bold red", State.CRASHED: "magenta", State.UNKNOWN: "yellow"}
FEWEST = 5
"""Fewest lines that are shown, even in a very low terminal."""


class Show(Progress):
    """A view of the run, drawn in place on stderr: the last lines, as many as fit the terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.lines: list[Text] = []
        self.spinner = Spinner("dots", text="starting")
        self._began = time.monotonic()
        self._stage = ""
        self._live = Live(self._view(), console=self.console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Show:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def stage(self, text: str) -> None:
        """End the previous stage with its seconds, and begin another."""
        now = time.monotonic()
        if self._stage:
            self.lines.append(Text(f"{self._stage}: {now - self._began:.1f} s", "dim"))
        self._stage, self._began = safe(text), now
        self.spinner.update(text=Text(f"netdoc: {self._stage}"))
        self._live.update(self._view())

    def waiting(self, text: str, seconds: float) -> None:
        """Show in the stage's line what it waits for."""
        self.spinner.update(text=Text(f"netdoc: {safe(text)}, {seconds:.0f} s"))
        self._live.update(self._view())

    def note(self, text: str) -> None:
        """Print a line above the view that stays."""
        self.console.print(Text(f"kubectl-netdoc: {safe(text)}"))

    def settled(self, check: str, state: State) -> None:
        """Add the line of a check."""
        self.lines.append(Text.assemble((f"{state:<8} ", STYLES.get(state, "dim")), safe(check)))
        self._live.update(self._view())

    def _view(self) -> Group:
        room = max(FEWEST, self.console.height - 2)
        return Group(*self.lines[-room:], self.spinner)
