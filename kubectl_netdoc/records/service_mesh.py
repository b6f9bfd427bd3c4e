# SPDX-License-Identifier: Apache-2.0
"""What service meshes require of clients: mutual TLS and authorization of Istio and Linkerd.

Of rules what decides about connections is kept: identities, namespaces, addresses, ports. Of what decides about single requests
(methods, paths, hosts, tokens, conditions) only that it is there.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import field

from kubectl_netdoc.records.base import Kind, Object, Record
from kubectl_netdoc.records.policies import LabelSelector

ISTIO, LINKERD = "security.istio.io", "policy.linkerd.io"


class MutualTLS(Record, frozen=True):
    """The mutual TLS that a workload requires of its clients."""

    mode: str = ""


class PeerAuthenticationSpec(Record, frozen=True):
    """The pods that it selects, and what they require; ``port_level_mtls``: by the number of a port of theirs."""

    selector: LabelSelector | None = None
    mtls: MutualTLS = MutualTLS()
    port_level_mtls: dict[str, MutualTLS] = {}


class PeerAuthentication(Object, frozen=True):
    """Istio's PeerAuthentication."""

    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()


PEER_AUTHENTICATION = Kind("PeerAuthentication", ISTIO, "v1", "peerauthentications", PeerAuthentication, also=("v1beta1",))
"""v1beta1 is served by every Istio since 1.5, v1 since 1.22."""


# Istio's AuthorizationPolicy


class Source(Record, frozen=True):
    """Clients of a rule: all lists that are not empty must hold. ``requests``: it asks for more, which a connection lacks."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    requests: bool = False


class RawSource(Source, frozen=True):
    """Clients of a rule as they come over the wire."""

    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()


class Operation(Record, frozen=True):
    """Ports of a rule. ``requests``: it asks for more, which a connection lacks."""

    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()
    requests: bool = False


class RawOperation(Operation, frozen=True):
    """Operations of a rule as they come over the wire."""

    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


class RawFrom(Record, frozen=True):
    """An element of ``from``."""

    source: RawSource = RawSource()


class RawTo(Record, frozen=True):
    """An element of ``to``."""

    operation: RawOperation = RawOperation()


class RawRule(Record, frozen=True):
    """A rule as it comes over the wire."""

    from_: tuple[RawFrom, ...] = field(name="from", default=())
    to: tuple[RawTo, ...] = ()
    when: tuple[dict[str, Any], ...] = ()


class AuthorizationRule(Record, frozen=True):
    """A rule: one of the sources and one of the operations, where there are any. ``requests``: and its conditions."""

    sources: tuple[Source, ...] = ()
    operations: tuple[Operation, ...] = ()
    requests: bool = False


class TargetRef(Record, frozen=True):
    """An object that a policy is attached to, or names."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class RawAuthorizationSpec(Record, frozen=True):
    """An AuthorizationPolicy's spec as it comes over the wire."""

    selector: LabelSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: tuple[TargetRef, ...] = ()
    action: str = "ALLOW"
    rules: tuple[RawRule, ...] = ()


class RawAuthorizationPolicy(Object, frozen=True):
    """An AuthorizationPolicy as it comes over the wire."""

    spec: RawAuthorizationSpec = RawAuthorizationSpec()


class AuthorizationPolicy(Object, frozen=True):
    """Istio's AuthorizationPolicy. ``attached``: to a Gateway, a Service or a waypoint, and not to pods."""

    selector: LabelSelector | None = None
    attached: bool = False
    action: str = "ALLOW"
    rules: tuple[AuthorizationRule, ...] = ()


Kept = TypeVar("Kept", Source, Operation)


def _kept(raw: Source | Operation, kind: type[Kept]) -> Kept:
    """Return the fields that ``kind`` has; ``requests`` tells whether one of the others is set."""
    more = set(raw.__struct_fields__) - set(kind.__struct_fields__)
    fields = {name: getattr(raw, name) for name in kind.__struct_fields__}
    return kind(**fields | {"requests": any(getattr(raw, name) for name in more)})


def authorization_policy(raw: RawAuthorizationPolicy) -> AuthorizationPolicy:
    """Return what is kept of an AuthorizationPolicy."""
    rules = (
        AuthorizationRule(
            sources=tuple(_kept(each.source, Source) for each in rule.from_),
            operations=tuple(_kept(each.operation, Operation) for each in rule.to),
            requests=bool(rule.when),
        )
        for rule in raw.spec.rules
    )
    return AuthorizationPolicy(
        metadata=raw.metadata,
        selector=raw.spec.selector,
        attached=raw.spec.target_ref is not None or bool(raw.spec.target_refs),
        action=raw.spec.action,
        rules=tuple(rules),
    )


