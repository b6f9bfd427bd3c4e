# SPDX-License-Identifier: Apache-2.0
"""The thresholds of dns_servers."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

LOSSY = Threshold(
    name="lost_percent",
    default=10.0,
    unit="% of lookups to a server",
    source="and at least three lookups: one or two of 45 are chance",
    most=100,
)
