# SPDX-License-Identifier: Apache-2.0
"""The ingress controllers that netdoc knows, by their classes, pods and images, and the Ingresses with their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from kubectl_netdoc.components import ingress_backends
from kubectl_netdoc.core.cluster import Cluster, matches
from kubectl_netdoc.core.once import once
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.ingress import INGRESS_CLASS, Ingress, IngressClass
from kubectl_netdoc.records.kinds import DAEMON_SET, DEPLOYMENT, INGRESS, POD
from kubectl_netdoc.records.pods import Pod, PodSpec
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.records.workloads import Workload

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
SOLVER = "acme.cert-manager.io/http01-solver"
"""The label of the Ingresses that cert-manager makes for some minutes, beside the one of the same host."""

OTHER_COMPONENTS = frozenset({"admission-webhook", "default-backend", "defaultbackend"})
"""Components of a controller's chart that are not the controller."""


class Controller(Struct, frozen=True, kw_only=True):
    """An ingress controller.

    ``classes``: beginnings of spec.controller of its IngressClass. ``annotations``: its values of the old annotation
    kubernetes.io/ingress.class. ``names`` (of the label app.kubernetes.io/name) and ``images`` (parts of image names): its pods;
    a controller without them runs, or may run, outside of the cluster.
    ``own``: each Ingress has a load balancer of its own, so no two claim one path. ``secrets``: it serves the certificates of the
    Secrets that spec.tls names. ``classless``: by default it serves Ingresses that name no class.
    """

    name: str
    classes: tuple[str, ...]
    annotations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    own: bool = False
    secrets: bool = True
    classless: bool = False

    @property
    def inside(self) -> bool:
        """Whether it has pods in the cluster."""
        return bool(self.names or self.images)

    def runs(self, labels: Mapping[str, str], spec: PodSpec) -> bool:
        """Whether pods with these labels and containers are this controller's."""
        if labels.get(COMPONENT) in OTHER_COMPONENTS:
            return False
        images = [container.image for container in spec.containers]
        return labels.get(NAME) in self.names or any(part in image for part in self.images for image in images)

    def pods(self, cluster: Cluster) -> list[Pod]:
        """Its pods that have not ended."""
        return _pods(cluster, self)

    def like(self, cluster: Cluster) -> str:
        """A pod that may be this controller's by its name or image (from a mirror registry, or a manifest of one's own)."""
        return next(
            (
                f"{pod.namespace}/{pod.name}"
                for pod in cluster.all(POD)
                if not pod.finished and pod.metadata.labels.get(COMPONENT) not in OTHER_COMPONENTS and self._resembles(pod)
            ),
            "",
        )

    def _resembles(self, pod: Pod) -> bool:
        texts = (pod.name, *(container.image for container in pod.spec.containers))
        return any(name in text for name in self.names for text in texts)

    def workloads(self, cluster: Cluster) -> list[tuple[Kind[Workload], Workload]]:
        """The Deployments and DaemonSets that make its pods."""
        return [
            (kind, item)
            for kind in (DEPLOYMENT, DAEMON_SET)
            if cluster.readable(kind)
            for item in cluster.all(kind)
            if self.runs(item.template.metadata.labels, item.template.spec)
        ]


INGRESS_NGINX = Controller(
    name="ingress-nginx",
    classes=("k8s.io/ingress-nginx",),
    annotations=("nginx",),
    names=("ingress-nginx", "rke2-ingress-nginx"),
    images=("ingress-nginx/controller", "/nginx-ingress-controller"),
)
TRAEFIK = Controller(
    name="Traefik",
    classes=("traefik.io/",),
    annotations=("traefik",),
    names=("traefik",),
    images=("traefik:", "traefik@"),
    classless=True,  # doc.traefik.io: Kubernetes Ingress, ingressClass
)
KNOWN = (
    INGRESS_NGINX,
    Controller(name="AKS application routing", classes=("webapprouting.kubernetes.azure.com/",)),
    Controller(
        name="NGINX Ingress Controller", classes=("nginx.org/",), names=("nginx-ingress",), images=("nginx/nginx-ingress",)
    ),
    TRAEFIK,
    Controller(
        name="HAProxy",
        classes=("haproxy.org/",),
        names=("kubernetes-ingress",),
        images=("haproxytech/kubernetes-ingress",),
    ),
    Controller(
        name="HAProxy Ingress",
        classes=("haproxy-ingress.github.io/",),
        names=("haproxy-ingress",),
        images=("/haproxy-ingress",),
    ),
    Controller(
        name="Kong",
        classes=("ingress-controllers.konghq.com/",),
        annotations=("kong",),
        names=("kong",),
        images=("kong/kubernetes-ingress-controller",),
        own=True,  # konghq.com/methods and konghq.com/headers tell requests for one path apart
    ),
    Controller(
        name="Contour",
        classes=("projectcontour.io/",),
        annotations=("contour",),
        names=("contour",),
        images=("projectcontour/contour",),
        classless=True,  # projectcontour.io: Ingress, without --ingress-class-name
    ),
    Controller(name="Cilium", classes=("cilium.io/",), annotations=("cilium",)),
    Controller(name="Istio", classes=("istio.io/",), annotations=("istio",)),
    Controller(
        name="AWS Load Balancer Controller",
        classes=("ingress.k8s.aws/", "eks.amazonaws.com/"),
        annotations=("alb",),
        own=True,
        secrets=False,  # certificates are those of ACM
    ),
    Controller(
        name="GKE Ingress",
        classes=("k8s.io/ingress-gce", "networking.gke.io/"),
        annotations=("gce", "gce-internal"),
        own=True,
        secrets=False,  # pre-shared and managed certificates are named in annotations
    ),
    Controller(
        name="Application Gateway",
        classes=("azure/application-gateway", "alb.networking.azure.io/"),
        annotations=("azure/application-gateway",),
        secrets=False,  # certificates may be those of the gateway itself
    ),
    Controller(name="OpenShift", classes=("openshift.io/",), secrets=False, classless=True),  # it makes Routes of these too
)
"""From the controllers' own documents: spec.controller of the IngressClass in each project's manifest or chart, with the labels
and images there. ingress-nginx: deploy/static/provider/kind/deploy.yaml of v1.11.2."""


