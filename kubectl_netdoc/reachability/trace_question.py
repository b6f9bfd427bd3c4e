# SPDX-License-Identifier: Apache-2.0
"""A run for one trace: finds both ends in the cluster, narrows the run to their nodes, and adds the trace to what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from kubectl_netdoc.components import cluster_dns
from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.formats.addresses import is_address
from kubectl_netdoc.measurements.base import Address, Lost, Peer
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.measurements.trace import Trace, TraceReply
from kubectl_netdoc.policy.engine import Engine
from kubectl_netdoc.reachability.named_end import NamedEnd, find, split_port
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.sources import FollowUp, Source, nothing_more
from kubectl_netdoc.tracing.hops import ARRIVED

DNS_PORT = 53

MOST_LISTENING = 6
"""Most nodes that listen: both ends', and those of a Service's endpoints."""


class NoSuchTrace(Exception):
    """Raised if the ends can't be traced; the text says why and what to write instead."""


class Wanted(Struct, frozen=True):
    """How to trace: ``protocol`` ("": what fits the target), the number of packets, the IP ``family`` ("": the first)."""

    protocol: str = ""
    count: int = 6
    family: str = ""


class Told(Struct, frozen=True):
    """A trace and what came of it. ``why``: why there is no reply."""

    request: Trace
    reply: TraceReply | None
    why: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether every packet was answered."""
        return self.reply is not None and all(packet.outcome in ARRIVED for packet in self.reply.sent)


class TraceQuestion:
    """A source that measures one trace, or has one in its recording."""

    def __init__(
        self,
        source: Source,
        kinds: tuple[Kind[Any], ...],
        compiled: Callable[[Cluster], Engine],
        ends: tuple[str, str],
        namespace: str,
        wanted: Wanted,
    ) -> None:
        """``kinds``: read to find the ends, which are ``ends``: the source and DEST[:PORT] as the user wrote them."""
        self.source, self.kinds, self.compiled, self.ends = source, kinds, compiled, ends
        self.namespace, self.wanted = namespace, wanted
        self.request: Trace | None = None

    @property
    def label(self) -> str:
        """The label of the source."""
        return self.source.label

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Read the cluster and find both ends; raises ``NoSuchEnd`` and ``NoSuchTrace``."""
        cluster = self.source.cluster(tuple({kind.name: kind for kind in (*kinds, *self.kinds)}.values()))
        engine = self.compiled(cluster)
        name, port = split_port(self.ends[1])
        start = find(engine, self.ends[0], self.namespace)
        target = find(engine, name, self.namespace, start.namespace)
        self.request = _request(cluster, start, (target, name, port), self.wanted)
        cluster.vantages = self.request.listening
        return cluster

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Measure the trace alone."""
        return self.source.measure(cluster, (*requests, *((self.request,) if self.request else ())))

    def traces(self, measured: Measured) -> list[Told]:
        """Return the trace that was asked for; of a recording each between these ends."""
        assert self.request is not None
        reply = measured.replies.get(self.request)
        if reply is not None:
            return [_told(self.request, reply)]
        found = [_told(r, reply) for r, reply in measured.replies.items() if isinstance(r, Trace) and _alike(r, self.request)]
        return found or [Told(self.request, None, measured.why_unmeasured or "the recording has no trace between these ends")]


def _told(request: Trace, reply: Any) -> Told:
    if isinstance(reply, TraceReply):
        return Told(request, reply)
    return Told(request, None, reply.reason if isinstance(reply, Lost) else "no usable answer")


def _alike(one: Trace, other: Trace) -> bool:
    """Tell whether a recorded trace answers the question: the same source, and the same target."""
    return one.node == other.node and one.to == other.to


def _request(cluster: Cluster, start: NamedEnd, to_what: tuple[NamedEnd, str, str], wanted: Wanted) -> Trace:
    node = next((end.node for end in start.ends if end.node), "")
    if not node:
        raise NoSuchTrace(f"{start.text} runs on no known node, so there is no node to send packets from")
    own = any(end.host and end.node == node for end in start.ends)
    to, nodes = _target(*to_what, wanted.family)
    if isinstance(to, Address):
        chosen = wanted.protocol or ("DNS" if to.port == DNS_PORT else "TCP")
        if chosen == "UDP":
            raise NoSuchTrace("UDP packets are sent to netdoc's own pods only: name a node as DEST, without a port")
    else:
        chosen = wanted.protocol or "UDP"
    listening = [name for name in dict.fromkeys((node, *nodes)) if name][:MOST_LISTENING]
    zone = cluster_dns.domain(cluster) if chosen == "DNS" else ""
    family = "" if isinstance(to, Address) else wanted.family
    return Trace(node, to, tuple(listening), chosen, wanted.count, family=family, own_network=own, zone=zone)


def _target(target: NamedEnd, name: str, port: str, family: str) -> tuple[Address | Peer, list[str]]:
    """Return where to send to, and the nodes on which the packets may come in. ``name``: what the user wrote."""
    nodes = [end.node for end in target.ends if end.node]
    if target.service is not None and not target.service.headless and not is_address(name):
        spec = target.service.spec
        address = _of_family(spec.cluster_ips or (spec.cluster_ip,), family)
        if address:
            return Address(address, _service_port(target, port)), nodes
    if not port and nodes and not target.ends[0].pod[1]:
        return Peer(nodes[0]), nodes
    addresses = [str(address) for end in target.ends for address in end.addresses]
    address = name if is_address(name) else _of_family(addresses, family)
    if not address:
        raise NoSuchTrace(f"{target.text} has no address that packets could be sent to")
    if not port.isdigit():
        raise NoSuchTrace(f"write the port number of {target.text} too: DEST:PORT")
    return Address(address, int(port)), nodes[:1]


def _of_family(addresses: Iterable[str], family: str) -> str:
    """Return the first address of a family ("": of any); "" if there is none."""
    return next((ip for ip in addresses if ip and (not family or ip_families.of(ip) == family)), "")


def _service_port(target: NamedEnd, port: str) -> int:
    ports = target.service.spec.ports if target.service else ()
    for one in ports:
        if port in (str(one.port), one.name) or (not port and len(ports) == 1):
            return one.port
    numbers = ", ".join(str(one.port) for one in ports)
    raise NoSuchTrace(f"{target.text} has the ports {numbers}; write one of them: DEST:PORT")
