# SPDX-License-Identifier: Apache-2.0
"""Adapts commands to this cluster's names of kube-proxy, the DNS servers and the controllers.

Codes write their commands for a kubeadm cluster. Before a finding is shown, each selector of pods in its commands is compared
with the cluster: a selector that matches no pod is replaced by this cluster's own for the same component. If there is no such
pod (a managed control plane, an agent that is part of another program), the command is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from shlex import quote
from typing import Any

import msgspec

from kubectl_netdoc import cni
from kubectl_netdoc.cni import Image
from kubectl_netdoc.components import cluster_dns, controller_manager, kube_proxy
from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.core.once import once
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, NETWORK_POLICY, NODE, POD, SERVICE, STATEFUL_SET
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.remediation import commands
from kubectl_netdoc.remediation.commands import Risk, on_node

NAMING = ("k8s-app", "component", "app.kubernetes.io/component", "app.kubernetes.io/name", "app", "name", "tier")
"""Labels by which distributions name the components of a cluster, the most common first."""

FLEETING = ("hash", "generation", "kubernetes.io/pod-name", "pod-index")
"""Suffixes of labels that controllers set for each pod or rollout."""

LEAVES = " Each `kubectl debug node` leaves its pod (node-debugger-…) behind: delete it when you are done."

WHOLE: dict[str, Kind[Any]] = {
    word: kind
    for kind in (POD, NODE, SERVICE, DEPLOYMENT, DAEMON_SET, STATEFUL_SET, ENDPOINT_SLICE, NETWORK_POLICY)
    for word in (kind.name.lower(), kind.plural)
}
"""Kinds of which all objects are read, by kubectl's words for them."""

_SELECTOR = re.compile(r" (?:-l|--selector)[ =](?P<quote>['\"]?)(?P<selector>[^\s'\"|]+)(?P=quote)")
_NAMESPACE = re.compile(r" (?:-n|--namespace)[ =](\S+)")
_OF_PODS = re.compile(r"^kubectl\b.* (?:logs|(?:get|delete|describe|top) (?:pods?|po))\b")
_ON_NODE = re.compile(r"--field-selector spec\.nodeName=(\S+)")


def fitted(finding: Finding, cluster: Cluster) -> Finding:
    """Return the finding with commands that fit the cluster, and their risk."""
    names = _Names(cluster)
    told = tuple(changed for command in finding.commands for changed in names.fit(command))
    if cluster.image:
        told = tuple(command.replace(commands.DEBUG_IMAGE, f"--image={quote(cluster.image)}") for command in told)
    leaves = any(command.startswith("kubectl debug node/") for command in told)
    fix = finding.fix + LEAVES if leaves and LEAVES not in finding.fix else finding.fix
    if (told, fix) == (finding.commands, finding.fix):
        return finding
    return msgspec.structs.replace(
        finding, fix=fix, commands=told, argv=tuple(map(commands.argv, told)), risk=_risk(finding.risk, told)
    )


def _risk(own: Risk, told: tuple[str, ...]) -> Risk:
    return max((own, *filter(None, map(commands.risk, told))), key=list(Risk).index)


class _Names:
    """Finds the pods that a command selects."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def fit(self, command: str) -> tuple[str, ...]:
        """Return the command for this cluster; "" if what it names is not there."""
        if not self._there(command):
            return ()
        written = _SELECTOR.search(command)
        if not written or not _OF_PODS.match(command) or not self.cluster.readable(POD):
            return (command,)
        namespace = _NAMESPACE.search(command)
        space = namespace[1].strip("'\"") if namespace else ""
        labels = _labels(written["selector"])
        if labels is None or self._matched(space, labels) or not self._seen(space):
            return (command,)
        pods, chosen = _component(self.cluster, written["selector"])
        if chosen is None:
            return ()
        there, selector = chosen
        node = _ON_NODE.search(command)
        if node and not any(pod.spec.node_name == node[1].strip("'") for pod in pods):
            return ()
        if all(pod.static for pod in pods) and " delete pod" in command:
            return (_restart_static(node[1], pods[0]),) if node else ()
        command = command.replace(written[0], f" -l {quote(selector)}")
        return (command.replace(namespace[0], f" -n {quote(there)}") if namespace else command,)

    def _there(self, command: str) -> bool:
        """Tell whether the object that a command names exists; True if its kind was not read completely."""
        kind, namespace, name = commands.named(command) or ("", "", "")
        whole = WHOLE.get(kind.partition(".")[0])
        if whole is None or not self.cluster.index.readable(whole) or (whole.namespaced and not namespace):
            return True
        if whole.namespaced and not self._seen(namespace):
            return True
        return (namespace if whole.namespaced else "", name) in self.cluster.index.by_name[whole.name]

    def _matched(self, namespace: str, labels: Mapping[str, str]) -> bool:
        pods = self.cluster.index.pods_by_namespace.get(namespace, ()) if namespace else self.cluster.all(POD)
        return any(matches(labels, pod.metadata.labels) for pod in pods)

    def _seen(self, namespace: str) -> bool:
        """Tell whether the pods of a namespace were read."""
        limited = self.cluster.scope.namespaces
        return not limited or namespace in limited or namespace in self.cluster.index.pods_by_namespace


@once
def _component(cluster: Cluster, selector: str) -> tuple[list[Pod], tuple[str, str] | None]:
    """Return the pods of the component of kubeadm's selector, with their namespace and selector here."""
    pods = COMPONENTS.get(selector, _none)(cluster)
    return pods, _selector(cluster, pods)


