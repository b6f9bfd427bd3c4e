# SPDX-License-Identifier: Apache-2.0
"""The conditions of the Node object: ready, network set up, a pod range, cordoned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    DRAINED_BY_AUTOSCALER,
    EVENT,
    NODE,
    Cluster,
    Code,
    Explains,
    Finding,
    Node,
    Risk,
    Severity,
    Subject,
    is_joining,
    lasting,
)
from kubectl_netdoc.cni.agents import RECENT

LEAVING = frozenset({DRAINED_BY_AUTOSCALER, "karpenter.sh/disrupted", "karpenter.sh/disruption"})
"""Taints of nodes that an autoscaler is removing."""

NETWORK_PLUGIN = re.compile(r"NetworkPluginNotReady|cni plugin not initialized|cni config uninitialized", re.I)
UNHEALTHY_PODS = (
    *("SVC004", "INC001", "DNC001", "DNC002", "DNC008", "POD003"),
    *("CPL009", "CPL010", "MSH001", "MSH002", "MSH003"),
)
"""Findings about pods that follow from the state of their nodes."""

NOT_READY = Code(
    id="NOD001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Node is not ready",
    message="Node {name} is not ready: {why}",
    fix="Check the kubelet on {name}: it has stopped reporting, or it reports that it cannot run pods. Log in to the node (SSH "
    "or the provider's console) and read `journalctl -u kubelet`; kubectl debug needs a running kubelet.",
    commands=("kubectl describe node {name}", "kubectl get events -A --field-selector involvedObject.name={name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD003", "NOD004", "DNL001", "DNL002", "DNL003"), "node"),),
    tells="failure",
)
NETWORK_UNAVAILABLE = Code(
    id="NOD002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The network of a node is not set up",
    message="Node {name} has condition NetworkUnavailable: {why}",
    fix="The network agent or the cloud's route controller has not configured {name}. Check its pod on that node.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}", "kubectl describe node {name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD003", "NOD004", "DNL001", "DNL002", "DNL003"), "node"),),
)
NO_NETWORK_PLUGIN = Code(
    id="NOD005",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No CNI configuration on the node",
    message="Node {name} has no working CNI configuration: {detail}",
    fix="Install the pod network, or fix its agent on {name}: the agent writes /etc/cni/net.d when it starts.",
    commands=("kubectl get daemonsets -A", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD003", "NOD004"), "node"),),
)
NO_RANGE = Code(
    id="NOD008",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No pod range is left for a node",
    message="Node {name} has no podCIDR and therefore no network: kube-controller-manager has no free range for it (Event "
    "CIDRNotAvailable, {times} times)",
    fix="Give the cluster a larger pod range (kube-controller-manager --cluster-cidr, and the setting of the network itself), "
    "or give new nodes smaller ranges (--node-cidr-mask-size). Deleting the Node object of a node that is gone for good frees "
    "its range.",
    commands=("kubectl get nodes -o custom-columns=NAME:.metadata.name,RANGES:.spec.podCIDRs", "kubectl describe node {name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD001", "NOD003", "NOD004", "NOD005", "CNI002", "CNI004"), "node"),),
)
RANGE_NOT_GIVEN = Code(
    id="NOD009",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="A node has no pod range",
    message="Node {name} has no podCIDR and therefore no network: {network} takes pods' addresses from there, and {others} other "
    "nodes have one",
    fix="See why kube-controller-manager gave {name} none: it runs without --allocate-node-cidrs or --cluster-cidr, it is down, "
    "or its range is used up (its log says CIDRNotAvailable). A node gets its range when it registers, or when the controller "
    "starts again.",
    commands=(
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,RANGES:.spec.podCIDRs",
        "kubectl -n kube-system get pods -l component=kube-controller-manager -o wide",
    ),
    rows=("M11",),
    explains=NO_RANGE.explains,
)
CORDONED = Code(
    id="NOD010",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Node is cordoned",
    message="Node {name} is cordoned: it gets no new pods",
    fix="If its maintenance is over, uncordon it.",
    commands=("kubectl uncordon {name}",),
)


def node_conditions(cluster: Cluster, node: Node) -> Iterator[Finding]:
    """Report what the conditions of a node say. New nodes and nodes that are being removed are left out."""
    subject = Subject("Node", node.name)
    ready, network = node.condition("Ready"), node.condition("NetworkUnavailable")
    settled = not (is_joining(cluster, node) or _leaving(node))
    if ready and ready.status != "True" and settled:
        if NETWORK_PLUGIN.search(ready.message):
            yield NO_NETWORK_PLUGIN.on(subject, detail=ready.message)
        else:
            yield NOT_READY.on(subject, why=": ".join(filter(None, (ready.reason or ready.status, ready.message))))
    if (times := _without_range(cluster, node)) and settled:
        yield NO_RANGE.on(subject, times=times)
    elif settled and not _works(node) and (network_name := _needs_range(cluster, node)):
        others = sum(bool(each.spec.pod_cidrs) for each in cluster.all(NODE))
        yield RANGE_NOT_GIVEN.on(subject, network=network_name, others=others)
    elif network and network.status == "True" and settled:
        yield NETWORK_UNAVAILABLE.on(subject, why=": ".join(filter(None, (network.reason, network.message))) or "no reason given")
    if node.spec.unschedulable:
        yield CORDONED.on(subject, unschedulable=True)


def _without_range(cluster: Cluster, node: Node) -> int:
    """Return how often an Event said that no pod range is left for a node that has none and is not set up; else 0.

    Networks with ranges of their own (Calico's pools) do not need it, and the Event is noise there.
    """
    if _works(node) or not cluster.readable(EVENT):
        return 0
    told = lasting(cluster, "Node", node, "CIDRNotAvailable", within=RECENT)
    return sum(max(event.count, event.series.count, 1) for event in told)


def _works(node: Node) -> bool:
    """Tell whether a node is ready and has its network."""
    ready, network = node.condition("Ready"), node.condition("NetworkUnavailable")
    return bool(ready and ready.status == "True") and not (network and network.status == "True")


def _needs_range(cluster: Cluster, node: Node) -> str:
    """Return the network that takes pods' addresses from their node's podCIDR, if this node has none and others do; else ""."""
    if node.spec.pod_cidrs or node.unsupported or not any(each.spec.pod_cidrs for each in cluster.all(NODE)):
        return ""
    primary = [each for each in cni.recognise(cluster) if each.primary] if cluster.readable(DAEMON_SET) else []
    return primary[0].name if len(primary) == 1 and primary[0].traits.node_ranges else ""


def _leaving(node: Node) -> bool:
    """Tell whether a node is being removed: then it is not ready by design."""
    return node.metadata.deletion_timestamp is not None or any(taint.key in LEAVING for taint in node.spec.taints)


CODES = (
    NOT_READY,
    NETWORK_UNAVAILABLE,
    NO_NETWORK_PLUGIN,
    NO_RANGE,
    RANGE_NOT_GIVEN,
    CORDONED,
)
