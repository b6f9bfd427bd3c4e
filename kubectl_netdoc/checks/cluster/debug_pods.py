# SPDX-License-Identifier: Apache-2.0
"""Can netdoc measure from every node?

## What it looks at
netdoc's own debug pods: whether each starts on its node, why one does not, and whether exec works in it.

## Why it matters
If a debug pod can't start, other pods often can't either: the image registry can't be reached, the CNI plugin assigns no address,
an admission policy refuses pods. And what was not measured must not be taken for healthy.

## What it can't see
Why a registry does not answer. An image pull in progress is waited for within --timeout, and no fault by
itself. What keeps a pod from getting an address
is taken from an Event or a condition only: some runtimes show no address before the image is there. Nodes that can't run a Linux
pod (Windows, virtual) are left out, and the report says so. On a node younger than two minutes a pod may have no network yet, and
from a node that is being drained it is removed: both are advice.

## Sources
Kubernetes: Pod lifecycle, Pod Security Standards, Images. Failure catalogue M7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_netdoc.api import (
    DAEMON_SET,
    NETWORK_KINDS,
    NODE,
    POD,
    Check,
    Code,
    Explains,
    Facts,
    Finding,
    Grant,
    Needs,
    PodProblem,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Unseen,
    Vantage,
    is_joining,
    joining,
    registry_of,
    some,
)
from kubectl_netdoc.cni import agent_again
from kubectl_netdoc.cni.agent_again import Again
from kubectl_netdoc.components import controller_manager

DEFAULT = "the default image"

IMAGE = Code(
    id="POD001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The image of the debug pods cannot be pulled",
    message="{nodes} cannot pull {image} from {registry}, so netdoc measures nothing there: {detail}",
    fix="Other pods that need an image from {registry} do not start there either. For netdoc, use an image with python3 that "
    "the nodes have (--image auto) or can pull (--image or NETDOC_IMAGE; with a pull secret also --pod-namespace and "
    "--image-pull-secret). For a slow registry raise --timeout.",
    commands=("kubectl netdoc check --image auto", "kubectl netdoc check --no-pods"),
)
REFUSED = Code(
    id="POD002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Debug pods are refused",
    message="The API server refuses netdoc's debug pods ({reason}) on {nodes}: {detail}",
    fix="Use a namespace that admits restricted pods and has quota for them (--pod-namespace), or give the pods what is "
    "required (--label, --pod-requests, --pod-limits, --image).",
    commands=("kubectl netdoc rbac --check", "kubectl netdoc check --no-pods"),
)
NO_ACCOUNT = Code(
    id="POD007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="kube-controller-manager does not work",
    message="netdoc's new namespace got no ServiceAccount within 10 s, so no pod can run in it on {nodes}: "
    "kube-controller-manager, which creates it, is not working. It also does not update endpoints or create pods of Deployments",
    fix="Check whether kube-controller-manager runs and who holds its lease. If it is a static pod, check its manifest on the "
    "control plane node.",
    commands=(
        "kubectl -n kube-system get lease kube-controller-manager -o yaml",
        controller_manager.PODS,
        "kubectl netdoc check --no-pods",
    ),
    rows=("K14",),
    explains=(Explains(("SVC004", "SVC005", "SVC007", "SVR008", "SVR009", "EPS004"), "cluster"),),
)
SANDBOX = Code(
    id="POD003",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="New pods on a node get no network",
    message="The debug pod that netdoc started on {nodes} gets no network, and neither will other new pods there: {detail}",
    fix="The network agent on {first} sets up no new pods; its log may say why. {again} Running pods keep running.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl describe node {first}"),
    rows=("M7",),
)
NOT_STARTED = Code(
    id="POD004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A debug pod did not start, or ended",
    message="The debug pod on {nodes} could not be used ({reason}): {detail}",
    fix="Check {first}: its kubelet, container runtime, load and network agent. Until then nothing is measured from it.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl describe node {first}"),
    tells="failure",
)
KUBELET = Code(
    id="POD008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="The kubelet of a node does not work",
    message="On {nodes} no new pod starts: {detail}",
    fix="Log in to {first} (SSH or the provider's console; kubectl debug needs a running kubelet): `systemctl status kubelet`, "
    "then `journalctl -u kubelet -n 50`. A refused connection means that it does not run: it ends at once where its "
    "configuration (/var/lib/kubelet/config.yaml), its certificates or the container runtime are wrong. One that times out means "
    "that it hangs, or that a firewall or a route drops what comes to TCP port 10250.",
    commands=("kubectl describe node {first}", "kubectl get events -A --field-selector involvedObject.name={first}"),
    explains=(Explains(("POD004", "POD006", "POD009"), "node"),),
)
NODE_NOT_READY = Code(
    id="POD005",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No debug pod on a node that is not ready, joins or is drained",
    message="Nothing was measured from {nodes}: {detail}",
    fix="Run netdoc again when the node is ready and stays. The check nodes_ready reports on the node itself.",
    commands=("kubectl netdoc check nodes_ready", "kubectl describe node {first}"),
)
EXEC = Code(
    id="POD006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Exec into a running pod fails",
    message="Exec into netdoc's running debug pod on {nodes} fails: {detail}",
    fix="kubectl exec and logs fail there too. Make sure that the API server can reach the kubelet (TCP port 10250 of {first}), "
    "or fix konnectivity.",
    commands=("kubectl get node {first} -o wide",),
    tells="failure",
)

OUTPUT = Code(
    id="POD009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nothing comes out of containers on a node",
    message="Exec into netdoc's running debug pod on {nodes} begins, and nothing comes from the container: {detail}",
    fix="kubectl exec, attach and port-forward hang there too. The kubelet gets what containers write from the container "
    "runtime, over the node's own loopback. Log in to {first}: is lo up (`ip -s link show lo`), and does its queue drop packets "
    "(`tc -s qdisc show dev lo`)? If both are well, read the log of the container runtime.",
    commands=("kubectl get node {first} -o wide",),
    tells="failure",
)

CODES = {
    PodProblem.IMAGE: IMAGE,
    PodProblem.QUOTA: REFUSED,
    PodProblem.ADMISSION: REFUSED,
    PodProblem.FORBIDDEN: REFUSED,
    PodProblem.ACCOUNT: NO_ACCOUNT,
    PodProblem.API: REFUSED,
    PodProblem.SANDBOX: SANDBOX,
    PodProblem.RUNTIME: NOT_STARTED,
    PodProblem.VOLUME: NOT_STARTED,
    PodProblem.UNSCHEDULED: NOT_STARTED,
    PodProblem.CONTAINER: NOT_STARTED,
    PodProblem.ENDED: NOT_STARTED,
    PodProblem.LATE: NOT_STARTED,
    PodProblem.NODE: NODE_NOT_READY,
    PodProblem.KUBELET: KUBELET,
    PodProblem.EXEC: EXEC,
    PodProblem.OUTPUT: OUTPUT,
}

JOINS = (PodProblem.SANDBOX, PodProblem.LATE, PodProblem.KUBELET, PodProblem.ENDED)
"""What can happen to a pod on a node that joined just now."""

NOT_PERMITTED = (PodProblem.FORBIDDEN, PodProblem.ADMISSION)
"""Why exec into a running pod is refused. Missing rights are not a fault of the cluster."""

NAMED = 5
"""At most this many of the nodes that were left out are named."""

STILL = (
    ": the registry is slow, or packets to it are lost (no way out of the cluster?). Use --image with one that the nodes have or "
    "can pull, --image auto, or a longer --timeout"
)
"""What an image pull that goes on is worth: no fault, as one that fails is told by an Event of its own."""

TOLD = 2
"""A message repeats at most this many errors, those that differ in more than numbers."""

_NUMBERS = re.compile(r"\d+")


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Report one finding for each reason, with all its nodes, then the nodes that were left out."""
    if not facts.vantages:
        raise Skip(facts.why_unmeasured)
    found: dict[tuple[Code, str], list[Vantage]] = {}
    refused: dict[tuple[str, Grant | None], list[Vantage]] = {}
    for vantage in facts.vantages:
        if vantage.grant or (vantage.running and vantage.reason in NOT_PERMITTED):
            refused.setdefault((vantage.reason, vantage.grant), []).append(vantage)
        elif vantage.reason == PodProblem.PULLING:
            refused.setdefault((vantage.reason, None), []).append(vantage)
        elif vantage.reason:
            code = _code(facts, vantage)
            if why := _doubted(facts, vantage, code):
                yield Unseen(f"what {vantage.node} reaches", f"{vantage.reason}: {vantage.message}; {why}", expected=True)
            else:
                found.setdefault((code, vantage.reason), []).append(vantage)
    for (_, grant), those in refused.items():
        where = some([vantage.node for vantage in those], NAMED)
        why = those[0].message + (STILL if those[0].reason == PodProblem.PULLING else "")
        yield Unseen(f"what {where} {'reach' if len(those) > 1 else 'reaches'}", why, grant, expected=True)
    for (code, reason), those in found.items():
        nodes = [vantage.node for vantage in those]
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", "debug pods")
        told = {_NUMBERS.sub("", vantage.message): vantage.message for vantage in reversed(those)}
        detail = "; ".join(list(reversed(told.values()))[:TOLD])
        image = facts.cluster.image or DEFAULT
        common: dict[str, object] = {"image": image, "registry": registry_of(image)} if code is IMAGE else {"reason": reason}
        again = agent_again.on(facts.cluster, nodes[0]) if code is SANDBOX else Again("")
        common |= {"detail": detail, "nodes": nodes, "first": nodes[0]} | ({"again": again.words} if again.words else {})
        yield code.on(subject, common, commands=(*code.commands, *again.commands))
    yield from _left_out(facts)


