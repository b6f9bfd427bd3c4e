# SPDX-License-Identifier: Apache-2.0
"""Limits the rate of requests to the API server, and stops them while it answers that there are too many."""

from __future__ import annotations

import re
import threading
import time

PER_SECOND = 50.0
"""Most requests per second in the long run, as many as kubectl's discovery sends (``WithDiscoveryQPS`` in its cmd.go)."""

AT_FIRST = 100
"""Requests that may be sent at once before that limit counts. A check of a small cluster sends about 70; kubectl allows 300."""

SLOWEST_RETRY = 5.0
"""Longest Retry-After, in seconds, that is honoured, so that the length of a run stays bounded."""


class RateLimit:
    """A token bucket that all threads of a run share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full = time.monotonic()
        """When the bucket is or was full again. Each request delays it by its share of a second."""
        self._closed = 0.0

    def wait(self) -> None:
        """Wait until one more request may be sent."""
        with self._lock:
            now = time.monotonic()
            self._full = max(self._full, now) + 1 / PER_SECOND
            until = max(self._full - AT_FIRST / PER_SECOND, self._closed)
        time.sleep(max(until - now, 0.0))

    def hold(self, retry_after: str) -> None:
        """Send nothing for as long as a server's Retry-After says, in seconds.

        A date, which no Kubernetes server sends, counts as one second.
        """
        seconds = min(float(retry_after), SLOWEST_RETRY) if re.fullmatch(r"\d{1,9}", retry_after.strip()) else 1.0
        with self._lock:
            self._closed = max(self._closed, time.monotonic() + seconds)
