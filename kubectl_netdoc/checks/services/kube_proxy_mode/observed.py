# SPDX-License-Identifier: Apache-2.0
"""What is known of each node's kube-proxy: its pod, the mode that it reports, the mode that is set."""

from __future__ import annotations

from kubectl_netdoc.api import NODE, Cluster, Facts, HttpReply, Subject, counted
from kubectl_netdoc.components import kube_proxy


class Observed:
    """kube-proxy as it was seen.

    ``proxies``: its running pods by node; ``embedded``: what contains it on nodes without a pod; ``nodes``: where it should run.
    ``configured`` and ``place``: the mode that is set, and the object that sets it; ``modes``: the mode that each node reports.
    """

    def __init__(self, facts: Facts) -> None:
        cluster = facts.cluster
        self.cluster: Cluster = cluster
        self.nodes = [node.name for node in kube_proxy.expected_nodes(cluster)]
        self.proxies = {
            node: running
            for node, pods in kube_proxy.pods(cluster).items()
            if (running := [pod for pod in pods if kube_proxy.is_running(pod)])
        }
        self.embedded = {node.name: kube_proxy.embedded(node) for node in cluster.all(NODE) if kube_proxy.embedded(node)}
        self.configured, self.place = kube_proxy.configured(cluster)
        replies = {node: facts.reply(kube_proxy.mode_of(cluster, node)) for node in cluster.hosts}
        said = {node: reply.lines[0] for node, reply in replies.items() if isinstance(reply, HttpReply) and reply.lines}
        self.modes = {node: mode for node, mode in said.items() if mode in kube_proxy.MODES}

    @property
    def found(self) -> bool:
        """Whether there is a kube-proxy at all."""
        return bool(self.proxies or any(self.embedded.values()))

    def names(self, node: str = "") -> dict[str, str]:
        """The names for commands, of the pod on a node or of any pod."""
        return kube_proxy.names(self.proxies, node)

    def mode(self) -> tuple[str, str]:
        """The mode of most nodes and how it is known; what is set, or the default, where no node reports it."""
        modes = list(self.modes.values())
        if modes:
            most = max(sorted(set(modes)), key=modes.count)
            return most, f"reported by {counted(modes.count(most), 'node')}"
        if self.place:
            return self.configured or "iptables", f"as set in {self.place}"
        return "", ""


CLUSTER = Subject("Cluster", "kube-proxy")
"""The subject of findings about kube-proxy on several nodes."""
