# SPDX-License-Identifier: Apache-2.0
"""Pods whose sandbox cannot be created, by what the kubelet's Event says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    EVENT,
    POD,
    Cluster,
    Code,
    Explains,
    Failure,
    Finding,
    Pod,
    Risk,
    Severity,
    Subject,
    joining,
    lasting,
    on_node,
    sandbox_event,
)
from kubectl_netdoc.checks.nodes.nodes_ready.readiness import UNHEALTHY_PODS
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.cni.agents import RECENT

LASTS = timedelta(minutes=1)
"""A sandbox that fails for longer than this does not recover by itself (the AWS CNI attaches an interface within seconds)."""
SANDBOX = Code(
    id="NOD003",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pods get no network",
    message="{count} pods on node {name} are waiting for their network, for example {example}: {detail}",
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
    message="Node {name} has no free pod address: {count} pods are waiting, for example {example}: {detail}",
    fix="{advice}",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={name}",),
    rows=("M7",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
NO_SANDBOX_IMAGE = Code(
    id="NOD006",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="The sandbox image cannot be pulled",
    message="{count} pods on node {name} do not start, for example {example}. The container runtime cannot pull {image}, the "
    "image of every pod's sandbox: {detail}",
    fix="Give {name} access to that registry, load the image on the node, or set another one in the configuration of the "
    "container runtime (containerd: sandbox or sandbox_image; CRI-O: pause_image).",
    commands=("kubectl -n {example_namespace} describe pod {example_name}",),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)
RUNTIME = Code(
    id="NOD007",
    severity=Severity.FAIL,
    risk=Risk.NODE,
    title="Pod sandboxes fail for a reason other than the network",
    message="{count} pods on node {name} do not start, for example {example}. The container runtime cannot create their "
    "sandboxes: {detail}",
    fix="Read the log of the container runtime on {name} at that time; it has the details.",
    commands=(
        "kubectl -n {example_namespace} describe pod {example_name}",
        on_node("{name}", "journalctl -u containerd -u crio --since=-15min -n 50"),
    ),
    explains=(Explains(UNHEALTHY_PODS, "node"),),
)


def failed_sandboxes(cluster: Cluster) -> Iterator[Finding]:
    """Report one finding for each node and cause with pods that still wait after their sandbox failed."""
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
        }
        again = agent_again.on(cluster, node)
        advice = _advice(code, node, message, again.words)
        lines = again.commands if again.words in advice else ()
        yield code.on(Subject("Node", node), example | told, count=len(pods), advice=advice, commands=(*code.commands, *lines))


def _advice(code: Code, node: str, message: str, again: str) -> str:
    """Return the fix, by what the CNI plugin says. ``again``: how to restart the network agent there."""
    called = sandbox_event.plugin(message) or "the CNI plugin"
    if code is NO_ADDRESSES and sandbox_event.CLOUD.search(called):
        return (
            f"Pods get addresses from a subnet of the cloud, which has none left for {node}. Enlarge the subnet, add another, or "
            "run fewer pods per node. The instance type may limit the number of addresses too."
        )
    if code is NO_ADDRESSES:
        return f"Free the addresses that dead containers still hold on {node}, move pods away, or give nodes a larger pod range."
    if sandbox_event.CREDENTIALS.search(message):
        return (
            f"The API server rejects the credentials of {called} on {node}: its kubeconfig or token there has expired. The "
            f"network agent writes a new one when it starts. {again} Then check the node's clock."
        )
    if "failed to find plugin" in message:
        return f"Reinstall the plugin binary on {node} (/opt/cni/bin). The network agent usually does it when it starts. {again}"
    if sandbox_event.AGENT.search(message):
        return f"On {node}, {called} gets no answer from the network agent. {again}"
    return f"On {node}, {called} fails. Read the Event, then the log of the network agent on that node."


CAUSES = {
    Failure.NETWORK: SANDBOX,
    Failure.ADDRESSES: NO_ADDRESSES,
    Failure.IMAGE: NO_SANDBOX_IMAGE,
    Failure.RUNTIME: RUNTIME,
}


def _failing(cluster: Cluster, pod: Pod) -> str:
    """Return the last sandbox error of a pod if it failed twice, for long, or permanently; else ""."""
    failed = lasting(cluster, "Pod", pod, sandbox_event.REASON, within=RECENT)
    if not failed:
        return ""
    message = failed[-1].message
    long = max(cluster.age(event.metadata.creation_timestamp) for event in failed) > LASTS
    again = sum(max(event.count, 1) for event in failed) > 1 and not sandbox_event.ATTACHING.search(message)
    return message if long or again or sandbox_event.SURE.search(message) else ""


CODES = (
    SANDBOX,
    NO_ADDRESSES,
    NO_SANDBOX_IMAGE,
    RUNTIME,
)
