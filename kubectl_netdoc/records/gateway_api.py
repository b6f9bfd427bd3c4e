# SPDX-License-Identifier: Apache-2.0
"""The Gateway API: classes, Gateways, sets of listeners, routes, policies for backends, and grants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import field

from kubectl_netdoc.formats import certificate
from kubectl_netdoc.records.api_extensions import Dates
from kubectl_netdoc.records.base import Condition, Kind, Object, ObjectMeta, Record
from kubectl_netdoc.records.policies import LabelSelector

GROUP, INFERENCE = "gateway.networking.k8s.io", "inference.networking.k8s.io"


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
    def pool(self) -> bool:
        """Tell whether a backend is an InferencePool."""
        return (self.group, self.kind) == (INFERENCE, "InferencePool")

    @property
    def service(self) -> bool:
        """Tell whether a backend is a Service of the core group. Without a kind it is one; Knative has its own Service."""
        return self.kind in ("", "Service") and self.group in ("", "core")

    def parent(self, namespace: str) -> tuple[str, str, str]:
        """Return what it names as a parent: kind, namespace and name; ``namespace``: that of the object that names it."""
        return self.kind or "Gateway", self.namespace or namespace, self.name


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


class FromNamespaces(Record, frozen=True):
    """The namespaces that something is allowed from: None, Same, All, or those that ``selector`` selects."""

    from_: str = field(name="from", default="None")
    selector: LabelSelector = LabelSelector()


class AllowedListeners(Record, frozen=True):
    """The ListenerSets that a Gateway allows; none by default."""

    namespaces: FromNamespaces = FromNamespaces()


class GatewaySpec(Record, frozen=True):
    """The class and the listeners of a Gateway, and whose further listeners it takes."""

    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    allowed_listeners: AllowedListeners = AllowedListeners()


class GatewayAddress(Record, frozen=True):
    """An address or a host name of a Gateway."""

    value: str = ""


class GatewayStatus(Record, frozen=True):
    """The status of a Gateway."""

    addresses: tuple[GatewayAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(Object, frozen=True):
    """A Gateway."""

    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class ListenerSetSpec(Record, frozen=True):
    """The Gateway that a set is attached to, and its listeners."""

    parent_ref: Reference = Reference()
    listeners: tuple[Listener, ...] = ()


class ListenerSet(Object, frozen=True):
    """A ListenerSet: further listeners of a Gateway."""

    spec: ListenerSetSpec = ListenerSetSpec()
    status: GatewayStatus = GatewayStatus()

    @property
    def gateway(self) -> tuple[str, str]:
        """The namespace and name of its Gateway."""
        return self.spec.parent_ref.namespace or self.namespace, self.spec.parent_ref.name


class BackendValidation(Record, frozen=True):
    """How a Gateway validates the certificates of backends."""

    ca_certificate_refs: tuple[Reference, ...] = ()
    hostname: str = ""


class BackendTLSPolicySpec(Record, frozen=True):
    """The backends, and how their certificates are validated."""

    target_refs: tuple[Reference, ...] = ()
    validation: BackendValidation = BackendValidation()


class PolicyAncestor(Record, frozen=True):
    """The status of a policy at a Gateway, written by a controller."""

    ancestor_ref: Reference = Reference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class PolicyStatus(Record, frozen=True):
    """The status of a policy, written by controllers."""

    ancestors: tuple[PolicyAncestor, ...] = ()


class BackendTLSPolicy(Object, frozen=True):
    """A BackendTLSPolicy: Gateways speak TLS with the Services that it names, and verify their certificates."""

    spec: BackendTLSPolicySpec = BackendTLSPolicySpec()
    status: PolicyStatus = PolicyStatus()

    def config_maps(self) -> list[tuple[str, str]]:
        """Return (namespace, name) of the ConfigMaps with its certificates."""
        references = self.spec.validation.ca_certificate_refs
        return [(self.namespace, each.name) for each in references if each.kind == "ConfigMap" and not each.group and each.name]


class CaData(Record, frozen=True):
    """The one key of a ConfigMap with certificates of authorities."""

    pem: str = field(name="ca.crt", default="")


class CaMap(Object, frozen=True):
    """A ConfigMap with certificates of authorities, as it comes over the wire; only their dates are kept."""

    data: CaData = CaData()


class CaCertificates(Object, frozen=True):
    """The dates of the certificates in a ConfigMap; none if it holds none."""

    certificates: tuple[Dates, ...] = ()


def ca_certificates(raw: CaMap) -> CaCertificates:
    """Return what is kept of a ConfigMap with certificates."""
    dates = tuple(Dates(begins=each.begins, ends=each.ends) for each in certificate.validities(raw.data.pem.encode()))
    metadata = ObjectMeta(name=raw.metadata.name, namespace=raw.metadata.namespace)
    return CaCertificates(metadata=metadata, certificates=dates)


MOST_CONFIG_MAPS = 100
"""Most ConfigMaps with certificates that are read; each takes one request."""


def ca_config_maps(objects: Mapping[str, Iterable[Any]]) -> tuple[tuple[str, str], ...]:
    """Return (namespace, name) of the ConfigMaps that BackendTLSPolicies name, each once, at most ``MOST_CONFIG_MAPS``."""

    def named() -> Iterator[tuple[str, str]]:
        for policy in objects.get("BackendTLSPolicy", ()):
            if isinstance(policy, BackendTLSPolicy):
                yield from policy.config_maps()

    return tuple(dict.fromkeys(named()))[:MOST_CONFIG_MAPS]


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


class PoolPort(Record, frozen=True):
    """A port."""

    number: int = 0


class EndpointPicker(Record, frozen=True):
    """The Service that chooses one of a pool's pods for each request, and what happens where it does not answer."""

    group: str = ""
    kind: str = ""
    name: str = ""
    port: PoolPort = PoolPort()
    failure_mode: str = "FailClose"

    @property
    def service(self) -> bool:
        """Tell whether it is a Service of the core group."""
        return bool(self.name) and self.kind in ("", "Service") and not self.group


