# SPDX-License-Identifier: Apache-2.0
"""Lines that workloads add to their pods' /etc/hosts, which overrule DNS: names of Services, and addresses that nobody has."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.api import (
    ENDPOINT_SLICE,
    NODE,
    SERVICE,
    Cluster,
    Code,
    Finding,
    Pod,
    Risk,
    Service,
    Severity,
    ip_address,
    is_plain,
    joined,
)
from kubectl_netdoc.checks.dns.pod_dns.servers import fields_of
from kubectl_netdoc.components import cluster_dns, service_names
from kubectl_netdoc.components.address_owners import AddressOwners, addresses_of
from kubectl_netdoc.policy.current_workloads import CurrentWorkload

LOOK = "kubectl -n {namespace} get {kind_} {name} -o jsonpath='{{{fields}.hostAliases}}'"
REMOVE = "Remove {alias} from hostAliases in the pods' template, so that cluster DNS answers instead. That recreates the pods."

SERVICE_NOWHERE = Code(
    id="PDN006",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A workload's hostAliases send the name of a Service to an address that nobody has",
    message="The pods of {kind} {namespace}/{name} have the line '{ip} {line}' in /etc/hosts (hostAliases), so they never ask "
    "DNS for {that} of Service {service}; {ip} {why}. The Service has {own}",
    fix=REMOVE,
    commands=(LOOK, "kubectl -n {space} get service {target} -o wide"),
)
SERVICE_ELSEWHERE = Code(
    id="PDN007",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload's hostAliases send the name of a Service elsewhere",
    message="The pods of {kind} {namespace}/{name} have the line '{ip} {line}' in /etc/hosts (hostAliases), so they never ask "
    "DNS for {that} of Service {service}; {ip} {why}. The Service has {own}",
    fix=f"{REMOVE} If the workload is meant to use {{ip}}, give it a name that is not a Service's.",
    commands=(LOOK, "kubectl -n {space} get service {target} -o wide"),
)
NOWHERE = Code(
    id="PDN008",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload's hostAliases name an address that nobody has",
    message="The pods of {kind} {namespace}/{name} have the line '{ip} {line}' in /etc/hosts (hostAliases); {ip} {why}",
    fix="Write the address that is meant, or remove the line from hostAliases in the pods' template. That recreates the pods.",
    commands=(LOOK,),
)
OVERRULED = Code(
    id="PDN012",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A workload's hostAliases overrule the name of a Service",
    message="The pods of {kind} {namespace}/{name} have the line '{ip} {line}' in /etc/hosts (hostAliases), so they never ask "
    "DNS for {that} of Service {service}; {ip} {why}. The Service has {own}",
    fix="There is nothing to do if that is meant. Otherwise remove {alias} from hostAliases in the pods' template.",
    commands=(LOOK,),
)


class Named(Struct, frozen=True):
    """What a name means in cluster DNS: a Service, or one pod of it; ``full``: it says that it is a Service's name."""

    service: Service
    pod: Pod | None = None
    full: bool = False


def analyse(cluster: Cluster, owners: AddressOwners, resolver: CurrentWorkload) -> Iterator[Finding]:
    """Judge each line of a workload; a name that two lines have gets the address of the first."""
    seen: set[str] = set()
    for line in resolver.spec.host_aliases:
        names = [alias for alias in dict.fromkeys(line.hostnames) if alias.lower() not in seen]
        if is_plain(line.ip):  # resolvers leave out a line with leading zeros
            seen.update(map(str.lower, names))
            yield from _judge(cluster, owners, resolver, line.ip, names)


def _judge(cluster: Cluster, owners: AddressOwners, resolver: CurrentWorkload, ip: str, aliases: list[str]) -> Iterator[Finding]:
    """Judge the names of a line; those that mean the same Service or pod, and those that mean none, as one."""
    groups: dict[tuple[str, ...], list[tuple[Named | None, str]]] = {}
    for alias in aliases:
        named = meaning(cluster, resolver.subject.namespace, alias)
        key = (named.service.namespace, named.service.name, named.pod.name if named.pod else "") if named else ()
        groups.setdefault(key, []).append((named, alias))
    for group in groups.values():
        named = next((each for each, _ in group if each and each.full), group[0][0])
        yield from _judge_names(cluster, owners, resolver, ip, named, [alias for _, alias in group])


def _judge_names(
    cluster: Cluster, owners: AddressOwners, resolver: CurrentWorkload, ip: str, named: Named | None, aliases: list[str]
) -> Iterator[Finding]:
    vacant, kind = owners.vacant(ip), resolver.subject.kind
    that = "that name" if len(aliases) == 1 else "those names"
    names: dict[str, object] = {"ip": ip, "alias": joined(aliases), "line": " ".join(aliases), "that": that}
    names |= {"kind_": kind.lower(), "fields": fields_of(kind)}
    if named is None:
        if vacant:
            yield NOWHERE.on(resolver.subject, names, why=vacant)
        return
    if ip in _right(cluster, named, owners) or named.service.spec.type == "ExternalName":
        return
    service = named.service
    names |= {"service": f"{service.namespace}/{service.name}", "space": service.namespace, "target": service.name}
    names |= {"own": _own(named)}
    if vacant:
        yield SERVICE_NOWHERE.on(resolver.subject, names, why=vacant)
        return
    owner, loopback = owners.owner(ip), ip_address(ip).is_loopback
    why = (
        f"is the address of {owner.kind} {owner}"
        if owner
        else "is the pod itself"
        if loopback
        else "is not an address of this cluster"
    )
    endpoint = cluster.unreadable(ENDPOINT_SLICE)  # it may be one
    certain = (owner or named.full) and not loopback and owners.whole and not endpoint
    yield (SERVICE_ELSEWHERE if certain else OVERRULED).on(resolver.subject, names, why=why)


def meaning(cluster: Cluster, namespace: str, host: str) -> Named | None:
    """Return the Service, or the pod of a headless one, that a name means to pods of a namespace."""
    if not cluster.readable(SERVICE):
        return None
    name = service_names.parse(host, namespace, cluster_dns.domain(cluster))
    service = cluster.get(SERVICE, name.namespace, name.name) if name else None
    if name is None or service is None:
        return None
    if not name.pod:
        return Named(service, full=name.full)
    pod = next((each for each in cluster.pods_of(service) if each.name == name.pod), None)
    return Named(service, pod, full=True) if pod and service.headless else None


def _right(cluster: Cluster, named: Named, owners: AddressOwners) -> frozenset[str]:
    """The addresses at which a name's Service or pod can be reached."""
    if named.pod:
        return frozenset(named.pod.ips)
    slices = cluster.slices_of(named.service) if cluster.readable(ENDPOINT_SLICE) else []
    ends = (ip for item in slices for end in item.endpoints for ip in end.addresses)
    nodes = owners.hosts if named.service.spec.type in ("NodePort", "LoadBalancer") and cluster.readable(NODE) else ()
    return frozenset((*addresses_of(named.service), *ends, *nodes))


def _own(named: Named) -> str:
    """The addresses that a Service has, as the object of a sentence."""
    if named.pod:
        return f"the pod {named.pod.name}, whose address is {', '.join(named.pod.ips) or 'not known yet'}"
    return ", ".join(addresses_of(named.service)) or "no address of its own (it is headless)"


CODES = (SERVICE_NOWHERE, SERVICE_ELSEWHERE, NOWHERE, OVERRULED)
