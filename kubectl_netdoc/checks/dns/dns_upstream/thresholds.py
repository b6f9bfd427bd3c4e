# SPDX-License-Identifier: Apache-2.0
"""The thresholds of dns_upstream."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

LATE = Threshold(
    name="slow_ms",
    default=1000.0,
    unit="ms",
    source="the upper end of the field's alert rules for CoreDNS (0.05 to 1 s)",
)
