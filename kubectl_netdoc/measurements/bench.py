# SPDX-License-Identifier: Apache-2.0
"""How much a path carries, how fast it answers, and what that costs the nodes at its ends: request and reply (verb ``bench``)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.measurements.connect import ECHO_PORTS

BENCH_PORT = ECHO_PORTS[-1]
"""TCP and UDP: where an end of a path listens in a pod. On a node's own network the kernel chooses."""

DATAGRAM_HEAD = 24
"""Bytes that each datagram has at least: whose it is, its number, and when it left (agent/loads.py)."""


class Route(StrEnum):
    """The way from one end to the other. ``HOST`` is of the nodes tier."""

    SAME_NODE = "same node"
    POD = "pod to pod"
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "node port"
    HOST = "host to host"

    @property
    def by_service(self) -> bool:
        """Tell whether it leads through netdoc's own Service."""
        return self in (Route.CLUSTER_IP, Route.NODE_PORT)


class Kind(StrEnum):
    """What is sent: bytes, requests that wait for their answers, with a connection for each, or datagrams; or nothing."""

    STREAM = "stream"
    RR = "rr"
    CRR = "crr"
    UDP = "udp"
    UDP_RR = "udp_rr"
    QUIET = "quiet"


class BenchLoad(Struct, frozen=True, omit_defaults=True):
    """One load. ``streams``: connections at once, each of a process of its own. ``size``: bytes of a request and of its answer,
    or of a datagram, 0: as large as fits the route's MTU. ``rate``: datagrams a second, 0: as many as go.
    """

    kind: Kind
    streams: int = 1
    size: int = 0
    rate: int = 0

    @property
    def fills(self) -> bool:
        """Tell whether it sends as much as goes: what it costs is then told from what the nodes do anyway."""
        return self.kind is Kind.STREAM or (self.kind is Kind.UDP and not self.rate)

    def __str__(self) -> str:
        match self.kind:
            case Kind.STREAM:
                return f"TCP, {self.streams} stream{'s' if self.streams > 1 else ''}"
            case Kind.UDP:
                size = f"{self.size} B" if self.size else "full size"
                return f"UDP, {size}, {f'{self.rate}/s' if self.rate else 'all that goes'}"
            case Kind.QUIET:
                return "nothing"
        return f"{_TRANSACTIONS[self.kind]}, {self.size} B"


_TRANSACTIONS = {Kind.RR: "TCP request/response", Kind.CRR: "TCP connect/request/response", Kind.UDP_RR: "UDP request/response"}


class Bench(Struct, frozen=True, tag="bench"):
    """Measure loads on the path from ``node`` to the node ``to``, ``samples`` times each for ``seconds`` or ``most_bytes``.

    ``at``: the address of ``to`` where the route leads to the node itself. ``family``: ``IPv4`` or ``IPv6``. ``tool``: the
    program that sends, where it is not the agent.
    """

    node: str
    to: str
    route: Route
    family: str
    loads: tuple[BenchLoad, ...]
    samples: int
    seconds: float
    most_bytes: int
    at: str = ""
    tool: str = ""

    @property
    def host(self) -> bool:
        """Tell whether it runs on the nodes' own networks."""
        return self.route is Route.HOST


class NodeWork(Struct, frozen=True, omit_defaults=True):
    """What a node did in ``seconds``: CPU seconds of all its CPUs in all and in softirq, and what netdoc's processes used of it.

    ``processed``, ``dropped``, ``squeezed``: packets taken from the CPUs' backlogs and dropped there, and how often the kernel
    had to leave some for later (/proc/net/softnet_stat). ``throttled``: seconds that its CPU limit held netdoc's pod back.
    """

    seconds: float
    busy: float
    softirq: float
    own: float = 0.0
    processed: int = 0
    dropped: int = 0
    squeezed: int = 0
    throttled: float = 0.0


class BenchSample(Struct, frozen=True, omit_defaults=True):
    """One sample. ``bytes`` that arrived in ``seconds``; datagrams or requests ``sent``, and those that came (or were answered).

    ``late``: datagrams after one with a higher number. Of transactions the latencies that 50, 90 and 99 % don't exceed, and of
    datagrams the jitter (RFC 3550), in microseconds. ``retransmits`` of ``segments``: as the kernel counts them (TCP_INFO).
    ``source``, ``target``: what the nodes at both ends did meanwhile.
    """

    outcome: Outcome
    source: NodeWork | None = None
    target: NodeWork | None = None
    seconds: float = 0.0
    bytes: int = 0
    sent: int = 0
    came: int = 0
    late: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    jitter: float = 0.0
    retransmits: int = 0
    segments: int = 0


class LoadSamples(Struct, frozen=True, omit_defaults=True):
    """The samples of a load. ``problem``: why there are no more ("": they are all)."""

    load: BenchLoad
    samples: tuple[BenchSample, ...] = ()
    problem: str = ""


class BenchReply(Struct, frozen=True, tag="bench", omit_defaults=True):
    """The loads of a path in the order of the request. ``cpus``: those of both nodes; ``one_machine``: they share a kernel."""

    address: str
    loads: tuple[LoadSamples, ...]
    cpus: tuple[int, int]
    one_machine: bool = False
