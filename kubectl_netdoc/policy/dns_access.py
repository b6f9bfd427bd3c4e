# SPDX-License-Identifier: Apache-2.0
"""Can pods that are isolated by policies still use cluster DNS?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.service_backends import target_numbers
from kubectl_netdoc.core.cluster import matches
from kubectl_netdoc.formats.addresses import ip_address, is_address
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, PolicyRef
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.verdict import End, Verdict
from kubectl_netdoc.policy.workloads import WorkloadPeer, WorkloadRef, peers
from kubectl_netdoc.records.kinds import POD, SERVICE
from kubectl_netdoc.records.pods import PodSpec
from kubectl_netdoc.records.services import Service

NO_DNS_PODS = "no DNS pods were found"

UNKNOWN_NAMESPACE = "netdoc-nobody"
"""Namespace of a made-up pod that no policy mentions: a workload that accepts it accepts the whole cluster."""

WITH_HOST_NET = "ClusterFirstWithHostNet"
"""dnsPolicy of hostNetwork pods that use cluster DNS."""

OWN_RESOLVER = ("Default", "None")
"""dnsPolicy values of pods that don't use cluster DNS."""


class DnsServers(Struct, frozen=True):
    """Cluster DNS as policies see it: its pods, and the ports that port 53 of the Service leads to there.

    ``family``: the IP version of the queries. ``node_local``: where NodeLocal DNSCache takes queries on each node;
    ``cached``: whether there is one, its addresses known or not.
    """

    service: Service
    ends: tuple[End, ...]
    udp: Ports
    tcp: Ports
    family: int
    node_local: tuple[str, ...] = ()
    cached: bool = False


class DnsBlocked(Struct, frozen=True):
    """A workload that policies block from cluster DNS, over UDP or only over TCP.

    ``by``: the policies that block it, at the end that ``direction`` names. ``has_egress``: whether any egress
    is allowed to it, so that it is meant to reach something. ``local``: the NodeLocal addresses of which it can reach none.
    ``everywhere``: the policies that are not of its own namespace: those at the servers, and cluster-wide ones.
    """

    workload: WorkloadRef
    direction: Direction
    by: tuple[PolicyRef, ...]
    protocol: str
    has_egress: bool
    local: tuple[str, ...] = ()
    everywhere: tuple[PolicyRef, ...] = ()

    @property
    def is_outage(self) -> bool:
        """Tell whether ``cut_off`` reports it."""
        return bool(self.everywhere) and self.protocol == "UDP" and not self.local


class CutOff(Struct, frozen=True):
    """Policies at the DNS servers, or cluster-wide ones, that block workloads from cluster DNS over UDP.

    ``workloads``: the blocked ones, of ``total`` that use cluster DNS. ``everybody``: all of them are blocked, and every pod of
    a new namespace would be.
    """

    policies: tuple[PolicyRef, ...]
    direction: Direction
    workloads: tuple[WorkloadRef, ...]
    total: int
    everybody: bool


def servers(engine: Engine) -> DnsServers | None:
    """Return cluster DNS with its pods, or with pod templates if it has no pods; None if it has neither."""
    cluster = engine.cluster
    service = cluster_dns.service(cluster) if cluster.readable(SERVICE) else None
    if service is None:
        return None
    pods = cluster_dns.pods(cluster, service)
    ends, specs = tuple(map(engine.pod, pods)), tuple(pod.spec for pod in pods)
    if not pods:
        selector = service.spec.selector
        made = [peer for peer in peers(engine, service.namespace) if any(matches(selector, having) for having in peer.labels)]
        ends = tuple(end for peer in made for end in peer.ends)
        specs = tuple(template.spec for peer in made for template in peer.templates)
    if not ends:
        return None
    udp, tcp = (_target(service, protocol, specs) for protocol in ("UDP", "TCP"))
    cache = cluster_dns.node_cache(cluster)
    return DnsServers(service, ends, udp, tcp, _family(service, ends), cache.addresses if cache else (), cache is not None)


