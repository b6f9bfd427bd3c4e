# SPDX-License-Identifier: Apache-2.0
"""StatefulSets whose serviceName is no Service, so that their pods have no names in DNS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kubectl_netdoc.api import (
    SERVICE,
    STATEFUL_SET,
    Cluster,
    Code,
    Finding,
    Risk,
    Severity,
    Subject,
    Unseen,
    Workload,
    selector_text,
)

APPLIED_TOGETHER = timedelta(seconds=5)
"""How long it may take until objects that belong together are applied, one after the other."""

MISNAMED = Code(
    id="DNR006",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="A StatefulSet does not name the Service that selects its pods",
    message="StatefulSet {namespace}/{name} has the serviceName {service}, but there is no such Service. The headless Service "
    "{headless} selects its pods, and names such as {name}-0.{headless} do not resolve",
    fix="Either create a headless Service {service} as well, or make the StatefulSet use {headless}. serviceName can't be "
    "changed in place: delete the StatefulSet with --cascade=orphan, apply it with the serviceName {headless}, and recreate its "
    "pods.",
    commands=(
        "kubectl -n {namespace} create service clusterip {service} --clusterip=None",
        "kubectl -n {namespace} set selector service {service} {selector}",
    ),
    rows=("D9",),
)
NO_SUCH_SERVICE = Code(
    id="DNR020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="StatefulSet without its Service",
    message="StatefulSet {namespace}/{name} has the serviceName {service}, but there is no such Service: its pods have no names "
    "in DNS",
    fix="If its pods should be found by name, create a headless Service {service} that selects them.",
    commands=("kubectl -n {namespace} get statefulset {name} -o wide", "kubectl -n {namespace} get services"),
    rows=("D9",),
)


def analyse(cluster: Cluster) -> Iterator[Finding | Unseen]:
    """Report StatefulSets whose Service does not exist; in manifests an operator or other files may create it."""
    for item in cluster.all(STATEFUL_SET) if cluster.readable(STATEFUL_SET) else ():
        wanted = item.spec.service_name
        new = cluster.age(item.metadata.creation_timestamp) < APPLIED_TOGETHER
        if not wanted or new or cluster.get(SERVICE, item.namespace, wanted) is not None:
            continue
        subject = Subject.of("StatefulSet", item)
        if cluster.origin == "manifests":
            yield Unseen(f"the names of the pods of {subject}", f"their Service {wanted} is not in these manifests")
        else:
            yield _without_service(cluster, subject, item, wanted)


def _without_service(cluster: Cluster, subject: Subject, item: Workload, wanted: str) -> Finding:
    selecting = cluster.services_selecting(item.namespace, item.template.metadata.labels)
    headless = next((service for service in selecting if service.headless), None)
    if headless is None:
        return NO_SUCH_SERVICE.on(subject, service=wanted)
    names = {"service": wanted, "headless": headless.name, "selector": selector_text(headless.spec.selector)}
    return MISNAMED.on(subject, names, objects=(Subject.of("Service", headless),))


CODES = (MISNAMED, NO_SUCH_SERVICE)
