# SPDX-License-Identifier: Apache-2.0
"""The pods of a network's agents: which nodes they are on, which they should be on, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property

from msgspec import Struct

from kubectl_netdoc.cni.base import Found
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.lasting_events import lasting
from kubectl_netdoc.core.new_nodes import is_joining
from kubectl_netdoc.formats import sandbox_event
from kubectl_netdoc.formats.addresses import in_any
from kubectl_netdoc.records.cni import CILIUM_NODE, NETWORK_LOG
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.records.nodes import EKS_COMPUTE_TYPE, Node
from kubectl_netdoc.records.pods import ContainerStatus, Pod
from kubectl_netdoc.records.workloads import Workload

SETTLED = timedelta(minutes=2)
"""An agent that was just started, or whose pods come and go, is not judged for this time."""

RECENT = timedelta(minutes=10)
"""A condition that still holds has an Event within this time: the kubelet's back-off is at most five minutes."""

OTHERWISE = {EKS_COMPUTE_TYPE: ("fargate", "auto", "hybrid")}
"""Labels of nodes whose network does not run as a DaemonSet of the cluster (EKS: Fargate, Auto Mode, hybrid nodes)."""

CANT_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "RunContainerError",
    }
)
"""The kubelet's reasons of containers that wait and won't start by themselves."""

LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
"""Reasons of containers that ended with their node: the runtime (containerd) or the kubelet found them gone, without a crash."""

LONGEST = 300
"""Most characters of an Event's message that are shown."""


class AgentProblem(Struct, frozen=True):
    """What is wrong with an agent's pod: ``crashes``, ``start`` (it can't start) or ``ready`` (it is not ready), and why."""

    what: str
    pod: Pod
    container: str
    why: str


class Agents:
    """The agents of one network in a cluster."""

    def __init__(self, cluster: Cluster, found: Found) -> None:
        self.cluster = cluster
        self.found = found
        self.by_node: dict[str, list[tuple[Workload, Pod]]] = {}
        self.leaving: set[str] = set()
        own = {(agent.namespace, agent.name): agent for agent in found.agents}
        for pod in cluster.all(POD) if cluster.readable(POD) and own else ():
            maker = next((owner.name for owner in pod.metadata.owner_references if owner.kind == "DaemonSet"), "")
            if (pod.namespace, maker) not in own or pod.finished:
                continue
            if pod.terminating:  # its successor comes when it is gone
                self.leaving.add(pod.spec.node_name)
            else:
                self.by_node.setdefault(pod.spec.node_name, []).append((own[pod.namespace, maker], pod))

    @property
    def pods(self) -> list[tuple[Workload, Pod]]:
        """All pods of its DaemonSets, with their DaemonSet."""
        return [pair for node in sorted(self.by_node) for pair in self.by_node[node]]

    def missing(self, elsewhere: frozenset[str]) -> tuple[list[Node], list[Node]]:
        """Return the nodes without an agent: those that show they had one or need one, and the others.

        ``elsewhere``: nodes with agents of another network that gives addresses instead of this one.
        """
        needed: list[Node] = []
        perhaps: list[Node] = []
        covered = self.by_node.keys() | self.leaving | elsewhere
        for node in self.cluster.all(NODE) if self.cluster.readable(NODE) else ():
            if (
                is_joining(self.cluster, node)
                or node.unsupported
                or has_other_network(node)
                or is_down(node)
                or node.name in covered
            ):
                continue
            (needed if self._needed(node) else perhaps).append(node)
        return needed, perhaps

    def _needed(self, node: Node) -> bool:
        """Tell whether a node shows that this network's agent was there, or has pods that wait for it."""
        was_there = self.found.network.trace(node) or node.name in self._cilium_nodes
        return was_there or node.without_plugin or self._served(node) or self._waits(node)

    @cached_property
    def _cilium_nodes(self) -> frozenset[str]:
        if not self.found.network.name.startswith("Cilium") or not self.cluster.readable(CILIUM_NODE):
            return frozenset()
        return frozenset(item.name for item in self.cluster.all(CILIUM_NODE))

    @cached_property
    def _pods_on(self) -> dict[str, list[Pod]]:
        """Pods of the pod network, by their node."""
        pods: dict[str, list[Pod]] = {}
        for pod in self.cluster.all(POD) if self.cluster.readable(POD) else ():
            if not (pod.spec.host_network or pod.finished or pod.terminating):
                pods.setdefault(pod.spec.node_name, []).append(pod)
        return pods

    def _served(self, node: Node) -> bool:
        """Tell whether pods have addresses from the node's range, which such a network's agent (or plugin) gave them."""
        mine = self._pods_on.get(node.name, []) if self.found.traits.node_ranges else []
        return any(in_any(ip, node.spec.pod_cidrs) for pod in mine for ip in pod.ips)

    def _waits(self, node: Node) -> bool:
        """Tell whether pods of the node wait after a failed sandbox."""
        waiting = [pod for pod in self._pods_on.get(node.name, []) if not pod.ips]
        return any(self._events(pod, sandbox_event.REASON) for pod in waiting)

    def problems(self) -> Iterator[AgentProblem]:
        """Yield what is wrong with each agent's pod. Pods on nodes that are down are left out."""
        down = {node.name for node in self.cluster.all(NODE) if is_down(node)} if self.cluster.readable(NODE) else set()
        for _, pod in self.pods:
            if pod.spec.node_name and pod.spec.node_name not in down and (found := self._problem(pod)):
                yield found

    def _problem(self, pod: Pod) -> AgentProblem | None:
        statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
        for status in statuses:
            if status.ready:
                continue
            waits = status.state.waiting.reason if status.state.waiting else ""
            if waits in CANT_START:
                said = max(self._events(pod, waits, "Failed"), key=len, default="")
                return AgentProblem("start", pod, status.name, f"{waits}: {said}" if said else waits)
            if self._crashes(status, waits):
                return AgentProblem("crashes", pod, status.name, how_it_ended(self.cluster, pod, status))
        ready = pod.condition("Ready")
        if pod.ready or ready is None or self.cluster.age(ready.last_transition_time) <= SETTLED:
            return None
        last = next((status.name for status in statuses if not status.ready), "")
        said = next(iter(self._events(pod, "Unhealthy")), "")
        return AgentProblem("ready", pod, last, said or ready.message or ready.reason)

    def _crashes(self, status: ContainerStatus, waits: str) -> bool:
        ended = status.state.terminated or status.last_state.terminated
        if waits == "CrashLoopBackOff":
            return True
        failed = (
            ended is not None
            and ended.exit_code != 0
            and ended.reason not in LOST
            and self.cluster.age(ended.finished_at) < RECENT
        )
        return failed and status.restart_count >= (1 if self._all_ended else 2)

    @cached_property
    def _all_ended(self) -> bool:
        """Tell whether no agent is ready and each has failed lately: one may fail as it starts, but all of them share a cause."""
        pods = [pod for _, pod in self.pods]
        return len(pods) > 1 and not any(pod.ready for pod in pods) and all(map(self._ended_badly, pods))

    def _ended_badly(self, pod: Pod) -> bool:
        ended = [s.state.terminated or s.last_state.terminated for s in pod.status.container_statuses if not s.ready]
        return any(
            each.exit_code != 0 and each.reason not in LOST and self.cluster.age(each.finished_at) < RECENT
            for each in ended
            if each
        )

    def _events(self, pod: Pod, *reasons: str) -> list[str]:
        """What recent Events of these reasons say about a pod, the latest first."""
        recent = lasting(self.cluster, "Pod", pod, *reasons, within=RECENT)
        return [" ".join(event.message.split())[:LONGEST] for event in reversed(recent)]


