# SPDX-License-Identifier: Apache-2.0
"""Which paths and loads a benchmark measures, and how much time and traffic that takes at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from kubectl_netdoc.core import ip_families
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.measurements.bench import DATAGRAM_HEAD, Bench, BenchLoad, Kind, Route
from kubectl_netdoc.probes.node_pairs import zones
from kubectl_netdoc.records.kinds import NODE
from kubectl_netdoc.records.nodes import Node
from kubectl_netdoc.sources.bench_tools import TOOLS, whole

SMALL, LARGE = 1, 16384
"""Bytes of a request and of its answer: netperf's default, and a page of a web service, of some ten packets."""

SMALL_DATAGRAM = 64
"""Bytes of a small datagram: with headers less than a hundred, so that packets count and not bytes."""

STEADY = BenchLoad(Kind.UDP, size=200, rate=1000)
"""A load that no path is busy with (1.6 Mbit/s): what is lost or late of it was not crowded out by itself."""

LOADS = {
    "tcp": (BenchLoad(Kind.STREAM), BenchLoad(Kind.STREAM, streams=0)),
    "udp": (BenchLoad(Kind.UDP), BenchLoad(Kind.UDP, size=SMALL_DATAGRAM), STEADY),
    "rr": (BenchLoad(Kind.RR, size=SMALL), BenchLoad(Kind.RR, size=LARGE), BenchLoad(Kind.UDP_RR, size=DATAGRAM_HEAD)),
    "crr": (BenchLoad(Kind.CRR, size=SMALL),),
}
"""The loads by what the user calls them; 0 streams: as many as he wants."""

BESIDE = 0.4
"""Seconds that a sample takes beside its own: two agents are told and tell over the API server."""

START = 60.0
"""Seconds for the debug pods to start, a pull of the image included, and to end."""


class NoSuchBench(Exception):
    """Raised if there is nothing to measure; the text says why."""


class Wanted(Struct, frozen=True):
    """What to measure: between which nodes ("": netdoc chooses), on which routes, which loads, and how much of each.

    ``streams``: of TCP at once. ``tool``: iperf3 or netperf ("": netdoc's own agent).
    """

    source: str = ""
    target: str = ""
    routes: tuple[Route, ...] = tuple(Route)
    loads: tuple[str, ...] = tuple(LOADS)
    samples: int = 5
    seconds: float = 1.0
    most_bytes: int = 2_000_000_000
    streams: int = 4
    tool: str = ""


class Bounds(Struct, frozen=True):
    """The most that benchmarks take: seconds, and bytes that are sent in all."""

    seconds: float
    bytes: int


def choose(cluster: Cluster, wanted: Wanted) -> tuple[Bench, ...]:
    """Return what to measure, the paths between two nodes first; raises ``NoSuchBench``. Reads NODE."""
    nodes = _ready(cluster, wanted)
    ends = tuple(_ends(cluster, nodes, wanted))
    chosen = tuple(_benches(nodes, ends, wanted))
    if not chosen:
        raise NoSuchBench("nothing is left to measure: on these nodes and routes the tool carries none of these loads")
    return chosen


def nodes_of(benches: Iterable[Bench]) -> tuple[str, ...]:
    """Return the nodes that benchmarks need a debug pod on; the first also carries the second pod of the path within a node."""
    every = tuple(benches)
    return tuple(dict.fromkeys((*(one.node for one in every), *(one.to for one in every))))


def bounds(benches: Iterable[Bench]) -> Bounds:
    """Return the most that these benchmarks take."""
    seconds, sent = 0.0, 0
    for one in benches:
        each = (whole(one.seconds) if one.tool else one.seconds) + BESIDE
        seconds += each * one.samples * len(one.loads)
        sent += one.most_bytes * one.samples * sum(map(_heavy, one.loads))
    return Bounds(seconds, sent)


def _heavy(load: BenchLoad) -> bool:
    """Tell whether a load may send as many bytes as it is allowed."""
    return load.fills or load.size >= LARGE


def _ready(cluster: Cluster, wanted: Wanted) -> dict[str, Node]:
    """Return the nodes that can run a debug pod, those for workloads first; those that the user named must be among them."""
    if not cluster.readable(NODE):
        raise NoSuchBench("the list of nodes can't be read, so there is nothing to choose paths from")
    found = {}
    for node in cluster.all(NODE):
        ready = node.condition("Ready")
        if not node.unsupported and (ready is None or ready.status == "True"):
            found[node.name] = node
    for name in filter(None, (wanted.source, wanted.target)):
        if name not in found:
            raise NoSuchBench(f"there is no node {name} that is ready and can run a debug pod")
    if not found:
        raise NoSuchBench("no node is ready and can run a debug pod")
    return dict(sorted(found.items(), key=lambda item: (_reserved(item[1]), item[0])))


def _reserved(node: Node) -> bool:
    """Tell whether a node takes no ordinary workload, as those of the control plane: they are loaded only where no others are."""
    return node.spec.unschedulable or any(taint.effect in ("NoSchedule", "NoExecute") for taint in node.spec.taints)


def _ends(cluster: Cluster, nodes: dict[str, Node], wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Yield pairs of nodes: of one zone if there are such, then of two zones; a node with itself where it has no peer."""
    zoned = zones(cluster)
    source = wanted.source or next(name for name in nodes if name != wanted.target or len(nodes) == 1)
    if wanted.target:
        yield source, wanted.target
        return
    near = [name for name in nodes if name != source and zoned.get(name, "") == zoned.get(source, "")]
    far = [name for name in nodes if zoned.get(name, "") != zoned.get(source, "")]
    yield source, (near or far or [source])[0]
    if near and far:
        yield source, far[0]


def _benches(nodes: dict[str, Node], ends: tuple[tuple[str, str], ...], wanted: Wanted) -> Iterator[Bench]:
    for number, (source, target) in enumerate(ends):
        for family in _families(nodes):
            for route in wanted.routes:
                if (number and route not in (Route.POD, Route.HOST)) or ((source == target) and route is not Route.SAME_NODE):
                    continue
                at = _address(nodes[target], family) if route in (Route.HOST, Route.NODE_PORT) else ""
                loads = tuple(_loads(route, wanted))
                if loads and (at or route not in (Route.HOST, Route.NODE_PORT)):
                    yield Bench(
                        source,
                        source if route is Route.SAME_NODE else target,
                        route,
                        family,
                        (BenchLoad(Kind.QUIET), *loads),
                        wanted.samples,
                        wanted.seconds,
                        wanted.most_bytes,
                        at,
                        wanted.tool,
                    )


def _loads(route: Route, wanted: Wanted) -> Iterator[BenchLoad]:
    named = (load for name in wanted.loads for load in LOADS[name])
    asked = (load if load.streams else BenchLoad(load.kind, streams=wanted.streams) for load in named)
    yield from (load for load in dict.fromkeys(asked) if not wanted.tool or TOOLS[wanted.tool].carries(load, route))


def _families(nodes: dict[str, Node]) -> tuple[str, ...]:
    """Return the families that pods may have: those of the nodes' pod ranges, else those of their own addresses."""
    ranges = [one for node in nodes.values() for one in node.spec.pod_cidrs]
    own = [one.address for node in nodes.values() for one in node.status.addresses if one.type == "InternalIP"]
    return tuple(dict.fromkeys(map(ip_families.of, ranges or own))) or (ip_families.IPV4,)


def _address(node: Node, family: str) -> str:
    """Return a node's InternalIP of a family; "" where it has none."""
    own = (one.address for one in node.status.addresses if one.type == "InternalIP")
    return next((address for address in own if ip_families.of(address) == family), "")
