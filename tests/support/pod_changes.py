# SPDX-License-Identifier: Apache-2.0
"""Changes of a debug pod and Events about it, as a watch tells them."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.sources.live.debug_pods.status import WatchEvent


def change(type_: str = "MODIFIED", **fields: Any) -> WatchEvent:
    return msgspec.convert({"type": type_, "object": fields}, WatchEvent)


def pod_change(*, phase: str = "Pending", ip: str = "", ready: bool = False, type_: str = "MODIFIED", **state: Any) -> WatchEvent:
    """A change of the pod; ``state``: its container's state, as in the API."""
    statuses = [{"name": "agent", "state": state}] if state else []
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": phase, "podIP": ip, "conditions": conditions, "containerStatuses": statuses}
    return change(type_, metadata={"name": "p"}, spec={"nodeName": "n1"}, status=status)


def event(reason: str, message: str = "") -> WatchEvent:
    return change(involvedObject={"name": "p"}, reason=reason, message=message)
