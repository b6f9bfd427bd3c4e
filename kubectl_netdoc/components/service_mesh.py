# SPDX-License-Identifier: Apache-2.0
"""Which pods are in a service mesh, by the proxy that carries their connections, and what the mesh requires of other clients.

Recognised by the names and images of the published manifests: Istio's injection template and charts (istio/istio,
manifests/charts/istio-control/istio-discovery and ztunnel, 1.5 to 1.29: containers ``istio-proxy`` of image ``proxyv2``,
``discovery`` of ``pilot``, label ``app: ztunnel``) and Linkerd's (linkerd/linkerd2, cli/cmd/testdata/*.golden.yml: container
``linkerd-proxy`` of image ``proxy``).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.kinds import NAMESPACE, POD
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.pods import Container, ContainerStatus, Pod
from kubectl_netdoc.records.service_mesh import PEER_AUTHENTICATION, PeerAuthentication

KINDS: tuple[Kind[Any], ...] = (POD, NAMESPACE, PEER_AUTHENTICATION)
"""The kinds that are read if they can be."""

ISTIO, AMBIENT, LINKERD = "Istio sidecar", "Istio ambient", "Linkerd"
PROXIES = {"istio-proxy": ("proxyv2", ISTIO), "linkerd-proxy": ("proxy", LINKERD)}
"""Container, prefix of its image's name, and the mesh."""

MODE = "istio.io/dataplane-mode"


def image_name(container: Container) -> str:
    """Return the last part of a container's image, without registry, tag and digest."""
    return container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def image_tag(container: Container) -> str:
    """Return the tag of a container's image."""
    return container.image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def sidecar(pod: Pod) -> tuple[Container, str] | None:
    """Return the sidecar of a pod and its mesh; None for a gateway, which is a proxy only."""
    native = [container for container in pod.spec.init_containers if container.restart_policy == "Always"]
    for container in (*pod.spec.containers, *native):
        image, name = PROXIES.get(container.name, ("", ""))
        alone = len(pod.spec.containers) == 1 and container in pod.spec.containers
        if image and not alone and image_name(container).startswith(image):
            return container, name
    return None


def gateway(pod: Pod) -> str:
    """Return the mesh of a pod that is nothing but a proxy, such as an ingress gateway; "" for all others."""
    if len(pod.spec.containers) != 1:
        return ""
    image, name = PROXIES.get(pod.spec.containers[0].name, ("", ""))
    return name if image and image_name(pod.spec.containers[0]).startswith(image) else ""


def is_ztunnel(pod: Pod) -> bool:
    """Tell whether a pod is a ztunnel, which carries its node's ambient connections."""
    return pod.metadata.labels.get("app") == "ztunnel" and any("ztunnel" in image_name(c) for c in pod.spec.containers)


def status(pod: Pod, container: str) -> ContainerStatus | None:
    """Return the status of a container or init container."""
    every = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    return next((found for found in every if found.name == container), None)


class Meshes:
    """The meshes of a cluster, as far as its lists could be read. ``proxy`` returns what accepts connections for a pod."""

    def __init__(self, cluster: Cluster) -> None:
        self.pods = [pod for pod in cluster.all(POD) if not pod.finished] if cluster.readable(POD) else []
        spaces = cluster.all(NAMESPACE) if cluster.readable(NAMESPACE) else ()
        self.labels = {space.name: space.metadata.labels for space in spaces}
        self.inbound = {space.name: space.metadata.annotations.linkerd_inbound for space in spaces}
        self.demands = cluster.all(PEER_AUTHENTICATION) if cluster.readable(PEER_AUTHENTICATION) else ()

    @cached_property
    def ztunnels(self) -> list[Pod]:
        """The ztunnel pods, one per node."""
        return [pod for pod in self.pods if is_ztunnel(pod)]

    def proxy(self, pod: Pod) -> str:
        """Return the mesh whose proxy accepts connections for a pod, whether or not the pod listens; "" if none does."""
        if pod.spec.host_network:
            return ""
        beside = sidecar(pod)
        if beside:
            return beside[1]
        mode = pod.metadata.labels.get(MODE) or self.labels.get(pod.namespace, {}).get(MODE)
        return AMBIENT if mode == "ambient" and self.ztunnels and not is_ztunnel(pod) else ""

    def strict(self, pod: Pod) -> bool:
        """Tell whether Istio requires mutual TLS of clients of a pod, on all ports without a mode of their own."""
        found = self.demand(pod)
        return found is not None and found[1] == "STRICT"

    def demand(self, pod: Pod, port: int = 0) -> tuple[PeerAuthentication, str] | None:
        """Return what sets the mode of mutual TLS of a pod, and the mode: its own rule, or its namespace's, or the mesh's.

        ``port``: a port of the pod's, which may have a mode of its own.
        """
        if self.proxy(pod) not in (ISTIO, AMBIENT):
            return None
        own = [d for d in self.demands if d.namespace == pod.namespace]
        chosen = [d for d in own if d.spec.selector and selects(d.spec.selector, pod.metadata.labels)]
        wide = [d for d in own if not d.spec.selector]
        mesh = [d for d in self.demands if d.namespace == self.root and not d.spec.selector]
        modes = [(demand, demand.spec.port_level_mtls[str(port)].mode) for demand in _oldest(chosen) if _of_port(demand, port)]
        modes += [(demand, demand.spec.mtls.mode) for demand in (*_oldest(chosen), *_oldest(wide), *_oldest(mesh))]
        return next(((demand, mode) for demand, mode in modes if mode not in ("", "UNSET")), None)

    @cached_property
    def root(self) -> str:
        """Istio's root namespace: where istiod runs."""
        return next((pod.namespace for pod in self.pods if pod.metadata.labels.get("app") == "istiod"), "istio-system")


def _of_port(demand: PeerAuthentication, port: int) -> bool:
    return str(port) in demand.spec.port_level_mtls


def _oldest(demands: list[PeerAuthentication]) -> list[PeerAuthentication]:
    """Return the one that applies: Istio uses the oldest of several."""
    return sorted(demands, key=lambda d: (str(d.metadata.creation_timestamp), d.name))[:1]
