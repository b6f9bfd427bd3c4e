# SPDX-License-Identifier: Apache-2.0
"""Which pod network the cluster has, and what it is set to."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    NODE,
    POD,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    PathMtu,
    PathMtuReply,
    Peer,
    Risk,
    Severity,
    Subject,
    Unseen,
    is_joining,
)
from kubectl_netdoc.checks.pod_network.cni_health.common import NODES_WITHOUT, named_nodes, workload_subject
from kubectl_netdoc.cni import Found
from kubectl_netdoc.cni.agents import Agents, pods_outside_ranges
from kubectl_netdoc.components import daemon_sets
from kubectl_netdoc.probes import node_pairs
from kubectl_netdoc.probes.node_pairs import NETWORK

TWO = Code(
    id="CNI006",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Two pod networks on the same nodes",
    message="{networks} both run agents on {count} nodes ({shown}). Pods there use the network whose file comes first in "
    "/etc/cni/net.d",
    fix="Finish the migration, or remove the network that should not be there: its DaemonSet, its file in /etc/cni/net.d and "
    "its links. Then recreate the pods that have one of its addresses.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get pods -A -o wide --field-selector spec.nodeName={first}"),
    rows=("M8",),
)
NONE_INSTALLED = Code(
    id="CNI007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No pod network is installed",
    message="No pod network is installed: the cluster runs no network agent, and {count} nodes are waiting for one ({shown})",
    fix="Install a pod network (CNI plugin), such as Cilium, Calico or Flannel. kubeadm does not install one.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl describe node {first}"),
    rows=("M11",),
    explains=(Explains((*NODES_WITHOUT, "NOD001", "DNC002"), "node"),),
)
IDENTITY = Code(
    id="CNI010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="The pod network",
    message="{network} {version}: {carries}; {ready} of {agents} agents are ready",
    fix="Nothing to fix: this describes the cluster.",
)
UNKNOWN = Code(
    id="CNI011",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No pod network recognised",
    message="None of the {daemonsets} DaemonSets runs the agent of a pod network that netdoc recognises{traces}",
    fix="Nothing to fix if the cloud's own network, or a program on the nodes, gives the pods their addresses.",
)
END_OF_LIFE = Code(
    id="CNI012",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="The pod network is no longer maintained",
    message="{network} {version} is no longer maintained",
    fix="{advice}",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get networkpolicies -A"),
)
REMOVED = Code(
    id="CNI013",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="The network agent was removed",
    message="{network} configured {count} nodes ({shown}) and its ConfigMap is still there, but no DaemonSet runs its agent",
    fix="Install {network} again, or finish the migration to another network. Its routes and links last only until a node "
    "restarts, and new nodes get none.",
    commands=("kubectl get daemonsets -A -o wide", "kubectl get configmaps -A --field-selector metadata.name={config}"),
    rows=("M11",),
    explains=(Explains(NODES_WITHOUT, "node"),),
)

IDLE = Code(
    id="CNI020",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="The network agent's DaemonSet runs on no node",
    message="DaemonSet {namespace}/{name} is the agent of {network}, which configured {count} nodes ({shown}), and {why}",
    fix="Correct {field} of the DaemonSet, which the last command opens; after an update that went wrong, undo it. The "
    "network's routes and links last only until a node restarts, and new nodes get none.",
    commands=daemon_sets.CORRECT,
    rows=("M11",),
    explains=(Explains(NODES_WITHOUT, "node"),),
)

OTHER_MTU = Code(
    id="CNI015",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="Pods have a different MTU than the network is configured for",
    message="{network} is configured to give pods an MTU of {mtu_set}, but new pods have an MTU of {mtu_seen}",
    fix="The agents have not applied the setting. Restart them and then recreate the pods, or correct the configured MTU.",
    commands=("kubectl get daemonsets -A -o wide",),
    rows=("M1",),
)


def no_network(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Report that no network which gives pods addresses was recognised. That alone is not a fault."""
    if cluster.scope.namespaces:
        yield Unseen("the pod network", f"this run is limited to {cluster.scope}")
        return
    nodes = [node for node in cluster.all(NODE) if not node.unsupported] if cluster.readable(NODE) else []
    waits = sorted(node.name for node in nodes if node.without_plugin and not is_joining(cluster, node))
    for network in cni.ALL:
        traced = sorted(node.name for node in nodes if network.trace(node))
        seen = cni.NetworkObjects(cluster)
        config = next((name for name in network.configs if seen.has_config(name)), "")
        if traced and any(network.is_agent(workload) for workload in cluster.all(DAEMON_SET)):
            for idle in daemon_sets.of_network(cluster, network):
                numbers = named_nodes(traced) | {"network": network.name, "why": idle.why, "field": idle.field}
                yield IDLE.on(workload_subject(idle.workload), numbers)
            return
        if traced and config and network.traits(seen).node_ranges and cluster.readable(POD) and not pods_outside_ranges(cluster):
            yield REMOVED.on(NETWORK, named_nodes(traced), network=network.name, config=config)
            return
    if waits:
        yield NONE_INSTALLED.on(NETWORK, named_nodes(waits))
        return
    traces = sorted({network.name for network in cni.ALL for node in nodes if network.trace(node)})
    said = f", though nodes have annotations of {' or '.join(traces)}" if traces else ""
    yield UNKNOWN.on(NETWORK, daemonsets=len(cluster.all(DAEMON_SET)), traces=said)


