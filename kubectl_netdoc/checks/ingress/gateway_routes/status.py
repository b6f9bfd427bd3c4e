# SPDX-License-Identifier: Apache-2.0
"""What controllers write into the status of Gateway API objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from kubectl_netdoc.api import SETTLING, Cluster, Condition, Reference, Route, beginning

PROGRAMMING = timedelta(minutes=5)
"""Load balancers of clouds take some minutes for a Gateway."""

QUOTED = 200
"""Characters of a condition's message that are quoted at most."""

NO_STATUS = "no controller has written its status"


def of_type(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of a type; None where there is none."""
    return next((condition for condition in conditions if condition.type == type_), None)


def quoted(condition: Condition) -> str:
    """Return a condition as text, in the controller's own words."""
    return f"{condition.type}={condition.status} {condition.reason}: {beginning(condition.message, QUOTED)}".rstrip(": ")


def joined_reasons(conditions: Iterable[Condition]) -> str:
    """Return several conditions as text, each once."""
    return "; ".join(dict.fromkeys(map(quoted, conditions)))


def lasts(cluster: Cluster, condition: Condition) -> bool:
    """Whether a condition has lasted for so long that it will not change by itself."""
    return cluster.age(condition.last_transition_time) > SETTLING


def parent_gateways(route: Route) -> list[Reference]:
    """Return the Gateways among a route's parents."""
    return [parent for parent in route.spec.parent_refs if parent.kind in ("", "Gateway")]
