# SPDX-License-Identifier: Apache-2.0
"""Whom Linkerd's proxies let in.

The cluster's default policy is a setting of the installation that is not read: it counts as the chart's, all-unauthenticated.

Sources: linkerd/linkerd2, charts/linkerd-crds/templates/policy and policy-controller/k8s/index/src/inbound; linkerd.io:
Authorization Policy.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_netdoc.components.mesh_access.answers import Access, Client, every, listed, read, some
from kubectl_netdoc.components.service_mesh import LINKERD, Meshes
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.evidence import ObjectRef
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.service_mesh import (
    LINKERD_AUTHORIZATION,
    LINKERD_KINDS,
    LINKERD_SERVER,
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    SERVER_AUTHORIZATION,
    LinkerdAuthorizationPolicy,
    LinkerdServer,
    MeshTLSAuthentication,
    Network,
    ServerAuthorization,
    TargetRef,
)

OPEN = ("all-unauthenticated", "cluster-unauthenticated", "audit", "")
"""Default policies that let in clients outside the mesh, those of the cluster at least."""

IDENTITY = ".serviceaccount.identity."
"""What follows account and namespace in an identity; the rest names the control plane, and is not compared."""


class LinkerdAccess:
    """Whom the Linkerd proxies of a cluster let in."""

    def __init__(self, cluster: Cluster, meshes: Meshes) -> None:
        self.meshes = meshes
        self.unread = [kind.plural for kind in LINKERD_KINDS if cluster.unreadable(kind)]
        self.servers: list[LinkerdServer] = read(cluster, LINKERD_SERVER)
        self.policies: list[LinkerdAuthorizationPolicy] = read(cluster, LINKERD_AUTHORIZATION)
        self.older: list[ServerAuthorization] = read(cluster, SERVER_AUTHORIZATION)
        self.identities = {(item.namespace, item.name): item for item in read(cluster, MESH_TLS_AUTHENTICATION)}
        self.networks = {(item.namespace, item.name): item for item in read(cluster, NETWORK_AUTHENTICATION)}

    def ask(self, client: Client, server: Pod, port: int) -> Access | None:
        """Return whether a client gets in on a port of the pod's; None where the port goes past the proxy."""
        if str(port) in server.metadata.annotations.linkerd_not_redirected.split(","):
            return None
        decided = self._decided(client, server, port)
        return Access(None, decided.by, f"{joined(self.unread)} can't be read") if self.unread else decided

    def _decided(self, client: Client, server: Pod, port: int) -> Access:
        found = next((item for item in self.servers if _covers(item, server, port)), None)
        if found is None:
            default = server.metadata.annotations.linkerd_inbound or self.meshes.inbound.get(server.namespace, "")
            if _default(default, client):
                return Access(True)
            return Access(False, (ObjectRef.to("Pod", server),), f"has the default policy {default}")
        own = [policy for policy in self.policies if self._attached(policy, found)]
        older = [item for item in self.older if _authorizes(item, found)]
        routes = [p for p in self.policies if p.namespace == found.namespace and p.spec.target_ref.kind.endswith("Route")]
        said = [(ObjectRef.to(LINKERD_AUTHORIZATION.name, policy), self._satisfied(policy, client)) for policy in own]
        said += [(ObjectRef.to(SERVER_AUTHORIZATION.name, item), _let_in(item, client)) for item in older]
        letting = tuple(each for each, allowed in said if allowed)
        if letting or _default(found.spec.access_policy, client):
            return Access(True, letting or (ObjectRef.to(LINKERD_SERVER.name, found),))
        if routes or some(allowed for _, allowed in said) is None:
            unknown = [each for each, allowed in said if allowed is None]
            unknown += [ObjectRef.to(LINKERD_AUTHORIZATION.name, policy) for policy in routes]
            return Access(None, tuple(unknown), "decides by routes or objects that are not read")
        by = (ObjectRef.to(LINKERD_SERVER.name, found), *(each for each, _ in said))
        return Access(False, by, "lets in others only" if said else "lets in nobody: no policy authorizes a client")

    def _attached(self, policy: LinkerdAuthorizationPolicy, server: LinkerdServer) -> bool:
        target = policy.spec.target_ref
        if policy.namespace != server.namespace:
            return False
        return (target.kind, target.name) == ("Server", server.name) or (target.kind, target.name) == (
            "Namespace",
            server.namespace,
        )

    def _satisfied(self, policy: LinkerdAuthorizationPolicy, client: Client) -> bool | None:
        return every(self._authenticated(each, policy.namespace, client) for each in policy.spec.required_authentication_refs)

    def _authenticated(self, wanted: TargetRef, own: str, client: Client) -> bool | None:
        space = wanted.namespace or own
        if wanted.kind == "ServiceAccount":
            return _is(client, wanted.name, space)
        if wanted.kind == "MeshTLSAuthentication" and (identities := self.identities.get((space, wanted.name))):
            return _identified(identities, client)
        if wanted.kind == "NetworkAuthentication" and (networks := self.networks.get((space, wanted.name))):
            return _within(networks.spec.networks, client)
        return False  # it names what is not there: the policy controller ignores such a policy


