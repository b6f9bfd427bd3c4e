# SPDX-License-Identifier: Apache-2.0
"""EndpointSlices that a person or another controller wrote, against their Service and against who has their addresses."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc import versions
from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Endpoint,
    EndpointSlice,
    Explains,
    Finding,
    ObjectRef,
    Risk,
    Service,
    ServicePort,
    Severity,
    Subject,
    ip_families,
    joined,
    odd,
    patches,
    some,
    typo,
)
from kubectl_netdoc.checks.services.endpoint_slices.families import is_new
from kubectl_netdoc.components.address_owners import AddressOwners
from kubectl_netdoc.probes.service_targets import CONTROLLER, MIRRORING_CONTROLLER

LABEL = "kubernetes.io/service-name"
SHOWN = 3
"""Endpoints and ports that a message names at most."""

PLACEHOLDERS = frozenset({"192.192.192.192"})
"""Addresses that only fill a slice: Cilium takes the connections of its Ingress and Gateway Services itself."""

STRICT = versions.change("strict-addresses")["refused"]
UNNUMBERED = " Give each port its number as well: kube-proxy leaves out a port without one."

EFFECTS = Explains(("ING003", "GWR010", "CPL001", "CPL002", "NPT001", "SVR010", "SVR014", "SVR015"), "subject")
RENAME = "kubectl -n {namespace} patch endpointslice {first} --type json -p {patch}"
SLICES = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name} -o yaml"

NO_PORT = Code(
    id="EPS005",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="EndpointSlices have none of their Service's ports",
    message="Service {namespace}/{name} has port {ports}, and its EndpointSlices ({slices}) have {theirs}. kube-proxy takes "
    "ports with the same name and protocol and a number, so the Service has none: connections are refused or dropped",
    fix="Give the ports of EndpointSlice {first} the names and protocols of the Service's ports. A Service's only port may have "
    "no name; then the slice's port has none either.{how}",
    commands=(SLICES, "kubectl -n {namespace} get service {name} -o yaml"),
    rows=("K14",),
    explains=(EFFECTS,),
)
LACKS_PORT = Code(
    id="EPS006",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="EndpointSlices lack a port of their Service",
    message="Service {namespace}/{name} has port {ports}, which none of its EndpointSlices has ({slices}: {theirs}). kube-proxy "
    "takes ports with the same name and protocol and a number, so connections to that port are refused or dropped; others work",
    fix="Add the port to EndpointSlice {first} by the name and protocol that it has in the Service, or remove it from the "
    "Service.{how}",
    commands=(SLICES, "kubectl -n {namespace} get service {name} -o yaml"),
    rows=("K14",),
)
OTHER_FAMILY = Code(
    id="EPS007",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="EndpointSlices are of another address type than their Service",
    message="Service {namespace}/{name} has addresses of {families}, and its EndpointSlices ({slices}) are of addressType "
    "{theirs}, which kube-proxy does not use for it: the Service has no endpoint",
    fix="Recreate the EndpointSlice with addressType {wanted} and addresses of that type. A host name is for a Service of type "
    "ExternalName: kube-proxy ignores slices of addressType FQDN.",
    commands=(SLICES,),
    rows=("K14",),
    explains=(EFFECTS,),
)
NOWHERE = Code(
    id="EPS008",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="Endpoints that somebody wrote lead nowhere",
    message="Every ready endpoint of Service {namespace}/{name} leads nowhere: {wrong}. EndpointSlice {first} has them, which no "
    "controller of Kubernetes keeps up to date",
    fix="Write the addresses that are meant into EndpointSlice {first} (where it mirrors an Endpoints object, into that). For "
    "pods of this cluster give the Service a selector instead, as pods get another address when they are recreated.",
    commands=(SLICES, "kubectl get pods -A -o wide"),
    rows=("K14",),
    explains=(EFFECTS,),
)
PARTLY_NOWHERE = Code(
    id="EPS009",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="Some endpoints that somebody wrote lead nowhere",
    message="{count} of {all} ready endpoints of Service {namespace}/{name} lead nowhere: {wrong}. EndpointSlice {first} has "
    "them; their share of the connections fails",
    fix="Remove them from EndpointSlice {first} (where it mirrors an Endpoints object, from that), or write the addresses that "
    "are meant.",
    commands=(SLICES, "kubectl get pods -A -o wide"),
    rows=("K14",),
)
NEVER_READY = Code(
    id="EPS014",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="No endpoint that somebody wrote is ready",
    message="0 of {all} endpoints of Service {namespace}/{name} are ready: EndpointSlice {first} says ready: false, and no "
    "controller of Kubernetes changes that",
    fix="Set the condition ready of the endpoints in EndpointSlice {first} to true, or leave it out (where it mirrors an "
    "Endpoints object, move its notReadyAddresses to addresses).",
    commands=(SLICES,),
    rows=("K14",),
    explains=(EFFECTS,),
)
UNLABELLED = Code(
    id="EPS015",
    severity=Severity.FAIL,
    risk=Risk.SAFE,
    title="EndpointSlice is not of the Service that it is named after",
    message="Service {namespace}/{name} has no selector and no EndpointSlice, so connections to it are refused. EndpointSlice "
    "{first} is named after it, and {label}",
    fix="Label the slice with the Service's name, as the command does.",
    commands=(f"kubectl -n {{namespace}} label endpointslice {{first}} {LABEL}={{name}} --overwrite",),
    rows=("K14",),
    explains=(EFFECTS,),
)
OTHER_NUMBER = Code(
    id="EPS016",
    severity=Severity.WARN,
    risk=Risk.SAFE,
    title="EndpointSlice has a port that its pods do not declare",
    message="Service {namespace}/{name} sends port {port} to targetPort {target}, but EndpointSlice {first} says {number}, and "
    "that counts. {pod} behind it declares {target} and not {number}",
    fix="Set that port of EndpointSlice {first} to {target}, as the command does.",
    commands=("kubectl -n {namespace} patch endpointslice {first} --type json -p {patch}",),
    rows=("K14", "K3"),
)
ODD = Code(
    id="EPS017",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="EndpointSlice has an address that not all programs read alike",
    message="EndpointSlice {first} of Service {namespace}/{name} has the address {written}. kube-proxy reads it as Kubernetes "
    "does; other programs refuse leading zeros or take them for octal numbers",
    fix="Write it as {meant} in EndpointSlice {first} (where it mirrors an Endpoints object, in that). API servers refuse the "
    f"other form from Kubernetes {STRICT} on, and keep the objects that have it.",
    commands=(SLICES,),
)
NO_SLICE = Code(
    id="EPS013",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Service without a selector and without endpoints",
    message="Service {namespace}/{name} has no selector, and no EndpointSlice belongs to it: connections to it are refused",
    fix="There is nothing to do if nothing uses the Service yet. Otherwise give it a selector, or an EndpointSlice with the "
    f"label {LABEL}={{name}}. An Endpoints object alone is not enough where nothing mirrors it: kube-controller-manager does, "
    "unless the object is labelled endpointslice.kubernetes.io/skip-mirror=true.",
    commands=("kubectl -n {namespace} get endpoints,endpointslices --show-labels",),
    rows=("K14",),
)


class _Written:
    """The slices of a Service that the endpointslice controller does not write, and their endpoints that name no pod."""

    def __init__(self, cluster: Cluster, service: Service) -> None:
        self.cluster, self.service, self.subject = cluster, service, Subject.of("Service", service)
        self.slices = cluster.slices_of(service)
        self.own = [item for item in self.slices if item.managed_by != CONTROLLER and item.metadata.deletion_timestamp is None]
        self.settled = not any(is_new(cluster, item.metadata.creation_timestamp) for item in (service, *self.slices))
        self.proxied = not service.headless and not service.spec.selector
        every = {address for item in self.own for end in item.endpoints for address in end.addresses}
        self.placeholder = bool(every) and every <= PLACEHOLDERS

    def ends(self, *, ready: bool) -> list[tuple[EndpointSlice, Endpoint]]:
        """The endpoints of all its slices that have an address; ``ready``: those that get connections."""
        every = [(item, end) for item in self.slices for end in item.endpoints if end.addresses]
        return [(item, end) for item, end in every if end.conditions.ready or not ready]

    def found(self, code: Code, *items: EndpointSlice, commands: tuple[str, ...] | None = None, **names: object) -> Finding:
        """Return a finding about the Service that names slices."""
        objects = [ObjectRef.to("EndpointSlice", item) for item in items]
        return code.on(
            self.subject,
            names | {"first": items[0].name, "slices": joined(item.name for item in items)},
            commands=commands,
            objects=objects,
        )


def analyse(cluster: Cluster, owners: AddressOwners, service: Service) -> Iterator[Finding]:
    """Judge the slices of a Service that somebody else than the endpointslice controller writes."""
    written = _Written(cluster, service)
    if not written.settled or written.placeholder:
        return
    if written.own:
        yield from _of_another_family(written) if written.proxied else ()
        yield from _without_ports(written) if written.proxied else ()
        yield from _never_ready(written)
        yield from _nowhere(owners, written)
        yield from _of_another_number(owners, written)
        yield from _odd(written)
    elif not service.spec.selector and not written.slices:
        yield from _without_slices(written)


def _of_another_family(written: _Written) -> Iterator[Finding]:
    spec = written.service.spec
    wanted = spec.ip_families or tuple(ip_families.of(ip) for ip in spec.cluster_ips or filter(None, (spec.cluster_ip,)))
    theirs = sorted({item.address_type for item in written.own})
    if wanted and not set(wanted) & set(theirs):
        yield written.found(OTHER_FAMILY, *written.own, families=joined(wanted), theirs=joined(theirs), wanted=wanted[0])


def _without_ports(written: _Written) -> Iterator[Finding]:
    """Ports that no slice has under their name and protocol; the number of the Service's port does not matter."""
    filled = [item for item in written.slices if any(end.addresses for end in item.endpoints)]
    theirs = {(port.name, port.protocol or "TCP") for item in filled for port in item.numbered}
    lacking = [port for port in written.service.spec.ports if (port.name, port.protocol) not in theirs]
    if not filled or not lacking:
        return
    code = NO_PORT if len(lacking) == len(written.service.spec.ports) else LACKS_PORT
    shown = {_port(port.name, port.port, port.protocol) for item in filled for port in item.ports}
    ports = [_port(port.name, port.port, port.protocol) for port in lacking]
    patch = _renamed(written, filled, lacking)
    yield written.found(
        code,
        *filled,
        ports=some(ports, SHOWN),
        theirs=f"port {some(sorted(shown), SHOWN)}" if shown else "no port",
        how=" The command does that." if patch else UNNUMBERED if any(item.numbered != item.ports for item in filled) else "",
        patch=patch,
        commands=(*code.commands, RENAME) if patch else None,
    )


