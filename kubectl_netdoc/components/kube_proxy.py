# SPDX-License-Identifier: Apache-2.0
"""kube-proxy on each node: its pods, its mode and settings, or the network that replaces it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from kubectl_netdoc import cni, versions
from kubectl_netdoc.cni import Image
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Subject
from kubectl_netdoc.core.once import once
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.measurements.connect import HttpGet
from kubectl_netdoc.records.cni import NETWORK_AGENT, NETWORK_KINDS
from kubectl_netdoc.records.kinds import DAEMON_SET, ENDPOINT_SLICE, NODE, POD, SERVICE
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.records.nodes import DRAINED_BY_AUTOSCALER, EKS_COMPUTE_TYPE, Node
from kubectl_netdoc.records.pods import Container, Pod, PodSpec
from kubectl_netdoc.remediation.commands import shell_word

HINTS = (DAEMON_SET, PROXY_CONFIG, *NETWORK_KINDS)
"""Kinds that hold kube-proxy's and the network's settings; without them less is known."""

IMAGE = re.compile(r"(?:^|[/_.-])kube-proxy(?:-(?:amd64|arm64|s390x|ppc64le|windows))?$")
"""kube-proxy's image: registry.k8s.io/kube-proxy (kubeadm, kops, Talos, k0s), eks/kube-proxy, gke.gcr.io/kube-proxy-amd64,
oss/kubernetes/kube-proxy (AKS). RKE2 and OpenShift run it from an image of more; there its container is called kube-proxy."""

BUILT_IN_VERSIONS = {"+k3s": "k3s"}
"""Distributions whose agent contains kube-proxy, by the suffix of their kubelets' version."""

BUILT_IN_LABELS = {
    (EKS_COMPUTE_TYPE, "auto"): "EKS Auto Mode",
    (EKS_COMPUTE_TYPE, "fargate"): "Fargate",
    ("microk8s.io/cluster", "true"): "MicroK8s",
}
"""Distributions that run kube-proxy in no pod but in the node's own software, by labels of the node."""

MODES = ("iptables", "ipvs", "nftables", "kernelspace", "userspace")
"""Answers of /proxyMode."""

METRICS_PORT, HEALTH_PORT = 10249, 10256
"""kube-proxy's defaults of metricsBindAddress (127.0.0.1, or ::1) and healthzBindAddress (0.0.0.0, or ::): the second where
bindAddress is of IPv6 (pkg/proxy/apis/config/v1alpha1, SetDefaults_KubeProxyConfiguration)."""

FIRST_START = timedelta(minutes=5)
"""A new node's kube-proxy may have to pull its image first."""

STARTING = timedelta(minutes=1)
"""A pod younger than this has just replaced another one, or is about to."""

SETTLED = timedelta(seconds=60)
"""Rules of endpoints that changed in this time are not judged: kube-proxy syncs at least once in 30 s."""

APART = "without the node's network (hostNetwork is not true), so that the rules that it writes are not the node's"
"""Behind a verb: how a kube-proxy runs that has a network of its own."""

SELECTOR = "k8s-app=kube-proxy"
"""kubeadm's label of kube-proxy's pods; ``command_selectors`` replaces it by what they have on this cluster."""

PODS = f"kubectl -n kube-system get pods -o wide -l {SELECTOR}"
LOGS = f"kubectl -n kube-system logs --tail=20 -l {SELECTOR} --prefix"
CONFIG = "kubectl -n kube-system get configmap kube-proxy -o yaml"
_DELETE_ON = f"kubectl -n kube-system delete pod -l {SELECTOR} --field-selector spec.nodeName="
RESTART = _DELETE_ON + "{first}"
"""Command templates: look at kube-proxy, and restart it on the node that the evidence calls ``first``."""

POD_LOG = "kubectl -n {space} logs {pod} --tail=50"
DELETE_POD = "kubectl -n {space} delete pod {pod}"
EDIT_CONFIG = "kubectl -n {space} edit configmap kube-proxy"
ROLLOUT_RESTART = "kubectl -n {space} rollout restart daemonset {owner}"
"""Command templates with the names of ``names``."""


def restart_on(node: str) -> str:
    """Return the command template that restarts kube-proxy on a node of that name."""
    return _DELETE_ON + shell_word(node)


