# SPDX-License-Identifier: Apache-2.0
"""The thresholds of kube_proxy_mode."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

LAG = Threshold(
    name="lag_s",
    default=30.0,
    unit="s that a change waits for its rules",
    source="half of what /livez allows, and the goal of SIG Scalability for network programming",
)
