# SPDX-License-Identifier: Apache-2.0
"""What controllers write into the status of Gateway API objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from kubectl_netdoc.api import (
    GATEWAY,
    LISTENER_SETS,
    SERVICE,
    SETTLING,
    Cluster,
    Condition,
    Kind,
    ObjectRef,
    Route,
    beginning,
)
from kubectl_netdoc.components import ingress_backends

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


Parent = tuple[str, str, str]
"""Kind, namespace and name of a Gateway or a ListenerSet, or of a Service of a mesh."""

GATES: dict[str, Kind[Any]] = {kind.name: kind for kind in (GATEWAY, *LISTENER_SETS)}
PARENTS = GATES | {SERVICE.name: SERVICE}


def parents(route: Route) -> set[Parent]:
    """Return what a route is attached to."""
    return {parent.parent(route.namespace) for parent in route.spec.parent_refs}


def gone(cluster: Cluster, parent: Parent) -> bool:
    """Whether a parent does not exist; not where its list can't be read, or not its namespace."""
    kind, namespace, name = parent
    if kind not in PARENTS or not cluster.readable(PARENTS[kind]):
        return False
    return ingress_backends.in_scope(cluster, namespace) and cluster.get(PARENTS[kind], namespace, name) is None


def refs(several: Iterable[Parent]) -> list[ObjectRef]:
    """Return parents as evidence points at them."""
    return [ObjectRef(kind, name, namespace) for kind, namespace, name in sorted(several)]