def _renamed(written: _Written, filled: list[EndpointSlice], lacking: list[ServicePort]) -> str:
    """Return the patch that gives a slice's port its name, where only one port of one slice can be meant; else ""."""
    if len(filled) > 1 or len(lacking) > 1 or filled[0].managed_by == MIRRORING_CONTROLLER:
        return ""
    names = {(port.name, port.protocol) for port in written.service.spec.ports}
    spare = [
        (index, port)
        for index, port in enumerate(filled[0].ports)
        if (port.name, port.protocol or "TCP") not in names and (port.protocol or "TCP") == lacking[0].protocol
    ]
    return patches.replace({f"/ports/{spare[0][0]}/name": (spare[0][1].name, lacking[0].name)}) if len(spare) == 1 else ""


def _port(name: str, number: int, protocol: str) -> str:
    return f"{f'{name!r}' if name else 'without a name'} ({number or 'no number'}/{protocol or 'TCP'})"


def _never_ready(written: _Written) -> Iterator[Finding]:
    """Endpoints without a pod that are all unready: a controller that tracks something names it."""
    ends = written.ends(ready=False)
    if ends and not any(end.conditions.ready or end.conditions.terminating or end.target_ref for _, end in ends):
        yield written.found(NEVER_READY, ends[0][0], all=len(ends))