def _covers(item: LinkerdServer, server: Pod, port: int) -> bool:
    """Tell whether a Server is about a port of a pod."""
    selector = item.spec.pod_selector
    if selector is None or item.namespace != server.namespace or not selects(selector, server.metadata.labels):
        return False
    wanted = item.spec.port
    if isinstance(wanted, str) and not wanted.isdigit():
        return any(each.name == wanted and each.container_port == port for each in server.spec.ports())
    return int(wanted) == port


def _authorizes(item: ServerAuthorization, server: LinkerdServer) -> bool:
    wanted = item.spec.server
    if item.namespace != server.namespace:
        return False
    return wanted.name == server.name or (wanted.selector is not None and selects(wanted.selector, server.metadata.labels))


def _default(policy: str, client: Client) -> bool:
    """Tell whether a default policy lets a client in."""
    return policy in OPEN or (policy.endswith("-authenticated") and client.mesh == LINKERD)


def _is(client: Client, account: str, space: str) -> bool:
    """Tell whether a client has a service account's identity; an empty name means all of the namespace."""
    return client.mesh == LINKERD and client.namespace == space and account in ("", client.account)


def _identified(wanted: MeshTLSAuthentication, client: Client) -> bool:
    own = f"{client.account}.{client.namespace}"
    if client.mesh != LINKERD:
        return False
    return any(_same(text, own) for text in wanted.spec.identities) or any(
        _is(client, each.name, each.namespace or wanted.namespace)
        if each.kind == "ServiceAccount"
        else each.kind == "Namespace" and client.namespace == (each.name or each.namespace or wanted.namespace)
        for each in wanted.spec.identity_refs
    )


def _same(text: str, own: str) -> bool:
    """Tell whether an identity, or a pattern of some (``*.shop.serviceaccount…``), is a client's."""
    if text == "*":
        return True
    who, found, _ = text.partition(IDENTITY)
    return (bool(found) and who == own) or (text.startswith("*.") and f"{own}{IDENTITY}".find(f"{who[1:]}{found}") > 0)


def _within(networks: Iterable[Network], client: Client) -> bool | None:
    return some(every((listed(client.addresses, (each.cidr,)), not listed(client.addresses, each.without))) for each in networks)


def _let_in(item: ServerAuthorization, client: Client) -> bool | None:
    wanted = item.spec.client
    near = _within(wanted.networks, client) if wanted.networks else True
    if wanted.unauthenticated:
        return near
    tls = wanted.mesh_tls
    if tls is None or client.mesh != LINKERD:
        return False
    own = f"{client.account}.{client.namespace}"
    known = (
        tls.unauthenticated
        or any(_same(text, own) for text in tls.identities)
        or any(_is(client, each.name, each.namespace or item.namespace) for each in tls.service_accounts)
    )
    return every((near, known))
