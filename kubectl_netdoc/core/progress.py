# SPDX-License-Identifier: Apache-2.0
"""Receives the progress of a run, for the user only; it is never part of a report."""

from __future__ import annotations

from kubectl_netdoc.core.report import State


class Progress:
    """Receives the progress of a run; this base class ignores it."""

    def stage(self, text: str) -> None:
        """A stage begins."""

    def waiting(self, text: str, seconds: float) -> None:
        """The stage waits for something, for so many seconds until now; called repeatedly."""

    def note(self, text: str) -> None:
        """Netdoc decided something that the user may want to change."""

    def settled(self, check: str, state: State) -> None:
        """A check has its state."""
