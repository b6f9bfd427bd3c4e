# SPDX-License-Identifier: Apache-2.0
"""Records of cluster-wide RBAC, as far as rights of the network's own components are concerned."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from kubectl_netdoc.records.base import Kind, Object, Record, Traced

GROUP = "rbac.authorization.k8s.io"
ALL = "*"
RESOURCES = frozenset({ALL, "services", "pods", "nodes", "nodes/status", "namespaces", "endpointslices"})
"""What the network's own components read and write."""


class PolicyRule(Record, frozen=True):
    """Verbs on resources of API groups; ``*`` is any. With ``resource_names`` it allows no list of all."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()

    def allows(self, verb: str, group: str, resource: str) -> bool:
        """Tell whether it allows a verb on every object of a resource."""
        asked = ((verb, self.verbs), (group, self.api_groups), (resource, self.resources))
        return not self.resource_names and all(wanted in given or ALL in given for wanted, given in asked)


class ClusterRole(Traced, frozen=True):
    """A role; the rules of an aggregated one are those that its controller has filled in."""

    rules: tuple[PolicyRule, ...] = ()


class RoleSubject(Record, frozen=True):
    """Who is bound: a ``ServiceAccount``, ``User`` or ``Group``."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class RoleRef(Record, frozen=True):
    """The role of a binding."""

    kind: str = ""
    name: str = ""


class ClusterRoleBinding(Object, frozen=True):
    """Who has which role everywhere."""

    role_ref: RoleRef = RoleRef()
    subjects: tuple[RoleSubject, ...] = ()


def _of_the_network(role: ClusterRole) -> ClusterRole:
    """Keep the rules that may be about what the network's components need."""
    return structs.replace(role, rules=tuple(rule for rule in role.rules if not RESOURCES.isdisjoint(rule.resources)))


def _of_the_cluster(binding: ClusterRoleBinding) -> ClusterRoleBinding:
    """Keep accounts, and the users and groups that Kubernetes itself has; people's names are nobody's business."""
    kept = (each for each in binding.subjects if each.kind == "ServiceAccount" or each.name.startswith("system:"))
    return structs.replace(binding, subjects=tuple(kept))


CLUSTER_ROLE = Kind(
    "ClusterRole", GROUP, "v1", "clusterroles", ClusterRole, namespaced=False, wire=ClusterRole, reduce=_of_the_network
)
CLUSTER_ROLE_BINDING = Kind(
    "ClusterRoleBinding",
    GROUP,
    "v1",
    "clusterrolebindings",
    ClusterRoleBinding,
    namespaced=False,
    wire=ClusterRoleBinding,
    reduce=_of_the_cluster,
)
RBAC_KINDS: tuple[Kind[Any], ...] = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
