# SPDX-License-Identifier: Apache-2.0
"""Who turns Services' addresses into pods' on each node: kube-proxy and its mode, or something in its place."""

from __future__ import annotations

import re
from datetime import timedelta

from kubectl_netdoc import cni
from kubectl_netdoc.cni import Image
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.measurements.base import Address
from kubectl_netdoc.measurements.connect import HttpGet
from kubectl_netdoc.records.cni import NETWORK_AGENT, NETWORK_KINDS
from kubectl_netdoc.records.kinds import DAEMON_SET, NODE, POD
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod

HINTS = (DAEMON_SET, PROXY_CONFIG, *NETWORK_KINDS)
"""Kinds that tell what is set; without them there is less to say."""

IMAGE = re.compile(r"(?:^|[/_.-])kube-proxy(?:-(?:amd64|arm64|s390x|ppc64le|windows))?$")
"""kube-proxy's image: registry.k8s.io/kube-proxy (kubeadm, kops, Talos, k0s), eks/kube-proxy, gke.gcr.io/kube-proxy-amd64,
oss/kubernetes/kube-proxy (AKS). RKE2 and OpenShift run it from an image of more; there its container is called kube-proxy."""

PARTS = {"+k3s": "k3s"}
"""Distributions in whose agent kube-proxy is a thread, by what their kubelets add to their version."""

LABELS = {
    ("eks.amazonaws.com/compute-type", "auto"): "EKS Auto Mode",
    ("eks.amazonaws.com/compute-type", "fargate"): "Fargate",
    ("microk8s.io/cluster", "true"): "MicroK8s",
}
"""Labels of nodes on which kube-proxy is no pod: part of the node's own software, or of the kubelite process."""

MODES = ("iptables", "ipvs", "nftables", "kernelspace", "userspace")
"""What /proxyMode answers."""

METRICS_PORT, HEALTH_PORT = 10249, 10256
"""kube-proxy's defaults of metricsBindAddress (127.0.0.1, or ::1) and healthzBindAddress (0.0.0.0, or ::): the second where
bindAddress is of IPv6 (pkg/proxy/apis/config/v1alpha1, SetDefaults_KubeProxyConfiguration)."""

JOINING = timedelta(minutes=5)
"""A new node's kube-proxy may have its image to pull first."""

STARTING = timedelta(minutes=1)
"""A pod younger than that is being replaced or has just been."""

SELECTOR = "k8s-app=kube-proxy"
"""kubeadm's label of kube-proxy's pods; ``command_selectors`` replaces it by what they have on this cluster."""

PODS = f"kubectl -n kube-system get pods -o wide -l {SELECTOR}"
LOGS = f"kubectl -n kube-system logs --tail=20 -l {SELECTOR} --prefix"
CONFIG = "kubectl -n kube-system get configmap kube-proxy -o yaml"
RESTART = f"kubectl -n kube-system delete pod -l {SELECTOR} --field-selector spec.nodeName={{first}}"
"""The commands that look at kube-proxy and restart it on a node (``first`` in the evidence), as templates of a code."""

_MINOR = re.compile(r"^v?1\.(\d+)(?:\D|$)")


def minor(version: str) -> int:
    """Return the minor version in ``v1.34.4`` and the like, 0 where there is none."""
    found = _MINOR.match(version)
    return int(found[1]) if found else 0


def is_proxy(pod: Pod) -> bool:
    """Whether a pod is kube-proxy."""
    return pod.spec.host_network and any(
        c.name == "kube-proxy" or IMAGE.search(Image.parse(c.image).repository) for c in pod.spec.containers
    )


def version(pod: Pod) -> str:
    """Return the version of kube-proxy's image, nothing where its tag is none."""
    tags = [Image.parse(c.image).version for c in pod.spec.containers if c.name == "kube-proxy" or "kube-proxy" in c.image]
    return next((tag for tag in tags if minor(tag)), "")


