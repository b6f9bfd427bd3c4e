# SPDX-License-Identifier: Apache-2.0
"""The objects that a run creates in the cluster for its requests."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from kubectl_netdoc.measurements.base import OwnName, OwnService
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.over_time import OverTime
from kubectl_netdoc.measurements.requests import Request


class Made(StrEnum):
    """The kinds of objects that a run creates in the namespace of its debug pods."""

    PODS = "pods"
    SERVICES = "services"
    POLICIES = "networkpolicies"


def made_for(requests: Iterable[Request]) -> frozenset[Made]:
    """Return the kinds of objects that must be created for these requests."""
    made = set()
    for request in requests:
        made.add(Made.PODS)
        if isinstance(request, Canary):
            made.add(Made.POLICIES)
        parts = (*msgspec.structs.astuple(request), *(request.places if isinstance(request, OverTime) else ()))
        if any(isinstance(part, (OwnService, OwnName)) for part in parts):
            made.add(Made.SERVICES)
    return frozenset(made)
