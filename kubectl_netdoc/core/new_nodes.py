# SPDX-License-Identifier: Apache-2.0
"""Nodes that have just joined: what is missing there comes by itself, so nobody is told of it."""

from __future__ import annotations

from datetime import timedelta

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import NODE, POD
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod

JOINING = timedelta(minutes=2)
"""A new node's network agent needs its image and start, and its peers their watch, before pods there have a network: it and
what runs on it were seen to take a minute on a slow machine. Images that come from far take longer on some, and are told of."""


def is_joining(cluster: Cluster, node: Node | None) -> bool:
    """Whether a node is that new; one that is not known is not."""
    return node is not None and cluster.age(node.metadata.creation_timestamp) <= JOINING


def joining(cluster: Cluster) -> frozenset[str]:
    """Return the names of those that are. Where Nodes can't be read, of the nodes that are measured from those that may be.

    Of them a node is not new that a pod was put on before that (its condition PodScheduled). Reads NODE, and then POD.
    """
    if cluster.readable(NODE):
        return frozenset(node.name for node in cluster.all(NODE) if is_joining(cluster, node))
    if not cluster.unreadable(NODE):
        return frozenset()
    pods = cluster.all(POD) if cluster.readable(POD) else ()
    return frozenset(cluster.vantages) - {pod.spec.node_name for pod in pods if _long(cluster, pod)}


def _long(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod was put on its node longer ago than a node takes to join; not where nothing tells when."""
    put = pod.condition("PodScheduled")
    moment = put.last_transition_time if put and put.status == "True" else None
    return moment is not None and cluster.age(moment) > JOINING
