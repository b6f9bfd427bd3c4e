# SPDX-License-Identifier: Apache-2.0
"""Traces of marked packets through the nodes: request and reply."""

from __future__ import annotations

from msgspec import Struct

from kubectl_netdoc.measurements.base import Address, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.node import RtnetlinkReply


class Trace(Struct, frozen=True, tag="trace"):
    """Privileged tier: send ``count`` marked packets from ``node`` to a target, and see where nodes' interfaces saw them.

    ``listening``: the nodes that are listened to. ``protocol``: ``TCP`` (a connect to any target), ``UDP`` (a datagram to an echo
    of this run) or ``DNS`` (a query for a name in ``zone``). ``own_network``: sent from the node itself, not from a pod on it.
    """

    node: str
    to: Address | Peer | OwnService
    listening: tuple[str, ...]
    protocol: str = "TCP"
    count: int = 6
    interval: float = 0.04
    timeout: float = 0.7
    family: str = ""
    own_network: bool = False
    zone: str = ""


class Tunnel(Struct, frozen=True):
    """A tunnel around a packet: ``VXLAN``, ``Geneve``, ``GRE`` or ``IPIP``, and the addresses of its ends."""

    kind: str
    source: str
    to: str


class Sighting(Struct, frozen=True, omit_defaults=True):
    """A marked packet, its answer, or an ICMP error about it, as one interface of a node saw it.

    ``packet``: its number. ``us``: microseconds since the first sighting on that node, by the kernel's clock. ``out``: it was
    leaving by the interface. ``mac``: where the frame was sent to ("": no Ethernet). ``source``, ``to``: of the innermost packet.
    ``length``: bytes with IP header. ``answer``: it is on the way back. ``error``: the ICMP type and code, such as ``3/4``, told
    by ``teller`` to ``told``. ``bad_checksum``: its TCP or UDP checksum is wrong.
    """

    packet: int
    node: str
    dev: str
    out: bool
    us: int
    source: Address
    to: Address
    ttl: int
    length: int
    what: str
    tunnels: tuple[Tunnel, ...] = ()
    mac: str = ""
    answer: bool = False
    error: str = ""
    teller: str = ""
    bad_checksum: bool = False


class SentPacket(Struct, frozen=True):
    """The outcome of one marked packet for its sender, the milliseconds, and the address and port it was sent from."""

    outcome: Outcome
    ms: float
    source: Address


class Rule(Struct, frozen=True, omit_defaults=True):
    """A rule of a node that may take packets. ``backend``: ``nft``, ``legacy`` (the old tables of iptables), ``tc`` or ``xfrm``.

    ``handle``: its handle in nf_tables, its number in the chain of an old table, or ``policy`` for the chain's policy. ``text``:
    what it says, in words of nft. ``verdict``: ``drop``, ``reject``, ``accept``, ``return``, ``jump``, ``dnat`` … or "".
    ``packets``: its counter; -1: it has none. ``to``: the address to which it translates, where it names one.

    Of a filter of traffic control ``table`` is its interface, ``chain`` the hook ``ingress`` or ``egress`` or the queueing
    discipline, ``family`` a protocol, ``to`` the interface that it sends to. Of an XFRM policy ``chain`` is the direction, and
    ``source`` and ``to`` are its ranges.
    """

    backend: str
    family: str
    table: str
    chain: str
    handle: str
    text: str = ""
    verdict: str = ""
    packets: int = -1
    source: str = ""
    to: str = ""

    @property
    def place(self) -> tuple[str, ...]:
        """What tells it from all other rules of its node."""
        return self.backend, self.family, self.table, self.chain, self.handle


class MovedRule(Struct, frozen=True):
    """A rule whose counter rose by ``packets`` while the marked packets were sent, and by ``control`` in the time before."""

    rule: Rule
    packets: int
    control: int


class BaseChain(Struct, frozen=True):
    """A chain of nf_tables that a hook (its number in linux/netfilter.h) calls; that of the lowest ``priority`` first."""

    family: str
    table: str
    chain: str
    hook: int
    priority: int


