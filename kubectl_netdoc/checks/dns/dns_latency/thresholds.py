# SPDX-License-Identifier: Apache-2.0
"""The thresholds of dns_latency."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold
from kubectl_netdoc.probes.dns_lookups import SLOW_MS

LOSSY = Threshold(
    name="lost_percent",
    default=10.0,
    unit="% of lookups",
    source="and at least two lookups: a single lost datagram is no loss",
    most=100,
)

LATE = Threshold(
    name="slow_ms",
    default=SLOW_MS,
    unit="ms at p95",
    source="half-way in the field's alert rules for CoreDNS (0.05 to 1 s)",
)
