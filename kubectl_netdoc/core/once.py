# SPDX-License-Identifier: Apache-2.0
"""What is concluded from the cluster, or from all facts, made once in a run, whichever checks ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts

S = TypeVar("S", Cluster, Facts)
P = ParamSpec("P")
T = TypeVar("T")


def once(make: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Decorate a function of the cluster or of the facts, and of values that can be hashed: all views share what it returns.

    So nobody may change that. What was read for it counts as read by each view that asks, and a view that may not read it gets
    ``UndeclaredKind`` each time. An exception is not kept. No threshold of a check is set in the facts that it gets.
    """

    @wraps(make)
    def shared(source: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        cluster = source.cluster if isinstance(source, Facts) else source
        made = source.made if isinstance(source, Facts) else cluster.index.made
        key = (make, cluster.settings, args, tuple(kwargs.items()))
        if key not in made:
            view = cluster.fresh()
            own = source.seen_by(view) if isinstance(source, Facts) else view
            try:
                made[key] = make(own, *args, **kwargs), tuple(view.touched)
            finally:
                cluster.touched |= view.touched
        value, touched = made[key]
        for kind in touched:
            cluster.note(kind)
        return cast("T", value)

    return shared
