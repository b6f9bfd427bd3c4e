# SPDX-License-Identifier: Apache-2.0
"""Whom Istio's proxies let in.

Sources: istio/api, security/v1beta1/authorization_policy.proto and peer_authentication.proto; istio/istio, pilot/pkg/security/
authz/builder and model; istio.io: Authorization, "Implicit enablement"; Use Layer 4 security policy (ambient).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kubectl_netdoc.components.mesh_access.answers import Access, Client, every, listed, opposite, read, some
from kubectl_netdoc.components.service_mesh import AMBIENT, ISTIO, Meshes
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.service_mesh import (
    AUTHORIZATION_POLICY,
    PEER_AUTHENTICATION,
    AuthorizationPolicy,
    AuthorizationRule,
    Operation,
    Source,
)

WAYPOINT = "istio.io/use-waypoint"
"""The label of namespaces, Services and pods whose clients come by a waypoint, with the waypoint's identity."""

DOMAIN = "cluster.local"
"""The trust domain where nobody has set another. Only what follows it in a principal is compared."""

ACTIONS = ("CUSTOM", "DENY", "ALLOW")
"""Actions that decide, in Istio's order; AUDIT does not."""

_Mine = dict[str, list[AuthorizationPolicy]] | None


class IstioAccess:
    """Whom the sidecars and ztunnels of a cluster let in."""

    def __init__(self, cluster: Cluster, meshes: Meshes) -> None:
        self.cluster, self.meshes = cluster, meshes
        self.unread = [kind.plural for kind in (AUTHORIZATION_POLICY, PEER_AUTHENTICATION) if cluster.unreadable(kind)]
        self.policies: list[AuthorizationPolicy] = read(cluster, AUTHORIZATION_POLICY)
        self._mine: dict[tuple[str, str], _Mine] = {}

    def ask(self, client: Client, server: Pod, port: int) -> Access | None:
        """Return whether a client gets in on a port of the pod's; None where the port goes past the proxy."""
        excluded = [text.strip() for text in server.metadata.annotations.istio_not_redirected.split(",")]
        if self.meshes.proxy(server) == ISTIO and (str(port) in excluded or "*" in excluded):
            return None
        inside = client.mesh in (ISTIO, AMBIENT)
        demand = self.meshes.demand(server, port)
        if demand is not None and demand[1] == "STRICT" and not inside:
            why = "requires mutual TLS of the mesh (STRICT), and the client is not in the mesh"
            return Access(False, (ObjectRef.to(PEER_AUTHENTICATION.name, demand[0]),), why)
        decided = self._authorized(client, server, port)
        if decided.allowed and self.unread:
            return Access(None, decided.by, f"{joined(self.unread)} can't be read")
        return decided

    def _authorized(self, client: Client, server: Pod, port: int) -> Access:
        by_action = self._of(server)
        if by_action is None:
            return Access(None, why="clients come by a waypoint, which decides by policies of its own")
        matched = {
            action: [(policy, _matches(policy, client, port)) for policy in policies] for action, policies in by_action.items()
        }
        denying = [policy for policy, match in matched["DENY"] if match]
        if denying:
            return Access(False, _refs(denying), "denies it")
        allowing = [policy for policy, match in matched["ALLOW"] if match]
        allowed = some(match for _, match in matched["ALLOW"]) if matched["ALLOW"] else True
        if allowed is False:
            return Access(False, _refs(by_action["ALLOW"]), _nothing(by_action["ALLOW"]))
        unknown = [policy for found in matched.values() for policy, match in found if match is None]
        unknown += [policy for policy, match in matched["CUSTOM"] if match]
        if unknown and not (allowing and set(unknown) <= set(by_action["ALLOW"])):
            return Access(None, _refs(unknown), "decides by more than the connection (requests, conditions, an authorizer)")
        return Access(True, _refs(allowing))

    def _of(self, server: Pod) -> _Mine:
        """Return the policies of a pod's by their actions; None where a waypoint stands before it. Each pod is looked at once."""
        key = server.namespace, server.name
        if key not in self._mine:
            mine = [policy for policy in self.policies if self._applies(policy, server)]
            by_action = {action: [policy for policy in mine if policy.action == action] for action in ACTIONS}
            self._mine[key] = None if self._by_waypoint(server) else by_action
        return self._mine[key]

    def _applies(self, policy: AuthorizationPolicy, server: Pod) -> bool:
        """Tell whether a policy is one of a pod's: one in its namespace, or of all namespaces, that selects it or everything."""
        here = policy.namespace in (server.namespace, self.meshes.root)
        return here and not policy.attached and (not policy.selector or selects(policy.selector, server.metadata.labels))

    def _by_waypoint(self, server: Pod) -> bool:
        if self.meshes.proxy(server) != AMBIENT:
            return False
        services = self.cluster.services_selecting(server.namespace, server.metadata.labels)
        labels = [server.metadata.labels, self.meshes.labels.get(server.namespace, {}), *(s.metadata.labels for s in services)]
        return any(each.get(WAYPOINT, "none") != "none" for each in labels)


