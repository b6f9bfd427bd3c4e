# SPDX-License-Identifier: Apache-2.0
"""Two kube-proxies on a node, kube-proxy beside its replacement, and versions that are not supported together."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import versions
from kubectl_netdoc.api import NODE, Cluster, Code, Finding, ObjectRef, Pod, Risk, Severity, Subject, counted
from kubectl_netdoc.components import kube_proxy

APART = 3
"""Minor versions that kube-proxy may be older than the API server, and older or newer than the kubelet beside it; in its first
versions one less (``version-skew`` in the table of versions)."""

SHOWN = 6
"""Pods that a message names at most."""

DOUBLED = Code(
    id="KPP004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="Two kube-proxies on a node",
    message="More than one kube-proxy runs on {nodes} ({pods}): they overwrite each other's rules, and only one of them gets the "
    "ports for health and metrics",
    fix="Keep the one that your installation brings, and delete what makes the other. They belong to {owners}.",
    commands=("kubectl get pods -A -o wide --field-selector spec.nodeName={first}", "kubectl get daemonsets -A"),
    rows=("K15",),
)
SKEW = Code(
    id="KPP005",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="kube-proxy's version is not supported here",
    message="kube-proxy {version} on {nodes} is {what}",
    fix="Bring kube-proxy to the API server's minor version: 'kubeadm upgrade' does that, otherwise set the image of its "
    "DaemonSet.",
    commands=("kubectl -n {space} get daemonset {owner} -o wide", "kubectl get nodes -o wide", "kubectl version"),
)
BOTH = Code(
    id="KPP010",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="kube-proxy beside its replacement",
    message="{network} is set to replace kube-proxy, and kube-proxy still runs on {where}",
    fix="There is nothing to do while you move from one to the other. Otherwise delete kube-proxy, then its rules on each node, "
    "which nobody needs (kube-proxy --cleanup, or a restart of the node).",
    commands=("kubectl -n {space} get daemonset {owner} -o wide",),
    rows=("K15",),
)


def beside_replacement(proxies: dict[str, list[Pod]], network: str) -> Iterator[Finding]:
    """Report kube-proxy on nodes where a network replaces it."""
    if any(kube_proxy.is_running(pod) for pods in proxies.values() for pod in pods):
        where = counted(len(proxies), "node")
        yield BOTH.on(
            Subject("Cluster", "kube-proxy"), kube_proxy.names(proxies), network=network, count=len(proxies), where=where
        )


def doubled(cluster: Cluster, proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    """Report nodes with two kube-proxies, neither of which is just replacing the other."""
    found = {
        node: [p for p in pods if kube_proxy.is_running(p) and cluster.age(p.metadata.creation_timestamp) > kube_proxy.STARTING]
        for node, pods in sorted(proxies.items())
    }
    found = {node: pods for node, pods in found.items() if len(pods) > 1}
    if found:
        every = [pod for pods in found.values() for pod in pods]
        owners = {Subject(ref.kind, ref.name, pod.namespace) for pod in every for ref in pod.metadata.owner_references}
        nodes, pods = list(found), sorted({ObjectRef.to("Pod", pod) for pod in every})
        subject = Subject("Node", nodes[0]) if len(nodes) == 1 else Subject("Cluster", "kube-proxy")
        yield DOUBLED.on(subject, nodes=nodes, first=nodes[0], pods=pods[:SHOWN], owners=sorted(owners))


def skew(cluster: Cluster, proxies: dict[str, list[Pod]]) -> Iterator[Finding]:
    """Report versions of kube-proxy that are not supported beside the API server's or the kubelet's."""
    kubelets = {node.name: node.status.node_info.kubelet_version for node in cluster.all(NODE)}
    found: dict[tuple[str, str], list[str]] = {}
    for node, pods in sorted(proxies.items()):
        for pod in pods[:1]:
            if what := _unsupported(kube_proxy.version(pod), cluster.server, kubelets.get(node, "")):
                found.setdefault((kube_proxy.version(pod), what), []).append(node)
    for (version, what), nodes in found.items():
        yield SKEW.on(Subject("Cluster", "kube-proxy"), kube_proxy.names(proxies), version=version, what=what, nodes=nodes)


def _unsupported(proxy: str, server: str, kubelet: str) -> str:
    """Say how versions break the policy; nothing where they keep it, or one is not known."""
    own, api, beside = (version[1] if version else 0 for version in map(versions.parse, (proxy, server, kubelet)))
    most = APART if versions.change("version-skew").reached("three", proxy) else APART - 1
    if own and api and own > api:
        return f"newer than the API server ({server}), which is not supported"
    if own and api and api - own > most:
        return f"{api - own} minor versions older than the API server ({server}); at most {most} are supported"
    if own and beside and abs(own - beside) > most:
        return f"{abs(own - beside)} minor versions from the kubelet beside it ({kubelet}); at most {most} are supported"
    return ""


CODES = (DOUBLED, SKEW, BOTH)
