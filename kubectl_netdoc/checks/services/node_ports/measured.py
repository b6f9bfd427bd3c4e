# SPDX-License-Identifier: Apache-2.0
"""Which node ports are measured, from and on which nodes, and what became of the connections."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.api import (
    Address,
    Cluster,
    Connect,
    ConnectReply,
    Facts,
    Lost,
    Node,
    Outcome,
    Service,
    evenly,
    ip_families,
    once,
)
from kubectl_netdoc.components import kube_proxy
from kubectl_netdoc.probes.service_targets import Target, all_targets

MOST_PORTS = 6
"""Node ports that are measured at most: kube-proxy treats all of them alike."""

ALL_NODES, NEIGHBOURS = 8, 3
"""Up to so many nodes, each debug pod connects to all of them; otherwise to its own and so many that follow it on a ring."""


class NodePort(Struct, frozen=True):
    """A node port with its Service, and the InternalIP of each node that should answer."""

    target: Target
    number: int
    ips: dict[str, str]

    def connect(self, node: str, to: str) -> Connect:
        """The connection from a debug pod to a node."""
        return Connect(node, Address(self.ips[to], self.number))

    def tried(self, node: str) -> list[str]:
        """The nodes that a debug pod connects to."""
        names = sorted(self.ips)
        if len(names) <= ALL_NODES:
            return names
        start = next((i for i, name in enumerate(names) if name >= node), 0)
        return [names[(start + step) % len(names)] for step in range(NEIGHBOURS + 1)]


def nodes_that_answer(cluster: Cluster) -> list[Node]:
    """Return the nodes that should answer: those that should run kube-proxy and are not drained by the autoscaler."""
    return [node for node in kube_proxy.expected_nodes(cluster) if not kube_proxy.drained_by_autoscaler(node)]


def internal_ip(node: Node, family: str) -> str:
    """Return a node's InternalIP of a family; nothing where it has none."""
    found = [a.address for a in node.status.addresses if a.type == "InternalIP" and ip_families.of(a.address) == family]
    return found[0] if found else ""


def all_ports(cluster: Cluster) -> list[Target]:
    """Return the TCP node ports of Services with ready endpoints."""
    return [target for target in all_targets(cluster) if target.port.node_port and target.cluster_ips]


@once
def ports(cluster: Cluster) -> list[NodePort]:
    """Return the node ports that are measured. With a Local policy, nodes without an endpoint need not answer."""
    nodes = nodes_that_answer(cluster)
    found = []
    for target in evenly(all_ports(cluster), MOST_PORTS):
        near = with_endpoint(cluster, target.service) if target.service.spec.external_traffic_policy == "Local" else None
        family = ip_families.of(target.cluster_ips[0].ip)
        ips = {node.name: internal_ip(node, family) for node in nodes if near is None or node.name in near}
        found.append(NodePort(target, target.port.node_port, {name: ip for name, ip in ips.items() if ip}))
    return found


def with_endpoint(cluster: Cluster, service: Service) -> set[str]:
    """Return the nodes of a Service's ready endpoints."""
    ends = [end for item in cluster.slices_of(service) for end in item.endpoints]
    return {end.node_name for end in ends if end.conditions.ready and end.node_name}


class MeasuredNodePort:
    """What became of connections to one node port.

    ``across``: outcomes by the node of the debug pod and the node that it connects to; ``itself``: those from a node to itself.
    ``works``: whether the Service's ClusterIP answers. ``failing``: an endpoint that some debug pod can't reach directly: then a
    failed connection may be that endpoint's fault. ``lost``: why measurements failed.
    """

    def __init__(self, facts: Facts, port: NodePort, nodes: list[str]) -> None:
        self.port = port
        self.across: dict[tuple[str, str], Outcome] = {}
        self.itself: dict[str, Outcome] = {}
        self.lost: set[str] = set()
        direct = [(end, facts.reply(connect)) for node in nodes for end, connect in port.target.direct(node)]
        bad = [str(end.address) for end, r in direct if isinstance(r, ConnectReply) and r.outcome is not Outcome.OK]
        self.failing = min(bad, default="")
        through = [facts.reply(request) for node in nodes for request in port.target.through(node)]
        self.works = any(isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK for reply in through)
        for node in nodes:
            for to in port.tried(node):
                reply = facts.reply(port.connect(node, to))
                if isinstance(reply, Lost):
                    self.lost.add(reply.reason)
                elif isinstance(reply, ConnectReply) and node == to:
                    self.itself[node] = reply.outcome
                elif isinstance(reply, ConnectReply):
                    self.across[node, to] = reply.outcome

    def into(self, node: str) -> dict[str, Outcome]:
        """The outcomes of connections to a node from the others."""
        return {source: outcome for (source, to), outcome in self.across.items() if to == node}

    @property
    def answering(self) -> set[str]:
        """The nodes that answered another one."""
        return {to for (_, to), outcome in self.across.items() if outcome is Outcome.OK}
