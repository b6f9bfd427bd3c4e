# SPDX-License-Identifier: Apache-2.0
"""Who is told how far a run is; what is told is for the user's eyes, never part of a report."""

from __future__ import annotations

from kubectl_netdoc.core.report import State


class Progress:
    """Is told how far a run is; this one keeps it to itself."""

    def stage(self, text: str) -> None:
        """A stage of the way begins."""

    def waiting(self, text: str, seconds: float) -> None:
        """What a stage waits for, and for how long by now; told again while it lasts."""

    def note(self, text: str) -> None:
        """Something was decided that the user may want otherwise."""

    def settled(self, check: str, state: State) -> None:
        """A check has come to its state."""
