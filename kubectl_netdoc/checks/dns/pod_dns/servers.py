# SPDX-License-Identifier: Apache-2.0
"""The nameservers that workloads ask: whether they are there, whether they are the cluster's, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from functools import cached_property

from kubectl_netdoc.api import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    SERVICE,
    SETTLING,
    Cluster,
    Code,
    Facts,
    Finding,
    ResolvConf,
    ResolvConfReply,
    Risk,
    Service,
    Severity,
    ip_address,
    is_plain,
    joined,
    patches,
)
from kubectl_netdoc.checks.dns.pod_dns import workloads
from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.address_owners import AddressOwners, addresses_of
from kubectl_netdoc.policy.current_workloads import FIRST, NODES, OWN, WITH_HOST_NET, CurrentWorkload

SECONDS = 5
"""Seconds that glibc waits for a nameserver before it asks the next one (resolv.conf(5), timeout)."""

LOOK = (
    'kubectl -n {namespace} get {kind_} {name} -o jsonpath=\'{{{fields}.dnsPolicy}}{{" "}}{{{fields}.dnsConfig}}{{" "}}'
    "{{{fields}.hostNetwork}}'"
)
PATCH = "kubectl -n {namespace} patch {kind_} {name} --type merge -p {patch}"

NOT_THERE = Code(
    id="PDN001",
    severity=Severity.FAIL,
    risk=Risk.RESTARTS,
    title="A workload's nameservers do not exist",
    message="The pods of {kind} {namespace}/{name} ask {asked} for every name (dnsPolicy None), and nothing answers there: "
    "{why}. They resolve no name",
    fix="Let the pods ask cluster DNS ({dns}): dnsPolicy ClusterFirst, without nameservers in dnsConfig.{how}",
    commands=(LOOK,),
)
FIRST_NOT_THERE = Code(
    id="PDN002",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload's first nameserver does not exist",
    message="The pods of {kind} {namespace}/{name} ask {server} first for every name (dnsPolicy None), and nothing answers "
    f"there: {{why}}. Each lookup waits for it before the next nameserver is asked, for {SECONDS} s with glibc",
    fix="Remove {server} from the nameservers in dnsConfig, or let the pods ask cluster DNS ({dns}): dnsPolicy ClusterFirst, "
    "without nameservers.{how}",
    commands=(LOOK,),
)
NOT_ASKED = Code(
    id="PDN003",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload that needs names of the cluster does not ask cluster DNS",
    message="The pods of {kind} {namespace}/{name} do not ask cluster DNS ({dns}): {asks}. Names of Services do not resolve "
    "there, and it seems that the workload needs them: {need}",
    fix="Set dnsPolicy {wanted} in the pods' template, and remove nameservers from its dnsConfig that do not know the "
    "cluster's names.{how}",
    commands=(LOOK,),
)
NOT_ASKED_SO_FAR = Code(
    id="PDN010",
    severity=Severity.INFO,
    risk=Risk.RESTARTS,
    title="A workload does not ask cluster DNS",
    message="The pods of {kind} {namespace}/{name} do not ask cluster DNS ({dns}): {asks}. Names of Services do not resolve "
    "there",
    fix="There is nothing to do if the workload connects to no Service by its name. Otherwise set dnsPolicy {wanted} in the "
    "pods' template.",
    commands=(LOOK,),
)
MIXED = Code(
    id="PDN004",
    severity=Severity.WARN,
    risk=Risk.RESTARTS,
    title="A workload asks cluster DNS and other nameservers for the same names",
    message="The pods of {kind} {namespace}/{name} ask {asked}, {order}. A resolver takes the first answer, also that a name "
    "does not exist, so names of Services do not resolve whenever {others} is asked, as only {dns} knows them",
    fix="Leave cluster DNS alone in the nameservers of dnsConfig (it asks others for names outside the cluster), or let the pods "
    "have dnsPolicy {wanted} without nameservers. Where {others} has names of its own, make cluster DNS forward their domain to "
    "it.{how}",
    commands=(LOOK,),
)


class Known(Enum):
    """What is known of a nameserver."""

    OURS = auto()
    MISSING = auto()
    INSIDE = auto()
    OUTSIDE = auto()


class Nameservers:
    """What the cluster shows of nameservers: which are cluster DNS, and which are not there."""

    def __init__(self, facts: Facts, owners: AddressOwners) -> None:
        self.cluster, self.owners = facts.cluster, owners
        dns = cluster_dns.service(self.cluster) if self.cluster.readable(SERVICE) else None
        self.service = dns
        given = [text for reply in map(facts.reply, resolv_conf(self.cluster)) for text in _nameservers(reply)]
        ends = cluster_dns.endpoints(self.cluster, dns) if dns and self.cluster.readable(ENDPOINT_SLICE) else []
        self.ours = frozenset((*(addresses_of(dns) if dns else ()), *given, *self._cache, *(end.ip for _, end, _ in ends)))

    @cached_property
    def _cache(self) -> tuple[str, ...]:
        cache = cluster_dns.node_cache(self.cluster)
        return cache.addresses if cache else ()

    def missing(self, ip: str) -> str:
        """Return why nothing answers at a nameserver's address, as a sentence's part; "" if something may."""
        if ip in self.ours or not is_plain(ip):
            return ""
        if why := self.owners.vacant(ip):
            return f"{ip} {why}"
        if service := self.owners.services.get(ip):
            return self._silent(ip, service)
        caches = (address for known in cluster_dns.NODE_CACHES.values() for address in known)
        if ip in caches and self.owners.whole and self.cluster.readable(DAEMON_SET) and not cluster_dns.node_cache(self.cluster):
            return f"{ip} is the address of NodeLocal DNSCache, which this cluster does not have"
        return ""

    def _silent(self, ip: str, service: Service) -> str:
        """A Service that no lookup gets through: without port 53 over UDP, or without a ready endpoint."""
        named = f"{ip} is Service {service.namespace}/{service.name}"
        if not any((port.protocol, port.port) == ("UDP", cluster_dns.PORT) for port in service.spec.ports):
            return f"{named}, which has no UDP port {cluster_dns.PORT}"
        if not self.cluster.readable(ENDPOINT_SLICE) or self.cluster.age(service.metadata.creation_timestamp) < SETTLING:
            return ""
        ready = any(end.conditions.ready for item in self.cluster.slices_of(service) for end in item.endpoints)
        return "" if ready else f"{named}, which has no ready endpoint"

    def known(self, ip: str) -> Known:
        """Return what is known of a nameserver; one inside the cluster, or in the pod, may forward the cluster's names."""
        if ip in self.ours:
            return Known.OURS
        if self.missing(ip):
            return Known.MISSING
        own = not is_plain(ip) or ip_address(ip).is_loopback or self.owners.owner(ip)
        return Known.INSIDE if own else Known.OUTSIDE


