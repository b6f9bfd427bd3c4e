# SPDX-License-Identifier: Apache-2.0
"""Finds egress rules that stop at a Service: they name its address, or its port at the API server's, and not its endpoints'.

Policies are about packets after a Service has been translated, so what they see is the address and port of an endpoint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.formats.addresses import ip_address, is_address
from kubectl_netdoc.formats.text import some
from kubectl_netdoc.policy import fixes, ports
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.policy.ports import Ports
from kubectl_netdoc.policy.rules import Block, Direction, Policy, PolicyTier, Rule
from kubectl_netdoc.policy.selection import members
from kubectl_netdoc.policy.verdict import Doubt, End, Reading, addresses
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, SERVICE
from kubectl_netdoc.records.services import Service

API = ("default", "kubernetes")
"""The Service of the API server, the one whose endpoints keep their addresses."""

MOST = 8
"""Endpoints of a Service that are judged at most: they differ by their address alone."""


class Stopped(Struct, frozen=True):
    """A rule that stops at a Service. ``endpoints``: addresses; ``asked``: their ports; ``block``: the rule's one address."""

    rule: Rule
    service: Service
    endpoints: tuple[str, ...]
    asked: Ports
    block: Block

    def __str__(self) -> str:
        name = f"Service {self.service.namespace}/{self.service.name}"
        return f"{self.block.network} is an address of {name}, whose endpoints are {some(self.endpoints, 3)} on {self.asked}"

    @property
    def cure(self) -> fixes.Manifest:
        """The rule that allows what is meant: the pods behind the Service, or its endpoints' addresses."""
        to = [fixes.peer(self.service.namespace, self.service.spec.selector, self.rule.policy.namespace)]
        if not self.service.spec.selector:
            ranges = (f"{address}/{ip_address(address).max_prefixlen}" for address in self.endpoints)
            to = [{"ipBlock": {"cidr": each}} for each in ranges]
        return {"to": to, "ports": fixes.port_entries(self.asked)}


def stopped(engine: Engine) -> Iterator[Stopped]:
    """Yield each rule of a NetworkPolicy whose pods may not reach the endpoints of the Service that it names."""
    cluster = engine.cluster
    if not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
        return
    services = _Services(cluster)
    for policy in engine.policies:
        for rule in policy.of(Direction.EGRESS) if policy.tier is PolicyTier.NAMESPACE and policy.subject else ():
            for block in rule.peers.blocks:
                if block.network.num_addresses == 1 and (service := services.by_address.get(str(block.network.network_address))):
                    yield from _judged(engine, policy, services, rule, service, block)


def _has(rule: Rule, port: int) -> bool:
    return rule.ports.fixed.has("TCP", port)


def _judged(engine: Engine, policy: Policy, services: _Services, rule: Rule, service: Service, block: Block) -> Iterator[Stopped]:
    """Yield the rule if no pod of its policy may reach any endpoint of the Service on the ports that the rule is for."""
    wanted = [port.name for port in service.spec.ports if rule.ports.fixed == ports.ALL or _has(rule, port.port)]
    found = services.endpoints(service, frozenset(wanted))
    senders = [End("", engine.selection.classes[n]) for n in members(policy.subject & ~engine.selection.host_network)]
    every = ports.NONE
    for address, asked in found.items():
        other = engine.address(address)
        reading = Reading(other.addresses[0].version, doubt=Doubt.ALLOWING)
        if any(engine.side(Direction.EGRESS, one, other, asked, reading).allowed for one in senders):
            return
        every |= asked
    if found and senders:
        yield Stopped(rule, service, tuple(found), every, block)


class _Services:
    """The Services of a cluster by their addresses, and their endpoints."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @cached_property
    def by_address(self) -> dict[str, Service]:
        """The Services by each of their cluster addresses, the API server's by those of its endpoints too."""
        every = self.cluster.all(SERVICE)
        api = self.cluster.get(SERVICE, *API)
        behind = self.endpoints(api, frozenset(port.name for port in api.spec.ports)) if api else ()
        return {address: api for address in behind if api} | {
            str(address): service
            for service in every
            for address in addresses(t for t in (service.spec.cluster_ip, *service.spec.cluster_ips) if is_address(t))
        }

    def endpoints(self, service: Service, names: frozenset[str]) -> dict[str, Ports]:
        """Return the ready endpoints of a Service, by address, with their numbers of the ports of these names."""
        found: defaultdict[str, Ports] = defaultdict(lambda: ports.NONE)
        for item in self.cluster.slices_of(service):
            for endpoint in item.endpoints if item.address_type != "FQDN" else ():
                for port in item.numbered if endpoint.conditions.ready else ():
                    if port.name in names and endpoint.addresses and len(found) < MOST:
                        found[endpoint.addresses[0]] |= ports.of(port.protocol, port.port)
        return dict(found)
