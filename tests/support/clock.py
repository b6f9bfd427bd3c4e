# SPDX-License-Identifier: Apache-2.0
"""A clock of a test's own."""

from __future__ import annotations


class Clock:
    """Stands in for the module ``time``: it moves only while somebody sleeps, so that pacing is a sum and no race."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
