# SPDX-License-Identifier: Apache-2.0
"""Can a pod that policies isolate still ask cluster DNS?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubectl_netdoc import clusterdns
from kubectl_netdoc.cluster import matches
from kubectl_netdoc.policy import ports
from kubectl_netdoc.policy.engine import End, Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Action, Direction, PolicyRef
from kubectl_netdoc.policy.selection import PodClass
from kubectl_netdoc.policy.workloads import Peer, WorkloadRef, peers
from kubectl_netdoc.records import DAEMON_SET, SERVICE, PodSpec, Service, ServicePort

NODE_LOCAL = "node-local-dns"
"""Name of the DaemonSet in Kubernetes' own add-on, which the distributions keep."""

NODE_LOCAL_ADDRESSES = ("169.254.20.10", "169.254.25.10")
"""Where NodeLocal DNSCache listens: Kubernetes' add-on, and kubespray."""

NOT_THERE = "there are no DNS pods to see"

OWN_RESOLVER = ("Default", "None")
"""dnsPolicy of pods that don't ask cluster DNS."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Cluster DNS as policies see it: its pods, and the ports that port 53 of the Service leads to there."""

    service: Service
    ends: tuple[End, ...]
    udp: Ports
    tcp: Ports
    node_local: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deaf:
    """A workload that policies keep from cluster DNS, over UDP or only over TCP.

    ``by``: the policies that stop it, at the end that ``direction`` tells. ``talks``: whether its egress is allowed anything,
    so that it is meant to reach something. ``local``: the NodeLocal address that is all it can't reach.
    """

    workload: WorkloadRef
    direction: Direction
    by: tuple[PolicyRef, ...]
    protocol: str
    talks: bool
    local: str = ""


def servers(engine: Engine) -> Servers | None:
    """Return cluster DNS: its pods, or the templates of what makes them; None where there are none to see."""
    cluster = engine.cluster
    service = clusterdns.service(cluster) if cluster.readable(SERVICE) else None
    if service is None:
        return None
    pods = clusterdns.pods(cluster, service)
    ends, specs = tuple(map(engine.pod, pods)), tuple(pod.spec for pod in pods)
    if not pods:
        selector = service.spec.selector
        made = [peer for peer in peers(engine, service.namespace) if any(matches(selector, having) for having in peer.labels)]
        ends = tuple(end for peer in made for end in peer.ends)
        specs = tuple(template.spec for peer in made for template in peer.templates)
    if not ends:
        return None
    udp, tcp = (_target(service, protocol, specs) for protocol in ("UDP", "TCP"))
    there = cluster.readable(DAEMON_SET) and any(item.name == NODE_LOCAL for item in cluster.all(DAEMON_SET))
    return Servers(service, ends, udp, tcp, NODE_LOCAL_ADDRESSES[:1] if there else ())


def isolating(engine: Engine) -> bool:
    """Whether a policy restricts the egress of a pod that is there."""
    restricting = (p for p in engine.policies if Direction.EGRESS in p.isolates or any(p.of(Direction.EGRESS)))
    return any(policy.subject for policy in restricting)


def _target(service: Service, protocol: str, specs: tuple[PodSpec, ...]) -> Ports:
    found = ports.NONE
    for port in service.spec.ports:
        if port.port == 53 and port.protocol == protocol:
            for number in target_numbers(port, specs):
                found |= ports.of(protocol, number)
    return found


def target_numbers(port: ServicePort, specs: Iterable[PodSpec]) -> set[int]:
    """Return the port numbers on the pods that a Service port leads to."""
    if isinstance(port.target_port, int):
        return {port.target_port or port.port}
    return {
        declared.container_port
        for spec in specs
        for declared in spec.ports()
        if declared.name == port.target_port and declared.protocol == port.protocol
    }


def deaf(engine: Engine, found: list[Peer], dns: Servers, local: str = "") -> Iterator[Deaf]:
    """Yield the workloads that can't ask cluster DNS. ``local``: the NodeLocal address that pods are known to ask."""
    known: dict[PodClass, Deaf | None] = {}
    for peer in found:
        if any(pod.spec.dns_policy in OWN_RESOLVER for pod in peer.pods):
            continue
        for end in peer.ends:
            if end.pod_class is None or end.host:
                continue
            if end.pod_class not in known:
                known[end.pod_class] = _judge(engine, peer.ref, end, dns, local)
            verdict = known[end.pod_class]
            if verdict:
                yield Deaf(peer.ref, verdict.direction, verdict.by, verdict.protocol, verdict.talks, verdict.local)


def _judge(engine: Engine, ref: WorkloadRef, end: End, dns: Servers, local: str) -> Deaf | None:
    """Where pods are known to ask the NodeLocal address only that matters; where it is there, either will do."""
    isolated = engine.selecting(end, Direction.EGRESS)
    if not isolated and not any(engine.selecting(e, Direction.INGRESS) for e in dns.ends):
        return None
    talks = any(rule.action is not Action.DENY for policy in isolated for rule in policy.of(Direction.EGRESS))
    addresses = (local,) if local else dns.node_local
    unreached = next(filter(None, (_unreached(engine, ref, end, address, talks) for address in addresses)), None)
    if local:
        return unreached
    missed = _missed(engine, ref, end, dns, talks)
    if missed and missed.protocol == "UDP":
        return None if addresses and not unreached else missed
    return unreached or missed


def _unreached(engine: Engine, ref: WorkloadRef, end: End, address: str, talks: bool) -> Deaf | None:
    verdict = engine.verdict(end, engine.address(address), ports.of("UDP", 53))
    if verdict.allowed or verdict.incomplete:
        return None
    return Deaf(ref, Direction.EGRESS, verdict.by, "UDP", talks, address)


def _missed(engine: Engine, ref: WorkloadRef, end: End, dns: Servers, talks: bool) -> Deaf | None:
    for protocol, asked in (("UDP", dns.udp), ("TCP", dns.tcp)):
        for server in dns.ends if asked else ():
            verdict = engine.verdict(end, server, asked)
            if not verdict.allowed and not verdict.depends and not verdict.incomplete:
                direction = Direction.INGRESS if verdict.egress.allowed else Direction.EGRESS
                return Deaf(ref, direction, verdict.by, protocol, talks)
    return None