def _labels(selector: str) -> dict[str, str] | None:
    """Return the labels of an equality selector; None for any other selector."""
    pairs = [pair.partition("=") for pair in selector.split(",")]
    return None if any(not equals or "!" in key for key, equals, _ in pairs) else {key: value for key, _, value in pairs}


def _selector(cluster: Cluster, pods: list[Pod]) -> tuple[str, str] | None:
    """Return the namespace of these pods and the shortest selector that matches exactly them there; None if there is none."""
    if not pods:
        return None
    space = pods[0].namespace
    shared = {
        key: value
        for key, value in pods[0].metadata.labels.items()
        if not key.endswith(FLEETING) and all(pod.metadata.labels.get(key) == value for pod in pods)
    }
    ordered = sorted(shared, key=lambda key: (NAMING.index(key) if key in NAMING else len(NAMING), key))
    mine = {pod.name for pod in pods}
    others = [pod for pod in cluster.pods_in(space) if pod.name not in mine]
    for labels in [*({key: shared[key]} for key in ordered), shared]:
        if labels and not any(matches(labels, pod.metadata.labels) for pod in others):
            return space, ",".join(f"{key}={value}" for key, value in labels.items())
    return None


def _restart_static(node: str, pod: Pod) -> str:
    """Return the command that restarts a static pod: deleting its mirror in the API restarts nothing.

    Its containers have the name of their program; the kubelet restarts one that ends.
    """
    return on_node(node, f"pkill -x {quote(next((c.name for c in pod.spec.containers), ''))}")


def _none(cluster: Cluster) -> list[Pod]:
    return []


def _proxies(cluster: Cluster) -> list[Pod]:
    """Return kube-proxy's pods, or those of the network that replaces it."""
    found = [pod for pods in kube_proxy.pods(cluster).values() for pod in pods]
    if found or not cluster.readable(DAEMON_SET):
        return found
    instead = kube_proxy.replaced_by(cluster)
    agents = [agent for each in cni.recognise(cluster) if each.name == instead for agent in each.agents]
    return [pod for agent in agents for pod in cni.pods_of(cluster, agent)]


def _running(name: str, cluster: Cluster) -> list[Pod]:
    """Return pods with a container of that name or image."""
    return [
        pod
        for pod in cluster.all(POD)
        if not pod.finished
        and any(c.name == name or Image.parse(c.image).repository.rpartition("/")[2] == name for c in pod.spec.containers)
    ]


def _dns(cluster: Cluster) -> list[Pod]:
    service = cluster_dns.service(cluster) if cluster.readable(SERVICE) else None
    return cluster_dns.pods(cluster, service) if service else []


COMPONENTS: dict[str, Callable[[Cluster], list[Pod]]] = {
    kube_proxy.SELECTOR: _proxies,
    controller_manager.SELECTOR: partial(_running, "kube-controller-manager"),
    "component=kube-apiserver": partial(_running, "kube-apiserver"),
    cluster_dns.SELECTOR: _dns,
    cluster_dns.NODE_CACHE_SELECTOR: partial(_running, "k8s-dns-node-cache"),
}
"""kubeadm's selectors of components, and how the same components are found elsewhere: by what they run."""
