# SPDX-License-Identifier: Apache-2.0
"""The settings of debug pods, and the nodes that run one."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.statistics import evenly
from kubectl_netdoc.records import label_selector
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.sources.live import images

MOST_NODES = 30
"""Most nodes that run a debug pod. Of more nodes an even sample by name is used, and the report says so."""


class PodSettings(Struct, frozen=True, kw_only=True):
    """How to run debug pods. ``timeout``: seconds for the whole run, after which a pod ends by itself.

    ``nodes``: the nodes that run one, as in ``choose_nodes``. ``tier``: from ``nodes`` on, each node runs one on the host network
    too. ``labels`` are put on every object that is created. ``requests`` and ``limits`` override the pods' default resources.
    """

    nodes: str = ""
    image: str = images.DEFAULT
    namespace: str = ""
    pull_secret: str = ""
    timeout: float = 60.0
    tier: Tier = Tier.PODS
    labels: Mapping[str, str] = {}
    requests: Mapping[str, str] = {}
    limits: Mapping[str, str] = {}


def choose_nodes(cluster: Cluster, wanted: str = "") -> tuple[str, ...]:
    """Return the nodes that are to carry a debug pod; "" (wherever the scheduler puts it) where Nodes can't be read.

    ``wanted``: ``all``, a number, or a label selector such as ``pool=edge,zone``; by default at most ``MOST_NODES``. Raises
    ``BadSelector``.
    """
    if not cluster.readable(NODE):
        return ("",)
    fit = [node for node in cluster.index.items(NODE) if not node.unsupported]
    most = len(fit) if wanted == "all" else int(wanted) if wanted.isdigit() else MOST_NODES
    if wanted and wanted != "all" and not wanted.isdigit():
        requirements = label_selector.parse(wanted)
        fit = [node for node in fit if label_selector.matches(requirements, node.metadata.labels)]
    names = sorted(node.name for node in fit)
    return tuple(evenly(names, max(1, most)))
