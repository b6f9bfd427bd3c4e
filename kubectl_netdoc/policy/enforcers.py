# SPDX-License-Identifier: Apache-2.0
"""Whether anything in a cluster enforces network policies, as its recognised networks tell."""

from __future__ import annotations

from kubectl_netdoc import networks
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.networks.base import daemon_sets, repository

ENGINES = repository("kube-network-policies", "kube-router", "network-policy-agent", "azure-npm", "calico/node", "romana-agent")
"""Images of engines that may stand beside any network."""


def idle(cluster: Cluster) -> bool:
    """Whether nothing enforces policies: each network is one that is known to have no engine, and none stands beside."""
    told = [found.traits.policy for found in networks.recognise(cluster) if not found.network.meta]
    if not told or not all(text.startswith("none") for text in told):
        return False
    images = (networks.Image.parse(c.image).repository for item in daemon_sets(cluster) for c in item.template.spec.containers)
    return not any(map(ENGINES.search, images))
