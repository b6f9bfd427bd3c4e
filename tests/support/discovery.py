# SPDX-License-Identifier: Apache-2.0
"""The discovery of a stand-in for an API server, in each form that API servers have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import KINDS

EVERYTHING = frozenset(kind.api for kind in KINDS.values() if kind.group)
"""The best version of each kind."""

BUILT_IN = frozenset(
    {
        "admissionregistration.k8s.io/v1",
        "apiextensions.k8s.io/v1",
        "apiregistration.k8s.io/v1",
        "apps/v1",
        "batch/v1",
        "coordination.k8s.io/v1",
        "discovery.k8s.io/v1",
        "networking.k8s.io/v1",
        "rbac.authorization.k8s.io/v1",
    }
)
"""What every API server has, since Kubernetes 1.21."""

EXTENSIONS = tuple(kind for kind in KINDS.values() if kind.group and kind.api not in BUILT_IN)
"""The kinds that a server may lack."""


def plurals(apis: Collection[str], kinds: Iterable[Kind[Any]] = KINDS.values()) -> dict[str, list[str]]:
    """Return the plurals of each API version, if it has all kinds that can be read in it."""
    every = list(kinds)
    return {api: sorted({kind.plural for kind in every if api in kind.apis}) for api in sorted(apis)}


def aggregated(served: Mapping[str, Collection[str] | None], version: str = "v2") -> dict[str, Any]:
    """Return the answer of servers from 1.26 on; None for the plurals: an API server behind this one does not say them."""
    groups: dict[str, list[Any]] = {}
    for api, names in served.items():
        group, _, name = api.partition("/")
        resources = [{"resource": each, "scope": "Namespaced", "verbs": ["get", "list", "watch"]} for each in names or ()]
        fresh = "Stale" if names is None else "Current"
        groups.setdefault(group, []).append({"version": name, "resources": resources, "freshness": fresh})
    items = [{"metadata": {"name": group, "creationTimestamp": None}, "versions": found} for group, found in groups.items()]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}


def group_list(apis: Iterable[str]) -> dict[str, Any]:
    """Return the answer of servers before 1.26, which lists no resources."""
    groups: dict[str, list[Any]] = {}
    for api in apis:
        group, _, version = api.partition("/")
        groups.setdefault(group, []).append({"groupVersion": api, "version": version})
    found = [{"name": group, "versions": versions, "preferredVersion": versions[0]} for group, versions in groups.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resource_list(api: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the answer of any server for one API version."""
    resources = [{"name": name, "namespaced": True, "verbs": ["get", "list", "watch"]} for name in names]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": resources}
