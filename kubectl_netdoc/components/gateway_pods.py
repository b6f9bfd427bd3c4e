# SPDX-License-Identifier: Apache-2.0
"""The pods that carry the requests of a Gateway, as far as their labels, or the class's controller, tell.

Sources: Gateway API, GEP-1762 (in-cluster deployments carry the label of their Gateway; so do Istio's, kgateway's and NGINX
Gateway Fabric's); Envoy Gateway, internal/gatewayapi/labels.go; Contour, internal/provisioner/model.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.gateway_api import GATEWAY_CLASS, LISTENER_SETS, Gateway, Route
from kubectl_netdoc.records.kinds import GATEWAY, POD
from kubectl_netdoc.records.pods import Pod

OWN_LABELS = ("gateway.networking.k8s.io/gateway-name", "projectcontour.io/owning-gateway-name")
"""Labels with the Gateway's name, of pods in its namespace."""

ENVOY_NAME = "gateway.envoyproxy.io/owning-gateway-name"
ENVOY_NAMESPACE = "gateway.envoyproxy.io/owning-gateway-namespace"
ENVOY_CLASS = "gateway.envoyproxy.io/owning-gatewayclass"
"""Labels of Envoy Gateway's proxies, in a namespace of their own; those of merged Gateways have the class's alone."""


def of_route(cluster: Cluster, route: Route) -> list[Pod]:
    """Return the pods of the Gateways that a route is attached to; none if those of one of them are not known."""
    found: list[Pod] = []
    for gateway in _gateways(cluster, route):
        pods = of_gateway(cluster, gateway) if gateway else []
        if not pods:
            return []
        found += pods
    return found


def _gateways(cluster: Cluster, route: Route) -> Iterator[Gateway | None]:
    sets = {kind.name: kind for kind in LISTENER_SETS}
    for parent in route.spec.parent_refs:
        kind, namespace, name = parent.parent(route.namespace)
        if kind in sets and cluster.readable(sets[kind]) and (item := cluster.get(sets[kind], namespace, name)):
            kind, (namespace, name) = GATEWAY.name, item.gateway
        yield cluster.get(GATEWAY, namespace, name) if kind == GATEWAY.name and cluster.readable(GATEWAY) else None


def of_gateway(cluster: Cluster, gateway: Gateway) -> list[Pod]:
    """Return the pods that carry the requests of a Gateway; none if they are not known."""
    labelled = [pod for pod in cluster.all(POD) if not pod.finished and _belongs(pod, gateway)]
    if labelled or not cluster.readable(GATEWAY_CLASS):
        return labelled
    owner = cluster.get(GATEWAY_CLASS, "", gateway.spec.gateway_class_name)
    controller = ingress_controllers.by_class(owner.spec.controller_name) if owner else None
    return ingress_controllers.serving_pods(cluster, controller) if controller else []


def _belongs(pod: Pod, gateway: Gateway) -> bool:
    labels = pod.metadata.labels
    if pod.namespace == gateway.namespace and any(labels.get(key) == gateway.name for key in OWN_LABELS):
        return True
    if ENVOY_NAME in labels:
        return (labels.get(ENVOY_NAMESPACE), labels[ENVOY_NAME]) == (gateway.namespace, gateway.name)
    return labels.get(ENVOY_CLASS) == gateway.spec.gateway_class_name
