# SPDX-License-Identifier: Apache-2.0
"""The Gateway API: classes, Gateways, routes and grants."""

from __future__ import annotations

from msgspec import field

from kubectl_netdoc.records.base import Condition, Kind, Object, Record


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
        """Tell whether a backend is a Service of the core group. Without a kind it is one; Knative has its own Service."""
        return self.kind in ("", "Service") and self.group in ("", "core")


class RouteRule(Record, frozen=True):
    """The backends of a route's rule."""

    backend_refs: tuple[Reference, ...] = ()


class RouteSpec(Record, frozen=True):
    """The Gateways that a route is attached to, its hosts and its backends."""

    parent_refs: tuple[Reference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


class RouteParent(Record, frozen=True):
    """The status of a route at one of its parents, written by a controller."""

    parent_ref: Reference = Reference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Record, frozen=True):
    """The status of a route, written by controllers."""

    parents: tuple[RouteParent, ...] = ()


class Route(Object, frozen=True):
    """A route of the Gateway API, of any protocol."""

    spec: RouteSpec = RouteSpec()
    status: RouteStatus = RouteStatus()

    def services(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return its hosts by the (namespace, name) of the Services that it leads to."""
        hosts = self.spec.hostnames or ("*",)
        references = [reference for rule in self.spec.rules for reference in rule.backend_refs]
        return {(r.namespace or self.namespace, r.name): hosts for r in references if r.service}


class ListenerTLS(Record, frozen=True):
    """The certificates of a listener."""

    mode: str = ""
    certificate_refs: tuple[Reference, ...] = ()


class Listener(Record, frozen=True):
    """A port of a Gateway, and the host names that it serves."""

    name: str = ""
    hostname: str = ""
    port: int = 0
    protocol: str = ""
    tls: ListenerTLS = ListenerTLS()

    def secrets(self, namespace: str) -> list[tuple[str, str]]:
        """Return (namespace, name) of its Secrets; ``namespace``: that of its Gateway."""
        references = [r for r in self.tls.certificate_refs if r.kind in ("", "Secret") and not r.group and r.name]
        return [(reference.namespace or namespace, reference.name) for reference in references]


class ListenerStatus(Record, frozen=True):
    """The status of a listener."""

    name: str = ""
    attached_routes: int = 0
    conditions: tuple[Condition, ...] = ()


class GatewaySpec(Record, frozen=True):
    """The class and the listeners of a Gateway."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()


class GatewayStatus(Record, frozen=True):
    """The status of a Gateway."""

    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(Object, frozen=True):
    """A Gateway."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class GatewayClassSpec(Record, frozen=True):
    """The controller of a GatewayClass."""

    controller_name: str = ""


class GatewayClassStatus(Record, frozen=True):
    """The status of a GatewayClass."""

    conditions: tuple[Condition, ...] = ()


class GatewayClass(Object, frozen=True):
    """A GatewayClass."""

    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


class GrantFrom(Record, frozen=True):
    """The objects whose references are allowed."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTo(Record, frozen=True):
    """The objects that may be referred to; without a name all of the kind."""

    group: str = ""
    kind: str = ""
    name: str = ""


class ReferenceGrantSpec(Record, frozen=True):
    """The references that are allowed."""

    from_: tuple[GrantFrom, ...] = field(name="from", default=())
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True):
    """A ReferenceGrant: it lets objects of other namespaces refer to those of its own."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()

    def allows(self, kind: str, namespace: str, to: tuple[str, str]) -> bool:
        """Tell whether a route (by its kind and namespace) may refer to an object of the core group, by kind and name."""
        who = any(one.kind == kind and one.namespace == namespace for one in self.spec.from_)
        return who and any(not one.group and one.kind == to[0] and one.name in ("", to[1]) for one in self.spec.to)


GROUP = "gateway.networking.k8s.io"
GATEWAY_CLASS = Kind("GatewayClass", GROUP, "v1", "gatewayclasses", GatewayClass, namespaced=False, also=("v1beta1",))
REFERENCE_GRANT = Kind("ReferenceGrant", GROUP, "v1", "referencegrants", ReferenceGrant, also=("v1beta1", "v1alpha2"))