def identity(facts: Facts, found: Found, agents: Agents) -> Iterator[Finding]:
    """Report what the network is and how it is configured, and where that differs from what pods got."""
    versions = found.network.versions(c.image for agent in found.agents for c in agent.template.spec.containers)
    told = found.traits.clauses()
    seen = sorted(_mtu_seen(facts)) if found.primary else []
    told += [f"MTU of new pods {' and '.join(map(str, seen))}"] if seen else []
    numbers = {
        "network": found.name,
        "version": ", ".join(sorted(versions)) or "(unknown version)",
        "carries": "; ".join(told) or "how it carries packets is unknown",
        "ready": sum(pod.ready for _, pod in agents.pods),
        "agents": len(agents.pods),
        "daemonsets": [f"{agent.namespace}/{agent.name}" for agent in found.agents],
        "mtu_seen": list(map(str, seen)),
    } | found.traits.by_name()
    yield IDENTITY.on(Subject("Cluster", found.name), numbers)
    if found.traits.mtu_of_pods and found.traits.mtu.isdecimal() and set(seen) - {int(found.traits.mtu)}:
        yield OTHER_MTU.on(Subject("Cluster", found.name), numbers)
    if found.network.advice:
        yield END_OF_LIFE.on(Subject("Cluster", found.name), numbers, advice=found.network.advice)


def _mtu_seen(facts: Facts) -> set[int]:
    """The MTUs of the debug pods, where mtu_mismatch measured them in this run."""
    asked = [
        facts.reply(PathMtu(one, Peer(other, twin=one == other), family="")) for one, other in node_pairs.pairs(facts.cluster)
    ]
    return {reply.own for reply in asked if isinstance(reply, PathMtuReply) and reply.own}


def two_networks(cluster: Cluster, found: tuple[Found, ...], agents: dict[str, Agents]) -> Iterator[Finding]:
    """Report pairs of networks that both give pods addresses on the same nodes."""
    if len(found) < 2 or cni.base.unreadable_settings(cluster):
        return
    sure = [each for each in found if each.primary and each.traits.ipam and each.agents]
    for number, one in enumerate(sure):
        for other in sure[number + 1 :]:
            if both := sorted((agents[one.name].by_node.keys() & agents[other.name].by_node.keys()) - {""}):
                yield TWO.on(NETWORK, named_nodes(both), networks=f"{one.name} and {other.name}")


CODES = (
    TWO,
    NONE_INSTALLED,
    IDENTITY,
    UNKNOWN,
    END_OF_LIFE,
    REMOVED,
    IDLE,
    OTHER_MTU,
)
