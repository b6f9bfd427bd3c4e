# SPDX-License-Identifier: Apache-2.0
"""The findings about what workloads are told to connect to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kubectl_netdoc.api import (
    NAMESPACE,
    SETTLING,
    AppConfig,
    Cluster,
    Code,
    Finding,
    Risk,
    Severity,
    Subject,
    Target,
    shell_word,
    some,
)
from kubectl_netdoc.checks.services.application_targets import wrong
from kubectl_netdoc.checks.services.application_targets.wrong import Wrong
from kubectl_netdoc.components.service_mesh import PROXIES
from kubectl_netdoc.policy.current_workloads import BEHIND_IT, CurrentWorkload, failing, services_of

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

LOOK = "kubectl -n {space} get services"
MISSING = Code(
    id="APT001",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload is told to connect to a Service that does not exist",
    rows=("A1",),
    message="{who} to connect to what is not there: {told}{trouble}",
    fix="Correct {places}{meant}; or create the Service, if the name is right. {after}",
    commands=(LOOK,),
    explains=(BEHIND_IT,),
)
NO_SUCH_PORT = Code(
    id="APT002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload is told to connect to a port that the Service does not have",
    rows=("A1",),
    message="{who} to connect to a port that is not there: {told}{trouble}",
    fix="Correct {places}{meant}; or give the Service that port, if the number is right. {after}",
    commands=("kubectl -n {space} get service {target}",),
    explains=(BEHIND_IT,),
)
PERHAPS = Code(
    id="APT003",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A workload may be told to connect to what does not exist",
    rows=("A1",),
    message="{who} to connect to what may not be there: {told}",
    fix="There is nothing to do if the application does not use it or does without. Otherwise correct {places}{meant}.",
    commands=(LOOK,),
)


CHANGED = "A change of the pods' template recreates the pods."
RESTART = "Pods that take variables from it have to be recreated for that."


class Found(Struct, frozen=True):
    """A host that leads nowhere, and where it stands: the container that is told of it, "" in a ConfigMap."""

    target: Target
    container: str
    wrong: Wrong

    def __str__(self) -> str:
        port = f":{self.target.port}" if self.target.port and not self.target.implied else ""
        return f"{self.target.host}{port} ({self.place}): {self.wrong.why}"

    @property
    def place(self) -> str:
        """Where it stands, as a noun."""
        return f"{self.target.place} of container {self.container}" if self.container else self.target.place

    @property
    def certain(self) -> bool:
        """Whether it is a fault even of a workload that is well: a part of a file may not be used."""
        return self.wrong.certain and not self.target.in_file

    @property
    def telemetry(self) -> bool:
        """Whether it is where traces, metrics or logs are sent."""
        return bool(TELEMETRY.intersection(self.target.words))


class Told(Struct, frozen=True):
    """What one object tells some workloads; ``who``: the sentence's beginning, ``after``: what a change of the object takes."""

    subject: Subject
    readers: tuple[CurrentWorkload, ...]
    found: tuple[Found, ...]
    who: str
    after: str


def of_workload(cluster: Cluster, workload: CurrentWorkload) -> Iterator[Finding]:
    """Judge what the containers of a workload are told by its own template."""
    containers = (*workload.spec.containers, *workload.spec.init_containers)
    told = [(target, each.name) for each in containers if each.name not in PROXIES for target in each.targets]
    found = tuple(_found(cluster, (workload,), told))
    yield from _judge(cluster, Told(workload.subject, (workload,), found, f"{workload.subject} is told", CHANGED))


def of_config(cluster: Cluster, config: AppConfig, readers: Sequence[CurrentWorkload]) -> Iterator[Finding]:
    """Judge what a ConfigMap tells the workloads that read it."""
    subject = Subject("ConfigMap", config.name, config.namespace)
    who = f"{subject} tells {some((each.subject for each in readers), SHOWN)}"
    found = tuple(_found(cluster, readers, [(target, "") for target in config.targets]))
    yield from _judge(cluster, Told(subject, tuple(readers), found, who, RESTART))