def resolv_conf(cluster: Cluster) -> Iterator[ResolvConf]:
    """Yield the reading of one debug pod's resolv.conf: its nameservers are those that kubelets give to pods."""
    yield from map(ResolvConf, cluster.vantages[:1])


def _nameservers(reply: object) -> tuple[str, ...]:
    return reply.nameservers if isinstance(reply, ResolvConfReply) else ()


def analyse(cluster: Cluster, servers: Nameservers, resolver: CurrentWorkload) -> Iterator[Finding]:
    """Judge the nameservers of one workload."""
    own = resolver.spec.dns_config.nameservers
    states = [servers.known(ip) for ip in own]
    if resolver.policy == OWN and states[:1] == [Known.MISSING]:
        code = NOT_THERE if set(states) == {Known.MISSING} else FIRST_NOT_THERE
        why = joined(filter(None, map(servers.missing, own)))
        yield finding(code, servers, resolver, asked=joined(own), server=own[0], why=why)
    elif servers.service is None or (resolver.policy == OWN and states[:1] in ([], [Known.INSIDE])):
        return  # what the cluster's names are, or whether such a server knows them, is not to be seen
    elif Known.OURS in states or resolver.policy == FIRST:
        yield from _mixed(servers, resolver, states)
    elif not workloads.serves_the_cluster(cluster, resolver):
        need = workloads.need(cluster, resolver)
        # NodeLocal DNSCache is known by its DaemonSet.
        code = NOT_ASKED if need and not cluster.unreadable(DAEMON_SET) else NOT_ASKED_SO_FAR
        yield finding(code, servers, resolver, asks=_asks(resolver), need=need or "not known")


def _asks(resolver: CurrentWorkload) -> str:
    """Whom the pods ask, as a clause."""
    if resolver.policy == OWN:
        return f"dnsPolicy None and dnsConfig give them {joined(resolver.spec.dns_config.nameservers)}"
    if resolver.spec.dns_policy == NODES:
        return "dnsPolicy Default gives them their node's nameservers"
    return "they are on the host network, where dnsPolicy ClusterFirst gives pods their node's nameservers"


def _in_turn(resolver: CurrentWorkload) -> bool:
    return any(option.name == "rotate" for option in resolver.spec.dns_config.options)


def _mixed(servers: Nameservers, resolver: CurrentWorkload, states: list[Known]) -> Iterator[Finding]:
    """Cluster DNS beside servers outside: harmless only where cluster DNS is asked first."""
    own = resolver.spec.dns_config.nameservers
    others = [ip for ip, state in zip(own, states, strict=True) if state is Known.OUTSIDE]
    before = {OWN: states[:1] == [Known.OUTSIDE], NODES: True}.get(resolver.policy, False)
    if not (before or (others and _in_turn(resolver))):
        return
    asked = {OWN: list(own), NODES: ["their node's nameservers", *own], FIRST: ["cluster DNS", *own]}[resolver.policy]
    order = "in turn (option rotate)" if _in_turn(resolver) else "in that order"
    shown = asked[0] if before else joined(others, "or")
    yield finding(MIXED, servers, resolver, asked=joined(asked), others=shown, order=order)


def finding(code: Code, servers: Nameservers, resolver: CurrentWorkload, **names: object) -> Finding:
    """Return a finding about a workload, with the command that gives it back cluster DNS where a patch can."""
    kind, spec, dns, patched = resolver.subject.kind, resolver.spec, servers.service, resolver.patched
    wanted = WITH_HOST_NET if spec.host_network else FIRST
    advice = code.severity is Severity.INFO
    how = " The command does that, and the pods are recreated." if patched else " The pods have to be recreated for that."
    changed: dict[str, object] = {"dnsPolicy": wanted}
    if spec.dns_config.nameservers:
        changed["dnsConfig"] = {"nameservers": None}
    evidence = {
        "kind_": kind.lower(),
        "fields": fields_of(kind),
        "dns": f"Service {dns.namespace}/{dns.name}" if dns else "its Service is not known",
        "wanted": wanted,
        "how": "" if advice else how,
        "patch": patches.merge({"spec": {"template": {"spec": changed}}}),
    }
    return code.on(resolver.subject, evidence | names, commands=(*code.commands, PATCH) if patched and not advice else None)


def fields_of(kind: str) -> str:
    """Return where the objects of a kind have their pods' spec, as a jsonpath."""
    return {"Pod": ".spec", "CronJob": ".spec.jobTemplate.spec.template.spec"}.get(kind, ".spec.template.spec")


CODES = (NOT_THERE, FIRST_NOT_THERE, NOT_ASKED, NOT_ASKED_SO_FAR, MIXED)