AUTHORIZATION_POLICY = Kind(
    "AuthorizationPolicy",
    ISTIO,
    "v1",
    "authorizationpolicies",
    AuthorizationPolicy,
    also=("v1beta1",),
    wire=RawAuthorizationPolicy,
    reduce=authorization_policy,
)
"""v1beta1 is served by every Istio since 1.4, v1 since 1.22."""


# Linkerd's policies


class Network(Record, frozen=True):
    """A range of addresses without some of them."""

    cidr: str = ""
    without: tuple[str, ...] = field(name="except", default=())


class LinkerdServerSpec(Record, frozen=True):
    """The pods that it selects, one of their ports (a number or a name), and who may connect by default."""

    pod_selector: LabelSelector | None = None
    port: int | str = 0
    access_policy: str = "deny"


class LinkerdServer(Object, frozen=True):
    """Linkerd's Server."""

    spec: LinkerdServerSpec = LinkerdServerSpec()


class LinkerdAuthorizationSpec(Record, frozen=True):
    """What it is attached to, and what a client has to be, all of it."""

    target_ref: TargetRef = TargetRef()
    required_authentication_refs: tuple[TargetRef, ...] = ()


class LinkerdAuthorizationPolicy(Object, frozen=True):
    """Linkerd's AuthorizationPolicy."""

    spec: LinkerdAuthorizationSpec = LinkerdAuthorizationSpec()


class MeshTLSAuthenticationSpec(Record, frozen=True):
    """Identities, as texts and as service accounts or namespaces."""

    identities: tuple[str, ...] = ()
    identity_refs: tuple[TargetRef, ...] = ()


class MeshTLSAuthentication(Object, frozen=True):
    """Linkerd's MeshTLSAuthentication."""

    spec: MeshTLSAuthenticationSpec = MeshTLSAuthenticationSpec()


class NetworkAuthenticationSpec(Record, frozen=True):
    """Ranges of addresses."""

    networks: tuple[Network, ...] = ()


class NetworkAuthentication(Object, frozen=True):
    """Linkerd's NetworkAuthentication."""

    spec: NetworkAuthenticationSpec = NetworkAuthenticationSpec()


class ServerReference(Record, frozen=True):
    """A Server by its name, or Servers by their labels."""

    name: str = ""
    selector: LabelSelector | None = None


class AccountReference(Record, frozen=True):
    """A service account; without a namespace of the policy's own."""

    name: str = ""
    namespace: str = ""


class ClientTLS(Record, frozen=True):
    """The identities that a client may have. ``unauthenticated``: none is asked for, only TLS of the mesh."""

    identities: tuple[str, ...] = ()
    service_accounts: tuple[AccountReference, ...] = ()
    unauthenticated: bool = field(name="unauthenticatedTLS", default=False)


class AuthorizedClient(Record, frozen=True):
    """Who is let in."""

    networks: tuple[Network, ...] = ()
    unauthenticated: bool = False
    mesh_tls: ClientTLS | None = field(name="meshTLS", default=None)


class ServerAuthorizationSpec(Record, frozen=True):
    """The Servers, and who is let in."""

    server: ServerReference = ServerReference()
    client: AuthorizedClient = AuthorizedClient()


class ServerAuthorization(Object, frozen=True):
    """Linkerd's ServerAuthorization, which AuthorizationPolicy replaces."""

    spec: ServerAuthorizationSpec = ServerAuthorizationSpec()


LINKERD_SERVER = Kind(
    "LinkerdServer",
    LINKERD,
    "v1beta3",
    "servers",
    LinkerdServer,
    also=("v1beta2", "v1beta1"),
    written="Server",
)
LINKERD_AUTHORIZATION = Kind(
    "LinkerdAuthorizationPolicy",
    LINKERD,
    "v1alpha1",
    "authorizationpolicies",
    LinkerdAuthorizationPolicy,
    written="AuthorizationPolicy",
)
MESH_TLS_AUTHENTICATION = Kind("MeshTLSAuthentication", LINKERD, "v1alpha1", "meshtlsauthentications", MeshTLSAuthentication)
NETWORK_AUTHENTICATION = Kind("NetworkAuthentication", LINKERD, "v1alpha1", "networkauthentications", NetworkAuthentication)
SERVER_AUTHORIZATION = Kind("ServerAuthorization", LINKERD, "v1beta1", "serverauthorizations", ServerAuthorization)

LINKERD_KINDS: tuple[Kind[Any], ...] = (
    LINKERD_SERVER,
    LINKERD_AUTHORIZATION,
    MESH_TLS_AUTHENTICATION,
    NETWORK_AUTHENTICATION,
    SERVER_AUTHORIZATION,
)
"""linkerd/linkerd2, charts/linkerd-crds/templates/policy."""

MESH_KINDS: tuple[Kind[Any], ...] = (PEER_AUTHENTICATION, AUTHORIZATION_POLICY, *LINKERD_KINDS)
