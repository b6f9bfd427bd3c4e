# SPDX-License-Identifier: Apache-2.0
"""Are the nodes ready, and do their pods get a network?

## What it looks at
Each Node's conditions Ready and NetworkUnavailable, whether it is cordoned, and the Events of pods that wait for their
sandbox, the step in which the CNI plugin gives a pod its interface and address.

## Why it matters
A node that is not ready runs its pods on without anybody watching; its endpoints are taken out of Services. A node whose
CNI plugin fails starts no new pod, though the old ones go on, so it stays unseen until something is rescheduled.

## What it can't see
A node that says Ready while its network is broken: only measuring from it tells. Events are kept for an hour by default,
and are rate-limited by the kubelet. A node younger than two minutes may still be joining and is no finding, nor is one that is
being removed; a sandbox that failed once, a moment ago, is none either, unless its message says that trying again won't help.

## Sources
Kubernetes: Node status, conditions; cluster-autoscaler and Karpenter: their taints; failure catalogue M7 and M11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    EVENT,
    NODE,
    POD,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    Node,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
)
from kubectl_netdoc.joining import joining, joins

RECENT = timedelta(minutes=10)
"""A sandbox that fails is retried with a back-off of at most 5 minutes, so a failure that lasts shows within 10."""

LASTS = timedelta(minutes=1)
"""A sandbox that fails for longer is no passing trouble; the AWS CNI attaches another interface for addresses in seconds."""

LEAVING = frozenset({"ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "karpenter.sh/disruption"})
"""Taints of nodes that an autoscaler is removing."""

NETWORK_PLUGIN = re.compile(r"NetworkPluginNotReady|cni plugin not initialized|cni config uninitialized", re.I)
NO_ADDRESS = re.compile(r"no IP addresses available in range set|failed to assign an IP address to container", re.I)
ATTACHING = re.compile(r"failed to assign an IP address to container", re.I)
"""What the AWS CNI says for as long as it attaches addresses, however often."""

SURE = re.compile(r"failed to find plugin|no IP addresses available in range set|already has an IP address different from", re.I)
"""Messages of a sandbox that trying again does not help: one of them is enough."""

UNHEALTHY_PODS = (
    *("SVC004", "INC001", "DNC001", "DNC002", "DNC008", "POD003"),
    *("CPL009", "CPL010", "MSH001", "MSH002", "MSH003"),
)
"""What is said of pods because of the nodes they are on."""

NOT_READY = Code(
    id="NOD001",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Node not ready",
    message="Node {name} is not ready: {why}",
    fix="Look at the kubelet on {name}: it has stopped reporting or reports that it can't run pods. Log in on the node itself "
    "(ssh, the provider's console) for `journalctl -u kubelet`: kubectl debug needs a kubelet that runs.",
    commands=("kubectl describe node {name}", "kubectl get events -A --field-selector involvedObject.name={name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD003", "NOD004", "DNL001", "DNL002", "DNL003"), "node"),),
)
NETWORK_UNAVAILABLE = Code(
    id="NOD002",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Node's network not set up",
    message="Node {name} has condition NetworkUnavailable: {why}",
    fix="The network agent or cloud route controller has not configured {name}: look at its pod on that node.",
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
    fix="Install the network, or mend its agent on {name}: it writes /etc/cni/net.d there when it starts.",
    commands=("kubectl get daemonsets -A", "kubectl get pods -A -o wide --field-selector spec.nodeName={name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD003", "NOD004"), "node"),),
)
SANDBOX = Code(
    id="NOD003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pods get no network",
    message="{count} pods on node {name} wait for their network, {example} among them: {detail}",
    fix="The CNI plugin on {name} fails: read the Event, then the log of the network agent there.",
    commands=("kubectl -n {example_namespace} describe pod {example_name}",),
    rows=("M7",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
NO_ADDRESSES = Code(
    id="NOD004",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No free pod address on the node",
    message="Node {name} has no pod address left: {count} pods wait, {example} among them: {detail}",
    fix="Free addresses that dead containers still hold on {name}, move pods away, or give nodes a larger pod range.",
    commands=(
        "kubectl get pods -A -o wide --field-selector spec.nodeName={name}",
        "kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}",
    ),
    rows=("M7",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
CORDONED = Code(
    id="NOD010",
    severity=Severity.INFO,
    risk=Risk.NODE,
    title="Node cordoned",
    message="Node {name} takes no new pods: it is cordoned",
    fix="If its maintenance is over, let it take pods again.",
    commands=("kubectl uncordon {name}",),
)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield what is wrong with each node, then the sandboxes that fail on them."""
    for node in facts.cluster.all(NODE):
        yield from _node(facts.cluster, node)
    yield from _sandboxes(facts.cluster)


