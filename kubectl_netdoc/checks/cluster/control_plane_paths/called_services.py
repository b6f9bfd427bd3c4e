# SPDX-License-Identifier: Apache-2.0
"""Services that the API server calls: webhooks, conversions and aggregated APIs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    API_SERVICE,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    POD,
    SERVICE,
    SETTLING,
    STATEFUL_SET,
    CalledService,
    Cluster,
    Code,
    Explains,
    Finding,
    Risk,
    Severity,
    Subject,
    Unseen,
    beginning,
    matches,
    shell_word,
)
from kubectl_netdoc.components import api_extensions
from kubectl_netdoc.components.api_extensions import Caller, some

SAID = 300
"""At most this many characters of a condition's message are shown."""

UNSERVED = Code(
    id="CPL001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nothing serves a webhook or API that the API server must call",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers} and refuses {asked}",
    fix="Restore the workload behind the Service. In an emergency, failurePolicy Ignore, or deleting the webhook, lets requests "
    "through unchecked.",
    commands=("kubectl -n {namespace} get service,endpointslices,pods -o wide", "kubectl get {object} -o yaml"),
    explains=(Explains(("CPL002",), "subject"),),
    rows=("C1",),
)
NO_SLICES = Code(
    id="CPL011",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Nothing serves a webhook that Services need for their endpoints",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers} and refuses {asked}: new "
    "Services get no endpoints, and existing ones do not follow pods that come and go",
    fix=UNSERVED.fix,
    commands=UNSERVED.commands,
    explains=(Explains(("CPL002",), "subject"), Explains(("SVR002", "SVR008", "SVR009", "SVC007"), "cluster")),
    rows=("C1",),
)
UNSERVED_IGNORED = Code(
    id="CPL002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Nothing serves a webhook whose failure is ignored",
    message="Service {namespace}/{name} {trouble}, so the API server gets no answer for {callers}: {consequence}",
    fix="Restore the workload behind the Service, or delete what is left over of it.",
    commands=("kubectl -n {namespace} get service,endpointslices,pods -o wide", "kubectl get {object} -o yaml"),
    rows=("C1",),
)
UNAVAILABLE = Code(
    id="CPL003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Aggregated API is not available",
    message="The API server gets no answer from Service {service} for API {name} ({reason}): {detail}",
    fix="Check the pods of Service {service} and their logs, then the path from the API server to them (network policies, "
    "firewalls, konnectivity). Until this is fixed, namespaces cannot be deleted.",
    commands=("kubectl get apiservice {name} -o yaml", "kubectl -n {service_namespace} get pods -o wide"),
    rows=("C1",),
)


# What the API server calls


def unserved_callers(cluster: Cluster, found: list[Caller]) -> Iterator[Finding | Unseen]:
    """Report Services behind webhooks and aggregated APIs that nothing serves."""
    troubled: set[Subject] = set()
    for called, group in api_extensions.by_service(found).items():
        unread = cluster.scope.namespaces and called.namespace not in cluster.scope.namespaces
        if unread or not cluster.readable(ENDPOINT_SLICE):
            yield Unseen(f"Service {called} behind {_names(group)}", "its namespace or its endpoints were not read")
            continue
        trouble = _trouble(cluster, called)
        if isinstance(trouble, Unseen):
            yield trouble
        elif trouble:
            troubled |= {caller.subject for caller in group}
            yield from _unserved(cluster, called, trouble, group)
    yield from _unavailable(cluster, troubled)
    if others := [caller for caller in found if caller.called.by_url]:
        yield Unseen(f"what is called by URL ({_names(others)})", "the API does not tell whether it answers")


def _names(group: Iterable[Caller]) -> str:
    return some(f"{caller.subject.kind} {caller.subject.name}" for caller in group)


def _trouble(cluster: Cluster, called: CalledService) -> str | Unseen:
    """Return what is wrong with a Service that the API server calls, as the predicate of a sentence; "" if nothing is."""
    service = cluster.get(SERVICE, called.namespace, called.name)
    if service is None:
        return "does not exist"
    if service.spec.type == "ExternalName":
        return ""
    ports = {port.name for port in service.spec.ports if port.port == called.port}
    if not ports:
        return f"has no port {called.port}"
    ready = [
        endpoint
        for item in cluster.slices_of(service)
        if any(port.name in ports for port in item.numbered)
        for endpoint in item.endpoints
        if endpoint.addresses and endpoint.conditions.ready
    ]
    if ready:
        return ""
    if not cluster.readable(POD) and not _scale(cluster, called):
        return Unseen(f"Service {called}", "it has no ready endpoint, and its pods can't be read", expected=True)
    pods = cluster.pods_of(service) if cluster.readable(POD) else []
    if not _scale(cluster, called) and any(cluster.age(item.metadata.creation_timestamp) < SETTLING for item in (service, *pods)):
        return Unseen(
            f"Service {called}",
            f"it has no ready endpoint, but it or one of its pods is younger than {SETTLING.total_seconds():.0f} s",
        )
    return "has no ready endpoint" + (f" ({len(pods)} pods, none ready)" if pods else "")


def _unserved(cluster: Cluster, called: CalledService, trouble: str, group: list[Caller]) -> Iterator[Finding]:
    subject = Subject("Service", called.name, called.namespace)
    strict = [caller for caller in group if caller.strict and not caller.idle]
    refused = NO_SLICES if any(caller.slices for caller in strict) else UNSERVED
    for code, some_of in ((refused, strict), (UNSERVED_IGNORED, [caller for caller in group if caller not in strict])):
        if not some_of:
            continue
        first = some_of[0].subject
        common: dict[str, object] = {"callers": _names(some_of), "trouble": trouble, "asked": api_extensions.asked(some_of)}
        common |= {"object": f"{first.kind.lower()}/{first.name}", "webhooks": [c.webhook for c in some_of if c.webhook]}
        if code is UNSERVED_IGNORED:
            idle = all(caller.strict for caller in some_of)
            late = "no namespace matches its selector now, but in one that did it would refuse {asked}"
            common["consequence"] = (late if idle else "it lets {asked} through unchecked").format(**common)
        objects = [caller.subject for caller in some_of]
        yield code.on(subject, common, commands=(*code.commands, *_scale(cluster, called)), objects=objects)


def _scale(cluster: Cluster, called: CalledService) -> list[str]:
    """Return the command that scales up a workload that was scaled to zero."""
    service = cluster.get(SERVICE, called.namespace, called.name)
    return [
        f"kubectl -n {{namespace}} scale {kind.name.lower()} {shell_word(item.name)} --current-replicas=0 --replicas=1"
        for kind, item in cluster.workloads_in(called.namespace, (DEPLOYMENT, STATEFUL_SET))
        if service and matches(service.spec.selector, item.template.metadata.labels) and not item.spec.replicas
    ][:1]


def _unavailable(cluster: Cluster, told: set[Subject]) -> Iterator[Finding]:
    """Report APIs that the aggregator marks as unavailable although their Service looks healthy."""
    for api in cluster.all(API_SERVICE) if cluster.readable(API_SERVICE) else ():
        state, service, subject = api.available, api.called.service, Subject("APIService", api.name)
        if state is None or service is None or state.status != "False" or subject in told:
            continue
        if cluster.age(state.last_transition_time or api.metadata.creation_timestamp) > SETTLING:
            where = {"service": str(service), "service_namespace": service.namespace}
            yield UNAVAILABLE.on(subject, where, reason=state.reason, detail=beginning(state.message, SAID))


CODES = (
    UNSERVED,
    UNSERVED_IGNORED,
    UNAVAILABLE,
    NO_SLICES,
)
