# SPDX-License-Identifier: Apache-2.0
"""How long a cluster may take to follow a change before checks report the difference."""

from __future__ import annotations

from datetime import timedelta

SETTLING = timedelta(seconds=60)
"""Pods start, become ready and get into EndpointSlices, and controllers write their status, within that time of a change."""
