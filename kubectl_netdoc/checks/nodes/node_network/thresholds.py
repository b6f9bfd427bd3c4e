# SPDX-License-Identifier: Apache-2.0
"""The thresholds of node_network."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

SKEWED = 60.0
"""Seconds between a node's clock and the API server's from which service account tokens are rejected (go-jose's leeway)."""

NOTICED = Threshold(
    name="clock_s",
    default=5.0,
    unit="s between a node and the API server",
    source="the API server's Date header has whole seconds, and exec takes time",
    most=SKEWED,
)
