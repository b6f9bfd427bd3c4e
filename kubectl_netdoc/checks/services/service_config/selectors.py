# SPDX-License-Identifier: Apache-2.0
"""Selectors that select no pod, or the pods of a second workload too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubectl_netdoc.api import (
    SETTLING,
    STATEFUL_SET,
    WORKLOADS,
    Cluster,
    Code,
    Explains,
    Finding,
    Outcome,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    Unseen,
    Workload,
    joined,
    matches,
    nearest_labels,
    selector_patch,
    selector_text,
    set_by_controller,
    typo,
)
from kubectl_netdoc.checks.services.service_config.readiness import ENTRY_POINTS, STARTING
from kubectl_netdoc.components.service_backends import Backends, unread

LEADER_VALUES = frozenset({"primary", "master", "leader", "active", "writer", "true"})
"""Values of a role label that some pod should always have. (CloudNativePG: cnpg.io/instanceRole, Patroni: role, spilo-role,
Vault: vault-active.)"""

NEAR_MISS = Code(
    id="SVC001",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Selector does not match the pods' labels",
    message="Service {namespace}/{name} selects pods with {selector}, and no pod has these labels; there are pods with {nearest}",
    fix="Change the Service's selector to the pods' labels, as the command does. If the labels are wrong, change them in the "
    "pods' template instead.",
    commands=("kubectl -n {namespace} patch service {name} --type merge -p {patch}",),
    rows=("K2",),
    explains=(ENTRY_POINTS,),
)
NOTHING_SELECTED = Code(
    id="SVC002",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Selector selects nothing",
    message="Service {namespace}/{name} selects pods with {selector}, and no pod and no workload has these labels: every "
    "connection to the Service fails",
    fix="Deploy the pods that the Service is meant for, or correct its selector, or delete the Service if nothing uses it.",
    commands=("kubectl -n {namespace} get pods --show-labels", "kubectl -n {namespace} get service {name} -o yaml"),
    rows=("K2",),
    explains=(ENTRY_POINTS,),
)
SELECTS_NOTHING_HEADLESS = Code(
    id="SVC020",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Headless Service that selects nothing",
    message="Headless Service {namespace}/{name} selects pods with {selector}, and no pod and no workload has these labels: the "
    "Service's name has no address",
    fix="Delete the Service if nothing uses it. Monitoring charts create such Services for control planes that run no pods.",
    rows=("K2",),
)
NO_SUCH_ROLE = Code(
    id="SVC024",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service of a role that no pod has",
    message="Service {namespace}/{name} selects {role}, a label that pods get while they run; no pod has it now{example}",
    fix="If no pod should have this label now (a database without replicas, for example), there is nothing to do. Otherwise find "
    "out what sets the label {key} on the pods, and why it does not.",
    commands=("kubectl -n {namespace} get pods -L {key}",),
    rows=("K2",),
)
TWO_WORKLOADS = Code(
    id="SVC025",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service that also selects another workload's pods",
    message="Service {namespace}/{name} also sends port {port} to the pods of {other}, which declare {declared} and {apart}",
    fix="If some of the connections fail, add a label to the selector that the pods of {other} do not have.",
    commands=("kubectl -n {namespace} get pods --show-labels -l {selector}",),
    rows=("K2",),
    explains=(Explains(("SVR005",), "objects", unless=(Outcome.TIMEOUT,)),),
)


def nothing_selected(cluster: Cluster, service: Service, backends: Backends, unmade: list[str]) -> Iterator[Finding | Unseen]:
    """Judge a Service that selects no pod and no workload; ``unmade`` takes those whose pods manifests may not contain."""
    subject, selector = Subject.of("Service", service), selector_text(service.spec.selector)
    if cluster.age(service.metadata.creation_timestamp) < SETTLING:
        yield STARTING.on(subject, what="pod", why=f"no pod has the labels {selector}")
    elif nearest := _meant(cluster, service, backends):
        shown = {key: nearest[key] for key in service.spec.selector}
        patch = selector_patch(service.spec.selector, nearest)
        yield NEAR_MISS.on(subject, selector=selector, nearest=selector_text(shown), patch=patch)
    elif cluster.origin == "manifests":
        unmade.append(f"{service.namespace}/{service.name} ({selector})")
    elif role := _role(cluster, service):
        yield NO_SUCH_ROLE.on(subject, role)
    elif hidden := unread(cluster):
        reason = f"no pod has the labels {selector}, and {joined(hidden)}, which may say that none is wanted, can't be read"
        yield Unseen(f"what is behind Service {service.namespace}/{service.name}", reason, expected=True)
    elif service.headless and not any(item.spec.service_name == service.name for item in _stateful(backends)):
        yield SELECTS_NOTHING_HEADLESS.on(subject, selector=selector)
    else:
        yield NOTHING_SELECTED.on(subject, selector=selector)


def _meant(cluster: Cluster, service: Service, backends: Backends) -> Mapping[str, str] | None:
    """The labels that a selector misses by a typing error, of pods that are there (in manifests: that would be).

    They are meant where no other Service selects those pods, or where what is missed is the Service's own name.
    """
    labels = [pod.metadata.labels for pod in cluster.pods_in(service.namespace) if not pod.terminating]
    if cluster.origin == "manifests":
        labels += [item.template.metadata.labels for _, item in backends.neighbours]
    nearest = nearest_labels(service.spec.selector, labels, service.name)
    if nearest is None:
        return None
    mended = {key: nearest[key] for key in service.spec.selector}
    found = [those for those in labels if matches(mended, those)]
    own = any(mended[key] == service.name != value for key, value in service.spec.selector.items())
    return nearest if own or not any(cluster.services_selecting(service.namespace, those) for those in found) else None


def _role(cluster: Cluster, service: Service) -> dict[str, str]:
    """The one label that a Service selects and pods lack which it selects otherwise, if it is set while pods run.

    Their template has no such label: whoever runs them (a database operator, Patroni, Vault) sets it. A leading role is none
    of these, as some pod should always have it.
    """
    wanted = service.spec.selector
    templates = {(kind.name, item.name): item for kind, item in cluster.workloads_in(service.namespace, WORKLOADS)}
    for pod in cluster.pods_in(service.namespace):
        labels, key = pod.metadata.labels, _only_missed(wanted, pod)
        if key and _set_while_running(pod, key, templates) and not _leading_or_typo(wanted[key], labels[key]):
            return {"role": f"{key}={wanted[key]}", "example": f" ({pod.name} has {key}={labels[key]})", "key": key}
    own = [key for key in wanted if set_by_controller(key)]
    return {"role": f"{own[0]}={wanted[own[0]]}", "example": "", "key": own[0]} if own else {}


def _only_missed(wanted: Mapping[str, str], pod: Pod) -> str:
    """The one key of a selector for which a pod has another value; nothing where there are more, or it is all of the selector."""
    missed = [key for key, value in wanted.items() if pod.metadata.labels.get(key) != value]
    if len(missed) != 1 or missed[0] not in pod.metadata.labels:
        return ""
    return missed[0] if len(wanted) > 1 or set_by_controller(missed[0]) else ""


def _set_while_running(pod: Pod, key: str, templates: Mapping[tuple[str, str], Workload]) -> bool:
    """Whether a pod got a label after it was made: its owner's template lacks it, or the owner is no workload that we know."""
    owner = next((owner for owner in pod.metadata.owner_references if owner.controller), None)
    if owner is None:
        return False
    template = templates.get((owner.kind, owner.name))
    if template:
        return key not in template.template.metadata.labels
    return not any(kind.name == owner.kind for kind in WORKLOADS)