def _nowhere(owners: AddressOwners, written: _Written) -> Iterator[Finding]:
    ends = written.ends(ready=True)
    wrong = [(item, end, why) for item, end in ends if item in written.own and (why := _vacant(owners, end))]
    if wrong:
        shown = some([f"{end.addresses[0]} {why}" for _, end, why in wrong], SHOWN, "; ")
        code = NOWHERE if len(wrong) == len(ends) else PARTLY_NOWHERE
        yield written.found(code, wrong[0][0], wrong=shown, count=len(wrong), all=len(ends))


def _vacant(owners: AddressOwners, end: Endpoint) -> str:
    """Return why nothing answers at an endpoint that names no pod; "" where something may."""
    ip = end.addresses[0]
    service = owners.services.get(ip)
    if end.target_ref:
        return ""
    if service is not None and ip in (service.spec.cluster_ip, *service.spec.cluster_ips):
        return f"is the ClusterIP of Service {service.namespace}/{service.name}, which kube-proxy does not translate again"
    return owners.vacant(ip)


def _of_another_number(owners: AddressOwners, written: _Written) -> Iterator[Finding]:
    """A port of a slice whose number a pod does not declare, while it declares the Service's targetPort."""
    for item, end in written.ends(ready=True):
        pod = owners.pods.get(end.addresses[0])
        declared = {(port.protocol or "TCP", port.container_port) for port in pod.spec.ports()} if pod else set()
        for index, theirs in enumerate(item.ports if item in written.own else ()):
            port = next((p for p in written.service.spec.ports if (p.name, p.protocol) == (theirs.name, theirs.protocol)), None)
            target = (port.target_port or port.port) if port else 0
            if pod and port and (port.protocol, target) in declared and (port.protocol, theirs.port) not in declared:
                patch = patches.replace({f"/ports/{index}/port": (theirs.port, target)})
                who = f"Pod {pod.namespace}/{pod.name}"
                yield written.found(OTHER_NUMBER, item, port=port.port, target=target, number=theirs.port, patch=patch, pod=who)
                return


