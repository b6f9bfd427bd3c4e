# SPDX-License-Identifier: Apache-2.0
"""The thresholds of endpoint_slices."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

OVERDUE = Threshold(
    name="terminating_s",
    default=300.0,
    unit="s that a pod of a Service should have ended ago",
    source="after the end of its grace period a pod ends within seconds, unless the kubelet or a finalizer holds it",
)