class PoolSelector(Record, frozen=True):
    """The labels of a pool's pods."""

    match_labels: dict[str, str] = {}


class InferencePoolSpec(Record, frozen=True):
    """The pods of a pool, their port, and what chooses among them."""

    selector: PoolSelector = PoolSelector()
    target_ports: tuple[PoolPort, ...] = ()
    endpoint_picker_ref: EndpointPicker = EndpointPicker()


class InferencePool(Object, frozen=True):
    """An InferencePool: pods behind routes, one of which is chosen for each request by a Service of its own."""

    spec: InferencePoolSpec = InferencePoolSpec()


INFERENCE_POOL = Kind("InferencePool", INFERENCE, "v1", "inferencepools", InferencePool)
"""kubernetes-sigs/gateway-api-inference-extension, api/v1/inferencepool_types.go."""

GATEWAY_CLASS = Kind("GatewayClass", GROUP, "v1", "gatewayclasses", GatewayClass, namespaced=False, also=("v1beta1",))
REFERENCE_GRANT = Kind("ReferenceGrant", GROUP, "v1", "referencegrants", ReferenceGrant, also=("v1beta1", "v1alpha2"))
LISTENER_SET = Kind("ListenerSet", GROUP, "v1", "listenersets", ListenerSet)
X_LISTENER_SET = Kind("XListenerSet", "gateway.networking.x-k8s.io", "v1alpha1", "xlistenersets", ListenerSet)
"""The ListenerSet of older experimental channels."""

LISTENER_SETS = (LISTENER_SET, X_LISTENER_SET)
BACKEND_TLS_POLICY = Kind("BackendTLSPolicy", GROUP, "v1", "backendtlspolicies", BackendTLSPolicy, also=("v1alpha3",))
CA_CERTIFICATES = Kind(
    "CaCertificates",
    "",
    "v1",
    "configmaps",
    CaCertificates,
    pointed=ca_config_maps,
    wire=CaMap,
    reduce=ca_certificates,
)
"""ConfigMaps that a BackendTLSPolicy names, with certificates of authorities: read one by one, where that is permitted."""

GATEWAY_KINDS = (GATEWAY_CLASS, REFERENCE_GRANT, *LISTENER_SETS, BACKEND_TLS_POLICY, CA_CERTIFICATES, INFERENCE_POOL)
