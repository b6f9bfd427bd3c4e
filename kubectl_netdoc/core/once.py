# SPDX-License-Identifier: Apache-2.0
"""What is concluded from the cluster as a whole, made once in a run, whichever checks ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from kubectl_netdoc.core.cluster import Cluster

P = ParamSpec("P")
T = TypeVar("T")


def once(make: Callable[Concatenate[Cluster, P], T]) -> Callable[Concatenate[Cluster, P], T]:
    """Decorate a function of the cluster, and of values that can be hashed: all views of a cluster share what it returns.

    So nobody may change that. What was read for it counts as read by each view that asks, and a view that may not read it gets
    ``UndeclaredKind`` each time. An exception is not kept.
    """

    @wraps(make)
    def shared(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
        made, key = cluster.index.made, (make, cluster.settings, args, tuple(kwargs.items()))
        if key not in made:
            view = cluster.fresh()
            try:
                made[key] = make(view, *args, **kwargs), tuple(view.touched)
            finally:
                cluster.touched |= view.touched
        value, touched = made[key]
        for kind in touched:
            cluster.note(kind)
        return cast("T", value)

    return shared
