# SPDX-License-Identifier: Apache-2.0
"""Who scrapes metrics of which Services and pods: the pods of Prometheus, and the monitors of its operator."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.metrics_scrapes import POD_MONITOR, SERVICE_MONITOR, PodMonitor, ScrapedPort, ServiceMonitor
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service

PROMETHEUS = frozenset(("app.kubernetes.io/name", name) for name in ("prometheus", "prometheus-agent"))
MANAGED = "operator.prometheus.io/name"
"""The labels that the operator gives to pods of a Prometheus (prometheus-operator, pkg/prometheus/common.go)."""


def prometheus_pods(cluster: Cluster) -> list[Pod]:
    """Return the pods that scrape: those of a Prometheus that the operator runs."""
    operated = [pod for pod in cluster.all(POD) if MANAGED in pod.metadata.labels] if cluster.readable(POD) else []
    return [pod for pod in operated if PROMETHEUS & pod.metadata.labels.items() and not pod.finished]


def scraped_services(cluster: Cluster) -> Iterator[tuple[ServiceMonitor, Service, frozenset[int | str]]]:
    """Yield each monitor with each Service that it selects and that Service's ports that are scraped, by name or number."""
    services = cluster.services() if cluster.readable(SERVICE) else []
    by_namespace: dict[str, list[Service]] = {}
    for service in services:
        by_namespace.setdefault(service.namespace, []).append(service)
    for monitor in cluster.all(SERVICE_MONITOR) if cluster.readable(SERVICE_MONITOR) else ():
        where = monitor.spec.namespace_selector
        named = {each.port for each in monitor.spec.endpoints if each.port}
        targets = {each.target_port for each in monitor.spec.endpoints if each.target_port}
        spaces = where.spaces(monitor.namespace)
        for service in services if where.any else (each for space in spaces for each in by_namespace.get(space, ())):
            if selects(monitor.spec.selector, service.metadata.labels):
                ports = [port for port in service.spec.ports if port.name in named or (port.target_port or port.port) in targets]
                if ports:
                    yield monitor, service, frozenset(port.port for port in ports)


def scraped_pods(cluster: Cluster) -> Iterator[tuple[PodMonitor, tuple[Pod, ...]]]:
    """Yield each monitor with the pods that it selects, if there are any."""
    for monitor in cluster.all(POD_MONITOR) if cluster.readable(POD_MONITOR) and cluster.readable(POD) else ():
        where = monitor.spec.namespace_selector
        inside = (pod for space in where.spaces(monitor.namespace) for pod in cluster.pods_in(space))
        pods = cluster.all(POD) if where.any else inside
        if chosen := tuple(pod for pod in pods if selects(monitor.spec.selector, pod.metadata.labels) and not pod.finished):
            yield monitor, chosen


def ports_of(pod: Pod, endpoints: tuple[ScrapedPort, ...]) -> set[int]:
    """Return the container ports of a pod that are scraped; as the operator does, only those that the pod declares."""
    return {
        port.container_port
        for port in pod.spec.ports()
        for wanted in endpoints
        if (port.name and port.name in (wanted.port, wanted.target_port))
        or port.container_port in (wanted.port_number, wanted.target_port)
    }
