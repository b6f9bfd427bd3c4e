"""What netdoc reads of each Kubernetes kind, and no more.

A record declares only the fields that checks read: what is not declared is never decoded, so it can't reach a
report or a bundle. There is no Secret here, no container environment or arguments, and only the annotations that
``Annotations`` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Struct, field

from kubectl_netdoc import corefile

R = TypeVar("R", bound="Object")
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone, as the API writes it; one without can't be compared and is not decoded."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of all records: frozen, camelCase in JSON, defaults left out."""


class OwnerReference(Record, frozen=True):
    """Who made the object."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class Annotations(Record, frozen=True):
    """The allow-list of annotations."""

    trigger_time: str = field(name="endpoints.kubernetes.io/last-change-trigger-time", default="")


class ObjectMeta(Record, frozen=True):
    """The part of metadata that checks read."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: Annotations = Annotations()
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None


class Object(Record, frozen=True):
    """Anything with metadata."""

    metadata: ObjectMeta = ObjectMeta()

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """metadata.namespace, empty for cluster-scoped objects."""
        return self.metadata.namespace


class Condition(Record, frozen=True):
    """A status condition, of whatever object."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Moment | None = None


class Namespace(Object, frozen=True):
    """A Namespace."""


class NodeAddress(Record, frozen=True):
    """One of a node's addresses."""

    type: str = ""
    address: str = ""


class Taint(Record, frozen=True):
    """A node's taint."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(Record, frozen=True):
    """A node's pod ranges and whether it takes pods."""

    pod_cidrs: tuple[str, ...] = field(name="podCIDRs", default=())
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeInfo(Record, frozen=True):
    """Versions on a node."""

    kubelet_version: str = ""
    kernel_version: str = ""
    operating_system: str = ""
    container_runtime_version: str = ""


class NodeStatus(Record, frozen=True):
    """A node's conditions, addresses and versions."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()


class Node(Object, frozen=True):
    """A Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)

    @property
    def unfit(self) -> str:
        """Why the node can't run a Linux pod by its nature, or nothing."""
        if self.status.node_info.operating_system == "windows":
            return "a Windows node"
        virtual = any(taint.key.startswith("virtual-kubelet.io/") for taint in self.spec.taints)
        return "a virtual node" if virtual or self.metadata.labels.get("type") == "virtual-kubelet" else ""


class ContainerPort(Record, frozen=True):
    """A declared port of a container."""

    name: str = ""
    container_port: int = 0
    protocol: str = "TCP"


class Container(Record, frozen=True):
    """A container's declared ports; no environment, no arguments."""

    name: str = ""
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class PodSpec(Record, frozen=True):
    """A pod's placement and containers."""

    node_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()

    def port_names(self) -> frozenset[str]:
        """Names of all declared ports, those of restartable init containers (sidecars) included."""
        sidecars = tuple(c for c in self.init_containers if c.restart_policy == "Always")
        return frozenset(port.name for container in self.containers + sidecars for port in container.ports if port.name)


class Waiting(Record, frozen=True):
    """Why a container waits."""

    reason: str = ""


class Terminated(Record, frozen=True):
    """How a container ended."""

    reason: str = ""
    exit_code: int = 0
    finished_at: Moment | None = None


class ContainerState(Record, frozen=True):
    """What a container is doing, or did last."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Record, frozen=True):
    """A container's readiness and restarts."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodIP(Record, frozen=True):
    """One of a pod's addresses."""

    ip: str = ""


class PodStatus(Record, frozen=True):
    """A pod's phase, addresses and conditions."""

    phase: str = ""
    reason: str = ""
    pod_ips: tuple[PodIP, ...] = field(name="podIPs", default=())
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses, primary first."""
        return tuple(p.ip for p in self.status.pod_ips if p.ip)

    @property
    def finished(self) -> bool:
        """Whether the pod has ended for good."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def terminating(self) -> bool:
        """Whether the pod is being deleted."""
        return self.metadata.deletion_timestamp is not None

    @property
    def ready(self) -> bool:
        """Whether the Ready condition holds."""
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)


class ServicePort(Record, frozen=True):
    """A port of a Service."""

    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(Record, frozen=True):
    """What a Service promises."""

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


class Ingress(Record, frozen=True):
    """An address that a load balancer gave."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Record, frozen=True):
    """The addresses of a load balancer."""

    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(Record, frozen=True):
    """What the load balancer's controller has written."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Object, frozen=True):
    """A Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def headless(self) -> bool:
        """Whether the Service has no ClusterIP by wish."""
        return self.spec.cluster_ip == "None"


class TargetRef(Record, frozen=True):
    """The object behind an endpoint."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class EndpointConditions(Record, frozen=True):
    """An absent ``ready`` or ``serving`` means yes (Kubernetes API, EndpointConditions)."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False


class Endpoint(Record, frozen=True):
    """One backend."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    node_name: str = ""


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
    def service(self) -> str:
        """Name of the Service that the slice belongs to."""
        return self.metadata.labels.get("kubernetes.io/service-name", "")

    @property
    def managed_by(self) -> str:
        """Who writes the slice."""
        return self.metadata.labels.get("endpointslice.kubernetes.io/managed-by", "")


class EventSeries(Record, frozen=True):
    """Repetitions of an Event."""

    count: int = 0
    last_observed_time: Moment | None = None


class Event(Object, frozen=True):
    """An Event of core/v1."""

    involved_object: TargetRef = TargetRef()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 0
    last_timestamp: Moment | None = None
    event_time: Moment | None = None
    series: EventSeries = EventSeries()

    @property
    def last_seen(self) -> datetime | None:
        """When it was last seen, whichever of the API's three fields says so."""
        return self.series.last_observed_time or self.last_timestamp or self.event_time or self.metadata.creation_timestamp


