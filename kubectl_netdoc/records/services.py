# SPDX-License-Identifier: Apache-2.0
"""Services and EndpointSlices."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import field

from kubectl_netdoc.formats.addresses import is_range
from kubectl_netdoc.records.base import Object, Record, Traced, canonical, share


class ServicePort(Record, frozen=True):
    """A port of a Service."""

    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0
    app_protocol: str = ""


class ServiceSpec(Record, frozen=True):
    """The spec of a Service. ``written``: those of its addresses that not all programs read alike, as the object has them."""

    type: str = "ClusterIP"
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = field(name="clusterIPs", default=())
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    external_name: str = ""
    internal_traffic_policy: str = ""
    external_traffic_policy: str = ""
    publish_not_ready_addresses: bool = False
    load_balancer_class: str = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    session_affinity: str = ""
    health_check_node_port: int = 0
    traffic_distribution: str = ""
    external_ips: tuple[str, ...] = field(name="externalIPs", default=())
    written: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Write its addresses as all programs do, and keep of source ranges what is one."""
        canonical(self, "cluster_ip", "cluster_ips", "external_ips")
        ranges = tuple(filter(is_range, map(str.strip, self.load_balancer_source_ranges)))
        msgspec.structs.force_setattr(self, "load_balancer_source_ranges", ranges)


class LoadBalancerIngress(Record, frozen=True):
    """An address that a load balancer gave. ``ip_mode``: ``VIP``, which is the default, or ``Proxy``."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str = ""

    def __post_init__(self) -> None:
        """Write its address as all programs do."""
        canonical(self, "ip")


class LoadBalancerStatus(Record, frozen=True):
    """The addresses of a load balancer."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Record, frozen=True):
    """What the load balancer's controller has written."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Traced, frozen=True):
    """A Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def headless(self) -> bool:
        """Tell whether the Service is headless (clusterIP: None)."""
        return self.spec.cluster_ip == "None"


class TargetRef(Record, frozen=True):
    """The object behind an endpoint."""

    kind: str = ""
    namespace: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Keep once what the endpoints of a namespace have alike."""
        share(self, "kind", "namespace")


class EndpointConditions(Record, frozen=True):
    """An absent ``ready`` or ``serving`` means yes (Kubernetes API, EndpointConditions)."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False


class Hint(Record, frozen=True):
    """A zone or a node that an endpoint is meant for."""

    name: str = ""


class EndpointHints(Record, frozen=True):
    """The zones and nodes whose traffic an endpoint should get, set by topology-aware routing or trafficDistribution."""

    for_zones: tuple[Hint, ...] = ()
    for_nodes: tuple[Hint, ...] = ()


class Endpoint(Record, frozen=True):
    """One backend. ``written``: those of its addresses that not all programs read alike, as the object has them."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    node_name: str = ""
    hints: EndpointHints = EndpointHints()
    written: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Write its addresses as all programs do, and keep once what the endpoints of a node or a Service have alike."""
        canonical(self, "addresses")
        share(self, "node_name", "conditions")


class EndpointPort(Record, frozen=True):
    """A port of all endpoints of a slice."""

    name: str = ""
    port: int = 0
    protocol: str = "TCP"


class EndpointSlice(Object, frozen=True):
    """An EndpointSlice."""

    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def numbered(self) -> tuple[EndpointPort, ...]:
        """The ports that have a number: kube-proxy leaves out those without, which the API allows for other consumers."""
        return tuple(port for port in self.ports if port.port)

    @property
    def service(self) -> str:
        """Name of the Service that the slice belongs to."""
        return self.metadata.labels.get("kubernetes.io/service-name", "")

    @property
    def managed_by(self) -> str:
        """The controller that writes the slice."""
        return self.metadata.labels.get("endpointslice.kubernetes.io/managed-by", "")

    @property
    def changed(self) -> datetime | None:
        """When the Service or pods behind the slice last changed; None if the controller has not written that."""
        try:
            moment = datetime.fromisoformat(self.metadata.annotations.trigger_time.replace("Z", "+00:00"))
        except ValueError:
            return None
        return moment if moment.tzinfo else None


class ServiceCidrSpec(Record, frozen=True):
    """The ranges of a ServiceCIDR."""

    cidrs: tuple[str, ...] = ()


class ServiceCidr(Object, frozen=True):
    """Ranges from which the API server gives Services their ClusterIPs."""

    spec: ServiceCidrSpec = ServiceCidrSpec()