class RouteAnswer(Struct, frozen=True, omit_defaults=True):
    """The route that the kernel takes for a packet that comes in by ``dev`` ("": the node's own).

    ``error``: the number of the error instead; ``kind``: rtnetlink(7)'s route type (1 unicast, 2 local).
    """

    source: str
    to: str
    dev: str
    kind: int = 0
    error: int = 0
    via: str = ""
    out: str = ""


class Arp(Struct, frozen=True):
    """An ARP request for the address that was sent to, or its reply, as an interface saw it; with the addresses of both ends."""

    dev: str
    out: bool
    reply: bool
    sender: str
    target: str


class Opaque(Struct, frozen=True):
    """Encrypted frames of a tunnel, of the size that marked datagrams have in it, with the addresses of the tunnel's ends."""

    dev: str
    out: bool
    source: str
    to: str
    frames: int


class PolicyRoute(Struct, frozen=True, order=True):
    """A policy route, as ``ip rule`` shows it. ``text``: its conditions and what it does, without the priority.

    ``table``: the routing table that it leads to; 0: to none.
    """

    priority: int
    family: str
    text: str
    table: int = 0


class RuleSet(Struct, frozen=True, omit_defaults=True):
    """A set that rules of nobody use. ``backend``: ``nft`` or ``ipset``, whose ``table`` is the set's number.

    ``count``: its members as far as they were counted; ``members``: the first of them. ``cut``: there are more.
    """

    backend: str
    family: str
    table: str
    name: str
    type: str
    count: int
    members: tuple[str, ...] = ()
    cut: bool = False


class Queue(Struct, frozen=True, omit_defaults=True):
    """A queueing discipline of a kind that no link has by itself. ``place``: ``root`` or ``parent 1:1``; ``dropped``: packets."""

    dev: str
    kind: str
    handle: str
    place: str = "root"
    dropped: int = 0


class NodeRulesReply(Struct, frozen=True, tag="rules", omit_defaults=True):
    """What on a node belongs to nothing known: rules with the sets they use, policy routes, queues. ``cut``: not all rules."""

    outcome: Outcome
    ms: float
    rules: tuple[Rule, ...] = ()
    routes: tuple[PolicyRoute, ...] = ()
    cut: bool = False
    sets: tuple[RuleSet, ...] = ()
    queues: tuple[Queue, ...] = ()


class TapReading(Struct, frozen=True, omit_defaults=True):
    """What one node told of a trace besides its sightings. ``problem``: why it could not listen ("": it did).

    ``frames``, ``dropped``: how many frames passed the filter, and how many of those the tap lost; ``full``: it took no more.
    ``moved``: rules whose counters rose; ``foreign``: rules outside the chains of known owners. ``risen``, ``control``: by how
    much the node's counters rose while the packets were sent, and in the time before. ``tables``: its links, routes, neighbours.
    """

    node: str
    problem: str = ""
    frames: int = 0
    dropped: int = 0
    full: bool = False
    moved: tuple[MovedRule, ...] = ()
    foreign: tuple[Rule, ...] = ()
    chains: tuple[BaseChain, ...] = ()
    risen: dict[str, int] = {}
    control: dict[str, int] = {}
    routes: tuple[RouteAnswer, ...] = ()
    arps: tuple[Arp, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    policies: tuple[PolicyRoute, ...] = ()
    tables: RtnetlinkReply | None = None

    @property
    def whole(self) -> bool:
        """Tell whether what it did not see was not there."""
        return not (self.problem or self.dropped or self.full)


class TraceReply(Struct, frozen=True, tag="trace", omit_defaults=True):
    """A trace. ``to``: the address that was sent to; ``behind``: where netdoc's own Service leads. ``seconds``: its duration."""

    to: Address
    sent: tuple[SentPacket, ...]
    sightings: tuple[Sighting, ...] = ()
    readings: tuple[TapReading, ...] = ()
    behind: tuple[str, ...] = ()
    seconds: float = 0.0
