# SPDX-License-Identifier: Apache-2.0
"""Does every node run a working agent of the pod network?

## What it looks at
The DaemonSets whose images are agents of a pod network: Flannel, Calico, Canal, Cilium, Weave Net, kindnet, kube-router, Antrea,
OVN-Kubernetes, the networks of EKS, AKS and GKE, the flannel built into k3s, and Multus. Of each it reads the pods on every node,
the log lines of those that are not ready, its controllers, and its settings from ConfigMaps, custom resources, environment
variables and flags (only settings that netdoc lists by name). Flannel's Network setting is compared with the nodes' pod ranges,
and the plugins of the CNI configuration with pods that declare a hostPort.

## Why it matters
What an agent has set up keeps working without it. A missing agent is often noticed only when a node restarts or a pod moves.
A DaemonSet that reports 2 of 2 can still miss a third node, so the check counts nodes. Flannel treats addresses outside its
Network as outside the cluster and translates them, and a hostPort that no plugin opens does not exist.

## What it can't see
An agent that reports ready and does nothing. A network that runs as a program on the nodes (GKE without Dataplane V2, EKS Auto
Mode, Azure CNI without CNS) or from an image that netdoc does not know: if no network is recognised, that is not a fault as long
as pods have addresses. CNI configurations outside ConfigMaps (most networks write their own file). A setting is not always what
the network does: where pods were measured, the MTU in use is shown beside the MTU that is set.

## Sources
The manifests from which each network is recognised are named in kubectl_netdoc/cni/. Flannel: Configuration; its
kube subnet manager exits if a node's range is outside Network (docs/versions.md). CNI: portmap; CRI-O opens host ports itself
(internal/hostport).
Tigera operator: calicoNetwork.hostPorts. Kubernetes: Network Plugins, DaemonSet. Calico: Troubleshooting (BGP).
Failure catalogue M7, M8, M10 and M11.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import DAEMON_SET, DEPLOYMENT, EVENT, NETWORK_KINDS, NODE, POD, Check, Facts, Finding, Needs, Unseen
from kubectl_netdoc.checks.pod_network.cni_health import agent_pods, identity, rollout, settings
from kubectl_netdoc.cni.agents import Agents


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report which networks there are, then what is wrong with their agents."""
    cluster = facts.cluster
    found = cni.recognise(cluster)
    agents = {each.name: Agents(cluster, each) for each in found}
    if not any(each.primary for each in found):
        yield from identity.no_network(cluster)
    for each in found:
        yield from identity.identity(facts, each, agents[each.name])
    if cluster.origin == "manifests":
        return
    yield from identity.two_networks(cluster, found, agents)
    for each in found:
        rivals = [other.name for other in found if each.primary and other.primary and other.name != each.name]
        elsewhere = frozenset(node for name in rivals for node in agents[name].by_node)
        yield from agent_pods.missing(cluster, each, agents[each.name], elsewhere)
        yield from agent_pods.troubles(cluster, each, agents[each.name])
        yield from agent_pods.none_taken(cluster, each, agents[each.name])
        yield from rollout.skew(cluster, each, agents[each.name])
        yield from rollout.controllers(cluster, each)
        yield from settings.other_range(cluster, each)
    yield from settings.host_ports(cluster, found)


check = Check(
    id="cni_health",
    title="The agents of the pod network run on every node",
    prefix="CNI",
    needs=Needs(kinds=(DAEMON_SET,), optional=(NODE, POD, DEPLOYMENT), hints=(EVENT, *NETWORK_KINDS)),
    codes=(
        *identity.CODES,
        *agent_pods.CODES,
        *rollout.CODES,
        *settings.CODES,
    ),
    analyse=analyse,
)
