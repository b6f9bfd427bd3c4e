# SPDX-License-Identifier: Apache-2.0
"""Containers behind Services that end and start again, so that connections break from time to time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from kubectl_netdoc.api import (
    SETTLING,
    Cluster,
    Code,
    ContainerStatus,
    Explains,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    beginning,
    counted,
    some,
)
from kubectl_netdoc.components.service_backends import Backends

SHOWN = 3
"""Pods that a message names at most."""

QUOTED = 120
"""Characters of an Event's message that are quoted."""

FEWEST = 2
"""Restarts from which on a container restarts again and again; one alone may be anything."""

RECENT = timedelta(minutes=10)
"""A container that keeps ending has ended within this time: the kubelet starts it again after five minutes at most (kubelet:
MaxContainerBackOff), and it lived for less than that."""

SHORT = timedelta(minutes=10)
"""How long the last run of such a container was at most: the kubelet forgets the back-off of one that ran for longer."""

WELL = 2
"""A container that has run for so many times its last run has got over what ended it."""

KILLED, OOM = 137, "OOMKilled"
"""Exit code of a container that the kernel or the kubelet killed by SIGKILL, and the reason that the kubelet gives if memory was
the cause."""

RESTARTING = Code(
    id="SVC016",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A container behind a Service keeps restarting",
    message="Container {container} of {pods} behind Service {namespace}/{name} keeps restarting: {restarts}. It ended "
    "{seconds} s ago with {ended}, after it had run for {lived} s. Each time connections to it break, and new ones are "
    "refused for a while",
    fix="{mend}",
    commands=(
        "kubectl -n {namespace} logs {first} -c {container} --previous --tail=20",
        "kubectl -n {namespace} describe pod {first}",
    ),
    rows=("K2",),
    explains=(Explains(("SVR003", "SVR004", "SVR012", "EPS012"), "services"), Explains(("SVR005",), "objects")),
)


class _Restarts(Struct, frozen=True):
    """A container that keeps restarting."""

    pod: Pod
    status: ContainerStatus
    lived: timedelta
    since: timedelta


class Restarting:
    """The containers that keep restarting, each with the Services that its pod is behind."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.found: dict[tuple[str, str, str], tuple[list[Service], list[_Restarts]]] = {}

    def note(self, service: Service, backends: Backends) -> None:
        """Note those of a Service; where none of its pods is ready, that is another finding's."""
        if not (backends.ready or service.spec.publish_not_ready_addresses):
            return
        pods = [pod for pod in backends.pods if not any(owner.kind == "Job" for owner in pod.metadata.owner_references)]
        by_name: dict[str, list[_Restarts]] = {}
        for pod in pods:
            for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
                if restarts := _restarts(self.cluster, pod, status):
                    by_name.setdefault(status.name, []).append(restarts)
        for name, those in by_name.items():
            key = (service.namespace, min(each.pod.name for each in those), name)
            self.found.setdefault(key, ([], those))[0].append(service)

    def findings(self) -> Iterator[Finding]:
        """Report each container once, on the first of its Services."""
        for (*_, container), (services, those) in self.found.items():
            worst = max(those, key=lambda each: each.status.restart_count)
            ended = worst.status.last_state.terminated
            pods = sorted(each.pod.name for each in those)
            names = {
                "container": container,
                "pods": some(pods, SHOWN),
                "services": [Subject.of("Service", service) for service in services],
                "restarts": counted(worst.status.restart_count, "restart"),
                "seconds": int(worst.since.total_seconds()),
                "lived": int(worst.lived.total_seconds()),
                "ended": f"exit code {ended.exit_code} ({ended.reason or 'no reason given'})" if ended else "no reason given",
                "mend": _mend(self.cluster, worst),
                "first": worst.pod.name,
            }
            objects = [Subject.of("Pod", each.pod) for each in those[:SHOWN]]
            yield RESTARTING.on(Subject.of("Service", services[0]), names, objects=objects)


def _restarts(cluster: Cluster, pod: Pod, status: ContainerStatus) -> _Restarts | None:
    """Return how a container restarts, if it does so again and again and has not got over it."""
    ended = status.last_state.terminated
    if status.state.terminated and status.state.terminated.finished_at:
        ended = status.state.terminated
    if ended is None or ended.finished_at is None or status.restart_count < FEWEST:
        return None
    since = cluster.age(ended.finished_at)
    lived = ended.finished_at - (ended.started_at or pod.metadata.creation_timestamp or ended.finished_at)
    runs = status.state.waiting is None and status.state.terminated is None
    over_it = runs and since > max(WELL * lived, SETTLING)
    once = status in pod.status.init_container_statuses and not _sidecar(pod, status.name)
    if since > RECENT or lived > SHORT or over_it or once or not _served(pod, ended.started_at):
        return None
    return _Restarts(pod, status, lived, since)


def _sidecar(pod: Pod, name: str) -> bool:
    return any(each.name == name and each.restart_policy == "Always" for each in pod.spec.init_containers)


def _served(pod: Pod, since: datetime | None) -> bool:
    """Whether a pod has been ready since a time, so that it had connections: in a rollout new pods may crash before they are."""
    ready = pod.condition("Ready")
    changed = ready.last_transition_time if ready else None
    return pod.ready or bool(since and changed and changed >= since)


def _mend(cluster: Cluster, worst: _Restarts) -> str:
    """What to do, by what ended the container."""
    ended = worst.status.last_state.terminated or worst.status.state.terminated
    events = cluster.events_about("Pod", worst.pod.namespace, worst.pod.name)
    probes = [event for event in events if event.message.startswith(("Liveness probe failed", "Startup probe failed"))]
    recent = [event for event in probes if cluster.age(event.last_seen) < RECENT]
    if ended and ended.reason == OOM:
        return "The container used more memory than its limit: raise resources.limits.memory, or find out what takes the memory."
    if recent:
        said = beginning(recent[-1].message, QUOTED)
        return (
            f"The kubelet restarts it because of its probe ({said}): correct the probe's port, path or timeouts, or what it asks."
        )
    if ended and ended.exit_code == 0:
        return (
            "The process ends by itself without an error: a container behind a Service has to keep running. Correct its command."
        )
    return "Read the log of the run before: it says why the process ended."


CODES = (RESTARTING,)