def _family(service: Service, ends: tuple[End, ...]) -> int:
    """Return the IP version of the Service's first address, which pods use; without one, that of its pods' addresses."""
    given = [text for text in (service.spec.cluster_ip, *service.spec.cluster_ips) if is_address(text)]
    known = [*map(ip_address, given), *(address for end in ends for address in end.addresses)]
    if known:
        return known[0].version
    return 6 if service.spec.ip_families[:1] == ("IPv6",) else 4


def queried_from_nodes(engine: Engine, dns: DnsServers) -> bool:
    """Tell whether something on the nodes' host network queries the servers: NodeLocal DNSCache, or hostNetwork pods."""
    return dns.cached or any(pod.spec.host_network and pod.spec.dns_policy == WITH_HOST_NET for pod in engine.cluster.all(POD))


def isolating(engine: Engine) -> bool:
    """Tell whether a policy restricts the egress of an existing pod."""
    restricting = (p for p in engine.policies if Direction.EGRESS in p.isolates or any(p.of(Direction.EGRESS)))
    return any(policy.subject for policy in restricting)


def _target(service: Service, protocol: str, specs: tuple[PodSpec, ...]) -> Ports:
    found = ports.NONE
    for port in service.spec.ports:
        if port.port == 53 and port.protocol == protocol:
            for number in target_numbers(port, specs):
                found |= ports.of(protocol, number)
    return found


def blocked(engine: Engine, found: list[WorkloadPeer], dns: DnsServers, local: str = "") -> Iterator[DnsBlocked]:
    """Yield the workloads that can't use cluster DNS. ``local``: the NodeLocal address, if it is known that pods use it."""
    known: dict[PodClass, DnsBlocked | None] = {}
    guarded = any(engine.selecting(server, Direction.INGRESS) for server in dns.ends)
    for peer in asking(found, dns):
        for pods, end in _on_pod_network(peer):
            if pods not in known:
                placed = _placed(engine, peer, end)
                restricted = guarded or engine.selecting(placed, Direction.EGRESS)
                known[pods] = _judge(engine, peer.ref, placed, dns, local) if restricted else None
            if verdict := known[pods]:
                yield replace(verdict, workload=peer.ref)


def asking(found: Iterable[WorkloadPeer], dns: DnsServers) -> list[WorkloadPeer]:
    """Return the workloads that use cluster DNS over the pod network; its own servers are left out."""
    return [peer for peer in found if not _own_resolver(peer) and not _serves(peer, dns) and any(_on_pod_network(peer))]


def _serves(peer: WorkloadPeer, dns: DnsServers) -> bool:
    selected = (matches(dns.service.spec.selector, labels) for labels in peer.labels)
    return peer.ref.namespace == dns.service.namespace and any(selected)


def _own_resolver(peer: WorkloadPeer) -> bool:
    specs = [pod.spec for pod in peer.pods] + [template.spec for template in peer.templates]
    return any(spec.dns_policy in OWN_RESOLVER for spec in specs)


def _on_pod_network(peer: WorkloadPeer) -> Iterator[tuple[PodClass, End]]:
    return ((end.pod_class, end) for end in peer.ends if end.pod_class is not None and not end.host)


def _placed(engine: Engine, peer: WorkloadPeer, end: End) -> End:
    """Return an end of a workload with the address of one of its pods, if policies select by address."""
    if not (engine.has_blocks or engine.has_networks):
        return end
    pods = (pod for pod in peer.pods if pod.ips and engine.class_of(pod) == end.pod_class)
    return next((replace(end, addresses=engine.pod(pod).addresses) for pod in pods), end)


