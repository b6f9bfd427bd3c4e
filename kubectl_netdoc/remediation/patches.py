# SPDX-License-Identifier: Apache-2.0
"""What `kubectl patch` is told, as printed commands have it: JSON without blanks."""

from __future__ import annotations

import json
from collections.abc import Mapping


def merge(changes: Mapping[str, object]) -> str:
    """Return the merge patch (RFC 7396) of these changes; None removes a key."""
    return _compact(changes)


def replace(changes: Mapping[str, tuple[object, object]]) -> str:
    """Return the JSON patch (RFC 6902) that turns what stands at each pointer (was, becomes) into the other; nothing without any.

    A pointer goes by index, so each is tested first: where the object was edited meanwhile the patch is refused as a whole.
    """
    tests = [{"op": "test", "path": pointer, "value": was} for pointer, (was, _) in changes.items()]
    steps = [{"op": "replace", "path": pointer, "value": becomes} for pointer, (_, becomes) in changes.items()]
    return _compact(tests + steps) if steps else ""


def remove(values: Mapping[str, object]) -> str:
    """Return the JSON patch that removes what stands at each pointer, tested first; give the last index of a list first."""
    steps = [
        {"op": op, "path": pointer} | ({"value": was} if op == "test" else {})
        for pointer, was in values.items()
        for op in ("test", "remove")
    ]
    return _compact(steps) if steps else ""


def append(pointer: str, value: object) -> str:
    """Return the JSON patch that adds to the list that the pointer says."""
    return _compact([{"op": "add", "path": f"{pointer}/-", "value": value}])


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def selector_patch(selector: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return the merge patch that makes a Service's selector select ``labels``, which have all its keys."""
    return merge({"spec": {"selector": {key: labels[key] for key, value in selector.items() if labels[key] != value}}})