def _odd(written: _Written) -> Iterator[Finding]:
    found = [(item, text) for item in written.own for end in item.endpoints for text in end.written]
    if found:
        shown = some([f"{text} (to Kubernetes {odd(text)})" for _, text in found], SHOWN)
        yield written.found(ODD, found[0][0], written=shown, meant=some([odd(text) for _, text in found], SHOWN))


def _without_slices(written: _Written) -> Iterator[Finding]:
    """No slice belongs to a Service without a selector; perhaps one is meant for it whose label is missing or has a slip."""
    cluster, service = written.cluster, written.service
    near = [item for item in cluster.in_namespace(ENDPOINT_SLICE, service.namespace) if _meant(cluster, item, service)]
    if near:
        label = f"its label {LABEL} is {near[0].service}" if near[0].service else f"it has no label {LABEL}"
        yield written.found(UNLABELLED, near[0], label=label)
    elif not service.headless and cluster.age(service.metadata.creation_timestamp) > SETTLING:
        yield NO_SLICE.on(written.subject, {"selector": "none"})


def _meant(cluster: Cluster, item: EndpointSlice, service: Service) -> bool:
    """Whether a slice of no Service is meant for one: by its name, or by a slip in its label."""
    if item.managed_by in (CONTROLLER, MIRRORING_CONTROLLER) or (
        item.service and cluster.get(SERVICE, item.namespace, item.service)
    ):
        return False
    there = [each.name for each in cluster.in_namespace(SERVICE, service.namespace)]
    if item.service and typo(item.service, there, service.name) == service.name:
        return True
    named = [name for name in there if item.name == name or item.name.startswith(f"{name}-")]
    return max(named, key=len, default="") == service.name


CODES = (NO_PORT, LACKS_PORT, OTHER_FAMILY, NOWHERE, PARTLY_NOWHERE, NEVER_READY, UNLABELLED, OTHER_NUMBER, NO_SLICE, ODD)
