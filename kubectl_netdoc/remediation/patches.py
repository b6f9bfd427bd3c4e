# SPDX-License-Identifier: Apache-2.0
"""Patches for `kubectl patch` in printed commands: JSON without blanks."""

from __future__ import annotations

import json
from collections.abc import Mapping


def merge(changes: Mapping[str, object]) -> str:
    """Return the merge patch (RFC 7396) of these changes; None removes a key."""
    return _compact(changes)


def replace(changes: Mapping[str, tuple[object, object]]) -> str:
    """Return the JSON patch (RFC 6902) that replaces the value at each pointer (old, new); "" for no changes.

    Pointers contain indexes, so each old value is tested first: if the object was edited meanwhile, the whole patch fails.
    """
    tests = [{"op": "test", "path": pointer, "value": was} for pointer, (was, _) in changes.items()]
    steps = [{"op": "replace", "path": pointer, "value": becomes} for pointer, (_, becomes) in changes.items()]
    return _compact(tests + steps) if steps else ""


def remove(values: Mapping[str, object]) -> str:
    """Return the JSON patch that tests and removes the value at each pointer; give the last index of a list first."""
    steps = [
        {"op": op, "path": pointer} | ({"value": was} if op == "test" else {})
        for pointer, was in values.items()
        for op in ("test", "remove")
    ]
    return _compact(steps) if steps else ""


def append(pointer: str, value: object) -> str:
    """Return the JSON patch that appends to the list at a pointer."""
    return _compact([{"op": "add", "path": f"{pointer}/-", "value": value}])


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def selector_patch(selector: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return the merge patch that makes a Service's selector select ``labels``, which have all its keys."""
    return merge({"spec": {"selector": {key: labels[key] for key, value in selector.items() if labels[key] != value}}})
