# SPDX-License-Identifier: Apache-2.0
"""kube-router: BGP between the nodes, IPIP or FoU between subnets; or only its firewall or its Services beside another network.

Recognition made from: cloudnativelabs/kube-router, daemonset/kubeadm-kuberouter-all-features.yaml and
kube-router-firewall-daemonset.yaml at commit 9982ba31 (docker.io/cloudnativelabs/kube-router); flags and their defaults:
docs/user-guide.md of v2.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import (
    BETWEEN_SUBNETS,
    NOT_WRAPPED,
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


def traits(seen: NetworkObjects) -> Traits:
    """Return how kube-router carries packets: its flags, with their defaults where its DaemonSet could be read."""
    flags = seen.flags
    routes = flags.get("run-router", "true") == "true"
    overlay = flags.get("enable-overlay", "true") == "true"
    where = "" if flags.get("overlay-type") == "full" else BETWEEN_SUBNETS
    tunnel = Tunnel.FOU if flags.get("overlay-encap") == "fou" else Tunnel.IPIP
    return Traits(
        backend="BGP" if routes else "",
        encapsulation=(Encapsulation(tunnel, where),) if routes and overlay else NOT_WRAPPED,
        encryption=Encryption.NONE,
        ipam="host-local, from each node's podCIDRs" if routes else "",
        mtu=flags.get("mtu", ""),
        kube_proxy=ServiceProxy.NETWORK if flags.get("run-service-proxy") == "true" else ServiceProxy.KUBE_PROXY,
        policy=PolicyEngine.KUBE_ROUTER if flags.get("run-firewall", "true") == "true" else PolicyEngine.NONE,
        node_ranges=routes,
        secondary=not routes,
    )


def trace(node: Node) -> bool:
    """Tell whether kube-router has set up this node."""
    return bool(node.metadata.annotations.kube_router)


KUBE_ROUTER = Network(
    name="kube-router", agent=repository("kube-router"), traits=traits, trace=trace, configs=("kube-router-cfg",)
)
