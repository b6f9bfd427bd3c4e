# SPDX-License-Identifier: Apache-2.0
"""Weave Net: fast datapath (VXLAN) or sleeve (UDP), encrypted where it has a password.

Recognition made from: weaveworks/weave, prog/weave-kube/weave-daemonset-k8s-1.11.yaml, v2.8.1 (docker.io/weaveworks/weave-kube)
and at commit 00f8afd7 (the fork rajchaudhuri/weave-kube).
"""

from __future__ import annotations

from kubectl_netdoc import versions
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
from kubectl_netdoc.records.cni import NETWORK_AGENT

POLICY = repository("weave-npc")


def traits(seen: NetworkObjects) -> Traits:
    """Return how Weave Net carries packets; which of its two ways a pair of nodes takes is known to the routers only."""
    flags = seen.flags
    return Traits(
        backend="fast datapath, else sleeve",
        encapsulation=(Encapsulation(Tunnel.VXLAN, ", or UDP where that does not get through"),),
        encryption=_encryption(seen),
        ipam="Weave's own, shared out between the nodes",
        mtu=flags.get("WEAVE_MTU", ""),
        mtu_of_pods=True,
        kube_proxy=ServiceProxy.KUBE_PROXY,
        policy=PolicyEngine.WEAVE if seen.runs(POLICY) else PolicyEngine.NONE,
    )


def _encryption(seen: NetworkObjects) -> Encryption:
    if "WEAVE_PASSWORD" in seen.flags:
        return Encryption.PASSWORD
    return Encryption.NONE if seen.cluster.readable(NETWORK_AGENT) else Encryption.UNKNOWN


RETIRED = versions.change("weave-net")["retired"]
WEAVE = Network(
    name="Weave Net",
    agent=repository("weave-kube"),
    traits=traits,
    advice=f"Weave Net: since {RETIRED.date:%B %Y} {RETIRED.then}. Choose a network "
    "that is maintained, and move node by node: drain the node, remove /etc/cni/net.d/10-weave.conflist and the link weave, join "
    "it to the new network, uncordon it; pods on nodes of different networks do not reach each other meanwhile.",
)
