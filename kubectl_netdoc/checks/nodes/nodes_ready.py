# SPDX-License-Identifier: Apache-2.0
"""Are the nodes ready, and do their pods get a network?

## What it looks at
Each Node's conditions Ready and NetworkUnavailable, whether it is cordoned, and the Events of pods that wait for their
sandbox, the step in which the CNI plugin gives a pod its interface and address. Of a Node without a pod range, its Events.

## Why it matters
A node that is not ready runs its pods on without anybody watching; its endpoints are taken out of Services. A node whose
CNI plugin fails starts no new pod, though the old ones go on, so it stays unseen until something is rescheduled.

## What it can't see
A node that says Ready while its network is broken: only measuring from it tells. Events are kept for an hour by default,
and are rate-limited by the kubelet. A node younger than two minutes may still be joining and is no finding, nor is one that is
being removed. A sandbox is the network's only where the Event says so: its own image comes before the network, and the container
runtime has troubles of its own (NOD006, NOD007). A sandbox that failed once, a moment ago, is none either, unless its message
says that trying again won't help.

## Sources
Kubernetes: Node status, conditions; cluster-autoscaler and Karpenter: their taints; failure catalogue M7 and M11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc import cni
from kubectl_netdoc.api import (
    DAEMON_SET,
    EVENT,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Failure,
    Finding,
    Needs,
    Node,
    Pod,
    Risk,
    Severity,
    Subject,
    Unseen,
    joining,
    joins,
    on_node,
    sandbox_event,
    shell_word,
)

RECENT = timedelta(minutes=10)
"""A sandbox that fails is retried with a back-off of at most 5 minutes, so a failure that lasts shows within 10."""

LASTS = timedelta(minutes=1)
"""A sandbox that fails for longer is no passing trouble; the AWS CNI attaches another interface for addresses in seconds."""

LEAVING = frozenset({"ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "karpenter.sh/disruption"})
"""Taints of nodes that an autoscaler is removing."""

NETWORK_PLUGIN = re.compile(r"NetworkPluginNotReady|cni plugin not initialized|cni config uninitialized", re.I)
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
    fix="{advice}",
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
    fix="{advice}",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    rows=("M7",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
NO_SANDBOX_IMAGE = Code(
    id="NOD006",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The image of pods' sandboxes can't be pulled",
    message="{count} pods on node {name} don't start, {example} among them: its container runtime can't pull {image}, the "
    "image of every pod's sandbox: {detail}",
    fix="Let {name} reach that registry, load the image there, or set another in the container runtime's configuration "
    "(containerd: sandbox or sandbox_image; CRI-O: pause_image).",
    commands=("kubectl -n {example_namespace} describe pod {example_name}",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
RUNTIME = Code(
    id="NOD007",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pods' sandboxes fail, and no Event blames the network",
    message="{count} pods on node {name} don't start, {example} among them: its container runtime can't make their "
    "sandboxes: {detail}",
    fix="Look at the container runtime on {name}: its log has the same moment in more words.",
    commands=(
        "kubectl -n {example_namespace} describe pod {example_name}",
        on_node("{name}", "journalctl -u containerd -u crio --since=-15min -n 50"),
    ),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
NO_RANGE = Code(
    id="NOD008",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="No pod range left for a node",
    message="Node {name} has no podCIDR, and so no network: kube-controller-manager has no range left to give it (Event "
    "CIDRNotAvailable, {times} times)",
    fix="Give the cluster a larger pod range (kube-controller-manager --cluster-cidr, and the network's own setting), or nodes "
    "smaller ones (--node-cidr-mask-size, for new nodes only); a node that is gone for good gives its "
    "range back when it is deleted.",
    commands=("kubectl get nodes -o custom-columns=NAME:.metadata.name,RANGES:.spec.podCIDRs", "kubectl describe node {name}"),
    rows=("M11",),
    explains=(Explains((*UNHEALTHY_PODS, "NOD001", "NOD003", "NOD004", "NOD005", "CNI002", "CNI004"), "node"),),
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
    if (times := _without_range(cluster, node)) and settled:
        yield NO_RANGE.on(subject, times=times)
    elif network and network.status == "True" and settled:
        yield NETWORK_UNAVAILABLE.on(subject, why=": ".join(filter(None, (network.reason, network.message))) or "no reason told")
    if node.spec.unschedulable:
        yield CORDONED.on(subject, unschedulable=True)


def _without_range(cluster: Cluster, node: Node) -> int:
    """How often a node was told that no pod range is left for it, where it has none and its network is not set up; else 0.

    Networks with ranges of their own (Calico's pools) set nodes up without, and the Event is noise there.
    """
    ready, network = node.condition("Ready"), node.condition("NetworkUnavailable")
    works = (ready and ready.status == "True") and not (network and network.status == "True")
    if node.spec.pod_cidrs or works or not cluster.readable(EVENT):
        return 0
    about = [event for space in ("default", "") for event in cluster.events_about("Node", space, node.name)]
    told = [event for event in about if event.reason == "CIDRNotAvailable" and cluster.age(event.last_seen) < RECENT]
    return sum(max(event.count, event.series.count, 1) for event in told)


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
            code = CAUSES[sandbox_event.failure(message)]
            failed.setdefault((pod.spec.node_name, code), []).append((pod.namespace, pod.name, message))
    for (node, code), pods in failed.items():
        namespace, name, message = pods[0]
        example = {"example": f"{namespace}/{name}", "example_namespace": namespace, "example_name": name}
        told = {
            "detail": sandbox_event.reason(message),
            "image": sandbox_event.image(message),
            "advice": _advice(code, node, message),
        }
        again = _agents(cluster, node) if code is SANDBOX and sandbox_event.CREDENTIALS.search(message) else ()
        yield code.on(Subject("Node", node), example | told, count=len(pods), try_=(*code.commands, *again) if again else None)


def _advice(code: Code, node: str, message: str) -> str:
    """What mends it, by what the plugin says."""
    called = sandbox_event.plugin(message) or "the CNI plugin"
    if code is NO_ADDRESSES and sandbox_event.CLOUD.search(called):
        return (
            f"Pods' addresses come from a subnet of the cloud, which has none left for {node}: enlarge the subnet or add one, or "
            "have fewer pods a node; what an instance may hold is a limit of its own."
        )
    if code is NO_ADDRESSES:
        return f"Free addresses that dead containers still hold on {node}, move pods away, or give nodes a larger pod range."
    if sandbox_event.CREDENTIALS.search(message):
        return (
            f"The API does not accept what {called} on {node} shows it: its kubeconfig or token there is out of date. The "
            "network's agent writes it anew when it starts: restart that on the node, and see that the node's clock is right."
        )
    if "failed to find plugin" in message:
        return f"Install the plugin's file again on {node} (/opt/cni/bin): restarting the network's agent there mostly does."
    if sandbox_event.AGENT.search(message):
        return f"On {node}, {called} gets no answer from the network's agent: read that agent's log, and restart it."
    return f"On {node}, {called} fails: read the Event, then the log of the network's agent there."


def _agents(cluster: Cluster, node: str) -> tuple[str, ...]:
    """The commands that restart the network's agents on a node, as far as they can be seen."""
    agents = [agent for found in cni.recognise(cluster) for agent in found.agents]
    return tuple(
        f"kubectl -n {shell_word(pod.namespace)} delete pod {shell_word(pod.name)}"
        for agent in agents
        for pod in cni.pods_of(cluster, agent)
        if pod.spec.node_name == node
    )


CAUSES = {
    Failure.NETWORK: SANDBOX,
    Failure.ADDRESSES: NO_ADDRESSES,
    Failure.IMAGE: NO_SANDBOX_IMAGE,
    Failure.RUNTIME: RUNTIME,
}


def _failing(cluster: Cluster, pod: Pod) -> str:
    """What the last failed sandbox of a pod said, where it failed twice, for long, or for good."""
    about = cluster.events_about("Pod", pod.namespace, pod.name)
    failed = [e for e in about if e.reason == "FailedCreatePodSandBox" and cluster.age(e.last_seen) < RECENT]
    if not failed:
        return ""
    message = failed[-1].message
    long = max(cluster.age(event.metadata.creation_timestamp) for event in failed) > LASTS
    again = sum(max(event.count, 1) for event in failed) > 1 and not sandbox_event.ATTACHING.search(message)
    return message if long or again or sandbox_event.SURE.search(message) else ""


check = Check(
    id="nodes_ready",
    title="Nodes are ready and give their pods a network",
    prefix="NOD",
    needs=Needs(kinds=(NODE,), optional=(POD, EVENT), hints=(DAEMON_SET, *NETWORK_KINDS)),
    codes=(
        NOT_READY,
        NETWORK_UNAVAILABLE,
        SANDBOX,
        NO_ADDRESSES,
        NO_NETWORK_PLUGIN,
        NO_SANDBOX_IMAGE,
        RUNTIME,
        NO_RANGE,
        CORDONED,
    ),
    analyse=analyse,
)
