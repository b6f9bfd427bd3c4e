"""netdoc's own pods under the cluster's policies: a debug pod is not the application, and may be isolated itself."""

from __future__ import annotations

from kubectl_netdoc.cluster import Cluster
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import End, Engine
from kubectl_netdoc.policy.rules import PolicyRef
from kubectl_netdoc.records import ADMIN_POLICIES, NATIVE_POLICIES, POD

NAMESPACE = "netdoc"
"""Stands for the namespace that a run makes for itself: its name is random, and no policy can know it."""

LABELS = {"app.kubernetes.io/managed-by": "kubectl-netdoc", "netdoc/role": "echo"}
STRANGER = (NAMESPACE, LABELS)


def end(engine: Engine, node: str = "") -> End:
    """Return a debug pod as an end; the engine must have been built with ``strangers=(own.STRANGER,)``."""
    return engine.stranger(f"netdoc's debug pod on {node}" if node else "netdoc's debug pod", NAMESPACE, LABELS, node)


def isolated(cluster: Cluster) -> str:
    """Return which cluster-wide policies keep netdoc's own pods apart, or may; nothing where none does."""
    denying = _as_written(cluster)
    if denying:
        return f"{', '.join(map(str, denying))} forbids it, as written"
    native = [
        str(PolicyRef(kind.name, "", item.name))
        for kind in NATIVE_POLICIES
        if not kind.namespaced and cluster.readable(kind)
        for item in cluster.all(kind)
    ]
    return f"{', '.join(native)} may forbid it" if native else ""


def _as_written(cluster: Cluster) -> tuple[PolicyRef, ...]:
    if not any(cluster.readable(kind) and cluster.all(kind) for kind in ADMIN_POLICIES) or not cluster.readable(POD):
        return ()
    engine = Engine(cluster, strangers=(STRANGER,), templates=False)
    own = end(engine)
    verdict = engine.verdict(own, own, ports.every("TCP"))
    return () if verdict.allowed else verdict.by