def _found(cluster: Cluster, readers: Sequence[CurrentWorkload], told: Iterable[tuple[Target, str]]) -> Iterator[Found]:
    """Each host and port once, if it is wrong for all who read of it."""
    seen: set[tuple[str, int]] = set()
    for target, container in told:
        flaws = [wrong.judge(cluster, each, target) for each in readers]
        if (target.host, target.port) not in seen and flaws and flaws[0] and all(flaws):
            seen.add((target.host, target.port))
            yield Found(target, container, flaws[0])


def _judge(cluster: Cluster, told: Told) -> Iterator[Finding]:
    """Weigh what was found. What is not there may still be made for pods that have just begun."""
    ages = [cluster.age(pod.metadata.creation_timestamp) for each in told.readers for pod in each.pods]
    begun = bool(ages) and max(ages) < SETTLING
    found = [each for each in told.found if each.wrong.service or not begun]
    if not found:
        return
    containers = {each.container for each in found}
    fails = next(filter(None, (_fails(cluster, each, containers) for each in told.readers)), "")
    faults = [each for each in found if not each.telemetry and (each.certain or fails)]
    for code, mine in (
        (MISSING, [each for each in faults if not each.wrong.service]),
        (NO_SUCH_PORT, [each for each in faults if each.wrong.service]),
        (PERHAPS, [each for each in found if each not in faults]),
    ):
        if mine:
            yield _finding(cluster, code, told, mine, fails)


def _fails(cluster: Cluster, workload: CurrentWorkload, containers: Iterable[str]) -> str:
    """Return how the workload fails, as a clause: by its pods, or by one of these init containers that does not end."""
    old = [pod for pod in workload.pods if cluster.age(pod.metadata.creation_timestamp) > SETTLING]
    for pod in old if len(old) == len(workload.pods) else ():
        for status in pod.status.init_container_statuses:
            if status.name in containers and not status.ready and status.state.terminated is None:
                return f"init container {status.name} of {pod.name} has not ended"
    return failing(cluster, workload)


def _finding(cluster: Cluster, code: Code, told: Told, mine: list[Found], fails: str) -> Finding:
    first, space = mine[0].wrong, told.subject.namespace
    meant = next((f" ({each.wrong.meant} may be meant)" for each in mine if each.wrong.meant), "")
    lacking = [Subject.of("Service", each.wrong.service) for each in mine if each.wrong.service]
    numbers = {"who": told.who, "told": some(mine, SHOWN, "; "), "trouble": f". {fails[0].upper()}{fails[1:]}" if fails else ""}
    sets = _assignments(told, mine) if code is not PERHAPS else ()
    return code.on(
        told.subject,
        numbers,
        commands=(*code.commands, *sets) if sets else None,
        places=some(dict.fromkeys(each.place for each in mine), SHOWN),
        meant=meant,
        after=told.after,
        space=first.name.namespace if _exists(cluster, first.name.namespace) else space,
        target=first.name.name,
        services=[ref for each in told.readers for ref in services_of(cluster, each)] if fails else [],
        objects=[*lacking, *(each.subject for each in told.readers if each.subject != told.subject)],
    )


def _assignments(told: Told, mine: list[Found]) -> tuple[str, ...]:
    """Return the commands that correct variables, of those whose value is nothing but what is known to be meant."""
    reader = told.readers[0]
    if not reader.patched or reader.subject != told.subject:
        return ()
    mended = [(each, *each.wrong.mended) for each in mine if each.target.variable and any(each.wrong.mended)]
    set_env = f"kubectl -n {{namespace}} set env {reader.subject.kind.lower()}/{{name}}"
    return tuple(
        f"{set_env} -c {shell_word(each.container)} {shell_word(each.target.assigned(host, port))}"
        for each, host, port in mended[:SHOWN]
    )


def _exists(cluster: Cluster, namespace: str) -> bool:
    return not cluster.readable(NAMESPACE) or cluster.get(NAMESPACE, "", namespace) is not None


CODES = (MISSING, NO_SUCH_PORT, PERHAPS)