def pods(cluster: Cluster) -> dict[str, list[Pod]]:
    """Return the kube-proxy pods of each node that has any, without those on their way out. Reads POD."""
    found: dict[str, list[Pod]] = {}
    for pod in cluster.all(POD) if cluster.readable(POD) else ():
        if is_proxy(pod) and pod.spec.node_name and not (pod.finished or pod.terminating):
            found.setdefault(pod.spec.node_name, []).append(pod)
    return found


def runs(pod: Pod) -> bool:
    """Whether all containers of a pod are up."""
    return pod.status.phase == "Running" and all(status.ready for status in pod.status.container_statuses)


def embedded(node: Node) -> str:
    """Return what kube-proxy is a part of on a node, so that it is no pod there; else nothing."""
    labels = node.metadata.labels
    named = next((name for (key, value), name in LABELS.items() if labels.get(key) == value), "")
    return named or next((name for mark, name in PARTS.items() if mark in node.status.node_info.kubelet_version), "")


def bearing(cluster: Cluster) -> list[Node]:
    """Return the nodes on which kube-proxy or something in its place should be at work: ready, grown up Linux ones."""
    return [
        node
        for node in cluster.all(NODE)
        if (ready := node.condition("Ready")) is not None
        and ready.status == "True"
        and not node.unfit
        and cluster.age(node.metadata.creation_timestamp) > JOINING
    ]


def replaced_by(cluster: Cluster) -> str:
    """Return the network that is set to do kube-proxy's work, nothing where none is or where that can't be read."""
    found = cni.recognise(cluster)
    return next((each.name for each in found if each.traits.kube_proxy.replaces_kube_proxy), "")


def beside(cluster: Cluster) -> str:
    """Return the network that leads pods to ClusterIPs itself, though it leaves the rest to kube-proxy (Cilium, without its
    replacement: per-packet load balancing by eBPF); nothing where none does.
    """
    found = cni.recognise(cluster)
    return next((each.name for each in found if each.name == "Cilium" and each.traits.kube_proxy.leaves_work), "")


REPLACING = frozenset({"Cilium", "Calico", "kube-router", "Antrea"})
"""Networks that do kube-proxy's work where they are set to."""


def undecided(cluster: Cluster) -> str:
    """Return what keeps netdoc from telling whether the network does kube-proxy's work; nothing where it can tell."""
    if not cluster.readable(DAEMON_SET):
        return "DaemonSets could not be read, so nobody knows whether the network does its work"
    able = [each.name for each in cni.recognise(cluster) if each.name in REPLACING]
    unread = cni.base.unread(cluster)
    return f"{able[0]} may do its work, and what it is set to could not be read ({unread})" if able and unread else ""


def configured(cluster: Cluster) -> tuple[str, str]:
    """Return the mode that kube-proxy is set to and where that stands; nothing where nobody says, "" for the default mode."""
    return setting(cluster, "mode", "proxy-mode")


def setting(cluster: Cluster, name: str, flag: str) -> tuple[str, str]:
    """Return what kube-proxy's flag or else its ConfigMap sets, and where that stands; nothing where nobody says."""
    for item in cluster.all(NETWORK_AGENT) if cluster.readable(NETWORK_AGENT) else ():
        if flag in item.settings and "kube-proxy" in item.name:
            return item.settings[flag], f"DaemonSet {item.namespace}/{item.name}"
    for config in cluster.all(PROXY_CONFIG) if cluster.readable(PROXY_CONFIG) else ():
        if name in config.settings:
            return config.settings[name], f"ConfigMap {config.namespace}/{config.name}"
    return "", ""


def loopback(cluster: Cluster, node: str) -> str:
    """Return the address at which a node's kube-proxy tells of itself by default: that of the node's first family, as kubeadm
    sets bindAddress by it. Reads NODE.
    """
    found = cluster.get(NODE, "", node)
    own = [each.address for each in found.status.addresses if each.type == "InternalIP"] if found else []
    return "::1" if own and ip_families.of(own[0]) == ip_families.IPV6 else "127.0.0.1"


def mode_of(cluster: Cluster, node: str) -> HttpGet:
    """The question which mode a node's kube-proxy is in."""
    return HttpGet(node, Address(loopback(cluster, node), METRICS_PORT), "/proxyMode", MODES, host=True)
