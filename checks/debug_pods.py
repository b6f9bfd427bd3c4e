"""Can netdoc measure from every node?

## What it looks at
Its own debug pods: whether each starts on its node, why one does not, and whether exec works in it.

## Why it matters
Where a debug pod can't start, other pods often can't either: an image registry that can't be reached, a CNI plugin that
gives no address, an admission policy. And what was not measured must not be taken for healthy.

## What it can't see
Why a registry does not answer. Nodes that can't run a Linux pod (Windows, virtual) are not looked at, and it says so.

## Sources
Kubernetes: Pod lifecycle, Pod Security Standards, Images; failure catalogue M7.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    Check,
    Code,
    Facts,
    Finding,
    Needs,
    Risk,
    Severity,
    Skip,
    Subject,
    Tier,
    Trouble,
    Unseen,
)

IMAGE = Code(
    id="POD001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Image of the debug pods can't be pulled",
    message="The image of netdoc's debug pods can't be had on {nodes}: {detail}",
    fix="Name an image that your nodes can pull and that has python3 (--image, or NETDOC_IMAGE; --image-pull-secret).",
    commands=("kubectl netdoc check --no-pods",),
)
REFUSED = Code(
    id="POD002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Debug pods are refused",
    message="The API server refuses netdoc's debug pods ({reason}) on {nodes}: {detail}",
    fix="Use a namespace that admits a restricted pod and has quota for it (--pod-namespace).",
    commands=("kubectl netdoc rbac --check", "kubectl netdoc check --no-pods"),
)
SANDBOX = Code(
    id="POD003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="A debug pod gets no network",
    message="A pod that netdoc started on {nodes} gets no network: {detail}",
    fix="New pods on that node start no more. Read the log of the network agent there; one that hangs comes back when its pod is "
    "deleted.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl describe node {first}"),
    rows=("M7",),
)
NOT_STARTED = Code(
    id="POD004",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A debug pod did not start, or ended",
    message="netdoc's debug pod on {nodes} is of no use ({reason}): {detail}",
    fix="Look at the node: its network agent, its kubelet, its container runtime, its load.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl describe node {first}"),
)
NODE_NOT_READY = Code(
    id="POD005",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="No debug pod on a node that is not ready",
    message="No debug pod was started on {nodes}: {detail}",
    fix="See nodes_ready for the node itself.",
    commands=("kubectl describe node {first}",),
)
EXEC = Code(
    id="POD006",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Exec into a running pod fails",
    message="Exec into netdoc's running debug pod on {nodes} fails: {detail}",
    fix="Exec goes from the API server to the kubelet (port 10250), or through konnectivity; kubectl exec and logs take the same "
    "way. Where it says forbidden, you lack create on pods/exec.",
    commands=("kubectl auth can-i create pods/exec -A", "kubectl get node {first} -o wide"),
)

CODES = {
    Trouble.IMAGE: IMAGE,
    Trouble.QUOTA: REFUSED,
    Trouble.ADMISSION: REFUSED,
    Trouble.FORBIDDEN: REFUSED,
    Trouble.API: REFUSED,
    Trouble.SANDBOX: SANDBOX,
    Trouble.CONTAINER: NOT_STARTED,
    Trouble.ENDED: NOT_STARTED,
    Trouble.LATE: NOT_STARTED,
    Trouble.NODE: NODE_NOT_READY,
    Trouble.EXEC: EXEC,
}


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Yield one finding a reason, with all the nodes that have it, then the nodes that were left out."""
    if not facts.vantages:
        raise Skip(facts.why_not)
    by_reason: dict[tuple[str, str], list[str]] = {}
    for vantage in facts.vantages:
        if vantage.reason:
            by_reason.setdefault((vantage.reason, vantage.message), []).append(vantage.node)
    merged: dict[str, tuple[str, list[str]]] = {}
    for (reason, message), nodes in by_reason.items():
        merged.setdefault(reason, (message, []))[1].extend(nodes)
    for reason, (message, nodes) in merged.items():
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", "debug pods")
        yield CODES[Trouble(reason)].on(subject, reason=reason, detail=message, nodes=nodes, first=nodes[0])
    yield from _left_out(facts)


def _left_out(facts: Facts) -> Iterator[Unseen]:
    if not facts.cluster.readable(NODE):
        return
    here = {vantage.node for vantage in facts.vantages}
    for node in facts.cluster.all(NODE):
        if node.name not in here:
            yield Unseen(f"node {node.name} from inside", node.unfit or "not among the sampled nodes")


check = Check(
    id="debug_pods",
    title="Debug pods run on every node",
    prefix="POD",
    needs=Needs(optional=(NODE,), tier=Tier.PODS),
    codes=(IMAGE, REFUSED, SANDBOX, NOT_STARTED, NODE_NOT_READY, EXEC),
    analyse=analyse,
)