def _leading_or_typo(wanted: str, given: str) -> bool:
    return wanted.lower() in LEADER_VALUES or bool(typo(wanted, [given]))


def _stateful(backends: Backends) -> list[Workload]:
    return [item for kind, item in backends.neighbours if kind is STATEFUL_SET]


def two_workloads(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Find a port that some of the workloads behind a Service declare, and others do not, which have a Service or image apart."""
    numbers = [(p, p.target_port or p.port) for p in service.spec.ports if isinstance(p.target_port, int) and p.protocol == "TCP"]
    if len(backends.active) < 2 or service.headless:
        return
    declared = {(kind.name, item.name): {p.container_port for p in item.template.spec.ports()} for kind, item in backends.active}
    for port, number in numbers:
        serving = [item for kind, item in backends.active if number in declared[kind.name, item.name]]
        for kind, item in backends.active if serving else ():
            ports = declared[kind.name, item.name]
            own = _own_services(cluster, service, item, backends)
            if ports and number not in ports and (own or not _images(item) & frozenset().union(*map(_images, serving))):
                apart = f"have a Service of their own ({joined(own)})" if own else "run another image"
                names = {"port": port.port, "other": f"{kind.name} {item.name}", "declared": sorted(ports), "apart": apart}
                pods = [pod for pod in backends.pods if matches(item.template.metadata.labels, pod.metadata.labels)]
                objects = [Subject.of(kind.name, item), *(Subject("Service", name, service.namespace) for name in own)]
                objects += [Subject.of("Pod", pod) for pod in pods]
                selector = selector_text(service.spec.selector)
                yield TWO_WORKLOADS.on(Subject.of("Service", service), names, selector=selector, objects=objects)


def _own_services(cluster: Cluster, service: Service, item: Workload, backends: Backends) -> list[str]:
    """The Services that select a workload's pods and not those of all the others too."""
    found = cluster.services_selecting(service.namespace, item.template.metadata.labels)
    return [other.name for other in found if other.name != service.name and not _selects_all(other, backends)]


def _images(item: Workload) -> frozenset[str]:
    return frozenset(container.image for container in item.template.spec.containers)


def _selects_all(service: Service, backends: Backends) -> bool:
    return all(matches(service.spec.selector, item.template.metadata.labels) for _, item in backends.active)


CODES = (NEAR_MISS, NOTHING_SELECTED, SELECTS_NOTHING_HEADLESS, NO_SUCH_ROLE, TWO_WORKLOADS)
