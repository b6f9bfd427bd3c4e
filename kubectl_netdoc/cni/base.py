# SPDX-License-Identifier: Apache-2.0
"""A pod network: how its agent is recognised, and how its settings are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from kubectl_netdoc import versions
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.base import Annotations, Kind
from kubectl_netdoc.records.cni import CALICO_FELIX, CALICO_INSTALLATION, NETWORK_AGENT, NETWORK_CONFIG, NetworkSettings
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, NODE
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.workloads import Workload

UNKNOWN = ""


class ServiceProxy(StrEnum):
    """What implements Services, as far as the network's own settings show."""

    UNKNOWN = UNKNOWN
    KUBE_PROXY = "left to kube-proxy"
    EMBEDDED = "kube-proxy, part of k3s"
    PROBE = "beside kube-proxy (probe)"
    PARTIAL = "beside kube-proxy (partial)"
    NETWORK = "in place of kube-proxy"
    NETWORK_EBPF = "in place of kube-proxy (eBPF)"

    @property
    def replaces_kube_proxy(self) -> bool:
        """Tell whether the network does all of kube-proxy's work."""
        return self in (ServiceProxy.NETWORK, ServiceProxy.NETWORK_EBPF)

    @property
    def leaves_work(self) -> bool:
        """Tell whether a kube-proxy has work to do in addition to the network."""
        return self in (ServiceProxy.KUBE_PROXY, ServiceProxy.PROBE, ServiceProxy.PARTIAL)


class Tunnel(StrEnum):
    """The encapsulation of pods' packets between nodes."""

    NONE = "none"
    VXLAN = "VXLAN"
    IPIP = "IPIP"
    GENEVE = "Geneve"
    WIREGUARD = "WireGuard"
    UDP = "UDP"
    GRE = "GRE"
    STT = "STT"
    FOU = "FOU"
    IPSEC = "IPsec"


class Encryption(StrEnum):
    """What encrypts pods' packets between nodes."""

    UNKNOWN = UNKNOWN
    NONE = "none"
    WIREGUARD = "WireGuard"
    IPSEC = "IPsec"
    PASSWORD = "set by password"
    ZTUNNEL = "ztunnel (mutual TLS, of the namespaces that are enrolled)"


class PolicyEngine(StrEnum):
    """What enforces NetworkPolicies on a network."""

    UNKNOWN = ""
    NONE = "none"
    NONE_OF_ITS_OWN = "none of its own"
    CILIUM_OFF = "none (enable-policy never, or policy-audit-mode)"
    AWS_OFF = "none (switched off)"
    ANTREA = "Antrea"
    AWS = "aws-network-policy-agent"
    AZURE = "Azure NPM"
    CALICO = "Calico (Felix)"
    CILIUM = "Cilium"
    KINDNET = "kindnet (kube-network-policies)"
    KUBE_NETWORK_POLICIES = "kube-network-policies, in its own pod"
    KUBE_ROUTER = "kube-router"
    KUBE_ROUTER_IN_K3S = "kube-router, part of k3s"
    OVN = "OVN"
    WEAVE = "Weave (weave-npc)"

    @property
    def absent(self) -> bool:
        """Whether the network is known to enforce no policies."""
        return self in (PolicyEngine.NONE, PolicyEngine.NONE_OF_ITS_OWN, PolicyEngine.CILIUM_OFF, PolicyEngine.AWS_OFF)

    @property
    def drops(self) -> bool:
        """Whether it drops what no policy allows, as its documents say (only Antrea's own policies can reject)."""
        names = PolicyEngine
        return self in (names.ANTREA, names.AWS, names.AZURE, names.CALICO, names.CILIUM, names.OVN, names.WEAVE)

    @property
    def rejects(self) -> bool:
        """Whether it refuses what no policy allows: kube-router's rules end in REJECT."""
        return self in (PolicyEngine.KUBE_ROUTER, PolicyEngine.KUBE_ROUTER_IN_K3S)


class Encapsulation(Struct, frozen=True, order=True):
    """One encapsulation that a network uses, and where it uses it if not everywhere (``" between subnets"``)."""

    tunnel: Tunnel
    where: str = ""

    def __str__(self) -> str:
        return f"{self.tunnel}{self.where}"


BETWEEN_SUBNETS = " between subnets"
NOT_WRAPPED = (Encapsulation(Tunnel.NONE),)


