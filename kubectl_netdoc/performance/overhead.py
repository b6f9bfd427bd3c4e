# SPDX-License-Identifier: Apache-2.0
"""What the pod network costs between two nodes: pods against the nodes themselves, link by link.

Overlay overhead (less throughput, later answers) → load of the kernel's network stack (CPU seconds per gigabyte) → saturation
under heavy traffic (what several streams carry, how busy the nodes are then, what the kernel puts off, drops and sends again).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kubectl_netdoc.measurements.bench import Bench, BenchLoad, Kind, Route
from kubectl_netdoc.measurements.statistics import Estimate, estimate
from kubectl_netdoc.performance.figures import BITS, CPU, LATENCY, SOFTIRQ, BenchReport, PathFigures, Row, sampled

ONE = BenchLoad(Kind.STREAM)
SMALL = BenchLoad(Kind.RR, size=1)


class Against(Struct, frozen=True, omit_defaults=True):
    """A figure between pods and between the nodes themselves."""

    pods: Estimate
    nodes: Estimate


class Saturation(Struct, frozen=True, omit_defaults=True):
    """The load of several streams between pods. ``times``: how much more they carry than one.

    ``busiest``: the node that was busier, with the percentage of its CPUs, and that of softirq alone. ``squeezes``, ``drops``: of
    both nodes in a sample. ``retransmitted``: percentage of segments.
    """

    streams: int
    gbit_s: Estimate
    times: float
    busiest: str = ""
    busy: Estimate | None = None
    softirq: Estimate | None = None
    squeezes: Estimate | None = None
    drops: Estimate | None = None
    retransmitted: Estimate | None = None


class Overhead(Struct, frozen=True, omit_defaults=True):
    """What the pod network costs between two nodes. None: not measured.

    ``ratio``: of the throughput of one stream, pods to nodes, sample by sample of the same round. ``later``: microseconds by
    which pods are answered later (median of small requests).
    """

    node: str
    to: str
    family: str
    ratio: Estimate | None = None
    throughput: Against | None = None
    later: Estimate | None = None
    cpu: Against | None = None
    softirq: Against | None = None
    saturation: Saturation | None = None


def overheads(report: BenchReport) -> Iterator[Overhead]:
    """Yield what the pod network costs, for each pair of nodes and family between whose pods was measured."""
    hosts = {_between(path.request): path for path in report.paths if path.request.route is Route.HOST}
    for path in report.paths:
        if path.request.route is Route.POD and path.reply is not None:
            found = _overhead(path, hosts.get(_between(path.request)))
            if found.ratio or found.later or found.saturation:
                yield found


def _between(request: Bench) -> tuple[str, str, str]:
    return request.node, request.to, request.family


def _overhead(pods: PathFigures, nodes: PathFigures | None) -> Overhead:
    return Overhead(
        *_between(pods.request),
        ratio=_paired(pods, nodes, ONE, BITS, ratio=True),
        throughput=_against(pods, nodes, BITS),
        later=_paired(pods, nodes, SMALL, LATENCY, ratio=False),
        cpu=_against(pods, nodes, CPU),
        softirq=_against(pods, nodes, SOFTIRQ),
        saturation=_saturation(pods),
    )


def _paired(pods: PathFigures, nodes: PathFigures | None, load: BenchLoad, name: str, ratio: bool) -> Estimate | None:
    """Return the ratio of a figure, or the difference, from samples of the same rounds."""
    if pods.reply is None or nodes is None or nodes.reply is None:
        return None
    both = list(zip(sampled(load, pods.reply, name), sampled(load, nodes.reply, name), strict=False))
    values = [one / other if ratio else one - other for one, other in both if other]
    return estimate(values) if values else None


def _against(pods: PathFigures, nodes: PathFigures | None, name: str) -> Against | None:
    one, other = pods.row(ONE), nodes.row(ONE) if nodes else None
    if one is None or other is None or name not in one.figures or name not in other.figures:
        return None
    return Against(one.figures[name], other.figures[name])


def _saturation(pods: PathFigures) -> Saturation | None:
    one = pods.row(ONE)
    many = next((row for row in pods.rows if row.load.kind is Kind.STREAM and row.load.streams > 1 and row.figures), None)
    if one is None or many is None or not one.figures[BITS].mean:
        return None
    end = max(("source", "target"), key=lambda name: _mean(many, f"{name}_busy_percent"))
    told = many.figures
    return Saturation(
        many.load.streams,
        told[BITS],
        told[BITS].mean / one.figures[BITS].mean,
        busiest=pods.request.node if end == "source" else pods.request.to,
        busy=told.get(f"{end}_busy_percent"),
        softirq=told.get(f"{end}_softirq_percent"),
        squeezes=told.get("squeezes"),
        drops=told.get("backlog_drops"),
        retransmitted=told.get("retransmitted_percent"),
    )


def _mean(row: Row, name: str) -> float:
    found = row.figures.get(name)
    return found.mean if found else 0.0