def _node(cluster: Cluster, node: Node) -> Iterator[Finding]:
    subject = Subject("Node", node.name)
    ready, network = node.condition("Ready"), node.condition("NetworkUnavailable")
    settled = not (joins(cluster, node) or _leaving(node))
    if ready and ready.status != "True" and settled:
        if NETWORK_PLUGIN.search(ready.message):
            yield NO_NETWORK_PLUGIN.on(subject, detail=ready.message)
        else:
            yield NOT_READY.on(subject, why=": ".join(filter(None, (ready.reason or ready.status, ready.message))))
    if network and network.status == "True" and settled:
        yield NETWORK_UNAVAILABLE.on(subject, why=": ".join(filter(None, (network.reason, network.message))) or "no reason told")
    if node.spec.unschedulable:
        yield CORDONED.on(subject, unschedulable=True)


def _leaving(node: Node) -> bool:
    """Whether a node is being removed: it is not ready by design then."""
    return node.metadata.deletion_timestamp is not None or any(taint.key in LEAVING for taint in node.spec.taints)


def _sandboxes(cluster: Cluster) -> Iterator[Finding]:
    """Yield one finding a node on which pods still wait after a failed sandbox."""
    if not (cluster.readable(EVENT) and cluster.readable(POD)):
        return
    failed: dict[tuple[str, Code], list[tuple[str, str, str]]] = {}
    new = joining(cluster)
    for pod in cluster.all(POD):
        if pod.ips or pod.finished or pod.terminating or pod.spec.node_name in {"", *new}:
            continue
        if message := _failing(cluster, pod):
            code = NO_ADDRESSES if NO_ADDRESS.search(message) else SANDBOX
            failed.setdefault((pod.spec.node_name, code), []).append((pod.namespace, pod.name, message))
    for (node, code), pods in failed.items():
        namespace, name, message = pods[0]
        example = {"example": f"{namespace}/{name}", "example_namespace": namespace, "example_name": name}
        yield code.on(Subject("Node", node), example, count=len(pods), detail=message[-300:])


def _failing(cluster: Cluster, pod: Pod) -> str:
    """What the last failed sandbox of a pod said, where it failed twice, for long, or for good."""
    about = cluster.events_about("Pod", pod.namespace, pod.name)
    failed = [e for e in about if e.reason == "FailedCreatePodSandBox" and cluster.age(e.last_seen) < RECENT]
    if not failed:
        return ""
    message = failed[-1].message
    long = max(cluster.age(event.metadata.creation_timestamp) for event in failed) > LASTS
    again = sum(max(event.count, 1) for event in failed) > 1 and not ATTACHING.search(message)
    return message if long or again or SURE.search(message) else ""


check = Check(
    id="nodes_ready",
    title="Nodes are ready and give their pods a network",
    prefix="NOD",
    needs=Needs(kinds=(NODE,), optional=(POD, EVENT)),
    codes=(NOT_READY, NETWORK_UNAVAILABLE, SANDBOX, NO_ADDRESSES, NO_NETWORK_PLUGIN, CORDONED),
    analyse=analyse,
)
