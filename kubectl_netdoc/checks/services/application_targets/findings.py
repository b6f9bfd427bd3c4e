# SPDX-License-Identifier: Apache-2.0
"""The findings about what workloads are told to connect to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    NAMESPACE,
    SETTLING,
    Cluster,
    Code,
    Explains,
    Finding,
    ObjectRef,
    Risk,
    Severity,
    Subject,
    Target,
    some,
)
from kubectl_netdoc.checks.services.application_targets import wrong
from kubectl_netdoc.checks.services.application_targets.wrong import Wrong
from kubectl_netdoc.components.service_mesh import PROXIES
from kubectl_netdoc.policy.current_workloads import CurrentWorkload, failing

TELEMETRY = frozenset(
    {
        *("otel", "otlp", "opentelemetry", "telemetry", "jaeger", "zipkin", "tempo", "trace", "tracing", "tracer", "statsd"),
        *("sentry", "metrics", "pushgateway", "profiling", "profiler", "pyroscope", "collector", "apm", "datadog", "dd"),
    }
)
"""Words in settings and hosts by which programs send traces, metrics and logs, and do without where nobody takes them
(OpenTelemetry, Error handling: exporters must not disturb the application)."""

SHOWN = 3
"""Hosts that a message names at most."""

BROKEN = Explains(("SVC004", "SVC016"), "services")
"""What Services show whose pods don't get ready, or keep ending, as they can't connect."""

LOOK = "kubectl -n {space} get services"
MISSING = Code(
    id="APT001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload is told to connect to a Service that does not exist",
    rows=("A1",),
    message="{kind} {namespace}/{name} is told to connect to what is not there: {told}{trouble}",
    fix="Correct {places}{meant}; or create the Service, if the name is right. A change of the pods' template recreates the "
    "pods.",
    commands=(LOOK,),
    explains=(BROKEN,),
)
NO_SUCH_PORT = Code(
    id="APT002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload is told to connect to a port that the Service does not have",
    rows=("A1",),
    message="{kind} {namespace}/{name} is told to connect to a port that is not there: {told}{trouble}",
    fix="Correct {places}{meant}; or give the Service that port, if the number is right. A change of the pods' template "
    "recreates the pods.",
    commands=("kubectl -n {space} get service {target}",),
    explains=(BROKEN,),
)
PERHAPS = Code(
    id="APT003",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A workload may be told to connect to what does not exist",
    rows=("A1",),
    message="{kind} {namespace}/{name} may be told to connect to what is not there: {told}",
    fix="There is nothing to do if the application does not use it or does without. Otherwise correct {places}{meant}.",
    commands=(LOOK,),
)


class Found(Struct, frozen=True):
    """A host that leads nowhere, and the container that is told of it."""

    target: Target
    container: str
    wrong: Wrong

    def __str__(self) -> str:
        port = f":{self.target.port}" if self.target.port and not self.target.implied else ""
        return f"{self.target.host}{port} ({self.target.place} of container {self.container}): {self.wrong.why}"

    @property
    def telemetry(self) -> bool:
        """Whether it is where traces, metrics or logs are sent."""
        return bool(TELEMETRY.intersection(self.target.words))


def analyse(cluster: Cluster, workload: CurrentWorkload) -> Iterator[Finding]:
    """Judge what one workload is told. What is not there may still be made for pods that have just begun."""
    found = list(_found(cluster, workload))
    ages = [cluster.age(pod.metadata.creation_timestamp) for pod in workload.pods]
    if ages and max(ages) < SETTLING:
        found = [each for each in found if each.wrong.service]
    if not found:
        return
    fails = _fails(cluster, workload, {each.container for each in found})
    faults = [each for each in found if not each.telemetry and (each.wrong.certain or fails)]
    for code, mine in (
        (MISSING, [each for each in faults if not each.wrong.service]),
        (NO_SUCH_PORT, [each for each in faults if each.wrong.service]),
        (PERHAPS, [each for each in found if each not in faults]),
    ):
        if mine:
            yield _finding(cluster, code, workload, mine, fails)


def _found(cluster: Cluster, workload: CurrentWorkload) -> Iterator[Found]:
    """Each host and port once, whichever container is told of it first."""
    seen: set[tuple[str, int]] = set()
    for container in (*workload.spec.containers, *workload.spec.init_containers):
        for target in container.targets if container.name not in PROXIES else ():
            key = (target.host, target.port)
            if key not in seen and (flaw := wrong.judge(cluster, workload, target)):
                seen.add(key)
                yield Found(target, container.name, flaw)


def _fails(cluster: Cluster, workload: CurrentWorkload, containers: Iterable[str]) -> str:
    """Return how the workload fails, as a clause: by its pods, or by one of these init containers that does not end."""
    old = [pod for pod in workload.pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    for pod in old if len(old) == len(workload.pods) else ():
        for status in pod.status.init_container_statuses:
            if status.name in containers and not status.ready and status.state.terminated is None:
                return f"init container {status.name} of {pod.name} has not ended"
    return failing(cluster, workload)


def _finding(cluster: Cluster, code: Code, workload: CurrentWorkload, mine: list[Found], fails: str) -> Finding:
    first = mine[0].wrong
    meant = next((f" ({each.wrong.meant} may be meant)" for each in mine if each.wrong.meant), "")
    behind = cluster.services_selecting(workload.subject.namespace, workload.labels)
    lacking = [Subject.of("Service", each.wrong.service) for each in mine if each.wrong.service]
    services = [ObjectRef.to("Service", item) for item in behind] if fails else []
    return code.on(
        workload.subject,
        {"told": some(mine, SHOWN, "; "), "trouble": f". {fails[0].upper()}{fails[1:]}" if fails else ""},
        places=some(dict.fromkeys(f"{each.target.place} of container {each.container}" for each in mine), SHOWN),
        meant=meant,
        space=first.name.namespace if _exists(cluster, first.name.namespace) else workload.subject.namespace,
        target=first.name.name,
        services=services,
        objects=lacking,
    )


def _exists(cluster: Cluster, namespace: str) -> bool:
    return not cluster.readable(NAMESPACE) or cluster.get(NAMESPACE, "", namespace) is not None


CODES = (MISSING, NO_SUCH_PORT, PERHAPS)