def _code(facts: Facts, vantage: Vantage) -> Code:
    """Return the code for a debug pod's trouble; on a node that joins or leaves it matters less."""
    trouble, cluster = PodProblem(vantage.reason), facts.cluster
    node = cluster.get(NODE, "", vantage.node) if cluster.readable(NODE) else None
    if node is not None:
        if trouble in JOINS and is_joining(cluster, node):
            return NODE_NOT_READY
        if trouble is PodProblem.ENDED and (node.spec.unschedulable or node.metadata.deletion_timestamp):
            return NODE_NOT_READY
    return CODES[trouble]


def _doubted(facts: Facts, vantage: Vantage, code: Code) -> str:
    """Return why the node may be joining or leaving, if Nodes can't be read to tell; else ""."""
    trouble, cluster = PodProblem(vantage.reason), facts.cluster
    if code is NODE_NOT_READY or not cluster.unreadable(NODE):
        return ""
    if trouble in JOINS and vantage.node in joining(cluster):
        return "the node may have joined just now, but Nodes can't be read"
    return "the node may be drained, but Nodes can't be read" if trouble is PodProblem.ENDED else ""


def _left_out(facts: Facts) -> Iterator[Unseen]:
    if not facts.cluster.readable(NODE):
        return
    here = {vantage.node for vantage in facts.vantages}
    left: dict[str, list[str]] = {}
    for node in facts.cluster.all(NODE):
        if node.name not in here:
            left.setdefault(node.unsupported or "not among the sampled nodes", []).append(node.name)
    for reason, nodes in left.items():
        yield Unseen(f"{'nodes' if len(nodes) > 1 else 'node'} {some(nodes, NAMED)} from inside", reason)


check = Check(
    id="debug_pods",
    title="Debug pods run on every node",
    prefix="POD",
    needs=Needs(optional=(NODE,), hints=(POD, DAEMON_SET, *NETWORK_KINDS), tier=Tier.PODS),
    codes=(IMAGE, REFUSED, NO_ACCOUNT, SANDBOX, NOT_STARTED, KUBELET, NODE_NOT_READY, EXEC, OUTPUT),
    analyse=analyse,
)
