# SPDX-License-Identifier: Apache-2.0
"""The pods that carry the requests of a Gateway, as far as their labels, or the class's controller, tell.

Sources: Gateway API, GEP-1762 (in-cluster deployments carry the label of their Gateway; so do Istio's, kgateway's and NGINX
Gateway Fabric's); Envoy Gateway, internal/gatewayapi/labels.go; Contour, internal/provisioner/model.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.components import ingress_controllers
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.once import once
from kubectl_netdoc.records.gateway_api import GATEWAY_CLASS, LISTENER_SETS, Gateway, Route
from kubectl_netdoc.records.kinds import GATEWAY, POD
from kubectl_netdoc.records.pods import Pod

OWN_LABELS = ("gateway.networking.k8s.io/gateway-name", "projectcontour.io/owning-gateway-name")
"""Labels with the Gateway's name, of pods in its namespace."""

ENVOY_NAME = "gateway.envoyproxy.io/owning-gateway-name"
ENVOY_NAMESPACE = "gateway.envoyproxy.io/owning-gateway-namespace"
ENVOY_CLASS = "gateway.envoyproxy.io/owning-gatewayclass"
"""Labels of Envoy Gateway's proxies, in a namespace of their own; those of merged Gateways have the class's alone."""

Owner = tuple[str, str]
"""Namespace and name of a Gateway, or nothing and the name of a GatewayClass."""


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
    owned = _owned(cluster)
    own, merged = (gateway.namespace, gateway.name), ("", gateway.spec.gateway_class_name)
    labelled = list((owned.get(own, {}) | owned.get(merged, {})).values())
    if labelled or not cluster.readable(GATEWAY_CLASS):
        return labelled
    owner = cluster.get(GATEWAY_CLASS, "", gateway.spec.gateway_class_name)
    controller = ingress_controllers.by_class(owner.spec.controller_name) if owner else None
    return ingress_controllers.serving_pods(cluster, controller) if controller else []


@once
def _owned(cluster: Cluster) -> dict[Owner, dict[tuple[str, str], Pod]]:
    """Return the pods that the labels of proxies give to a Gateway, or to a class, by what they belong to and by name."""
    found: dict[Owner, dict[tuple[str, str], Pod]] = {}
    for pod in cluster.all(POD):
        for owner in () if pod.finished else _labelled(pod):
            found.setdefault(owner, {})[pod.namespace, pod.name] = pod
    return found


def _labelled(pod: Pod) -> Iterator[Owner]:
    labels = pod.metadata.labels
    yield from ((pod.namespace, labels[key]) for key in OWN_LABELS if key in labels)
    if ENVOY_NAME in labels:
        yield labels.get(ENVOY_NAMESPACE, ""), labels[ENVOY_NAME]
    elif ENVOY_CLASS in labels:
        yield "", labels[ENVOY_CLASS]
