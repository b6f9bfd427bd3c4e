# SPDX-License-Identifier: Apache-2.0
"""Are the nodes ready, and do their pods get a network?

## What it looks at
The conditions Ready and NetworkUnavailable of each Node, whether it is cordoned, and the Events of pods that wait for their
sandbox: in that step the CNI plugin gives a pod its interface and address. For a Node without a pod range, its Events, and
whether the network needs one.

## Why it matters
Pods on a node that is not ready run unwatched, and their endpoints are removed from Services. If the CNI plugin fails on a node,
no new pod starts there while the old ones keep running, so nobody notices until something is rescheduled.

## What it can't see
A node that reports Ready while its network is broken: only measuring from it shows that. Events are kept for an hour by default,
and the kubelet limits their rate. A node younger than two minutes may still be joining and is not reported, nor is one that is
being removed. A failed sandbox is blamed on the network only if the Event says so: pulling the sandbox image comes first, and the
container runtime has faults of its own (NOD006, NOD007). A sandbox that failed once, a moment ago, is not reported unless its
message says that a retry will not help.

## Sources
Kubernetes: Node status, conditions. cluster-autoscaler and Karpenter: their taints. Failure catalogue M7 and M11.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import DAEMON_SET, EVENT, NETWORK_KINDS, NODE, POD, Check, Facts, Finding, Needs, Unseen
from kubectl_netdoc.checks.nodes.nodes_ready import readiness, sandboxes


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report the state of each node, then pods whose sandbox fails."""
    for node in facts.cluster.all(NODE):
        yield from readiness.node_conditions(facts.cluster, node)
    yield from sandboxes.failed_sandboxes(facts.cluster)


check = Check(
    id="nodes_ready",
    title="Nodes are ready and give their pods a network",
    prefix="NOD",
    needs=Needs(kinds=(NODE,), optional=(POD, EVENT), hints=(DAEMON_SET, *NETWORK_KINDS)),
    codes=(
        *readiness.CODES,
        *sandboxes.CODES,
    ),
    analyse=analyse,
)
