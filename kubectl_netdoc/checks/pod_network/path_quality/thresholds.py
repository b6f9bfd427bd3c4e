# SPDX-License-Identifier: Apache-2.0
"""The thresholds of path_quality."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

LATE = Threshold(
    name="slow_ms",
    default=10.0,
    unit="ms at p50",
    source="two zones of a region are at most a single-digit number of ms apart (AWS and Google)",
)
"""The TCP connections along the path must be as slow too: a burst alone may hit a moment when a machine is busy (49 ms were
seen on a healthy lab under load)."""

SLOWER = Threshold(
    name="slower_times",
    default=5.0,
    unit="times the median of the other paths between the same zones",
    source="only a queue makes a path that much slower than comparable ones",
    least=1,
)
