# SPDX-License-Identifier: Apache-2.0
"""The network's agents and controllers as workloads: versions that differ, controllers that are down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc import cni
from kubectl_netdoc.api import NODE, POD, Cluster, Code, Finding, Risk, Severity
from kubectl_netdoc.checks.pod_network.cni_health.common import NAMED, workload_subject
from kubectl_netdoc.cni import Found
from kubectl_netdoc.cni.agents import SETTLED, Agents, is_down

ROLLING = timedelta(minutes=15)
"""A rollout that made no new pod for this long has stopped: by default a DaemonSet updates one node after the other."""
SKEW = Code(
    id="CNI008",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="The network agents run different versions",
    message="The agents of {network} have run different versions for over {minutes} minutes: {versions}",
    fix="Finish the rollout: find out what blocks it. With updateStrategy OnDelete, delete the old pods one node at a time.",
    commands=("kubectl -n {namespace} rollout status daemonset {name}", "kubectl -n {namespace} get pods -o wide"),
)
CONTROLLER = Code(
    id="CNI009",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A controller of the pod network is down",
    message="None of the {replicas} replicas of {namespace}/{name}, a controller of {network}, is ready. Until it is back, "
    "{undone}",
    fix="Find out why its pods are not ready.",
    commands=("kubectl -n {namespace} describe deployment {name}", "kubectl -n {namespace} logs deployment/{name} --tail=50"),
)


def skew(cluster: Cluster, found: Found, agents: Agents) -> Iterator[Finding]:
    """Report agents of one DaemonSet that differ in version while no rollout makes progress. Nodes that are down do not count."""
    if not cluster.readable(NODE):
        return
    down = {node.name for node in cluster.all(NODE) if is_down(node)}
    for agent in found.agents:
        pods = [pod for maker, pod in agents.pods if maker is agent and pod.spec.node_name not in down]
        versions: dict[str, list[str]] = {}
        for pod in pods:
            for version in found.network.versions(container.image for container in pod.spec.containers):
                versions.setdefault(version, []).append(pod.spec.node_name)
        moving = any(cluster.age(pod.metadata.creation_timestamp) < ROLLING for pod in pods)
        if len(versions) > 1 and not moving:
            said = [
                f"{version} on {len(nodes)} ({', '.join(sorted(nodes)[:NAMED])})" for version, nodes in sorted(versions.items())
            ]
            minutes = int(ROLLING.total_seconds() // 60)
            yield SKEW.on(workload_subject(agent), network=found.name, versions="; ".join(said), minutes=minutes)


def controllers(cluster: Cluster, found: Found) -> Iterator[Finding]:
    """Report controllers of the network without a ready replica."""
    for part, item in found.controllers(cluster):
        settled = cluster.age(item.metadata.creation_timestamp) > SETTLED and not _moves(cluster, item)
        if item.spec.replicas and not item.status.ready_replicas and settled:
            numbers = {"network": found.name, "replicas": item.spec.replicas, "undone": part.consequence}
            yield CONTROLLER.on(workload_subject(item, "Deployment"), numbers)


def _moves(cluster: Cluster, item: cni.Workload) -> bool:
    """Tell whether a pod of it is new or terminating (a rollout, a drained node), or whether that cannot be seen."""
    if not cluster.readable(POD):
        return True
    own = [
        pod
        for pod in cluster.in_namespace(POD, item.namespace)
        if any(o.kind == "ReplicaSet" and o.name.rpartition("-")[0] == item.name for o in pod.metadata.owner_references)
    ]
    return any(pod.terminating or cluster.age(pod.metadata.creation_timestamp) <= SETTLED for pod in own)


CODES = (
    SKEW,
    CONTROLLER,
)
