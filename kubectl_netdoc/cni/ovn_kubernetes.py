# SPDX-License-Identifier: Apache-2.0
"""OVN-Kubernetes: Geneve over Open vSwitch, in place of kube-proxy; the network of OpenShift 4.12 and later.

Recognition made from: ovn-kubernetes/ovn-kubernetes, dist/templates/ovnkube-node.yaml.j2 and ovs-node.yaml.j2 (release 1.0 at
commit 95f9efd5; images ovn-kube-ubuntu, ovn-kube-fedora, before that ovn-kube-u, ovn-kube-f) and
openshift/cluster-network-operator, bindata/network/ovn-kubernetes/managed/ovnkube-node.yaml at commit 4cd41cee: there all
images are of one repository, so that the DaemonSet's namespace and name tell, which nobody but OpenShift may use.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import Encapsulation, Network, NetworkObjects, PolicyEngine, ServiceProxy, Traits, Tunnel, repository
from kubectl_netdoc.records.nodes import Node


def traits(seen: NetworkObjects) -> Traits:
    """Return how OVN-Kubernetes carries packets."""
    return Traits(
        backend="OVN",
        encapsulation=(Encapsulation(Tunnel.GENEVE),),
        ipam="OVN's own, a range for each node in its annotation",
        mtu=seen.config("ovn-config").get("mtu", seen.flags.get("mtu", "")),
        mtu_of_pods=True,
        kube_proxy=ServiceProxy.NETWORK,
        policy=PolicyEngine.OVN,
    )


def trace(node: Node) -> bool:
    """Tell whether OVN has given this node a range."""
    return bool(node.metadata.annotations.ovn_subnets)


OVN_KUBERNETES = Network(
    name="OVN-Kubernetes",
    agent=repository("ovn-kube-ubuntu", "ovn-kube-fedora", "ovn-kube-u", "ovn-kube-f"),
    daemon_sets=(("openshift-ovn-kubernetes", "ovnkube-node"),),
    traits=traits,
    trace=trace,
    configs=("ovn-config",),
)
