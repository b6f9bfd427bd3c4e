# SPDX-License-Identifier: Apache-2.0
"""A CNI configuration list as libcni takes it (containernetworking/cni, libcni/conf.go: ConfListFromBytes)."""

from __future__ import annotations

from typing import Any

import msgspec


def problem(text: str) -> str:
    """Say why a runtime takes no configuration from a ``.conflist``, or "" if it does."""
    try:
        found: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return f"it is not JSON: {error}"
    if not isinstance(found, dict):
        return "it is not a JSON object"
    if not isinstance(found.get("name"), str):
        return "it has no name"
    plugins = found.get("plugins")
    if not (isinstance(plugins, list) and plugins):
        return "its list of plugins is missing or empty"
    bare = next((number for number, plugin in enumerate(plugins, 1) if not _has_type(plugin)), 0)
    return f"plugin {bare} of {len(plugins)} has no type" if bare else ""


def _has_type(plugin: Any) -> bool:
    return isinstance(plugin, dict) and bool(plugin.get("type")) and isinstance(plugin["type"], str)
