# SPDX-License-Identifier: Apache-2.0
"""Finds rules with the port of a Service, although policies are about the ports of its pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from msgspec import Struct

from kubectl_netdoc.components.service_backends import target_numbers
from kubectl_netdoc.core.cluster import matches
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.rules import Direction, Peers, Policy, PolicyTier, Rule
from kubectl_netdoc.policy.selection import PodSet, members
from kubectl_netdoc.policy.verdict import End
from kubectl_netdoc.policy.workloads import WorkloadPeer, peers
from kubectl_netdoc.records.kinds import NETWORK_POLICY, SERVICE
from kubectl_netdoc.records.policies import NetworkPolicy
from kubectl_netdoc.records.services import Service
from kubectl_netdoc.remediation import patches

Port = tuple[str, int]
"""Protocol and number."""


class Mistaken(Struct, frozen=True):
    """A port in a rule that only a Service has; ``targets``: the ports of the pods behind it.

    ``what``: which of the Service's ports it is. ``certain``: whether all pods of the rule declare ports, and none declares this.
    """

    rule: Rule
    index: int
    protocol: str
    port: int | str
    service: Service
    targets: tuple[int, ...]
    what: str = "port"
    certain: bool = False

    @property
    def place(self) -> str:
        """The port's jsonpath, as in kubectl."""
        return f"{self.rule.place}.ports[{self.index}]"

    def __str__(self) -> str:
        listen = " and ".join(map(str, self.targets))
        name = f"{self.service.namespace}/{self.service.name}"
        return f"{self.protocol} {self.port} is the {self.what} of Service {name}, whose pods listen on {listen}"

    @property
    def patch(self) -> str:
        """The JSON patch that puts the pods' port in its place; "" where the pods have several."""
        if len(self.targets) > 1:
            return ""
        direction = "ingress" if self.rule.direction is Direction.INGRESS else "egress"
        return patches.replace({f"/spec/{direction}/{self.rule.index}/ports/{self.index}/port": (self.port, self.targets[0])})


class _Behind:
    """A workload: its own ports, and the ports of the Services that lead to it with their targets."""

    def __init__(self, peer: WorkloadPeer, services: Iterable[Service]) -> None:
        specs = [pod.spec for pod in peer.pods] + [template.spec for template in peer.templates]
        self.classes = sum(1 << number for number in {end.pod_class.id for end in peer.ends if end.pod_class})
        self.declared: set[Port] = {(port.protocol or "TCP", port.container_port) for spec in specs for port in spec.ports()}
        self.names = {(name, protocol) for spec in specs for name, protocol in spec.named_ports()}
        self.led: dict[tuple[str, int | str], tuple[Service, frozenset[int], str]] = {}
        self.targets: set[Port] = set()
        for service in services:
            if not any(matches(service.spec.selector, labels) for labels in peer.labels):
                continue
            for port in service.spec.ports:
                numbers = frozenset(target_numbers(port, specs))
                self.targets |= {(port.protocol, number) for number in numbers}
                if service.spec.type == "ExternalName" or not numbers:
                    continue
                own: dict[int | str, str] = {port.name: "port name"}
                if not service.headless:
                    own |= {port.port: "port", port.node_port: "node port"}
                for key, what in own.items():
                    if key:
                        self.led.setdefault((port.protocol, key), (service, numbers, what))

    def listens(self, protocol: str, port: int | str) -> bool:
        """Tell whether its pods declare that port, or a Service leads to it."""
        if isinstance(port, str):
            return (port, protocol) in self.names
        return (protocol, port) in self.declared or (protocol, port) in self.targets


class ServicePorts:
    """The policies of a cluster, compared with its Services."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.written = {(item.namespace, item.name): item for item in engine.cluster.all(NETWORK_POLICY)}

    @cached_property
    def _behind(self) -> dict[int, list[_Behind]]:
        """The workloads by the classes of their pods."""
        cluster = self.engine.cluster
        services: defaultdict[str, list[Service]] = defaultdict(list)
        for service in cluster.all(SERVICE) if cluster.readable(SERVICE) else ():
            services[service.namespace].append(service)
        found: defaultdict[int, list[_Behind]] = defaultdict(list)
        for peer in peers(self.engine) if services else ():
            behind = _Behind(peer, services[peer.ref.namespace])
            for number in members(behind.classes & ~self.engine.selection.host_network):
                found[number].append(behind)
        return found

    def mistaken(self) -> Iterator[Mistaken]:
        """Yield each port in a rule that a Service has and none of the selected pods has."""
        for policy in self.engine.policies:
            source = self.written.get((policy.ref.namespace, policy.ref.name)) if policy.tier is PolicyTier.NAMESPACE else None
            for rule in policy.rules if source and policy.subject else ():
                if source is not None:
                    yield from self._in_rule(policy, rule, source)

    def _in_rule(self, policy: Policy, rule: Rule, source: NetworkPolicy) -> Iterator[Mistaken]:
        ingress = rule.direction is Direction.INGRESS
        written = (source.spec.ingress if ingress else source.spec.egress)[rule.index]
        destinations = policy.subject if ingress else self._named(rule, source)
        for index, port in enumerate(written.ports):
            if port.port is None or port.end_port:
                continue
            asked = port.protocol, port.port
            there = list({id(one): one for number in members(destinations) for one in self._behind.get(number, ())}.values())
            led = [one.led[asked] for one in there if asked in one.led]
            if not led or any(one.listens(*asked) for one in there):
                continue
            targets = {number for _, numbers, _ in led for number in numbers}
            if not any(self._allowed(policy, rule, destinations, (port.protocol, number)) for number in targets):
                service, _, what = led[0]
                certain = all(one.declared for one in there)
                yield Mistaken(rule, index, port.protocol, port.port, service, tuple(sorted(targets)), what, certain)

    def _named(self, rule: Rule, source: NetworkPolicy) -> PodSet:
        """Return the pods that an egress rule names by labels, theirs or their namespaces'."""
        found: PodSet = 0
        for peer in source.spec.egress[rule.index].to:
            if peer.ip_block is None:
                found |= self.engine.compiler.selected(rule.policy.namespace, peer)
        return found

    def _allowed(self, policy: Policy, rule: Rule, destinations: PodSet, port: Port) -> bool:
        """Tell whether another rule for the same pods has the right port, so that this rule is only redundant."""
        classes = self.engine.selection.classes
        ends = (End("", classes[number]) for number in members(policy.subject))
        others = {other.ref: other for end in ends for other in self.engine.selecting(end, rule.direction)}
        meant = [classes[number] for number in members(destinations)]
        return any(
            _meet(each.peers, rule.peers) and any(each.ports.on(known).has(*port) for known in meant)
            for other in others.values()
            if other.tier is PolicyTier.NAMESPACE
            for each in other.of(rule.direction)
        )


def _meet(one: Peers, other: Peers) -> bool:
    """Tell whether two rules may have a common other end."""
    return one.everyone or other.everyone or bool(one.pods & other.pods) or bool(one.blocks and other.blocks)
