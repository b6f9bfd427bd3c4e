# SPDX-License-Identifier: Apache-2.0
"""The networks of EKS and AKS, whose pods have addresses of the cloud's own subnets.

Recognition made from: aws/amazon-vpc-cni-k8s, config/master/aws-k8s-cni.yaml v1.14.0 at commit f3efb24f
(602401143452.dkr.ecr.REGION.amazonaws.com/amazon-k8s-cni, with aws-network-policy-agent in the same DaemonSet) and
Azure/azure-container-networking, cns/azure-cns.yaml v1.4.7 at commit 94a8e2db
(mcr.microsoft.com/containernetworking/azure-cns). Azure CNI without CNS is a program on the nodes that leaves nothing in the
API, as is EKS Auto Mode's network.
"""

from __future__ import annotations

from kubectl_netdoc.cni.base import (
    NOT_WRAPPED,
    Image,
    Network,
    NetworkObjects,
    PolicyEngine,
    ServiceProxy,
    Traits,
    daemon_sets,
    repository,
    yes,
)

AZURE_NPM = repository("azure-npm")
CILIUM_OF_AZURE = repository("oss/cilium/cilium", "containernetworking/cilium/cilium")


def aws(seen: NetworkObjects) -> Traits:
    """Return what the variables of aws-node say; an address is that of a network interface of the node, nothing is wrapped."""
    flags = seen.flags
    prefixes = yes(flags.get("ENABLE_PREFIX_DELEGATION", ""))
    return Traits(
        backend="addresses of the VPC on the nodes' network interfaces",
        encapsulation=NOT_WRAPPED,
        ipam="aws-node (ipamd)" + (", a /28 at a time (prefix delegation)" if prefixes else ""),
        mtu=flags.get("AWS_VPC_ENI_MTU", ""),
        mtu_of_pods=True,
        kube_proxy=ServiceProxy.KUBE_PROXY,
        policy=_aws_engine(flags),
    )


def _aws_engine(flags: dict[str, str]) -> PolicyEngine:
    enforces = flags.get("enable-network-policy")
    if enforces is None:
        return PolicyEngine.UNKNOWN
    return PolicyEngine.AWS if yes(enforces) else PolicyEngine.AWS_OFF


def azure(seen: NetworkObjects) -> Traits:
    """Return what is known of Azure CNI where CNS hands out the addresses; its mode is Azure's setting."""
    images = [each.image for item in daemon_sets(seen.cluster) for each in item.template.spec.containers]
    others = [Image.parse(image).repository for image in images]
    cilium = any(CILIUM_OF_AZURE.search(image) for image in others)
    npm = any(AZURE_NPM.search(image) for image in others)
    return Traits(
        backend="powered by Cilium" if cilium else "addresses of the virtual network or an overlay of Azure's",
        ipam="CNS",
        policy=PolicyEngine.CILIUM if cilium else PolicyEngine.AZURE if npm else PolicyEngine.UNKNOWN,
    )


AWS_VPC_CNI = Network(name="AWS VPC CNI", agent=repository("amazon-k8s-cni"), traits=aws, configs=("amazon-vpc-cni",))
AZURE_CNI = Network(name="Azure CNI", agent=repository("azure-cns"), traits=azure)