class Traits(Struct, frozen=True, omit_defaults=True):
    """How a network carries packets. A trait that neither the API nor the network's configuration shows is empty.

    ``node_ranges``: pods get addresses from spec.podCIDRs of their node. ``secondary``: it gives pods no addresses here, but
    works together with a network that does (policy only, chained). ``mtu_of_pods``: the configured MTU is that of pods.
    """

    backend: str = UNKNOWN
    encapsulation: tuple[Encapsulation, ...] = ()
    encryption: Encryption = Encryption.UNKNOWN
    ipam: str = UNKNOWN
    mtu: str = UNKNOWN
    kube_proxy: ServiceProxy = ServiceProxy.UNKNOWN
    policy: PolicyEngine = PolicyEngine.UNKNOWN
    node_ranges: bool = False
    secondary: bool = False
    mtu_of_pods: bool = False

    def by_name(self) -> dict[str, str]:
        """Return the known traits as text, by name."""
        named = {
            "backend": self.backend,
            "encapsulation": ", ".join(map(str, self.encapsulation)),
            "encryption": str(self.encryption),
            "ipam": self.ipam,
            "mtu_set": self.mtu,
            "services": str(self.kube_proxy),
            "policy_engine": str(self.policy),
        }
        return {name: value for name, value in named.items() if value}

    def clauses(self) -> list[str]:
        """Return the known traits as clauses, such as "MTU set 1450"."""
        words = {"ipam": "addresses by", "mtu_set": "MTU set", "policy_engine": "policy engine"}
        return [f"{words.get(name, name)} {value}" for name, value in self.by_name().items()]


class Image(Struct, frozen=True):
    """A container image taken apart: registry and repository, and what it is a version of."""

    repository: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Image:
        """Parse ``registry:5000/a/b:tag@digest``. The version is the tag, or without a tag the digest."""
        name, _, digest = text.partition("@")
        head, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        return cls(f"{head}{slash}{last}", tag or digest)


def repository(*names: str) -> re.Pattern[str]:
    """Return the pattern of repositories that end in one of ``names``, in whatever registry.

    Mirrors keep the last parts (``registry.corp/mirror/calico/node``) or join them (``rancher/mirrored-calico-node``).
    """
    joined = "|".join(re.escape(name).replace("/", "[/_.-]") for name in names)
    return re.compile(rf"(?:^|[/_.-])(?:{joined})$")


class Part(Struct, frozen=True):
    """A controller of the network, by its image, and what happens if it does not run."""

    image: re.Pattern[str]
    consequence: str


