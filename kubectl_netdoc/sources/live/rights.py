# SPDX-License-Identifier: Apache-2.0
"""The RBAC rules that the live source needs, declared here and nowhere else.

``tests/sources/test_rights.py`` compares them with the requests of a run. What everybody may read (/version and /apis, by the
ClusterRoles system:public-info-viewer and system:discovery) is left out; a run works without it too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc import versions
from kubectl_netdoc.core.cluster import DNS_NAMESPACE
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.measurements.made import Made
from kubectl_netdoc.records.base import Kind

LEASE = "netdoc"
"""The name of the Lease that runs hold, unless they are told another."""

STANDARD = frozenset({"default", DNS_NAMESPACE})
"""Namespaces that every cluster has. Others may be missing: nothing can be read from them and no Role can be created in them."""


_REFUSED = re.compile(
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
"""A refusal by rights, in the API server's words."""


def named(refusal: str, tried: Iterable[Grant]) -> Grant | None:
    """Return the right that a refusal names, as it is among those that were tried; None where it names none."""
    found = _REFUSED.search(refusal)
    if not found:
        return None
    said = Grant(found["verb"], found["resource"], found["group"], found["namespace"] or "")
    alike = [rule for rule in tried if (rule.verb, rule.resource, rule.group) == (said.verb, said.resource, said.group)]
    return next((rule for rule in alike if rule.namespace == said.namespace), alike[0] if alike else said)


class Loss(StrEnum):
    """What happens to a check without a right: it is skipped, is at best unknown, or is as certain but with less detail."""

    SKIPPED = "skipped"
    HELD = "unknown"
    LESS = "less detailed"


class NeededRight(Struct, frozen=True):
    """A right that measuring needs. ``made``: only if the requests of a check need such an object to be created.

    ``loss``: what happens to those checks without it, or None. ``stays``: without it objects stay in the cluster.
    ``since``: the server's version from which it is needed.
    """

    rule: Grant
    why: str
    made: Made = Made.PODS
    loss: Loss | None = Loss.HELD
    since: versions.Version = ()
    stays: bool = False


def reading(kind: Kind[Any], namespaces: Collection[str] = ()) -> tuple[Grant, ...]:
    """Return the rules for reading a kind; ``namespaces``: only there, if the kind is namespaced.

    None for objects that others name (Secrets with certificates): each cluster has different ones, and all would be too many.
    """
    if kind.names:
        spaces = dict.fromkeys(space for space, _ in kind.names)
        return tuple(Grant("get", kind.plural, kind.group, space, _named(kind, space)) for space in spaces)
    if kind.logs:
        asked = (("list", kind.plural.partition("/")[0]), ("get", kind.plural))
        return tuple(Grant(verb, plural, kind.group, space) for space, _ in kind.logs for verb, plural in asked)
    if kind.pointed:
        return ()
    spaces = dict.fromkeys(namespaces if kind.namespaced and namespaces else ("",))
    return tuple(Grant("list", kind.plural, group, space) for space in spaces for group in kind.groups)


def _named(kind: Kind[Any], namespace: str) -> tuple[str, ...]:
    return tuple(sorted(name for space, name in kind.names if space == namespace))


def within(kind: Kind[Any], spaces: Collection[str]) -> Kind[Any] | None:
    """Return the part of a kind that can exist on a server with these namespaces, or None."""
    if not (kind.names or kind.logs):
        return kind
    there = STANDARD | set(spaces)
    names, logs = (tuple(pair for pair in pairs if pair[0] in there) for pairs in (kind.names, kind.logs))
    return replace(kind, names=names, logs=logs) if names or logs else None


def elsewhere(kinds: Iterable[Kind[Any]]) -> tuple[str, ...]:
    """Return the namespaces in which single objects are read and that not every cluster has."""
    return tuple(sorted({space for kind in kinds for space, _ in (*kind.names, *kind.logs)} - STANDARD))


def measuring(namespace: str) -> tuple[NeededRight, ...]:
    """Return the rights for debug pods: in an existing namespace, or ("") cluster-wide, if each run creates its own namespace."""
    return (*_running(namespace), *(_in_ours(namespace) if namespace else _ours()))


def watching(namespace: str, namespaces: Collection[str] = ()) -> tuple[NeededRight, ...]:
    """Return the rights of a run that nobody sits at: to hold its Lease in a namespace, and to write findings as Events.

    ``namespaces``: those that it looks at; none means all. Events about what is in no namespace are in ``default``.
    """
    spaces = dict.fromkeys((*namespaces, "default") if namespaces else ("",))
    leases, alone = "coordination.k8s.io", "let no two runs overlap"
    return (
        *(NeededRight(Grant(verb, "leases", leases, namespace, (LEASE,)), alone) for verb in ("get", "update")),
        NeededRight(Grant("create", "leases", leases, namespace), alone),
        *(
            NeededRight(Grant(verb, "events", "events.k8s.io", space), "write findings as Events")
            for space in spaces
            for verb in ("list", "create", "patch")
        ),
    )


def _running(namespace: str) -> Iterable[NeededRight]:
    def rule(verb: str, resource: str, group: str = "") -> Grant:
        return Grant(verb, resource, group, namespace)

    policies = "networking.k8s.io"
    yield NeededRight(rule("create", "pods"), "run the debug pods")
    yield NeededRight(rule("watch", "pods"), "see them start")
    yield NeededRight(rule("get", "pods/exec"), "run measurements in them")
    # The websocket is a GET; newer servers ask for create as well.
    since = versions.change("exec-create")["needed"]
    why = f"run measurements in them, from Kubernetes {since} on"
    yield NeededRight(rule("create", "pods/exec"), why, since=since.first)
    yield NeededRight(rule("watch", "events"), "see why a pod does not start", loss=Loss.LESS)
    yield NeededRight(rule("create", "services"), "create netdoc's Service", Made.SERVICES)
    yield NeededRight(
        rule("create", "networkpolicies", policies),
        "create the canary's NetworkPolicy, which selects netdoc's own pods only",
        Made.POLICIES,
    )
    yield NeededRight(rule("delete", "networkpolicies", policies), "delete the canary's NetworkPolicy", Made.POLICIES, stays=True)


def _in_ours(namespace: str) -> Iterable[NeededRight]:
    for made, resource, group in ((Made.PODS, "pods", ""), (Made.SERVICES, "services", "")):
        yield NeededRight(Grant("delete", resource, group, namespace), "delete what the run created", made, None, stays=True)
    for made, resource, group in (
        (Made.PODS, "pods", ""),
        (Made.SERVICES, "services", ""),
        (Made.POLICIES, "networkpolicies", "networking.k8s.io"),
    ):
        yield NeededRight(Grant("list", resource, group, namespace), "find what interrupted runs left behind", made, None)


def _ours() -> Iterable[NeededRight]:
    yield NeededRight(Grant("create", "namespaces"), "create a namespace for each run")
    yield NeededRight(Grant("delete", "namespaces"), "delete that namespace", loss=None, stays=True)
    yield NeededRight(Grant("list", "namespaces"), "find what interrupted runs left behind", loss=None)
