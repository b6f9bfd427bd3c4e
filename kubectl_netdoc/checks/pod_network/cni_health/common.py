# SPDX-License-Identifier: Apache-2.0
"""What the parts of cni_health share: how nodes, networks and DaemonSets are named in findings."""

from __future__ import annotations

from kubectl_netdoc import cni
from kubectl_netdoc.api import Subject, some

NAMED = 5
"""A sentence names at most this many nodes or peers; the evidence has all of them."""


NODES_WITHOUT = (
    *("NOD002", "NOD003", "NOD005", "POD003", "POD004"),
    *("PNW002", "PNW003", "PNW008", "PNW012", "PNW015"),
    *("NRT001", "NRT003", "NRT004", "NRT005", "NLK001", "CNF003"),
)
"""What follows on a node without a working agent: new pods get no network, and running ones lose routes and paths."""


def named_nodes(names: list[str]) -> dict[str, object]:
    """Return evidence that names nodes: all of them, their number, and the first few in words."""
    return {"nodes": names, "count": len(names), "first": names[0], "shown": some(names, NAMED)}


def workload_subject(workload: cni.Workload, kind: str = "DaemonSet") -> Subject:
    """Return the subject of a finding about a workload."""
    return Subject(kind, workload.name, workload.namespace)
