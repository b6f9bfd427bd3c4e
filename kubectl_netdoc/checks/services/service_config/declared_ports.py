# SPDX-License-Identifier: Apache-2.0
"""Ports of Services against the ports that their pods declare: headless Services, and Services of another protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubectl_netdoc.api import (
    INGRESS,
    ROUTES,
    STATEFUL_SET,
    Cluster,
    Code,
    Finding,
    Risk,
    Service,
    ServicePort,
    Severity,
    Subject,
    joined,
    patches,
)
from kubectl_netdoc.components.service_backends import Backends, target_numbers

Port = tuple[str, int]
"""Protocol and number."""

OPERATIONAL = re.compile(r"metric|prom|monitor|telemetry")
"""Names of ports that monitoring scrapes: it takes the pods' ports from EndpointSlices, whatever the Service's port."""

LOOK = "kubectl -n {namespace} get service {name} -o yaml"

UNTRANSLATED = Code(
    id="SVC014",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Headless Service whose port differs from its pods' port",
    message="Headless Service {namespace}/{name} has port {port} and targetPort {target}. Its name resolves to the addresses of "
    "its pods, and nothing translates the port, so clients of port {port} connect to port {port} of a pod; the pods declare "
    "{declared}",
    fix="Make clients connect to port {number}, and set the Service's port to {number} too, as the command does. If clients must "
    "use port {port}, make the application listen on it, or recreate the Service without clusterIP: None.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
UNTRANSLATED_UNUSED = Code(
    id="SVC026",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Headless Service whose port may be unused differs from its pods' port",
    message="Headless Service {namespace}/{name} has port {port} and targetPort {target}. Its name resolves to the addresses of "
    "its pods, and nothing translates the port, so a client of port {port} would connect to port {port} of a pod; the pods "
    "declare {declared}. {why}",
    fix="There is nothing to do if no client connects to port {port} by the name of this Service. Otherwise set its port to "
    "{number}.",
    commands=(LOOK,),
    rows=("K3",),
)
OTHER_PORT = Code(
    id="SVC015",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Service's port or protocol that its pods do not declare",
    message="Service {namespace}/{name} sends {protocol} port {port} to port {target} of its pods. They do not declare "
    "{target}/{protocol}; they declare {meant}, which no Service uses",
    fix="Make the Service use {meant}, as the command does. If the application does listen on {target}/{protocol}, declare that "
    "port in its container.",
    commands=("kubectl -n {namespace} patch service {name} --type json -p {patch}",),
    rows=("K3",),
)
OTHER_PROTOCOL = Code(
    id="SVC027",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service's port that its pods declare for another protocol",
    message="Service {namespace}/{name} sends {protocol} port {port} to port {target} of its pods, which declare that port as "
    "{meant} only",
    fix="There is nothing to do if the application serves {protocol}: a container's port is TCP where its protocol is left out. "
    "Otherwise correct the protocol of the Service's port.",
    commands=(LOOK,),
    rows=("K3",),
)


class _Declared:
    """The ports that the pods of a Service declare, and those that Services send traffic to."""

    def __init__(self, cluster: Cluster, service: Service, backends: Backends) -> None:
        specs = [pod.spec for pod in backends.pods] or [item.template.spec for _, item in backends.workloads]
        self.specs = list({(spec.containers, spec.init_containers): spec for spec in specs}.values())
        labels = [pod.metadata.labels for pod in backends.pods] or [
            item.template.metadata.labels for _, item in backends.workloads
        ]
        labels = list({frozenset(own.items()): own for own in labels}.values())
        ports = [port for spec in self.specs for port in spec.ports()]
        self.names: dict[Port, str] = {(port.protocol or "TCP", port.container_port): port.name for port in ports}
        self.others = {
            other.name: other
            for own in labels
            for other in cluster.services_selecting(service.namespace, own)
            if other.name != service.name
        }
        self.used = {
            (port.protocol, number)
            for each in (service, *self.others.values())
            for port in each.spec.ports
            for number in self.targets(port)
        }

    def targets(self, port: ServicePort) -> set[int]:
        """The numbers on the pods that a port leads to."""
        return target_numbers(port, self.specs)


def analyse(cluster: Cluster, service: Service, backends: Backends) -> Iterator[Finding]:
    """Compare each port of a Service with the ports that its pods declare; pods that declare none say nothing."""
    declared = _Declared(cluster, service, backends)
    for index, port in enumerate(service.spec.ports if declared.names else ()):
        targets = declared.targets(port)
        if service.headless and port.port not in targets and targets:
            yield from _headless(cluster, service, index, min(targets), declared)
        elif isinstance(port.target_port, int):
            yield from _numeric(service, index, port.target_port or port.port, declared)


def _headless(cluster: Cluster, service: Service, index: int, number: int, declared: _Declared) -> Iterator[Finding]:
    """A port of a headless Service to which clients can't connect: the pods declare its target, and not the port."""
    port = service.spec.ports[index]
    if (port.protocol, number) not in declared.names or (port.protocol, port.port) in declared.names:
        return
    names = {"port": port.port, "target": port.target_port, "number": number, "declared": _shown(declared.names)}
    why = _unused(cluster, service, port, declared)
    patch = patches.replace({f"/spec/ports/{index}/port": (port.port, number)})
    code = UNTRANSLATED_UNUSED if why else UNTRANSLATED
    yield code.on(Subject.of("Service", service), names, why=why, patch=patch)