def cut_off(engine: Engine, found: list[WorkloadPeer], dns: DnsServers, lookups: Iterable[DnsBlocked]) -> Iterator[CutOff]:
    """Yield what policies at the servers, or cluster-wide ones, block over UDP: one for policies that do it together."""
    groups: dict[tuple[tuple[PolicyRef, ...], Direction], dict[WorkloadRef, None]] = {}
    for one in lookups:
        if one.is_outage:
            groups.setdefault((one.everywhere, one.direction), {})[one.workload] = None
    askers = {peer.ref for peer in asking(found, dns)}
    cut = {ref for refs in groups.values() for ref in refs}
    stranger = engine.unknown_pod("a pod that no policy mentions", UNKNOWN_NAMESPACE, {})
    missed = _missed(engine, WorkloadRef("Pod", UNKNOWN_NAMESPACE, ""), stranger, dns, has_egress=True)
    to_come = [engine.verdict(stranger, server, dns.udp, dns.family) for server in dns.ends]
    everybody = not dns.cached and askers <= cut and not all(verdict.allowed for verdict in to_come)
    if everybody and not askers and missed and missed.is_outage:
        groups[missed.everywhere, missed.direction] = {}
    for (refs, direction), workloads in groups.items():
        yield CutOff(refs, direction, tuple(sorted(workloads)), len(askers), everybody)


def verdicts(engine: Engine, end: End, dns: DnsServers) -> list[Verdict]:
    """Return the verdicts that block an end from each server over UDP; none if it may reach NodeLocal DNSCache."""
    asked = [engine.verdict(end, address, ports.of("UDP", 53), version) for address, version in _local(engine, dns.node_local)]
    if any(verdict.allowed for verdict in asked) or (dns.cached and not asked):
        return []
    found = (engine.verdict(end, server, dns.udp, dns.family) for server in dns.ends)
    return [verdict for verdict in found if not verdict.allowed]


def _local(engine: Engine, texts: Iterable[str]) -> Iterator[tuple[End, int]]:
    return ((engine.address(text), ip_address(text).version) for text in texts)


def _judge(engine: Engine, ref: WorkloadRef, end: End, dns: DnsServers, local: str) -> DnsBlocked | None:
    """Return how a workload is blocked, or None. If pods are known to use the NodeLocal address, only that counts."""
    applied = engine.selecting(end, Direction.EGRESS)
    has_egress = any(rule.action is not Action.DENY for policy in applied for rule in policy.of(Direction.EGRESS))
    addresses = (local,) if local else dns.node_local
    unreached = _unreached(engine, ref, end, addresses, has_egress)
    if local:
        return unreached
    missed = _missed(engine, ref, end, dns, has_egress)
    if missed and missed.protocol == "UDP" and dns.cached:
        return unreached and missed
    return unreached or missed


def _unreached(engine: Engine, ref: WorkloadRef, end: End, addresses: tuple[str, ...], has_egress: bool) -> DnsBlocked | None:
    """Return how an end is blocked from all addresses of NodeLocal DNSCache; it is not known which of them a pod uses."""
    found = [engine.verdict(end, other, ports.of("UDP", 53), version) for other, version in _local(engine, addresses)]
    if not found or any(verdict.allowed or verdict.depends or verdict.incomplete for verdict in found):
        return None
    return DnsBlocked(ref, Direction.EGRESS, found[0].by, "UDP", has_egress, addresses)


def _missed(engine: Engine, ref: WorkloadRef, end: End, dns: DnsServers, has_egress: bool) -> DnsBlocked | None:
    for protocol, asked in (("UDP", dns.udp), ("TCP", dns.tcp)):
        for server in dns.ends if asked else ():
            verdict = engine.verdict(end, server, asked, dns.family)
            if not verdict.allowed and not verdict.depends and not verdict.incomplete:
                direction = Direction.INGRESS if verdict.egress.allowed else Direction.EGRESS
                return DnsBlocked(ref, direction, verdict.by, protocol, has_egress, everywhere=_everywhere(verdict))
    return None


def _everywhere(verdict: Verdict) -> tuple[PolicyRef, ...]:
    """Return the policies at the servers; if the source's own egress is blocked, the cluster-wide ones among them."""
    if verdict.egress.allowed:
        return verdict.ingress.by
    return tuple(ref for ref in verdict.egress.by if not ref.namespace)
