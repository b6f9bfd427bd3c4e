# SPDX-License-Identifier: Apache-2.0
"""Flannel: VXLAN, host-gw, WireGuard, IPIP or UDP, as its ConfigMap and the nodes' annotations say.

Recognition made from: flannel-io/flannel, Documentation/kube-flannel.yml, v0.11.0 (a DaemonSet for each architecture, in
kube-system, quay.io/coreos/flannel) and v0.13.0-rc2; ghcr.io/flannel-io/flannel since v0.26; chart value netpol.enabled
(a container of kube-network-policies) since v0.25.5. Backends: Documentation/backends.md.
"""

from __future__ import annotations

import msgspec

from kubectl_netdoc.cni.base import (
    Encapsulation,
    Encryption,
    Network,
    NetworkObjects,
    PolicyEngine,
    ServiceProxy,
    Traits,
    Tunnel,
    repository,
)
from kubectl_netdoc.records.nodes import Node

IMAGE = repository("flannel", "hardened-flannel")
POLICY = repository("kube-network-policies")
CONFIGS = ("kube-flannel-cfg",)

CARRIES = {
    "vxlan": (Encapsulation(Tunnel.VXLAN), Encryption.NONE),
    "host-gw": (Encapsulation(Tunnel.NONE, " (routes to the nodes)"), Encryption.NONE),
    "wireguard": (Encapsulation(Tunnel.WIREGUARD), Encryption.WIREGUARD),
    "ipip": (Encapsulation(Tunnel.IPIP), Encryption.NONE),
    "ipsec": (Encapsulation(Tunnel.IPSEC), Encryption.IPSEC),
    "udp": (Encapsulation(Tunnel.UDP, ", in user space"), Encryption.NONE),
    "alloc": (Encapsulation(Tunnel.NONE, " (nothing is set up between nodes)"), Encryption.NONE),
}
"""Backend, and what it makes of encapsulation and encryption."""


def carries(seen: NetworkObjects, *configs: str) -> Traits:
    """Return how flannel carries packets: what the nodes were set up with, or else what its ConfigMap asks for."""
    config = seen.config(*configs)
    told = {note.flannel_backend for note in seen.notes if note.flannel_backend}
    backend = ", ".join(sorted(told)) or config.get("Backend.Type", "")
    encapsulation, encryption = CARRIES.get(backend, (None, Encryption.UNKNOWN))
    return Traits(
        backend=backend,
        encapsulation=(encapsulation,) if encapsulation else (),
        encryption=encryption,
        ipam="host-local, from each node's podCIDRs",
        mtu=config.get("Backend.MTU", ""),
        node_ranges=True,
    )


def traits(seen: NetworkObjects) -> Traits:
    """Return how flannel carries packets, and who enforces policies beside it."""
    policy = PolicyEngine.KUBE_NETWORK_POLICIES if seen.runs(POLICY) else PolicyEngine.NONE_OF_ITS_OWN
    return msgspec.structs.replace(carries(seen, *CONFIGS), policy=policy, kube_proxy=ServiceProxy.KUBE_PROXY)


def trace(node: Node) -> bool:
    """Tell whether flannel has set up this node."""
    return bool(node.metadata.annotations.flannel_backend)


FLANNEL = Network(name="Flannel", agent=IMAGE, traits=traits, trace=trace, configs=CONFIGS)
