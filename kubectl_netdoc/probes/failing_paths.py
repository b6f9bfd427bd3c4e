# SPDX-License-Identifier: Apache-2.0
"""The failing paths of a run that are worth a trace: a few, different in kind, as the requests that trace them."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.components.address_owners import addresses_of
from kubectl_netdoc.core.facts import Facts
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.measurements.base import Address, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.connect import Connect, ConnectReply, Echo, EchoReply
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply
from kubectl_netdoc.measurements.path import Burst, BurstReply
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.measurements.trace import Trace
from kubectl_netdoc.probes import node_pairs, own_policies
from kubectl_netdoc.records.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE

MOST = 3
"""Most paths that are traced by themselves: each takes 2 to 3 s."""

FEW, MANY = 6, 40
"""Marked packets for a path that lets nothing through, and for one that loses some."""

KINDS = (NODE, POD, SERVICE, ENDPOINT_SLICE)
"""What says where addresses are and where Services lead."""


class FailingPath(Struct, frozen=True):
    """A path that failed. ``kind``: only paths different in kind are worth a trace each; ``partly``: some got through.

    ``refused``: something refuses it, and not what it leads to.
    """

    kind: str
    node: str
    to: Address | Peer | OwnService
    protocol: str = "TCP"
    partly: bool = False
    own_network: bool = False
    family: str = ""
    refused: bool = False


ORDER = ("between nodes", "within a node", "from a node", "UDP", "to a workload", "to a Service", "some packets", "DNS")
"""Kinds of paths, those first that other kinds build upon."""


MOST_LISTENING = 5
"""Most nodes that listen to one trace: its ends, and some that it should not pass."""


class FailingPaths:
    """The failing paths of a run, and where addresses are, found once."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.nodes = _nodes_by_address(facts)
        """The node of each address of a pod, a node or one of netdoc's own pods."""

    @cached_property
    def all(self) -> tuple[FailingPath, ...]:
        """Each path of the run that failed and that no policy forbids."""
        running = {vantage.node for vantage in self.facts.vantages if vantage.running}
        replies = ((request, reply) for request, reply in self.facts.replies.items() if request.node in running)
        found = (self._path(request, reply) for request, reply in replies)
        return tuple(path for path in found if path is not None and not self._forbidden(path))

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of nodes between which something failed."""
        ends = ((path.node, self._other(path)) for path in self.all)
        return frozenset((one, other) for one, other in ends if one and other)

    def traces(self) -> list[Trace]:
        """Return the traces of the failing paths, at most ``MOST``, those between netdoc's own pods first."""
        if not self.facts.cluster.tier.covers(Tier.PRIVILEGED):
            return []
        chosen: dict[str, FailingPath] = {}
        for path in sorted(self.all, key=lambda path: (ORDER.index(path.kind), path.partly, path.refused)):
            chosen.setdefault(path.kind, path)
        return [self._trace(path) for path in list(chosen.values())[:MOST]]

    def _trace(self, path: FailingPath) -> Trace:
        return Trace(
            path.node,
            path.to,
            self._near(path),
            path.protocol,
            count=MANY if path.partly else FEW,
            interval=0.01 if path.partly else 0.04,
            family=path.family,
            own_network=path.own_network,
            zone=cluster_dns.domain(self.facts.cluster) if path.protocol == "DNS" else "",
        )

    def _near(self, path: FailingPath) -> tuple[str, ...]:
        """Return the nodes that listen: the ends', those behind a Service, and some others."""
        listening = [vantage.node for vantage in self.facts.hosts if vantage.running]
        behind = [self.nodes.get(ip, "") for ip in sorted(self.leads_to(path.to))] if isinstance(path.to, Address) else []
        wanted = dict.fromkeys((path.node, self._other(path), *behind, *listening))
        return tuple(node for node in wanted if node in listening)[:MOST_LISTENING]

    def _other(self, path: FailingPath) -> str:
        """Return the node at the other end of a path; "" if it is not known."""
        return self.nodes.get(path.to.ip, "") if isinstance(path.to, Address) else getattr(path.to, "node", "")

    @cached_property
    def _isolated(self) -> bool:
        return bool(own_policies.policies_isolating_debug_pods(self.facts.cluster))

    def _forbidden(self, path: FailingPath) -> bool:
        if not isinstance(path.to, Address):
            return self._isolated
        protocol = "TCP" if path.protocol == "TCP" else "UDP"
        return own_policies.policy_block(self.facts, path.node, path.to.ip, path.to.port, protocol) is not None

    def _path(self, request: Request, reply: Reply) -> FailingPath | None:
        """Return the path of a request that failed; None if it did not, or if it is not one to trace."""
        if isinstance(request, Echo) and isinstance(reply, EchoReply):
            return _echo(request, reply)
        if isinstance(request, Connect) and isinstance(reply, ConnectReply):
            return self._connect(request, reply.outcome)
        if isinstance(request, Burst) and isinstance(reply, BurstReply):
            lossy = node_pairs.lossy(reply.rounds)
            return FailingPath("some packets", request.node, request.to, "UDP", True, family=request.family) if lossy else None
        if isinstance(request, DnsLookup) and isinstance(reply, DnsReply) and isinstance(request.server, Address):
            silent = reply.samples and all(sample.outcome is Outcome.TIMEOUT for sample in reply.samples)
            return FailingPath("DNS", request.node, request.server, "DNS") if silent and request.protocol == "UDP" else None
        return None

    @cached_property
    def _accepting(self) -> frozenset[Address]:
        """What accepts connections from somewhere: whoever is refused there is refused by something on the way."""
        replies = self.facts.replies.items()
        return frozenset(
            request.to
            for request, reply in replies
            if isinstance(request, Connect) and isinstance(reply, ConnectReply) and reply.outcome is Outcome.OK
        )

    def _connect(self, request: Connect, outcome: Outcome) -> FailingPath | None:
        refused = outcome is Outcome.REFUSED and request.to in self._accepting
        if not (refused or outcome in (Outcome.TIMEOUT, Outcome.UNREACHABLE)):
            return None
        kind = "to a Service" if self.leads_to(request.to) else "to a workload" if request.to.ip in self.nodes else ""
        return FailingPath(kind, request.node, request.to, own_network=request.host, refused=refused) if kind else None

    def leads_to(self, to: Address) -> frozenset[str]:
        """Return the addresses behind one of a Service: its ClusterIP, an external or load balancer's IP, or a node port.

        None where it is no Service's, or nothing is known.
        """
        cluster = self.facts.cluster
        if not (cluster.readable(SERVICE) and cluster.readable(ENDPOINT_SLICE)):
            return frozenset()
        nodes = cluster.all(NODE) if cluster.readable(NODE) else ()
        of_a_node = any(to.ip == address.address for node in nodes for address in node.status.addresses)
        for service in cluster.all(SERVICE):
            by_port = of_a_node and any(port.node_port == to.port for port in service.spec.ports)
            if by_port or to.ip in addresses_of(service):
                slices = cluster.slices_of(service)
                return frozenset(address for item in slices for endpoint in item.endpoints for address in endpoint.addresses)
        return frozenset()


def _echo(request: Echo, reply: EchoReply) -> FailingPath | None:
    to = request.to
    if any(sample.who for sample in reply.samples) or getattr(to, "closed", False) or getattr(to, "empty", False):
        return None
    if isinstance(to, OwnService):
        kind = "to a Service"
    elif request.host:
        kind = "from a node"
    elif request.protocol == "UDP":
        kind = "UDP"
    else:
        kind = "within a node" if to.node == request.node else "between nodes"
    return FailingPath(kind, request.node, to, request.protocol, own_network=request.host, family=request.family)


def _nodes_by_address(facts: Facts) -> dict[str, str]:
    cluster = facts.cluster
    found: dict[str, str] = {}
    if cluster.readable(POD):
        found |= {ip: pod.spec.node_name for pod in cluster.all(POD) for ip in pod.ips if not pod.finished}
    if cluster.readable(NODE):
        found |= {address.address: node.name for node in cluster.all(NODE) for address in node.status.addresses}
    return found | {ip: vantage.node for vantage in facts.vantages for ip in (vantage.ip, *vantage.more_ips) if ip}
