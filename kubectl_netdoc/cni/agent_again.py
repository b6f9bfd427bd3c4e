# SPDX-License-Identifier: Apache-2.0
"""How the network's agent on a node is started again, for every fix that asks for it: only a pod that is there can be deleted."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc import cni
from kubectl_netdoc.cni.agents import Agents
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import DAEMON_SET, POD
from kubectl_netdoc.remediation.commands import shell_word


class Again(Struct, frozen=True):
    """What to do, as a sentence in the imperative, and the command templates for it.

    ``there``: whether the agent has a pod on the node; None if that can't be seen.
    """

    words: str
    commands: tuple[str, ...] = ()
    there: bool | None = None


def on(cluster: Cluster, node: str) -> Again:
    """Return how to start the network's agent on a node again, or to find out why it is not there (``CNI001``).

    Reads DAEMON_SET, POD and NETWORK_KINDS, as far as they can be read.
    """
    unknown = Again(f"Restart the network agent on {node}.")
    if not (cluster.readable(DAEMON_SET) and cluster.readable(POD)):
        return unknown
    networks = [found for found in cni.recognise(cluster) if found.primary and found.agents]
    every = [Agents(cluster, found) for found in networks]
    pods = [pod for agents in every for _, pod in agents.by_node.get(node, ())]
    if pods:
        names = ", ".join(f"{pod.namespace}/{pod.name}" for pod in pods)
        lines = (f"kubectl -n {shell_word(pod.namespace)} delete pod {shell_word(pod.name)}" for pod in pods)
        return Again(f"Delete the network agent's pod on {node} ({names}); a new one starts there.", tuple(lines), True)
    if not networks or any(node in agents.leaving for agents in every):
        return unknown
    makers = [agent for found in networks for agent in found.agents]
    names = ", ".join(f"{agent.namespace}/{agent.name}" for agent in makers)
    lines = (f"kubectl -n {shell_word(agent.namespace)} describe daemonset {shell_word(agent.name)}" for agent in makers)
    why = f"Find out why DaemonSet {names} has no pod on {node}: no network agent runs there that could be restarted."
    return Again(why, (*lines, f"kubectl describe node {shell_word(node)}"), False)
