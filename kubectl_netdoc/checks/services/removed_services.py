# SPDX-License-Identifier: Apache-2.0
"""Was a Service removed, renamed or cut short while its pods still run?

## What it looks at
The Services as they were five to ten minutes ago, which API servers remember, and the Services and pods as they are now. A
Service that is gone while a workload still wants the pods that it led to is told, with the one that was made in its place, if
there is one; so is one that has lost a port or a node port.

## Why it matters
Nothing in the cluster shows that a Service was there: no Event, no object, no name in DNS. Its pods are well, and whoever uses
its name or its address gets no answer. Moved to another namespace or under another name it looks right to whoever looks at it.

## What it can't see
What was removed longer ago. A Service that had been there for less than a quarter of an hour, and a port that had been so for
less than an hour: perhaps that was the slip. Services without a selector; those that a controller owns (Knative, operators),
which come and go; and those of namespaces that are being deleted. Whether anybody used it.

## Sources
Kubernetes: API concepts, resource versions (`resourceVersionMatch=Exact`); kube-apiserver, --etcd-compaction-interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    PAST_SERVICE,
    POD,
    SERVICE,
    STATEFUL_SET,
    Check,
    Cluster,
    Code,
    Facts,
    Finding,
    Needs,
    Risk,
    Service,
    Severity,
    Skip,
    Subject,
    Unseen,
    matches,
    shell_word,
    some,
)

SHOWN = 3
"""Pods that a message names at most."""

REMOVED = Code(
    id="RMV001",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A Service was removed whose pods still run",
    message="Service {namespace}/{name} was there some minutes ago and is gone, while {workload} still runs the {count} ready "
    "pods that it led to ({shown}): {host} and {address} lead nowhere{instead}",
    fix="If nobody meant that, make the Service again as it was: selector {selector}, ports {ports}. It gets another address, so "
    "clients that keep the old one must be restarted.",
    rows=("K2",),
)

LOST = Code(
    id="RMV002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A Service lost a port that its clients use",
    message="Service {namespace}/{name} had {had} some minutes ago, and has {has} now: clients that use the former get no answer",
    fix="If nobody meant that, set it back (spec.ports, spec.type): the second command opens the Service.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} edit service {name}"),
    rows=("K2",),
)

STOOD = timedelta(minutes=15)
"""A Service that was younger when it was last seen was perhaps an experiment, or somebody's slip that is mended."""

UNCHANGED = timedelta(hours=1)
"""A port that was set or changed later was perhaps the slip, and what is there now the right one again."""

MAKERS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)


def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    """Compare the Services of some minutes ago with those that are there."""
    cluster = facts.cluster
    if not cluster.readable(PAST_SERVICE):
        raise Skip("no earlier state of Services is remembered", not_applicable=True)
    now = {(service.namespace, service.name): service for service in cluster.all(SERVICE)}
    before = {(service.namespace, service.name): service for service in cluster.all(PAST_SERVICE)}
    new = [service for service in cluster.all(SERVICE) if (service.namespace, service.name) not in before]
    for key, service in sorted(before.items()):
        if _ours_to_tell(cluster, service):
            for finding in _lost(cluster, service, now[key]) if key in now else _removed(cluster, service, new):
                why = "its namespace may be on its way out as well, but Namespaces can't be read"
                hidden = cluster.unreadable(NAMESPACE)
                yield Unseen(f"whether Service {'/'.join(key)} was meant to go", why, expected=True) if hidden else finding


def _ours_to_tell(cluster: Cluster, service: Service) -> bool:
    """Tell whether a Service was somebody's own, of a namespace in scope that stays."""
    spaces = cluster.scope.namespaces
    if not service.spec.selector or service.metadata.owner_references or not cluster.selection.includes(service):
        return False
    if cluster.readable(NAMESPACE):
        space = cluster.get(NAMESPACE, "", service.namespace)
        if space is None or space.metadata.deletion_timestamp:
            return False
    return not spaces or service.namespace in spaces


