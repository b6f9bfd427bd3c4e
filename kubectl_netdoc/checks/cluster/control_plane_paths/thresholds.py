# SPDX-License-Identifier: Apache-2.0
"""The thresholds of control_plane_paths."""

from __future__ import annotations

from kubectl_netdoc.api import Threshold

SOON = Threshold(
    name="ca_days",
    default=30.0,
    unit="days that a caBundle has left",
    source="a month to act; of certificates with a shorter lifetime the last tenth counts",
)