def _refs(policies: Iterable[AuthorizationPolicy]) -> tuple[ObjectRef, ...]:
    return tuple(ObjectRef.to(AUTHORIZATION_POLICY.name, policy) for policy in policies)


def _nothing(policies: list[AuthorizationPolicy]) -> str:
    """Return why no policy that allows something lets a client in."""
    if not any(policy.rules for policy in policies):
        return "has no rule and so allows nothing"
    return "allows others only"


def _matches(policy: AuthorizationPolicy, client: Client, port: int) -> bool | None:
    return some(_rule(rule, client, port) for rule in policy.rules)


def _rule(rule: AuthorizationRule, client: Client, port: int) -> bool | None:
    parts = [
        some(_source(source, client) for source in rule.sources) if rule.sources else True,
        some(_operation(operation, port) for operation in rule.operations) if rule.operations else True,
        None if rule.requests else True,
    ]
    return every(parts)


def _source(source: Source, client: Client) -> bool | None:
    inside = client.mesh in (ISTIO, AMBIENT)
    space, account = (client.namespace, client.account) if inside else ("", "")
    principal = f"{DOMAIN}/ns/{space}/sa/{account}" if inside else ""

    def named(texts: Iterable[str]) -> bool:
        return any(_principal(text, principal) for text in texts)

    def spaces(texts: Iterable[str]) -> bool:
        return any(_text(text, space) for text in texts)

    def accounts(texts: Iterable[str]) -> bool:
        return inside and any(text in (account, f"{space}/{account}") for text in texts)

    def near(texts: Iterable[str]) -> bool | None:
        return listed(client.addresses, texts)

    lists: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[Iterable[str]], bool | None]], ...] = (
        (source.principals, source.not_principals, named),
        (source.namespaces, source.not_namespaces, spaces),
        (source.service_accounts, source.not_service_accounts, accounts),
        (source.ip_blocks, source.not_ip_blocks, near),
    )
    said: list[bool | None] = [None] if source.requests else []
    for wanted, unwanted, holds in lists:
        said += [holds(wanted)] if wanted else []
        said += [opposite(holds(unwanted))] if unwanted else []
    return every(said)


def _operation(operation: Operation, port: int) -> bool | None:
    said: list[bool | None] = [None] if operation.requests else []
    said += [any(_text(text, str(port)) for text in operation.ports)] if operation.ports else []
    said += [not any(_text(text, str(port)) for text in operation.not_ports)] if operation.not_ports else []
    return every(said)


def _principal(pattern: str, principal: str) -> bool:
    """Tell whether a pattern matches a principal, whatever their trust domains are called."""
    domain, ns, rest = pattern.partition("/ns/")
    if not ns or not principal or "*" in domain:
        return _text(pattern, principal)
    return _text(rest, principal.partition("/ns/")[2])


def _text(pattern: str, value: str) -> bool:
    """Tell whether a pattern matches: exact, ``abc*``, ``*abc``, or ``*`` for all that is there."""
    if pattern == "*":
        return bool(value)
    if pattern.endswith("*"):
        return bool(value) and value.startswith(pattern[:-1])
    return bool(value) and (value.endswith(pattern[1:]) if pattern.startswith("*") else value == pattern)
