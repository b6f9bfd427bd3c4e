"""What network policies do to a verdict, as long as netdoc can't evaluate them: they make a time-out ambiguous."""

from __future__ import annotations

from typing import Any

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.records import POLICIES, Kind

KINDS: tuple[Kind[Any], ...] = POLICIES


def ambiguity(cluster: Cluster, namespace: str) -> str:
    """Return why a time-out to a pod of ``namespace`` may be a policy's doing, or nothing where it can't be."""
    for kind in KINDS:
        if not cluster.readable(kind):
            listing = cluster.listing(kind)
            if not getattr(listing, "by_design", False):
                return f"{kind.plural} can't be read"
            continue
        for policy in cluster.all(kind):
            if policy.namespace in ("", namespace):
                where = f"{policy.namespace}/{policy.name}" if policy.namespace else policy.name
                return f"{kind.name} {where} may forbid it"
    return ""
