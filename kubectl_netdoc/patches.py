# SPDX-License-Identifier: Apache-2.0
"""What `kubectl patch` is told, as printed commands have it: JSON without blanks."""

from __future__ import annotations

import json
from collections.abc import Mapping


def merge(changes: Mapping[str, object]) -> str:
    """Return the merge patch (RFC 7396) of these changes; None removes a key."""
    return _compact(changes)


def replace(values: Mapping[str, object]) -> str:
    """Return the JSON patch (RFC 6902) that puts values where their pointers say; nothing without any."""
    steps = [{"op": "replace", "path": pointer, "value": value} for pointer, value in values.items()]
    return _compact(steps) if steps else ""


def append(pointer: str, value: object) -> str:
    """Return the JSON patch that adds to the list that the pointer says."""
    return _compact([{"op": "add", "path": f"{pointer}/-", "value": value}])


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
