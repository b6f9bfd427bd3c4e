# SPDX-License-Identifier: Apache-2.0
"""Pods, their containers, and what containers use."""

from __future__ import annotations

from msgspec import field
from msgspec.structs import force_setattr

from kubectl_netdoc.formats.addresses import is_address
from kubectl_netdoc.records import container_settings
from kubectl_netdoc.records.base import Condition, Moment, Object, ObjectMeta, Record, canonical, share
from kubectl_netdoc.records.container_settings import EnvFrom, ProxySettings, Target, Variable, Volume


class ContainerPort(Record, frozen=True):
    """A declared port of a container."""

    name: str = ""
    container_port: int = 0
    host_port: int = 0
    host_ip: str = field(name="hostIP", default="")
    protocol: str = "TCP"

    def __post_init__(self) -> None:
        """Write its address as all programs do."""
        if self.host_ip:
            canonical(self, "host_ip")


class Quantities(Record, frozen=True):
    """The CPU of a container, as it is written."""

    cpu: str | int | float = ""


class Resources(Record, frozen=True):
    """The resource requests and limits of a container."""

    limits: Quantities = Quantities()
    requests: Quantities = Quantities()


class ContainerUsage(Record, frozen=True):
    """What a container used over the window of its PodMetrics."""

    name: str = ""
    usage: Quantities = Quantities()


class PodMetrics(Object, frozen=True):
    """The usage of a pod's containers, as metrics-server or another adapter last measured it; it has the pod's name."""

    containers: tuple[ContainerUsage, ...] = ()


class Container(Record, frozen=True):
    """A container's declared ports, and the hosts and proxies that its variables and arguments name; nothing else of those."""

    name: str = ""
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""
    resources: Resources = Resources()
    targets: tuple[Target, ...] = ()
    proxies: ProxySettings = ProxySettings()
    config_maps: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Keep what is read of its variables and arguments, and drop them."""
        if self.env or self.env_from or self.command or self.args:
            maps, targets, proxies = container_settings.kept(self.env, self.env_from, (*self.command, *self.args))
            force_setattr(self, "config_maps", maps)
            force_setattr(self, "targets", targets)
            force_setattr(self, "proxies", proxies)
            for dropped in ("env", "env_from", "command", "args"):
                force_setattr(self, dropped, ())


class ReadinessGate(Record, frozen=True):
    """A condition that something other than the kubelet must set before a pod is ready."""

    condition_type: str = ""


class DnsOption(Record, frozen=True):
    """A resolver option of resolv.conf."""

    name: str = ""
    value: str = ""


class DnsConfig(Record, frozen=True):
    """What a pod adds to its resolv.conf, or, with dnsPolicy None, all of it."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[DnsOption, ...] = ()


class HostAlias(Record, frozen=True):
    """A line of a pod's /etc/hosts."""

    ip: str = ""
    hostnames: tuple[str, ...] = ()


class Sysctl(Record, frozen=True):
    """A setting of the kernel that holds in a pod's network."""

    name: str = ""
    value: str = ""


class SecurityContext(Record, frozen=True):
    """The part of a pod's securityContext that concerns its network."""

    sysctls: tuple[Sysctl, ...] = ()


class PodSpec(Record, frozen=True):
    """A pod's placement, names and containers."""

    node_name: str = ""
    host_network: bool = False
    service_account_name: str = ""
    dns_policy: str = ""
    dns_config: DnsConfig = DnsConfig()
    host_aliases: tuple[HostAlias, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    readiness_gates: tuple[ReadinessGate, ...] = ()
    security_context: SecurityContext = SecurityContext()
    config_maps: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def __post_init__(self) -> None:
        """Keep the names of the ConfigMaps that are mounted, and once what the pods of a workload or of a node have alike."""
        if self.volumes:
            names = tuple(dict.fromkeys(volume.config_map.name for volume in self.volumes if volume.config_map.name))
            force_setattr(self, "config_maps", names)
            force_setattr(self, "volumes", ())
        share(self, "node_name", "service_account_name", "dns_policy", "security_context", "containers")

    @property
    def own_account(self) -> bool:
        """Tell whether it has a service account of its own."""
        return self.service_account_name not in ("", "default")

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the ConfigMaps that its containers read: those that variables are taken from, then mounted ones."""
        containers = (*self.containers, *self.init_containers)
        return tuple(dict.fromkeys((*(name for each in containers for name in each.config_maps), *self.config_maps)))

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
    started_at: Moment | None = None
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

    def __post_init__(self) -> None:
        """Write it as all programs do."""
        canonical(self, "ip")


STEPS = frozenset({"Initialized", "PodReadyToStartContainers"})
"""Conditions of pods that are steps to being Ready: that one is done, nothing reads."""


class PodStatus(Record, frozen=True):
    """A pod's phase, addresses and conditions."""

    phase: str = ""
    reason: str = ""
    pod_ips: tuple[PodIP, ...] = field(name="podIPs", default=())
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()

    def __post_init__(self) -> None:
        """Leave out the steps that are done and what is no address, and keep once what healthy pods have alike."""
        if not all(is_address(each.ip) for each in self.pod_ips):
            force_setattr(self, "pod_ips", tuple(each for each in self.pod_ips if is_address(each.ip)))
        read = tuple(each for each in self.conditions if each.type not in STEPS or each.status != "True")
        force_setattr(self, "conditions", read)
        for condition in read:
            share(condition, "type", "status")
        share(self, "phase", "container_statuses")


class Pod(Object, frozen=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses, primary first; invalid ones are left out."""
        return tuple([each.ip for each in self.status.pod_ips])

    @property
    def finished(self) -> bool:
        """Tell whether the pod has ended for good."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def terminating(self) -> bool:
        """Tell whether the pod is being deleted."""
        return self.metadata.deletion_timestamp is not None

    def made_by(self, kind: str, name: str) -> bool:
        """Tell whether an object of that kind and name, in the pod's own namespace, is an owner of the pod."""
        return any((owner.kind, owner.name) == (kind, name) for owner in self.metadata.owner_references)

    @property
    def static(self) -> bool:
        """Tell whether it is a static pod, so that deleting its mirror in the API restarts nothing."""
        return any(owner.kind == "Node" for owner in self.metadata.owner_references)

    @property
    def ready(self) -> bool:
        """Tell whether the Ready condition holds."""
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)


class PodTemplate(Record, frozen=True):
    """The pods that a workload makes."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