FULL_SYNC = versions.change("kube-proxy-full-sync")
LARGE = 1000
"""Endpoints of all Service ports in one IP family above which kube-proxy writes all rules only when it has to
(largeClusterEndpointsThreshold in pkg/proxy/iptables/proxier.go)."""


def resync(version: str, endpoints: int, mode: str = "iptables") -> str:
    """Return how soon a running kube-proxy writes rules by itself that are missing on its node, as the end of a sentence
    that begins with "a running one writes missing rules".

    ``version``: of kube-proxy, as text; "" where it is not known. ``endpoints``: as ``endpoints_of`` counts them.
    """
    if mode == "iptables" and versions.parse(version) and not FULL_SYNC.reached("hourly", version):
        return "within 30 s"
    if mode != "iptables" or endpoints <= LARGE or (versions.parse(version) and not FULL_SYNC.reached("small", version)):
        return "only once an hour"
    never = f"not before it is restarted, as there are more than {LARGE:,} endpoints"
    return never if version else f"{never} (older ones: once an hour)"


def endpoints_of(cluster: Cluster) -> int:
    """Return the endpoints of all Service ports as a kube-proxy counts them, in the IP family that has more of them."""
    counts: dict[str, int] = {}
    for service in cluster.all(SERVICE) if cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE) else ():
        if not service.headless and service.spec.type != "ExternalName":
            for item in cluster.slices_of(service):
                ports = len(item.numbered)
                counts[item.address_type] = counts.get(item.address_type, 0) + ports * len(item.endpoints)
    return max(counts.values(), default=0)


def is_proxy(pod: Pod) -> bool:
    """Whether a pod is kube-proxy."""
    return pod.spec.host_network and runs_it(pod.spec)


def runs_it(spec: PodSpec) -> bool:
    """Whether a pod of that kind runs kube-proxy's program, wherever that has an effect."""
    return any(c.name == "kube-proxy" or has_image(c) for c in spec.containers)


def has_image(container: Container) -> bool:
    """Whether a container runs kube-proxy's own image."""
    return IMAGE.search(Image.parse(container.image).repository) is not None


def version(pod: Pod) -> str:
    """Return the version of kube-proxy's image, nothing where its tag is none."""
    tags = [Image.parse(c.image).version for c in pod.spec.containers if c.name == "kube-proxy" or "kube-proxy" in c.image]
    return next((tag for tag in tags if versions.parse(tag)), "")


NFTABLES = versions.change("kube-proxy-nftables")


def refills(found: list[Pod]) -> bool:
    """Whether a node's kube-proxy in nftables mode, started anew, fills empty chains again; false where nothing tells."""
    return bool(found) and NFTABLES.reached("maps", version(found[0]))


@once
def pods(cluster: Cluster) -> dict[str, list[Pod]]:
    """Return the kube-proxy pods of each node that has any, without those on their way out. Reads POD."""
    found: dict[str, list[Pod]] = {}
    for pod in cluster.all(POD) if cluster.readable(POD) else ():
        if is_proxy(pod) and pod.spec.node_name and not (pod.finished or pod.terminating):
            found.setdefault(pod.spec.node_name, []).append(pod)
    return found


def names(proxies: Mapping[str, list[Pod]], node: str = "") -> dict[str, str]:
    """Return the names for commands: kube-proxy's pod on a node (``pod``), its namespace (``space``) and DaemonSet (``owner``).

    Without a node any pod will do. Where there is no pod, these are kubeadm's names.
    """
    found = proxies.get(node, []) if node else [pod for pods in proxies.values() for pod in pods]
    owners = [owner.name for pod in found for owner in pod.metadata.owner_references if owner.kind == "DaemonSet"]
    pod = found[0] if found else None
    return {
        "pod": pod.name if pod else "kube-proxy",
        "space": pod.namespace if pod else "kube-system",
        "owner": max(sorted(set(owners)), key=owners.count, default="kube-proxy"),
    }


def is_running(pod: Pod) -> bool:
    """Whether all containers of a pod are ready."""
    return pod.status.phase == "Running" and all(status.ready for status in pod.status.container_statuses)