def how_it_ended(cluster: Cluster, pod: Pod, status: ContainerStatus) -> str:
    """Return how a container ended, and the last error line of its log if the log can be read."""
    ended = status.last_state.terminated or status.state.terminated
    how = f"{ended.reason or 'ended'} with exit code {ended.exit_code}" if ended else "it ends again and again"
    logs = cluster.all(NETWORK_LOG) if cluster.readable(NETWORK_LOG) else ()
    said = [item.last_words for item in logs if (item.namespace, item.name) == (pod.namespace, pod.name)]
    line = next(filter(None, said), "")
    return f"{how}; its log: {line}" if line else how


def has_other_network(node: Node) -> bool:
    """Tell whether a node's label says that another network is responsible for it."""
    return any(node.metadata.labels.get(label) in values for label, values in OTHERWISE.items())


def is_down(node: Node) -> bool:
    """Tell whether a node is not ready for other reasons than its network; what is known about its pods is old."""
    ready = node.condition("Ready")
    return ready is not None and ready.status != "True" and not node.without_plugin


def down_addresses(cluster: Cluster) -> frozenset[str]:
    """Return the addresses of nodes that are not ready for other reasons than their network."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    return frozenset(each.address for node in nodes if is_down(node) for each in node.status.addresses)


def pods_outside_ranges(cluster: Cluster) -> bool:
    """Tell whether a pod has an address outside its node's range, so that addresses don't come from the node's range."""
    if not (cluster.readable(POD) and cluster.readable(NODE)):
        return False
    ranges = {node.name: node.spec.pod_cidrs for node in cluster.all(NODE)}
    pods = [pod for pod in cluster.all(POD) if pod.ips and not (pod.spec.host_network or pod.finished)]
    return any(not in_any(ip, ranges.get(pod.spec.node_name, ())) for pod in pods for ip in pod.ips[:1])
