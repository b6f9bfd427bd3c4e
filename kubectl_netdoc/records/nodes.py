# SPDX-License-Identifier: Apache-2.0
"""Nodes and namespaces."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import field

from kubectl_netdoc.formats.addresses import is_range
from kubectl_netdoc.records.base import Condition, Object, Record, Traced, canonical
from kubectl_netdoc.records.python_images import has_python

ZONE = "topology.kubernetes.io/zone"
EKS_COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
"""Labels of nodes: Kubernetes' well-known one, and EKS' for Fargate, Auto Mode and hybrid nodes."""

DRAINED_BY_AUTOSCALER = "ToBeDeletedByClusterAutoscaler"
"""The taint of a node that the cluster autoscaler is about to remove."""


DIGEST = "#"
"""Begins what is kept of a machine's id; ids are hexadecimal."""


class Namespace(Object, frozen=True):
    """A Namespace."""


class NodeAddress(Record, frozen=True):
    """One of a node's addresses."""

    type: str = ""
    address: str = ""

    def __post_init__(self) -> None:
        """Write it as all programs do."""
        canonical(self, "address")


NO_PLUGIN = ("networkpluginnotready", "cni plugin not initialized", "cni config uninitialized")
"""What the kubelet reports if it finds no CNI configuration."""


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
        """Write its ranges as all programs do, and leave out texts that are none; the API does not forbid them."""
        canonical(self, "pod_cidrs")
        if not all(map(is_range, self.pod_cidrs)):
            msgspec.structs.force_setattr(self, "pod_cidrs", tuple(filter(is_range, self.pod_cidrs)))


class NodeInfo(Record, frozen=True):
    """Versions on a node, and which machine it is."""

    kubelet_version: str = ""
    kernel_version: str = ""
    operating_system: str = ""
    container_runtime_version: str = ""
    machine_id: str = field(name="machineID", default="")

    def __post_init__(self) -> None:
        """Keep of the machine's id, which is nobody else's business (machine-id(5)), only what tells whether two are the same."""
        if self.machine_id and not self.machine_id.startswith(DIGEST):
            digest = hashlib.sha256(self.machine_id.encode()).hexdigest()[:16]
            msgspec.structs.force_setattr(self, "machine_id", DIGEST + digest)


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
"""Prefixes of the taints of virtual nodes: Virtual Kubelet's, KWOK's, Liqo's."""


class Node(Traced, frozen=True):
    """A Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, or None."""
        return next((c for c in self.status.conditions if c.type == type_), None)

    @property
    def without_plugin(self) -> bool:
        """Whether the kubelet says that it has no CNI configuration; pods on the node's own network run there all the same."""
        ready = self.condition("Ready")
        return ready is not None and ready.status != "True" and any(words in ready.message.lower() for words in NO_PLUGIN)

    @property
    def zone(self) -> str:
        """The node's zone, or ""."""
        return self.metadata.labels.get(ZONE, "")

    @property
    def unsupported(self) -> str:
        """Why the node can't run a debug pod ("a Windows node"), or ""."""
        if self.status.node_info.operating_system == "windows":
            return "a Windows node"
        virtual = any(taint.key.startswith(VIRTUAL) for taint in self.spec.taints)
        return "a virtual node" if virtual or self.metadata.labels.get("type") in ("virtual-kubelet", "kwok") else ""
