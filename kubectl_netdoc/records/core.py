# SPDX-License-Identifier: Apache-2.0
"""Pods, Services, nodes, workloads and what else the core of Kubernetes has."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

import msgspec
from msgspec import field

from kubectl_netdoc import corefile, dnslog
from kubectl_netdoc.python_images import has_python
from kubectl_netdoc.records.base import Condition, Moment, Object, ObjectMeta, Record, Traced, TracedMeta


@lru_cache(maxsize=1 << 16)
def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def is_range(text: str) -> bool:
    """Whether a text is an IP range."""
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


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

    def __post_init__(self) -> None:
        """Leave out what is no range: nothing in the API forbids it."""
        if not all(map(is_range, self.pod_cidrs)):
            msgspec.structs.force_setattr(self, "pod_cidrs", tuple(filter(is_range, self.pod_cidrs)))


class NodeInfo(Record, frozen=True):
    """Versions on a node."""

    kubelet_version: str = ""
    kernel_version: str = ""
    operating_system: str = ""
    container_runtime_version: str = ""


class Allocatable(Record, frozen=True):
    """How many pods a node takes."""

    pods: str = ""


class NodeImage(Record, frozen=True):
    """An image that a node has, by its names."""

    names: tuple[str, ...] = ()


class NodeStatus(Record, frozen=True):
    """A node's conditions, addresses and versions, and of its images those that debug pods could run."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()
    allocatable: Allocatable = Allocatable()
    images: tuple[NodeImage, ...] = ()

    def __post_init__(self) -> None:
        """Keep the names of images that are known to have python3, and no others."""
        known = tuple(name for image in self.images for name in image.names if has_python(name))
        msgspec.structs.force_setattr(self, "images", tuple(NodeImage((name,)) for name in known))


VIRTUAL = ("virtual-kubelet.io/", "kwok.x-k8s.io/", "virtual-node.liqo.io/")
"""Beginnings of the taints of nodes that are none: Virtual Kubelet's, KWOK's, Liqo's."""


class Node(Traced, frozen=True):
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
        virtual = any(taint.key.startswith(VIRTUAL) for taint in self.spec.taints)
        return "a virtual node" if virtual or self.metadata.labels.get("type") in ("virtual-kubelet", "kwok") else ""


class ContainerPort(Record, frozen=True):
    """A declared port of a container."""

    name: str = ""
    container_port: int = 0
    host_port: int = 0
    protocol: str = "TCP"


class Quantities(Record, frozen=True):
    """The CPU of a container, as it is written."""

    cpu: str | int | float = ""


class Resources(Record, frozen=True):
    """What a container asks for and may use at most."""

    limits: Quantities = Quantities()
    requests: Quantities = Quantities()


class ContainerUsage(Record, frozen=True):
    """What a container used over the window of its PodMetrics."""

    name: str = ""
    usage: Quantities = Quantities()


class PodMetrics(Object, frozen=True):
    """What the containers of a pod use, as metrics-server or another adapter last saw it; named like the pod."""

    containers: tuple[ContainerUsage, ...] = ()


class Container(Record, frozen=True):
    """A container's declared ports; no environment, no arguments."""

    name: str = ""
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""
    resources: Resources = Resources()


class ReadinessGate(Record, frozen=True):
    """A condition that somebody else than the kubelet has to set before a pod is ready."""

    condition_type: str = ""


class PodSpec(Record, frozen=True):
    """A pod's placement and containers."""

    node_name: str = ""
    host_network: bool = False
    dns_policy: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    readiness_gates: tuple[ReadinessGate, ...] = ()

    def ports(self) -> list[ContainerPort]:
        """All declared ports, those of restartable init containers (sidecars) included."""
        sidecars = tuple(c for c in self.init_containers if c.restart_policy == "Always")
        return [port for container in self.containers + sidecars for port in container.ports]

    def named_ports(self) -> frozenset[tuple[str, str]]:
        """(name, protocol) of all declared ports with a name: a Service's port finds one of its own protocol only."""
        return frozenset((port.name, port.protocol) for port in self.ports() if port.name)


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
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses, primary first; what is none is left out."""
        return tuple(p.ip for p in self.status.pod_ips if is_address(p.ip))

    @property
    def finished(self) -> bool:
        """Whether the pod has ended for good."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def terminating(self) -> bool:
        """Whether the pod is being deleted."""
        return self.metadata.deletion_timestamp is not None

    def made_by(self, kind: str, name: str) -> bool:
        """Whether an object of that kind and name, in the pod's own namespace, is an owner of the pod."""
        return any((owner.kind, owner.name) == (kind, name) for owner in self.metadata.owner_references)

    @property
    def static(self) -> bool:
        """Whether a node's kubelet makes the pod from a file, so that deleting what the API shows of it restarts nothing."""
        return any(owner.kind == "Node" for owner in self.metadata.owner_references)

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
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    session_affinity: str = ""
    health_check_node_port: int = 0
    traffic_distribution: str = ""
    external_ips: tuple[str, ...] = field(name="externalIPs", default=())


