# SPDX-License-Identifier: Apache-2.0
"""Named targetPorts that no pod of the Service declares."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    Cluster,
    Code,
    Finding,
    Risk,
    Service,
    ServicePort,
    Severity,
    Subject,
    patches,
    selector_text,
    typo,
)
from kubectl_netdoc.components.service_backends import Backends

NO_SUCH_PORT = Code(
    id="SVC003",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Named targetPort that no pod declares",
    message="Service {namespace}/{name} sends port {port} to targetPort '{target}', and none of its pods declares a {protocol} "
    "port of that name (they declare {declared})",
    fix="Change the targetPort to a name that the pods declare for {protocol}, or to the port's number; or name the container's "
    "port '{target}'.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
UNRESOLVED_PORT = Code(
    id="SVC012",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="One named targetPort of several that no pod declares",
    message="Connections to port {port} of Service {namespace}/{name} fail: none of its pods declares a {protocol} port named "
    "'{target}' (they declare {declared}). The other ports of the Service are not affected",
    fix="Remove the port from the Service if the pods are not to serve it. Otherwise name the container's port '{target}', or "
    "change the targetPort to a name that the pods declare.",
    commands=("kubectl -n {namespace} get service {name} -o yaml", "kubectl -n {namespace} get pods -l {selector} -o yaml"),
    rows=("K3",),
)


def analyse(cluster: Cluster, service: Service, backends: Backends, unmade: list[str]) -> Iterator[Finding]:
    """Judge the named ports of a Service; ``unmade`` takes those that kustomize may yet declare.

    Kubernetes finds a named port by its name and the protocol of the Service's port (EndpointSlice controller). Where kustomize
    is to change manifests, it may give containers that port, or the pod another container (kubebuilder's proxy).
    """
    specs = [pod.spec for pod in backends.pods] or [item.template.spec for _, item in backends.workloads]
    if not any(spec.containers for spec in specs):
        return
    declared = {pair for spec in specs for pair in spec.named_ports()}
    lost = [port for port in service.spec.ports if _undeclared(port, declared)]
    for port in lost:
        meant = _meant(service, port, declared)
        known = meant or any(name == port.target_port for name, _ in declared)
        if cluster.patched and not known:
            unmade.append(f"{service.namespace}/{service.name} (port {port.target_port})")
            continue
        code = NO_SUCH_PORT if meant or len(lost) == len(service.spec.ports) else UNRESOLVED_PORT
        pointer = f"/spec/ports/{service.spec.ports.index(port)}/targetPort"
        shown = [f"{name}/{protocol}" for name, protocol in sorted(declared)]
        numbers = {"port": port.port, "protocol": port.protocol, "selector": selector_text(service.spec.selector)}
        yield code.on(
            Subject.of("Service", service),
            numbers,
            commands=None if meant else UNRESOLVED_PORT.commands,
            target=port.target_port,
            declared=shown or ["no named port"],
            patch=patches.replace({pointer: (port.target_port, meant)}) if meant else "",
        )


def _undeclared(port: ServicePort, declared: set[tuple[str, str]]) -> bool:
    return isinstance(port.target_port, str) and (port.target_port, port.protocol) not in declared


def _meant(service: Service, port: ServicePort, declared: set[tuple[str, str]]) -> str:
    """The declared port that a name misses by a typing error, and that no other port of the Service is sent to."""
    names = {name for name, protocol in declared if protocol == port.protocol}
    return typo(str(port.target_port), names - {str(other.target_port) for other in service.spec.ports})


CODES = (NO_SUCH_PORT, UNRESOLVED_PORT)
