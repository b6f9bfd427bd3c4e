# SPDX-License-Identifier: Apache-2.0
"""Multus: it calls the network that gives pods their eth0, and others for further interfaces.

Recognition made from: k8snetworkplumbingwg/multus-cni, deployments/multus-daemonset-thick.yml at commit 05517e26
(kube-system/kube-multus-ds, ghcr.io/k8snetworkplumbingwg/multus-cni); rancher/hardened-multus-cni; OpenShift's
openshift-multus/multus, whose image tells nothing.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import Network, NetworkObjects, Traits, repository


def traits(seen: NetworkObjects) -> Traits:
    """Return that it calls others."""
    return Traits(backend="calls the others")


MULTUS = Network(
    name="Multus",
    agent=repository("multus-cni", "multus"),
    daemon_sets=(("openshift-multus", "multus"),),
    traits=traits,
    meta=True,
)
