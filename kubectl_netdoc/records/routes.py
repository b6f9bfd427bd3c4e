# SPDX-License-Identifier: Apache-2.0
"""What leads to a Service from outside: Ingress and the Gateway API."""

from __future__ import annotations

from kubectl_netdoc.records.base import Condition, Object, Record
from kubectl_netdoc.records.core import LoadBalancerStatus


class IngressPort(Record, frozen=True):
    """A port of a Service, by name or by number."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return self.name or str(self.number)


class IngressService(Record, frozen=True):
    """The Service of an Ingress backend."""

    name: str = ""
    port: IngressPort = IngressPort()


class IngressBackend(Record, frozen=True):
    """Where an Ingress sends requests; neither a Service where it is a resource of the controller's own."""

    service: IngressService | None = None


class IngressPath(Record, frozen=True):
    """A path of a host."""

    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHTTP(Record, frozen=True):
    """The paths of a host."""

    paths: tuple[IngressPath, ...] = ()


class IngressRule(Record, frozen=True):
    """A host; empty is every host."""

    host: str = ""
    http: IngressHTTP = IngressHTTP()


class IngressTLS(Record, frozen=True):
    """Hosts served with TLS, and the name of the Secret with the certificate."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Record, frozen=True):
    """The class and the backends of an Ingress."""

    ingress_class_name: str = ""
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressStatus(Record, frozen=True):
    """The addresses at which its controller serves it."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Ingress(Object, frozen=True):
    """An Ingress of networking.k8s.io/v1."""

    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()

    def services(self) -> dict[str, tuple[str, ...]]:
        """Names of the Services it leads to, with the hosts that do."""
        hosts: dict[str, dict[str, None]] = {}
        if self.spec.default_backend and self.spec.default_backend.service:
            hosts.setdefault(self.spec.default_backend.service.name, {})["*"] = None
        for rule in self.spec.rules:
            for path in rule.http.paths:
                if path.backend.service:
                    hosts.setdefault(path.backend.service.name, {})[rule.host or "*"] = None
        return {name: tuple(found) for name, found in hosts.items()}


class Reference(Record, frozen=True):
    """A parent or a backend of a route."""

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    section_name: str = ""
    port: int = 0
    weight: int = 1

    @property
    def service(self) -> bool:
        """Whether a backend is a Service of the core group; an absent kind is Service, and Knative has one of its own group."""
        return self.kind in ("", "Service") and self.group in ("", "core")


class RouteRule(Record, frozen=True):
    """The backends of a route's rule."""

    backend_refs: tuple[Reference, ...] = ()


class RouteSpec(Record, frozen=True):
    """The Gateways a route hangs on, its hosts and its backends."""

    parent_refs: tuple[Reference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


class RouteParent(Record, frozen=True):
    """What a controller says of a route at one of its parents."""

    parent_ref: Reference = Reference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Record, frozen=True):
    """What controllers say of a route."""

    parents: tuple[RouteParent, ...] = ()


class Route(Object, frozen=True):
    """A route of the Gateway API, of whatever protocol."""

    spec: RouteSpec = RouteSpec()
    status: RouteStatus = RouteStatus()

    def services(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(namespace, name) of the Services it leads to, with its hosts; an absent kind of a backend is Service."""
        hosts = self.spec.hostnames or ("*",)
        references = [reference for rule in self.spec.rules for reference in rule.backend_refs]
        return {(r.namespace or self.namespace, r.name): hosts for r in references if r.service}


class ListenerTLS(Record, frozen=True):
    """Where a listener has its certificates from."""

    mode: str = ""
    certificate_refs: tuple[Reference, ...] = ()


class Listener(Record, frozen=True):
    """A port of a Gateway, and for which host names."""

    name: str = ""
    hostname: str = ""
    port: int = 0
    protocol: str = ""
    tls: ListenerTLS = ListenerTLS()

    def secrets(self, namespace: str) -> list[tuple[str, str]]:
        """(namespace, name) of its Secrets; ``namespace``: that of its Gateway."""
        references = [r for r in self.tls.certificate_refs if r.kind in ("", "Secret") and not r.group and r.name]
        return [(reference.namespace or namespace, reference.name) for reference in references]


class ListenerStatus(Record, frozen=True):
    """What a controller says of a listener."""

    name: str = ""
    attached_routes: int = 0
    conditions: tuple[Condition, ...] = ()


class GatewaySpec(Record, frozen=True):
    """The class and the listeners of a Gateway."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()


class GatewayStatus(Record, frozen=True):
    """What a controller says of a Gateway."""

    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(Object, frozen=True):
    """A Gateway."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()
