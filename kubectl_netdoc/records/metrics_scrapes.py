# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told to scrape: ServiceMonitors and PodMonitors of the Prometheus operator."""

from __future__ import annotations

from kubectl_netdoc.records.base import Kind, Object, Record
from kubectl_netdoc.records.policies import LabelSelector

MONITORING = "monitoring.coreos.com"


class MonitoredNamespaces(Record, frozen=True):
    """Where a monitor's objects are: everywhere, in those named, or in its own where neither is set."""

    any: bool = False
    match_names: tuple[str, ...] = ()

    def spaces(self, own: str) -> tuple[str, ...]:
        """Return the namespaces that are meant by a monitor of namespace ``own``; not where it is any."""
        return tuple(dict.fromkeys(self.match_names or (own,)))


class ScrapedPort(Record, frozen=True):
    """One port: by the name of the Service's or the pod's port, or by the container's."""

    port: str = ""
    port_number: int = 0
    target_port: int | str = 0


class MonitorSpec(Record, frozen=True):
    """What every monitor has: which objects it is for, and where these are."""

    selector: LabelSelector = LabelSelector()
    namespace_selector: MonitoredNamespaces = MonitoredNamespaces()


class ServiceMonitorSpec(MonitorSpec, frozen=True):
    """The Services whose endpoints are scraped, and on which of their ports."""

    endpoints: tuple[ScrapedPort, ...] = ()


class ServiceMonitor(Object, frozen=True):
    """A ServiceMonitor."""

    spec: ServiceMonitorSpec = ServiceMonitorSpec()


class PodMonitorSpec(MonitorSpec, frozen=True):
    """The pods that are scraped, and on which of their ports."""

    pod_metrics_endpoints: tuple[ScrapedPort, ...] = ()


class PodMonitor(Object, frozen=True):
    """A PodMonitor."""

    spec: PodMonitorSpec = PodMonitorSpec()


SERVICE_MONITOR = Kind("ServiceMonitor", MONITORING, "v1", "servicemonitors", ServiceMonitor)
POD_MONITOR = Kind("PodMonitor", MONITORING, "v1", "podmonitors", PodMonitor)
"""prometheus-operator, pkg/apis/monitoring/v1/servicemonitor_types.go and podmonitor_types.go."""

MONITORS = (SERVICE_MONITOR, POD_MONITOR)
