# SPDX-License-Identifier: Apache-2.0
"""Does each node say which zone it is in?

## What it looks at
The label topology.kubernetes.io/zone of each Node.

## Why it matters
Services that keep traffic in its zone (trafficDistribution) and pods that are spread over zones do nothing for such a node.

## What it can't see
Whether the label is true.

## Sources
Kubernetes: Well-Known Labels, Annotations and Taints.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import NODE, Check, Code, Facts, Finding, Needs, Risk, Severity, Skip, Subject, Unseen

ZONE = "topology.kubernetes.io/zone"

NO_ZONE = Code(
    id="EXA001",
    severity=Severity.WARN,
    risk=Risk.NODE,
    title="Node without a zone",
    message="Node {name} has no label {label}, while {others} others have one",
    fix="Set the label to the zone that {name} is in.",
    commands=("kubectl get nodes -L {label}",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield each node without a zone, where others have one."""
    nodes = facts.cluster.all(NODE)
    labelled = [node for node in nodes if node.metadata.labels.get(ZONE)]
    if not labelled:
        raise Skip("no node has a zone: this cluster does not know zones", not_applicable=True)
    for node in nodes:
        if node not in labelled:
            yield NO_ZONE.on(Subject("Node", node.name), label=ZONE, others=len(labelled))


check = Check(
    id="node_labels",
    title="Nodes say which zone they are in",
    prefix="EXA",
    needs=Needs(kinds=(NODE,)),
    codes=(NO_ZONE,),
    analyse=analyse,
)
