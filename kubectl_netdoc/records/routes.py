"""What leads to a Service from outside: Ingress and the Gateway API."""

from __future__ import annotations

from kubectl_netdoc.records.base import Object, Record


class IngressService(Record, frozen=True):
    """The Service of an Ingress backend."""

    name: str = ""


class IngressBackend(Record, frozen=True):
    """Where an Ingress sends requests."""

    service: IngressService | None = None


class IngressPath(Record, frozen=True):
    """A path of a host."""

    path: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHTTP(Record, frozen=True):
    """The paths of a host."""

    paths: tuple[IngressPath, ...] = ()


class IngressRule(Record, frozen=True):
    """A host; empty is every host."""

    host: str = ""
    http: IngressHTTP = IngressHTTP()


class IngressSpec(Record, frozen=True):
    """The backends of an Ingress."""

    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()


class Ingress(Object, frozen=True):
    """An Ingress of networking.k8s.io/v1."""

    spec: IngressSpec = IngressSpec()

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


class RouteRule(Record, frozen=True):
    """The backends of a route's rule."""

    backend_refs: tuple[Reference, ...] = ()


class RouteSpec(Record, frozen=True):
    """The Gateways a route hangs on, its hosts and its backends."""

    parent_refs: tuple[Reference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


class Route(Object, frozen=True):
    """A route of the Gateway API, of whatever protocol."""

    spec: RouteSpec = RouteSpec()

    def services(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(namespace, name) of the Services it leads to, with its hosts; an absent kind of a backend is Service."""
        hosts = self.spec.hostnames or ("*",)
        references = [reference for rule in self.spec.rules for reference in rule.backend_refs]
        return {(r.namespace or self.namespace, r.name): hosts for r in references if r.kind in ("", "Service")}


class Gateway(Object, frozen=True):
    """A Gateway: that it is there."""
