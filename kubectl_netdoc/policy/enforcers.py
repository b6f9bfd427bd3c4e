# SPDX-License-Identifier: Apache-2.0
"""Who enforces network policies in a cluster, as its recognised networks tell: nobody, one that drops, or one that rejects."""

from __future__ import annotations

from kubectl_netdoc import networks
from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.networks.base import daemon_sets, repository
from kubectl_netdoc.records import DAEMON_SET, NETWORK_KINDS, NODE, POD

KINDS = (DAEMON_SET, NODE, POD, *NETWORK_KINDS)
"""What is read to tell."""

ENGINES = repository("kube-network-policies", "kube-router", "network-policy-agent", "azure-npm", "calico/node", "romana-agent")
"""Images of engines that may stand beside any network."""

DROPPING = ("Calico", "Cilium", "Antrea", "OVN", "Weave", "kindnet", "kube-network-policies", "aws-network-policy", "Azure NPM")
"""Engines that drop what they stop; kube-router rejects (its netpol package: REJECT, with an ICMP answer or a reset)."""


def _told(cluster: Cluster) -> list[str]:
    return [found.traits.policy for found in networks.recognise(cluster) if not found.network.meta]


def idle(cluster: Cluster) -> bool:
    """Whether nothing enforces policies: each network is one that is known to have no engine, and none stands beside."""
    told = _told(cluster)
    if not told or not all(text.startswith("none") for text in told):
        return False
    images = (networks.Image.parse(c.image).repository for item in daemon_sets(cluster) for c in item.template.spec.containers)
    return not any(map(ENGINES.search, images))


def drops(cluster: Cluster) -> bool:
    """Whether what policies stop is dropped, so that a refusal comes from the other end; False where that is not known."""
    engines = [text for text in _told(cluster) if not text.startswith("none")]
    return bool(engines) and all(text.startswith(DROPPING) for text in engines)
