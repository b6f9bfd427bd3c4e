# SPDX-License-Identifier: Apache-2.0
"""Reads amounts of CPU as the Kubernetes API writes them.

``kubernetes.utils.quantity`` would do, but importing it loads the whole client (0.2 s), which ``check --from`` does without;
tests/formats/test_quantity.py compares the two. Source of the grammar: k8s.io/apimachinery, pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re

_DECIMAL = {suffix: 1000.0**power for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)}
_BINARY = {f"{suffix}i": 1024.0**power for power, suffix in enumerate("KMGTPE", 1)}
_FACTORS = _DECIMAL | _BINARY
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)")


def cores(written: str | int | float) -> float | None:
    """Return an amount of CPU in cores (``250m`` is 0.25; metrics-server writes nanocores, ``n``), or None if it is none."""
    match = _QUANTITY.fullmatch(str(written))
    return float(match[1] + (match[2] or "")) * _FACTORS[match[3] or ""] if match else None
