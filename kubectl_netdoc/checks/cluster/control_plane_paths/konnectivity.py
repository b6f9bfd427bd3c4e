# SPDX-License-Identifier: Apache-2.0
"""The konnectivity agents, through which some API servers reach the nodes."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import SETTLING, Cluster, Code, Explains, Finding, Risk, Severity, Subject
from kubectl_netdoc.components.api_extensions import KONNECTIVITY, KONNECTIVITY_LABELS, konnectivity_agents, some

NO_KONNECTIVITY = Code(
    id="CPL009",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No konnectivity agent is ready",
    message="None of {count} konnectivity agents is ready ({shown}), so the API server can reach neither kubelets nor webhooks",
    fix="Find out why they are not ready: they connect to the konnectivity server of the control plane. kubectl logs and exec "
    "use the same path and fail too, so read the agents' logs on the nodes (crictl logs).",
    commands=("kubectl -n {namespace} get pods -o wide -l {label}", "kubectl -n {namespace} describe pod {first}"),
    explains=(Explains(("POD006", "CPL003"), "cluster"),),
    rows=("C4",),
)
FEW_KONNECTIVITY = Code(
    id="CPL010",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Some konnectivity agents are not ready",
    message="{bad} of {count} konnectivity agents are not ready: {shown}",
    fix="The other agents carry their load. Read the logs of these agents.",
    commands=("kubectl -n {namespace} logs --tail=20 {first}", "kubectl -n {namespace} describe pod {first}"),
    rows=("C4",),
)


# From the API server to the nodes


def unready_agents(cluster: Cluster) -> Iterator[Finding]:
    """Report konnectivity agents that are not ready."""
    pods = [pod for pod in konnectivity_agents(cluster) if not pod.terminating]
    bad = [pod for pod in pods if not pod.ready and cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    if not bad:
        return
    shown = some(f"{pod.name} on {pod.spec.node_name or 'no node'}" for pod in bad)
    common = {"count": len(pods), "bad": len(bad), "shown": shown, "first": bad[0].name}
    common["nodes"] = sorted({pod.spec.node_name for pod in bad if pod.spec.node_name})
    code = NO_KONNECTIVITY if len(bad) == len(pods) else FEW_KONNECTIVITY
    common["label"] = (
        next(label for label in KONNECTIVITY_LABELS if pods[0].metadata.labels.get(label) == KONNECTIVITY) + f"={KONNECTIVITY}"
    )
    kind = "DaemonSet" if any(owner.kind == "DaemonSet" for owner in pods[0].metadata.owner_references) else "Deployment"
    yield code.on(Subject(kind, KONNECTIVITY, "kube-system"), common)


CODES = (
    NO_KONNECTIVITY,
    FEW_KONNECTIVITY,
)