def _removed(cluster: Cluster, service: Service, new: list[Service]) -> Iterator[Finding]:
    spec = service.spec
    makers = [
        (kind, item)
        for kind, item in cluster.workloads_in(service.namespace, MAKERS)
        if matches(spec.selector, item.template.metadata.labels) and item.wanted and not item.metadata.deletion_timestamp
    ]
    ready = [pod for pod in cluster.pods_matching(service.namespace, spec.selector) if pod.ready and not pod.terminating]
    if not makers or not ready or cluster.age(service.metadata.creation_timestamp) < STOOD:
        return
    kind, item = makers[0]
    ports = [f"{port.port}→{port.target_port or port.port}/{port.protocol}" for port in spec.ports]
    numbers = {
        "workload": f"{kind.name.lower()}/{item.name}",
        "count": len(ready),
        "shown": some([pod.name for pod in ready], SHOWN),
        "host": f"{service.name}.{service.namespace}",
        "address": _address(service),
        "selector": [f"{key}={value}" for key, value in sorted(spec.selector.items())],
        "ports": ports,
        "instead": _instead(service, new),
    }
    commands = _commands(service, kind.name.lower(), item.name)
    yield REMOVED.on(Subject.of("Service", service), numbers, commands=commands, objects=(Subject.of(kind.name, item),))


def _lost(cluster: Cluster, before: Service, now: Service) -> Iterator[Finding]:
    """Yield a Service without a port or node port that it had for long."""
    had, has = _offered(before), _offered(now)
    written = [entry.time for entry in before.metadata.managed_fields if entry.time and not entry.subresource]
    if any(cluster.age(moment) < UNCHANGED for moment in (*written, before.metadata.creation_timestamp)):
        return
    if gone := [each for each in had if each not in has]:
        words = {"had": gone, "has": [each for each in has if each not in had] or "nothing in its place"}
        yield LOST.on(Subject.of("Service", now), words)


def _offered(service: Service) -> list[str]:
    """Return the ports that clients use of a Service, in words. They look its address up, so a new one is no loss."""
    ports = [f"port {port.port}/{port.protocol}" for port in service.spec.ports]
    return [*ports, *(f"node port {port.node_port}/{port.protocol}" for port in service.spec.ports if port.node_port)]


def _address(service: Service) -> str:
    own = service.spec.cluster_ip
    return f"its address {own}" if own and own != "None" else "the names of its pods"


def _instead(service: Service, new: list[Service]) -> str:
    """Return which Service was made in its place meanwhile, as the end of a sentence: one with the same selector."""
    alike = [each for each in new if each.spec.selector == service.spec.selector]
    alike.sort(key=lambda each: (each.namespace != service.namespace, each.namespace, each.name))
    if not alike:
        return ""
    other = alike[0]
    where = "" if other.namespace == service.namespace else ", where it selects no pod of theirs"
    return f". Service {other.namespace}/{other.name}, with the same selector, is new{where}"


def _commands(service: Service, kind: str, name: str) -> tuple[str, ...]:
    """Return the commands that look, and that makes the Service again if it had one numbered port."""
    space, own = shell_word(service.namespace), shell_word(service.name)
    look = f"kubectl -n {space} get services -o wide"
    if len(service.spec.ports) != 1 or service.headless:
        return (look,)
    port = service.spec.ports[0]
    labels = shell_word(",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items())))
    target, kind_of = shell_word(str(port.target_port or port.port)), shell_word(service.spec.type)
    return (
        look,
        f"kubectl -n {space} expose {kind} {shell_word(name)} --name={own} --selector={labels} --port={port.port} "
        f"--target-port={target} --protocol={port.protocol}" + (f" --type={kind_of}" if kind_of != "ClusterIP" else ""),
    )


check = Check(
    id="removed_services",
    title="No Service was removed, or lost a port, while its pods run",
    prefix="RMV",
    needs=Needs(kinds=(SERVICE, POD), hints=(PAST_SERVICE, NAMESPACE, *MAKERS)),
    codes=(REMOVED, LOST),
    analyse=analyse,
)
