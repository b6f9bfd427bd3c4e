# SPDX-License-Identifier: Apache-2.0
"""How fast the API server is asked: so many requests a second, and none while it says that there are too many."""

from __future__ import annotations

import re
import threading
import time

PER_SECOND = 50.0
"""Requests a second that are sent in the long run, as many as kubectl's discovery sends (``WithDiscoveryQPS`` in its cmd.go)."""

AT_FIRST = 100
"""Requests that may go out at once before that counts. A full check of a small cluster sends some 70; kubectl allows 300."""

SLOWEST_RETRY = 5.0
"""Longest wait in seconds that a Retry-After is honoured for, so that a run stays bounded."""


class Pace:
    """A token bucket that all threads of a run share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full = time.monotonic()
        """When the bucket will be full again, or was: each request puts it off by its share of a second."""
        self._closed = 0.0

    def wait(self) -> None:
        """Return when one more request may be sent."""
        with self._lock:
            now = time.monotonic()
            self._full = max(self._full, now) + 1 / PER_SECOND
            until = max(self._full - AT_FIRST / PER_SECOND, self._closed)
        time.sleep(max(until - now, 0.0))

    def hold(self, retry_after: str) -> None:
        """Let nothing out for as long as a server's Retry-After says, in seconds.

        A date there, which no Kubernetes server sends, counts as one second.
        """
        seconds = min(float(retry_after), SLOWEST_RETRY) if re.fullmatch(r"\d{1,9}", retry_after.strip()) else 1.0
        with self._lock:
            self._closed = max(self._closed, time.monotonic() + seconds)