class LoadBalancerIngress(Record, frozen=True):
    """An address that a load balancer gave."""

    ip: str = ""
    hostname: str = ""


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


class Hint(Record, frozen=True):
    """A zone or a node that an endpoint is meant for."""

    name: str = ""


class EndpointHints(Record, frozen=True):
    """Whose traffic an endpoint is to get, where topology-aware routing or a trafficDistribution says so."""

    for_zones: tuple[Hint, ...] = ()
    for_nodes: tuple[Hint, ...] = ()


class Endpoint(Record, frozen=True):
    """One backend."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    node_name: str = ""
    hints: EndpointHints = EndpointHints()


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

    @property
    def changed(self) -> datetime | None:
        """When what the slice follows changed last; None where nobody, or somebody else, has written that."""
        try:
            moment = datetime.fromisoformat(self.metadata.annotations.trigger_time.replace("Z", "+00:00"))
        except ValueError:
            return None
        return moment if moment.tzinfo else None


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


class Ordinals(Record, frozen=True):
    """The number of a StatefulSet's first pod."""

    start: int = 0


class WorkloadSpec(Record, frozen=True):
    """Replicas wanted (an absent number means one) and the pods' template."""

    replicas: int = 1
    service_name: str = ""
    ordinals: Ordinals = Ordinals()
    template: PodTemplate = PodTemplate()


class WorkloadStatus(Record, frozen=True):
    """Replicas there."""

    ready_replicas: int = 0
    desired_number_scheduled: int = 0


class Workload(Object, frozen=True):
    """Deployment, StatefulSet, DaemonSet, ReplicaSet or Job: what makes pods from a template."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()

    @property
    def template(self) -> PodTemplate:
        """The pods that it makes."""
        return self.spec.template

    @property
    def wanted(self) -> int:
        """How many pods it is to have now."""
        return self.spec.replicas


class TracedWorkload(Workload, frozen=True):
    """A workload that people change themselves: a Deployment, StatefulSet or DaemonSet."""

    metadata: TracedMeta = TracedMeta()


class DaemonSet(TracedWorkload, frozen=True):
    """A DaemonSet: as many pods as nodes that fit it, which its controller has counted."""

    @property
    def wanted(self) -> int:
        """How many nodes fit it; none before its controller has looked (and in manifests, where nobody has)."""
        return self.status.desired_number_scheduled


class Job(Workload, frozen=True):
    """A Job: its pods come, end, and are no more."""

    @property
    def wanted(self) -> int:
        """None: that a Job has no pod is how it ends."""
        return 0


class JobTemplate(Record, frozen=True):
    """The Jobs that a CronJob makes."""

    spec: WorkloadSpec = WorkloadSpec()


class CronJobSpec(Record, frozen=True):
    """The template of a CronJob's Jobs."""

    job_template: JobTemplate = JobTemplate()


class CronJob(Object, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()

    @property
    def template(self) -> PodTemplate:
        """The pods that it makes, by way of its Jobs."""
        return self.spec.job_template.spec.template


class CorefileData(Record, frozen=True):
    """The one key of a DNS server's ConfigMap that is read."""

    corefile: str = field(name="Corefile", default="")


class ConfigMap(Traced, frozen=True):
    """A ConfigMap as it comes over the wire; only its reduced form is kept."""

    data: CorefileData = CorefileData()


class CorefileMap(Traced, frozen=True):
    """A ConfigMap with a Corefile, parsed; arguments of plugins that may hold secrets are gone."""

    corefile: corefile.Corefile = corefile.Corefile()


class CertificateData(Record, frozen=True):
    """The one key of kube-root-ca.crt."""

    pem: str = field(name="ca.crt", default="")


class LogText(Object, frozen=True):
    """A container's log as it was read; only its digest is kept."""

    text: str = ""


class DnsLog(Object, frozen=True):
    """What the log of a DNS server's pod says went wrong; ``metadata`` names the pod. No line of it is kept."""

    causes: tuple[dnslog.Cause, ...] = ()


class RootCertificate(Object, frozen=True):
    """The ConfigMap kube-root-ca.crt: the public certificate by which pods know the API server."""

    data: CertificateData = CertificateData()


def corefile_map(raw: ConfigMap) -> CorefileMap:
    """Return what is kept of a DNS server's ConfigMap."""
    return CorefileMap(metadata=raw.metadata, corefile=corefile.parse(raw.data.corefile))


def dns_log(raw: LogText) -> DnsLog:
    """Return what is kept of a DNS server's log."""
    return DnsLog(metadata=raw.metadata, causes=dnslog.digest(raw.text))