class NetworkObjects(Struct, frozen=True):
    """What can be read about one network: its DaemonSets, the images of their containers, and its settings."""

    cluster: Cluster
    agents: tuple[Workload, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """The image repositories of all containers of its agents."""
        return tuple(Image.parse(c.image).repository for agent in self.agents for c in agent.template.spec.containers)

    def sources_read(self, name: str, agent: re.Pattern[str]) -> bool:
        """Tell whether the sources of a network's version were read, by the images of its agent: a newer one may do more."""
        images = [Image.parse(c.image) for item in self.agents for c in item.template.spec.containers]
        tags = [version for image in images if agent.search(image.repository) and (version := versions.parse(image.version))]
        return all(tag[:2] <= versions.parse(versions.table().newest[name]) for tag in tags)

    def runs(self, pattern: re.Pattern[str]) -> bool:
        """Tell whether a container of its agents runs an image that matches."""
        return any(pattern.search(image) for image in self.images)

    def config(self, *names: str) -> dict[str, str]:
        """Return the settings of the first of these ConfigMaps that exists."""
        found = {item.name: item.settings for item in self._all(NETWORK_CONFIG)}
        return next((found[name] for name in names if name in found), {})

    def place(self, *names: str) -> str:
        """Return "namespace/name" of the ConfigMap whose settings ``config`` returns, or ""."""
        found = {item.name: f"{item.namespace}/{item.name}" for item in self._all(NETWORK_CONFIG)}
        return next((found[name] for name in names if name in found), "")

    def has_config(self, name: str) -> bool:
        """Tell whether a ConfigMap of that name exists."""
        return any(item.name == name for item in self._all(NETWORK_CONFIG))

    @property
    def flags(self) -> dict[str, str]:
        """The settings in environment variables and flags of its agents' containers."""
        own = {(agent.namespace, agent.name) for agent in self.agents}
        flags: dict[str, str] = {}
        for item in self._all(NETWORK_AGENT):
            flags |= item.settings if (item.namespace, item.name) in own else {}
        return flags

    def resources(self, kind: Kind[NetworkSettings]) -> tuple[NetworkSettings, ...]:
        """Return the custom resources of a kind; none if they can't be read."""
        return self._all(kind)

    @property
    def notes(self) -> list[Annotations]:
        """The annotations of all nodes."""
        return [node.metadata.annotations for node in self.nodes]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes."""
        return self.cluster.all(NODE) if self.cluster.readable(NODE) else ()

    def _all(self, kind: Kind[NetworkSettings]) -> tuple[NetworkSettings, ...]:
        return self.cluster.all(kind) if self.cluster.readable(kind) else ()


def no_trace(node: Node) -> bool:
    """Return False: the trace of networks that leave no sign on a node."""
    return False


class Network(Struct, frozen=True):
    """One pod network.

    ``agent``: the image of its agent. ``daemon_sets``: (namespace, name) of its DaemonSet, if the image does not identify it
    (OpenShift's images are all of one repository). ``traits``: reads its settings. ``parts``: its controllers. ``trace``: tells
    whether a node shows that the agent has been there. ``configs``: its ConfigMaps, which stay if only the agent is removed.
    ``needs_all``: further images that must be in the same DaemonSet. ``meta``: it only calls other networks. ``advice``: what
    every user of it should know.
    """

    name: str
    agent: re.Pattern[str]
    traits: Callable[[NetworkObjects], Traits]
    daemon_sets: tuple[tuple[str, str], ...] = ()
    needs_all: tuple[re.Pattern[str], ...] = ()
    parts: tuple[Part, ...] = ()
    trace: Callable[[Node], bool] = no_trace
    configs: tuple[str, ...] = ()
    meta: bool = False
    advice: str = ""

    def is_agent(self, workload: Workload) -> bool:
        """Tell whether a DaemonSet runs this network's agent."""
        images = [Image.parse(container.image).repository for container in workload.template.spec.containers]
        if (workload.namespace, workload.name) in self.daemon_sets:
            return True
        return all(any(pattern.search(image) for image in images) for pattern in (self.agent, *self.needs_all))

    def versions(self, images: Iterable[str]) -> set[str]:
        """Return the versions of its agent among these images."""
        parsed = [Image.parse(image) for image in images]
        return {image.version for image in parsed if image.version and self.agent.search(image.repository)}


class Found(Struct, frozen=True):
    """A network of the cluster: its DaemonSets and settings. ``embedded``: the program that it is part of, such as k3s, or ""."""

    network: Network
    agents: tuple[Workload, ...] = ()
    traits: Traits = Traits()
    embedded: str = ""

    @property
    def name(self) -> str:
        """The network's name, and what it is part of."""
        return f"{self.network.name} (part of {self.embedded})" if self.embedded else self.network.name

    @property
    def primary(self) -> bool:
        """Tell whether it gives pods their addresses and interfaces."""
        return not (self.traits.secondary or self.network.meta)

    def controllers(self, cluster: Cluster) -> list[tuple[Part, Workload]]:
        """Return its controllers that exist."""
        deployments = cluster.all(DEPLOYMENT) if cluster.readable(DEPLOYMENT) else ()
        return [(part, item) for part in self.network.parts for item in deployments if _runs(item, part.image)]


def _runs(workload: Workload, image: re.Pattern[str]) -> bool:
    return any(image.search(Image.parse(container.image).repository) for container in workload.template.spec.containers)


def daemon_sets(cluster: Cluster) -> tuple[Workload, ...]:
    """Return all DaemonSets; none if they can't be read."""
    return cluster.all(DAEMON_SET) if cluster.readable(DAEMON_SET) else ()


SETTINGS = (NETWORK_CONFIG, NETWORK_AGENT, CALICO_FELIX, CALICO_INSTALLATION)
"""The kinds in which networks keep their settings."""


def unreadable_settings(cluster: Cluster) -> str:
    """Return the name of the first kind of settings that could not be read, or ""."""
    return next((kind.name for kind in SETTINGS if cluster.unreadable(kind)), "")


def encryption(asked: Mapping[Encryption, str | None], known: bool) -> Encryption:
    """Return the first kind of encryption that is asked for; ``NONE`` only where each setting is understood and all are known.

    ``asked``: the text of each kind's setting; "" or None where it is not set, which means no.
    """
    wanted = [kind for kind, text in asked.items() if yes(text)]
    understood = all((text or "").lower() in NO for text in asked.values() if not yes(text))
    return wanted[0] if wanted else Encryption.NONE if known and understood else Encryption.UNKNOWN


NO = frozenset({"", "false", "no", "0", "disabled", "never", "none", "off"})


def yes(value: Any) -> bool:
    """Tell whether a setting's text means yes."""
    return str(value).lower() in ("true", "yes", "1", "enabled", "strict", "always")
