# SPDX-License-Identifier: Apache-2.0
"""Events whose condition still holds. An Event stays for an hour; what it tells may have ended within a second.

Whoever reads Events asks here. An Event is over if it is about an earlier object of the same name, if its object has ended, if a
later Event says that what failed has succeeded, or if the object's own state says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats import sandbox_event
from kubectl_netdoc.records.base import Object
from kubectl_netdoc.records.events import Event
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.records.pods import Pod
from kubectl_netdoc.records.services import Service

CLUSTER_SCOPED = ("default", "")
"""Where Events about objects without a namespace are."""

ENDED_BY = {
    "FailedScheduling": ("Scheduled",),
    sandbox_event.REASON: ("Created", "Started"),
    "NetworkNotReady": ("Created", "Started"),
    "FailedMount": ("Created", "Started"),
    "FailedAttachVolume": ("SuccessfulAttachVolume", "Created", "Started"),
    "Failed": ("Started",),
    "BackOff": ("Started",),
    "FailedCreate": ("SuccessfulCreate",),
    "SyncLoadBalancerFailed": ("EnsuredLoadBalancer",),
    "UpdateLoadBalancerFailed": ("UpdatedLoadBalancer", "EnsuredLoadBalancer"),
    "AllocationFailed": ("IPAllocated",),
}
"""Reasons of Events, and of later ones about the same object that end them (kubelet, scheduler, controllers, cloud-provider,
MetalLB)."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def _has_network(pod: Pod) -> bool:
    """Whether a pod has a sandbox. The kubelet gives pods on the host network its own address before they have one."""
    return _runs(pod) or bool(pod.ips and not pod.spec.host_network)


def _runs(pod: Pod) -> bool:
    return bool(pod.ips) and any(
        status.state.waiting is None and status.state.terminated is None for status in pod.status.container_statuses
    )


def _nothing_waits(pod: Pod) -> bool:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return bool(statuses) and not any(status.state.waiting for status in statuses)


def _unknown(pod: Pod) -> bool:
    """Whether what is not known to end has ended: no."""
    return False


_OVER_FOR_PODS: dict[str, Callable[[Pod], Any]] = {
    "FailedScheduling": lambda pod: pod.spec.node_name,
    sandbox_event.REASON: _has_network,
    "NetworkNotReady": _has_network,
    "FailedMount": _runs,
    "FailedAttachVolume": _runs,
    "Unhealthy": lambda pod: pod.ready,
    "Failed": _nothing_waits,
    "BackOff": _nothing_waits,
}
"""What shows in a pod that an Event's condition has ended, by its reason."""


def lasting(cluster: Cluster, kind: str, item: Object, *reasons: str, within: timedelta = timedelta.max) -> list[Event]:
    """Return the Events of these reasons about an object whose condition still holds, the latest last.

    Without reasons, all Warnings. ``within``: how long ago they may have been seen last. None if Events could not be read.
    """
    spaces = (item.namespace,) if item.namespace else CLUSTER_SCOPED
    about = [event for space in spaces for event in cluster.events_about(kind, space, item.name)]
    return [
        event
        for event in sorted(about, key=_seen)
        if (event.reason in reasons if reasons else event.type == "Warning")
        and cluster.age(event.last_seen) <= within
        and not _over(cluster, event, item, about)
    ]


def _seen(event: Event) -> datetime:
    return event.last_seen or _BEGINNING


def _over(cluster: Cluster, event: Event, item: Object, about: list[Event]) -> bool:
    """Whether what an Event says of an object has ended."""
    made = item.metadata.creation_timestamp
    if made is not None and event.last_seen is not None and event.last_seen < made:
        return True
    ends = ENDED_BY.get(event.reason, ())
    if any(other.reason in ends and _seen(other) > _seen(event) for other in about):
        return True
    if isinstance(item, Pod):
        return item.finished or item.terminating or bool(_OVER_FOR_PODS.get(event.reason, _unknown)(item))
    if isinstance(item, Node):
        return event.reason == "CIDRNotAvailable" and bool(item.spec.pod_cidrs)
    return isinstance(item, Service) and "Endpoint" in event.reason and _written_since(cluster, event, item)


def _written_since(cluster: Cluster, event: Event, service: Service) -> bool:
    """Whether an EndpointSlice of a Service was written after an Event that says that this failed."""
    slices = cluster.index.slices_by_service.get((service.namespace, service.name), [])
    return any((each.changed or each.metadata.creation_timestamp or _BEGINNING) > _seen(event) for each in slices)