@once
def _pods(cluster: Cluster, controller: Controller) -> list[Pod]:
    return [pod for pod in cluster.all(POD) if not pod.finished and controller.runs(pod.metadata.labels, pod.spec)]


def by_class(controller: str) -> Controller | None:
    """Return the controller that spec.controller of an IngressClass means, or None."""
    return next((known for known in KNOWN if any(controller.startswith(begin) for begin in known.classes)), None)


def by_annotation(value: str) -> Controller | None:
    """Return the controller that a value of kubernetes.io/ingress.class usually means, or None."""
    return next((known for known in KNOWN if value in known.annotations), None)


class Classed(Struct, frozen=True):
    """An Ingress with its class: the name ("": none), the object where there is one, and the controller where it is known."""

    ingress: Ingress
    cls: str
    found: IngressClass | None
    controller: Controller | None

    @property
    def addressed(self) -> bool:
        """Whether a controller has written an address into its status."""
        return bool(self.ingress.status.load_balancer.ingress)


@once
def ingresses(cluster: Cluster) -> list[Classed]:
    """Return the Ingresses that the user chose, with their classes, without those of cert-manager's solvers."""
    classes = cluster.all(INGRESS_CLASS) if cluster.readable(INGRESS_CLASS) else ()
    return [
        _classed(item, classes)
        for item in cluster.all(INGRESS)
        if item.metadata.deletion_timestamp is None
        and item.metadata.labels.get(SOLVER) != "true"
        and ingress_backends.in_scope(cluster, item.namespace)
        and ingress_backends.selected(cluster, [(item.namespace, name) for name in item.services()])
    ]


def _classed(ingress: Ingress, classes: Iterable[IngressClass]) -> Classed:
    name, old = ingress.spec.ingress_class_name, ingress.metadata.annotations.ingress_class
    found = next((c for c in classes if (c.name == (name or old) if name or old else c.default)), None)
    known = by_class(found.spec.controller) if found else None
    return Classed(ingress, name or old or (found.name if found else ""), found, known or by_annotation(old))


def services_of(cluster: Cluster, pods: list[Pod]) -> list[Service]:
    """Return the Services that select these pods and have TCP port 80 or 443, or ports called http and https."""
    found = (service for pod in pods for service in cluster.services_selecting(pod.namespace, pod.metadata.labels))
    return [
        service
        for service in {(service.namespace, service.name): service for service in found}.values()
        if any(port.protocol == "TCP" and serves(port.name, port.port) for port in service.spec.ports)
    ]


@once
def serving_pods(cluster: Cluster, controller: Controller) -> list[Pod]:
    """Return the controller's pods that requests come in through: behind such a Service, on the host network, or by host ports.

    The others only configure a proxy that runs elsewhere.
    """
    pods = controller.pods(cluster) if controller.inside else []
    services = services_of(cluster, pods)
    return [
        pod
        for pod in pods
        if pod.spec.host_network
        or any(port.host_port for port in pod.spec.ports())
        or any(matches(service.spec.selector, pod.metadata.labels) for service in services if service.namespace == pod.namespace)
    ]


def serves(name: str, port: int) -> bool:
    """Whether a port of a controller's Service is for requests, and not for metrics or an admission webhook."""
    return name in ("http", "https", "web", "websecure") or (port in (80, 443) and "webhook" not in name)
