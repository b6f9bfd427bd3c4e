# SPDX-License-Identifier: Apache-2.0
"""Whether anything in a cluster enforces network policies, as its recognised networks tell."""

from __future__ import annotations

from kubectl_netdoc import cni
from kubectl_netdoc.cni.base import daemon_sets, repository
from kubectl_netdoc.core.cluster import Cluster

ENGINES = repository("kube-network-policies", "kube-router", "network-policy-agent", "azure-npm", "calico/node", "romana-agent")
"""Images of policy engines that can be added to any network."""


def idle(cluster: Cluster) -> bool:
    """Whether nothing enforces policies: each network is one that is known to have no engine, and none stands beside."""
    engines = [found.traits.policy for found in cni.recognise(cluster) if not found.network.meta]
    if not engines or not all(engine.absent for engine in engines):
        return False
    images = (cni.Image.parse(c.image).repository for item in daemon_sets(cluster) for c in item.template.spec.containers)
    return not any(map(ENGINES.search, images))
