# SPDX-License-Identifier: Apache-2.0
"""Amounts as the Kubernetes API writes them."""

from __future__ import annotations

import re

_SUFFIX = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)([numkMG]?)")


def cores(written: str | int | float) -> float | None:
    """Return an amount of CPU in cores (``250m`` is 0.25); None for what is none.

    Source: Kubernetes API conventions, resource.Quantity; metrics-server writes nanocores (``n``).
    """
    match = _QUANTITY.fullmatch(str(written))
    return float(match[1]) * _SUFFIX[match[2]] if match else None
