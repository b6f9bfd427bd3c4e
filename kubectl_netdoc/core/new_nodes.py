# SPDX-License-Identifier: Apache-2.0
"""Nodes that have just joined: what is still missing there usually appears soon, so it is not reported."""

from __future__ import annotations

from datetime import timedelta

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod

JOINING = timedelta(minutes=2)
"""A new node's network agent needs its image and start, and its peers their watch, before pods there have a network: it and
what runs on it were seen to take a minute on a slow machine. With slow registries it can take longer; that is reported."""


def is_joining(cluster: Cluster, node: Node | None) -> bool:
    """Tell whether a node has just joined; False if the node is not known."""
    return node is not None and cluster.age(node.metadata.creation_timestamp) <= JOINING


def joining(cluster: Cluster) -> frozenset[str]:
    """Return the names of the nodes that have just joined; if Nodes can't be read, those with debug pods that may have.

    A node to which a pod was scheduled before that time (condition PodScheduled) has not. Reads NODE, and then POD.
    """
    if cluster.readable(NODE):
        return frozenset(node.name for node in cluster.all(NODE) if is_joining(cluster, node))
    if not cluster.unreadable(NODE):
        return frozenset()
    pods = cluster.all(POD) if cluster.readable(POD) else ()
    return frozenset(cluster.vantages) - {pod.spec.node_name for pod in pods if _long(cluster, pod)}


def _long(cluster: Cluster, pod: Pod) -> bool:
    """Tell whether a pod was scheduled to its node longer ago than a node takes to join; False if the time is not known."""
    put = pod.condition("PodScheduled")
    moment = put.last_transition_time if put and put.status == "True" else None
    return moment is not None and cluster.age(moment) > JOINING
