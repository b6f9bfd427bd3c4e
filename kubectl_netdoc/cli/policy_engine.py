# SPDX-License-Identifier: Apache-2.0
"""The compiled network policies of a live cluster, or of what a file or folder holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kubectl_netdoc.cli.source import live_source, read_cluster, recorded_source

if TYPE_CHECKING:
    from kubectl_netdoc.core.cluster import Cluster
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.records.base import Kind


def policy_kinds(*more: Kind[Any]) -> tuple[Kind[Any], ...]:
    """Return the kinds that are read to evaluate policies, and ``more``."""
    from kubectl_netdoc.records.cni import NETWORK_CONFIG
    from kubectl_netdoc.records.kinds import NAMESPACE, NODE, OWNERS, POD, POLICIES, POLICY_AIDS

    return tuple(dict.fromkeys((NAMESPACE, NODE, POD, *OWNERS, *POLICIES, *POLICY_AIDS, NETWORK_CONFIG, *more)))


def read_engine(source: str, flags: dict[str, Any], *kinds: Kind[Any]) -> Engine:
    """Return the policies that ``--from`` or the flags select, of all namespaces: ingress can come from any of them.

    Raises ``SourceError`` if pods or NetworkPolicies can't be read.
    """
    from kubectl_netdoc.policy.dns_access import UNKNOWN_NAMESPACE

    place = recorded_source(source) if source else live_source({**flags, "no_pods": True, "namespaces": ()})
    return compile_policies(read_cluster(place, policy_kinds(*kinds)), ((UNKNOWN_NAMESPACE, {}),))


def compile_policies(cluster: Cluster, unlisted_pods: Iterable[tuple[str, Mapping[str, str]]] = ()) -> Engine:
    """Return a cluster's policies, compiled. Raises ``SourceError`` if pods or NetworkPolicies can't be read."""
    from kubectl_netdoc.core.cluster import KindUnavailable
    from kubectl_netdoc.policy.engine import Engine
    from kubectl_netdoc.sources import SourceError

    try:
        return Engine(cluster, unlisted_pods)
    except KindUnavailable as missing:
        grant = f"; missing right: {missing.unavailable.grant}" if missing.unavailable.grant else ""
        raise SourceError(f"policies can't be judged without {missing.kind}: {missing.unavailable.reason}{grant}") from missing