def embedded(node: Node) -> str:
    """Return the software that contains kube-proxy on a node, so that it has no pod there; nothing where none does."""
    labels = node.metadata.labels
    named = next((name for (key, value), name in BUILT_IN_LABELS.items() if labels.get(key) == value), "")
    return named or next((name for mark, name in BUILT_IN_VERSIONS.items() if mark in node.status.node_info.kubelet_version), "")


@once
def expected_nodes(cluster: Cluster) -> list[Node]:
    """Return the nodes on which kube-proxy or its replacement should work: Linux nodes that are ready and not new."""
    return [
        node
        for node in cluster.all(NODE)
        if (ready := node.condition("Ready")) is not None
        and ready.status == "True"
        and not node.unsupported
        and cluster.age(node.metadata.creation_timestamp) > FIRST_START
    ]


def drained_by_autoscaler(node: Node) -> bool:
    """Whether the cluster autoscaler drains a node: kube-proxy's /healthz then fails by design, so that no traffic comes."""
    return any(taint.key == DRAINED_BY_AUTOSCALER for taint in node.spec.taints)


def replaced_by(cluster: Cluster) -> str:
    """Return the network that is set to replace kube-proxy; nothing where none is, or where that can't be read."""
    found = cni.recognise(cluster)
    return next((each.name for each in found if each.traits.kube_proxy.replaces_kube_proxy), "")


def replaced_for_pods_by(cluster: Cluster) -> str:
    """Return the network that handles pods' connections to ClusterIPs and leaves the rest to kube-proxy; nothing if none does.

    Cilium does so without its kube-proxy replacement (per-packet load balancing by eBPF).
    """
    found = cni.recognise(cluster)
    return next((each.name for each in found if each.name == "Cilium" and each.traits.kube_proxy.leaves_work), "")


REPLACING = frozenset({"Cilium", "Calico", "kube-router", "Antrea"})
"""Networks that can be set to replace kube-proxy."""


def replacement_unknown(cluster: Cluster) -> str:
    """Return why it is not known whether the network replaces kube-proxy; nothing where it is known."""
    if not cluster.readable(DAEMON_SET):
        return "whether the network replaces it is not known, as DaemonSets can't be read"
    able = [each.name for each in cni.recognise(cluster) if each.name in REPLACING]
    unread = cni.base.unreadable_settings(cluster)
    return f"{able[0]} may replace it, but its settings can't be read ({unread})" if able and unread else ""


def configured(cluster: Cluster) -> tuple[str, Subject | None]:
    """Return the mode that kube-proxy is set to ("" for the default) and the object that sets it; None where none is known."""
    return setting(cluster, "mode", "proxy-mode")


def setting(cluster: Cluster, name: str, flag: str) -> tuple[str, Subject | None]:
    """Return what kube-proxy's flag, or else its ConfigMap, sets, and that object; "" and None where neither does."""
    for item in cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ():
        if flag in item.settings and "kube-proxy" in item.name:
            return item.settings[flag], Subject("DaemonSet", item.name, item.namespace)
    for config in cluster.all(PROXY_CONFIG) if cluster.readable(PROXY_CONFIG) else ():
        if name in config.settings:
            return config.settings[name], Subject("ConfigMap", config.name, config.namespace)
    return "", None


def without_mode(cluster: Cluster) -> Subject | None:
    """Return kube-proxy's ConfigMap where it sets no mode and no flag does; None where that can't be read."""
    if not (cluster.readable(NETWORK_AGENT) and cluster.readable(PROXY_CONFIG)) or configured(cluster)[0]:
        return None
    return next((Subject.of("ConfigMap", config) for config in cluster.all(PROXY_CONFIG) if config.settings), None)


def loopback(cluster: Cluster, node: str) -> str:
    """Return the loopback address of a node's first IP family, on which kube-proxy serves its metrics by default (kubeadm sets
    bindAddress by that family). Reads NODE.
    """
    found = cluster.get(NODE, "", node)
    own = [each.address for each in found.status.addresses if each.type == "InternalIP"] if found else []
    return "::1" if own and ip_families.of(own[0]) == ip_families.IPV6 else "127.0.0.1"


def mode_of(cluster: Cluster, node: str) -> HttpGet:
    """Return the request for the mode of a node's kube-proxy."""
    return HttpGet(node, Address(loopback(cluster, node), METRICS_PORT), "/proxyMode", MODES, host=True)
