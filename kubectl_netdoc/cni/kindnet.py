# SPDX-License-Identifier: Apache-2.0
"""kindnet, the network of kind: routes to the nodes, no encapsulation; it enforces policies since kind 0.24.

Recognition made from: kubernetes-sigs/kind, images/kindnetd and the DaemonSet that its nodes hold (kube-system/kindnet,
docker.io/kindest/kindnetd:v20220510-4929dd75 and v20250512-df8de77b).
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import (
    NOT_WRAPPED,
    Encryption,
    Image,
    Network,
    NetworkObjects,
    PolicyEngine,
    ServiceProxy,
    Traits,
    repository,
)

ENFORCES_SINCE = "v20240813"
"""The first image with kube-network-policies in it (kind 0.24.0); they are named by date."""


def traits(seen: NetworkObjects) -> Traits:
    """Return how kindnet carries packets."""
    versions = {Image.parse(c.image).version for agent in seen.agents for c in agent.template.spec.containers}
    dated = {version for version in versions if version.startswith("v20")}
    return Traits(
        backend="routes to the nodes",
        encapsulation=NOT_WRAPPED,
        encryption=Encryption.NONE,
        ipam="host-local, from each node's podCIDRs",
        kube_proxy=ServiceProxy.KUBE_PROXY,
        policy=_engine(dated),
        node_ranges=True,
    )


def _engine(versions: set[str]) -> PolicyEngine:
    """Return what enforces policies, by the dates that kindnetd's images are tagged with."""
    if not versions:
        return PolicyEngine.UNKNOWN
    return PolicyEngine.KINDNET if min(versions) >= ENFORCES_SINCE else PolicyEngine.NONE


KINDNET = Network(name="kindnet", agent=repository("kindnetd"), traits=traits)
