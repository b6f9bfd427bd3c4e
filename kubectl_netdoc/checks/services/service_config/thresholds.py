# SPDX-License-Identifier: Apache-2.0
"""The thresholds of service_config."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

PROVISIONING = Threshold(
    name="provisioning_s",
    default=180.0,
    unit="s until a load balancer has its address",
    source="clouds take up to about three minutes; where an Event warns, or no controller is there, netdoc does not wait",
)