def _unused(cluster: Cluster, service: Service, port: ServicePort, declared: _Declared) -> str:
    """Return why clients may not connect to a port of a headless Service, as a sentence; "" where they should."""
    if OPERATIONAL.search(port.name):
        return f"Port {port.name} is for monitoring, which takes the pods' port from the EndpointSlices."
    if hidden := [kind.plural for kind in (INGRESS, STATEFUL_SET, *ROUTES) if cluster.unreadable(kind)]:
        return f"Whether its clients take the pods' port from elsewhere can't be seen: {joined(hidden)} can't be read."
    if leads := next(_routes(cluster, service), ""):
        return f"{leads} sends requests to it, and its controller takes the pods' port from the EndpointSlices."
    stateful = cluster.workloads_in(service.namespace, (STATEFUL_SET,))
    named = next((item.name for _, item in stateful if item.spec.service_name == service.name), "")
    other = next((item.name for item in declared.others.values() if not item.headless), "")
    if named and other:
        return f"It gives the pods of StatefulSet {named} their names; Service {other} takes their clients' connections."
    return ""


def _routes(cluster: Cluster, service: Service) -> Iterator[str]:
    """Yield the Ingresses and routes that lead to a Service."""
    for ingress in cluster.in_namespace(INGRESS, service.namespace) if cluster.readable(INGRESS) else ():
        if service.name in ingress.services():
            yield f"Ingress {ingress.name}"
    for kind in ROUTES:
        for route in cluster.all(kind) if cluster.readable(kind) else ():
            if (service.namespace, service.name) in route.services():
                yield f"{kind.name} {route.namespace}/{route.name}"


def _numeric(service: Service, index: int, number: int, declared: _Declared) -> Iterator[Finding]:
    """A port whose number its pods declare for another protocol, or not at all where a port that they declare is left over.

    Of TCP ports only the protocol is judged: whether something listens there is measured (``service_reachability``).
    """
    port = service.spec.ports[index]
    same = {pair for pair in declared.names if pair[1] == number}
    left = {pair for pair in declared.names if pair not in declared.used}
    if (port.protocol, number) in same:
        return
    names = {"protocol": port.protocol, "port": port.port, "target": number, "declared": _shown(declared.names)}
    # A container's port is TCP by default; any other protocol has been written.
    meant = {pair for pair in (same or left) & left if pair[0] != "TCP" and (same or pair[0] == port.protocol)}
    if len(meant) == 1 and (same or not OPERATIONAL.search(declared.names[min(meant)])):
        yield OTHER_PORT.on(Subject.of("Service", service), names, meant=_shown(meant)[0], patch=_patch(port, index, *meant))
    elif same and same <= left:
        yield OTHER_PROTOCOL.on(Subject.of("Service", service), names, meant=_shown(same)[0])


def _patch(port: ServicePort, index: int, meant: Port) -> str:
    """The patch that makes a port use the protocol and the number that are meant."""
    protocol, number = meant
    changes: dict[str, tuple[object, object]] = {}
    if protocol != port.protocol:
        changes[f"/spec/ports/{index}/protocol"] = (port.protocol, protocol)
    if number != (port.target_port or port.port):
        changes[f"/spec/ports/{index}/targetPort"] = (port.target_port or port.port, number)
    return patches.replace(changes)


def _shown(ports: Iterable[Port]) -> list[str]:
    return [f"{number}/{protocol}" for protocol, number in sorted(ports)]


CODES = (UNTRANSLATED, UNTRANSLATED_UNUSED, OTHER_PORT, OTHER_PROTOCOL)
