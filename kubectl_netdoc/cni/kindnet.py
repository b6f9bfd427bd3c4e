# SPDX-License-Identifier: Apache-2.0
"""kindnet, the network of kind: routes to the nodes, no encapsulation; it enforces policies since kind 0.24.

Recognition made from: kubernetes-sigs/kind, images/kindnetd and the DaemonSet that its nodes hold (kube-system/kindnet,
docker.io/kindest/kindnetd:v20220510-4929dd75 and v20250512-df8de77b).
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import NOT_WRAPPED, Encryption, Image, Network, Seen, ServiceProxy, Traits, repository

ENFORCES_SINCE = "v20240813"
"""The first image with kube-network-policies in it (kind 0.24.0); they are named by date."""


def traits(seen: Seen) -> Traits:
    """Return how kindnet carries packets."""
    versions = {Image.parse(c.image).version for agent in seen.agents for c in agent.template.spec.containers}
    dated = {version for version in versions if version.startswith("v20")}
    enforces = min(dated) >= ENFORCES_SINCE if dated else None
    return Traits(
        backend="routes to the nodes",
        encapsulation=NOT_WRAPPED,
        encryption=Encryption.NONE,
        ipam="host-local, from each node's podCIDRs",
        kube_proxy=ServiceProxy.KUBE_PROXY,
        policy="" if enforces is None else "kindnet (kube-network-policies)" if enforces else "none",
        node_ranges=True,
    )


KINDNET = Network(name="kindnet", agent=repository("kindnetd"), traits=traits)