class PodTemplate(Record, frozen=True):
    """The pods that a workload makes."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()


class WorkloadSpec(Record, frozen=True):
    """Replicas wanted (an absent number means one) and the pods' template."""

    replicas: int = 1
    service_name: str = ""
    template: PodTemplate = PodTemplate()


class WorkloadStatus(Record, frozen=True):
    """Replicas there."""

    ready_replicas: int = 0


class Workload(Object, frozen=True):
    """Deployment, StatefulSet, DaemonSet, ReplicaSet or Job: what makes pods from a template."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class CorefileData(Record, frozen=True):
    """The one key of a DNS server's ConfigMap that is read."""

    corefile: str = field(name="Corefile", default="")


class ConfigMap(Object, frozen=True):
    """A ConfigMap as it comes over the wire; only its reduced form is kept."""

    data: CorefileData = CorefileData()


class CorefileMap(Object, frozen=True):
    """A ConfigMap with a Corefile, parsed; arguments of plugins that may hold secrets are gone."""

    corefile: corefile.Corefile = corefile.Corefile()


class CertificateData(Record, frozen=True):
    """The one key of kube-root-ca.crt."""

    pem: str = field(name="ca.crt", default="")


class RootCertificate(Object, frozen=True):
    """The ConfigMap kube-root-ca.crt: the public certificate by which pods know the API server."""

    data: CertificateData = CertificateData()


class Policy(Object, frozen=True):
    """Any kind of network policy: that it is there, and where."""


def _corefile_map(raw: ConfigMap) -> CorefileMap:
    return CorefileMap(metadata=raw.metadata, corefile=corefile.parse(raw.data.corefile))


@dataclass(frozen=True)
class Kind(Generic[R]):
    """A kind of the API: where to list it, and the record it decodes to.

    ``names``: only these objects are read, one by one. ``selectors``: one list for each field selector.
    ``wire`` and ``reduce``: decoded as ``wire``, kept as what ``reduce`` makes of it.
    ``authored``: people write it in manifests, so a folder without one means there is none.
    """

    name: str
    group: str
    version: str
    plural: str
    record: type[R]
    namespaced: bool = True
    authored: bool = True
    names: tuple[tuple[str, str], ...] = ()
    selectors: tuple[str, ...] = ("",)
    wire: type[Object] | None = None
    reduce: Callable[[Any], R] | None = None

    @property
    def path(self) -> str:
        """The API group's path, such as ``/apis/apps/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def keep(self, decoded: Any) -> R:
        """Return the record that is kept of a decoded object."""
        return self.reduce(decoded) if self.reduce else decoded


NAMESPACE = Kind("Namespace", "", "v1", "namespaces", Namespace, namespaced=False)
NODE = Kind("Node", "", "v1", "nodes", Node, namespaced=False, authored=False)
POD = Kind("Pod", "", "v1", "pods", Pod)
SERVICE = Kind("Service", "", "v1", "services", Service)
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", EndpointSlice, authored=False)
EVENT = Kind(
    "Event", "", "v1", "events", Event, authored=False, selectors=("type=Warning", "involvedObject.kind=Service,type=Normal")
)
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", Workload)
STATEFUL_SET = Kind("StatefulSet", "apps", "v1", "statefulsets", Workload)
DAEMON_SET = Kind("DaemonSet", "apps", "v1", "daemonsets", Workload)
REPLICA_SET = Kind("ReplicaSet", "apps", "v1", "replicasets", Workload)
JOB = Kind("Job", "batch", "v1", "jobs", Workload)
COREFILE = Kind(
    "ConfigMap",
    "",
    "v1",
    "configmaps",
    CorefileMap,
    names=(
        ("kube-system", "coredns"),
        ("kube-system", "rke2-coredns-rke2-coredns"),
        ("openshift-dns", "dns-default"),
    ),
    wire=ConfigMap,
    reduce=_corefile_map,
)

ROOT_CERTIFICATE = Kind(
    "RootCertificate",
    "",
    "v1",
    "configmaps",
    RootCertificate,
    authored=False,
    names=(("default", "kube-root-ca.crt"),),
)
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", Policy)
NATIVE_POLICIES = (
    Kind("CiliumNetworkPolicy", "cilium.io", "v2", "ciliumnetworkpolicies", Policy),
    Kind("CiliumClusterwideNetworkPolicy", "cilium.io", "v2", "ciliumclusterwidenetworkpolicies", Policy, namespaced=False),
    Kind("CalicoNetworkPolicy", "crd.projectcalico.org", "v1", "networkpolicies", Policy),
    Kind("GlobalNetworkPolicy", "crd.projectcalico.org", "v1", "globalnetworkpolicies", Policy, namespaced=False),
    Kind("AdminNetworkPolicy", "policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies", Policy, namespaced=False),
)
"""Policies that netdoc can't evaluate yet; a server without them answers 404 in a millisecond."""

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, JOB)
OTHERS = (ROOT_CERTIFICATE, NETWORK_POLICY, *NATIVE_POLICIES)
KINDS: dict[str, Kind[Any]] = {
    kind.name: kind for kind in (NAMESPACE, NODE, POD, SERVICE, ENDPOINT_SLICE, EVENT, *WORKLOADS, COREFILE, *OTHERS)
}


def without_nulls(value: Any) -> Any:
    """Return ``value`` with null members of objects left out: in the API null and absent are the same."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def convert(kind: Kind[R], value: Any) -> R:
    """Return the record of a decoded JSON or YAML object; raises ``msgspec.ValidationError``."""
    return kind.keep(msgspec.convert(without_nulls(value), kind.wire or kind.record, strict=True))
