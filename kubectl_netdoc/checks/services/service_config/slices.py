# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices that lack ready pods or hold left-over addresses, and nodes that a Local traffic policy leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    NODE,
    SETTLING,
    Cluster,
    Code,
    Endpoint,
    Finding,
    ObjectRef,
    Pod,
    Risk,
    Service,
    Severity,
    Subject,
    ip_families,
    some,
)
from kubectl_netdoc.checks.services.service_config.readiness import ENTRY_POINTS, SHOWN
from kubectl_netdoc.components import controller_manager
from kubectl_netdoc.components.service_backends import Backends
from kubectl_netdoc.probes.service_targets import CONTROLLER, MIRRORING_CONTROLLER

SLICES_BEHIND = Code(
    id="SVC007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="EndpointSlices lack ready pods",
    message="The EndpointSlices of Service {namespace}/{name} lack {count} of its pods that have been ready for more than "
    "{seconds} s, such as {missing}",
    fix="Look at kube-controller-manager: its endpointslice controller is behind, or does not run.",
    commands=(controller_manager.PODS, "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}"),
    rows=("K14",),
    explains=(ENTRY_POINTS,),
)
FOREIGN_SLICE = Code(
    id="SVC008",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Left-over endpoints beside the Service's own",
    message="Service {namespace}/{name} also sends traffic to {foreign}, which EndpointSlice {slice} (managed by {manager}) "
    "contains, though none of its pods has such an address",
    fix="Delete the left-over Endpoints object and its EndpointSlice, as the commands do. Such an object stays when a Service "
    "that had no selector is given one.",
    commands=(
        "kubectl -n {namespace} delete endpoints {name}",
        "kubectl -n {namespace} delete endpointslice {slice} --ignore-not-found",
    ),
    rows=("K14",),
)
LOCAL_ONLY = Code(
    id="SVC022",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Local traffic policy leaves nodes out",
    message="Service {namespace}/{name} has {policy}: Local, so it answers only on nodes with a ready endpoint ({with_endpoint}) "
    "and not on {without}",
    fix="There is nothing to do if this is meant. If every node should answer, set the policy to Cluster, or run a backend on "
    "each node.",
    rows=("K5", "K6"),
)


def analyse(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Compare a Service's EndpointSlices with its pods and with the nodes."""
    yield from _compared(cluster, service, backends)
    yield from _local_policies(cluster, service)


def _compared(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    slices = cluster.slices_of(service)
    own = [item for item in slices if item.managed_by == CONTROLLER]
    known = {address for item in own for endpoint in item.endpoints for address in endpoint.addresses}
    numeric = any(not isinstance(port.target_port, str) for port in service.spec.ports) or not service.spec.ports
    late = [
        pod for pod in backends.ready if not known.intersection(pod.ips) and _has_family(service, pod) and _settled(cluster, pod)
    ]
    subject = Subject.of("Service", service)
    if late and numeric:
        names = {"count": len(late), "missing": late[0].name, "seconds": int(SETTLING.total_seconds())}
        yield SLICES_BEHIND.on(subject, names, objects=[Subject.of("Pod", pod) for pod in late[:SHOWN]])
    for item in slices:
        foreign = {a for endpoint in item.endpoints for a in endpoint.addresses if endpoint.conditions.ready} - known
        foreign -= {ip for pod in backends.pods for ip in pod.ips}
        if item.managed_by == MIRRORING_CONTROLLER and foreign and known:
            names = {"slice": item.name, "manager": item.managed_by, "foreign": sorted(foreign)}
            yield FOREIGN_SLICE.on(subject, names, objects=(ObjectRef.to("EndpointSlice", item),))


def _has_family(service: Service, pod: Pod) -> bool:
    """Whether a pod has an address of a family that the Service has; ``endpoint_slices`` reports where none has."""
    wanted = service.spec.ip_families or tuple(ip_families.of(ip) for ip in service.spec.cluster_ips if ip != "None")
    return any(not wanted or ip_families.of(ip) in wanted for ip in pod.ips)


def _settled(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod has been ready for so long that its slice should contain it."""
    condition = pod.condition("Ready")
    return condition is not None and cluster.age(condition.last_transition_time) > SETTLING


def _local_policies(cluster: Cluster, service: Service) -> Iterator[Finding]:
    spec = service.spec
    policies = {"internalTrafficPolicy": spec.internal_traffic_policy, "externalTrafficPolicy": spec.external_traffic_policy}
    local = [name for name, policy in policies.items() if policy == "Local"]
    if not (cluster.readable(NODE) and local):
        return
    ready: list[Endpoint] = [e for item in cluster.slices_of(service) for e in item.endpoints if e.conditions.ready]
    on = {endpoint.node_name for endpoint in ready if endpoint.node_name}
    without = [name for name in cluster.node_names() if name not in on]
    for name in local if on and without else ():
        numbers = {"with_endpoint": some(sorted(on), SHOWN), "without": some(without, SHOWN)}
        yield LOCAL_ONLY.on(Subject.of("Service", service), numbers, policy=name)


CODES = (SLICES_BEHIND, FOREIGN_SLICE, LOCAL_ONLY)
