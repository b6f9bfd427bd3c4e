# SPDX-License-Identifier: Apache-2.0
"""Who scrapes metrics of which Services: the pods of Prometheus, and the ServiceMonitors of its operator."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.records.label_selector import selects
from kubectl_netdoc.records.metrics_scrapes import SERVICE_MONITOR, ServiceMonitor
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service

PROMETHEUS = ("app.kubernetes.io/name", ("prometheus", "prometheus-agent"))
MANAGED = "operator.prometheus.io/name"
"""The labels that the operator gives to pods of a Prometheus (prometheus-operator, pkg/prometheus/common.go)."""


def prometheus_pods(cluster: Cluster) -> list[Pod]:
    """Return the pods that scrape: those of a Prometheus that the operator runs."""
    name, values = PROMETHEUS
    return [
        pod
        for pod in (cluster.all(POD) if cluster.readable(POD) else ())
        if MANAGED in pod.metadata.labels and pod.metadata.labels.get(name) in values and not pod.finished
    ]


def scraped(cluster: Cluster) -> Iterator[tuple[ServiceMonitor, Service, frozenset[int | str]]]:
    """Yield each monitor with each Service that it selects and that Service's ports that are scraped, by name or number."""
    for monitor in cluster.all(SERVICE_MONITOR) if cluster.readable(SERVICE_MONITOR) else ():
        where = monitor.spec.namespace_selector
        for service in cluster.services() if cluster.readable(SERVICE) else ():
            here = where.any or service.namespace in (where.match_names or (monitor.namespace,))
            if here and selects(monitor.spec.selector, service.metadata.labels):
                named = {each.port for each in monitor.spec.endpoints if each.port}
                targets = {each.target_port for each in monitor.spec.endpoints if each.target_port}
                ports = [port for port in service.spec.ports if port.name in named or (port.target_port or port.port) in targets]
                if ports:
                    yield monitor, service, frozenset(port.port for port in ports)
