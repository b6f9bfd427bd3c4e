# SPDX-License-Identifier: Apache-2.0
"""Nodes that have just joined: what is missing there comes by itself, so nobody is told of it."""

from __future__ import annotations

from datetime import timedelta

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.records import NODE, Node

JOINING = timedelta(minutes=2)
"""A new node's network agent needs its image and start, and its peers their watch, before pods there have a network: it and
what runs on it were seen to take a minute on a slow machine. Images that come from far take longer on some, and are told of."""


def joins(cluster: Cluster, node: Node | None) -> bool:
    """Whether a node is that new; one that is not known is not."""
    return node is not None and cluster.age(node.metadata.creation_timestamp) <= JOINING


def joining(cluster: Cluster) -> frozenset[str]:
    """Return the names of those that are; none where Nodes can't be read."""
    nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
    return frozenset(node.name for node in nodes if joins(cluster, node))
