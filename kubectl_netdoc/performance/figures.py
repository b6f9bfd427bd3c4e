# SPDX-License-Identifier: Apache-2.0
"""The figures of a benchmark: of each load on each path the mean of its samples, with its 95 % confidence interval."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kubectl_netdoc.measurements.base import Lost, Outcome
from kubectl_netdoc.measurements.bench import Bench, BenchLoad, BenchReply, BenchSample, Kind, LoadSamples, NodeWork
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.measurements.statistics import Estimate, estimate

GIGABYTE = 1e9

BENCH_VERSION = 1
"""Version of the JSON of a benchmark; raised when a field changes its meaning or is removed."""

RATE, BITS, LATENCY, CPU, SOFTIRQ = "per_second", "gbit_s", "p50_us", "cpu_s_per_gb", "softirq_s_per_gb"

BUSY_ALREADY = 0.5
"""The share of a node's CPUs that is taken anyway from which on a load's cost can't be told: it only displaces other work."""

BIGGER_IS_BETTER = frozenset({RATE, BITS})
"""Figures of which less is worse; of all others more is."""


class Row(Struct, frozen=True, omit_defaults=True):
    """The figures of a load, by name, their units at its end. ``problem``: why it has fewer samples than were wanted, or none."""

    load: BenchLoad
    title: str
    figures: dict[str, Estimate]
    samples: int = 0
    problem: str = ""


class PathFigures(Struct, frozen=True, omit_defaults=True):
    """What was measured on a path, and its figures. ``problem``: why nothing was.

    ``otherwise_busy``: the share of a node's CPUs that was taken without any load, at the end where that was more.
    """

    request: Bench
    rows: tuple[Row, ...] = ()
    reply: BenchReply | None = None
    problem: str = ""
    otherwise_busy: float = 0.0

    def row(self, load: BenchLoad) -> Row | None:
        """Return the row of a load; None if it has no figures."""
        return next((row for row in self.rows if row.load == load and row.figures), None)


class _Idle(Struct, frozen=True):
    """The CPU seconds a second that both nodes take without a load: in all, and in softirq."""

    busy: tuple[float, float] = (0.0, 0.0)
    softirq: tuple[float, float] = (0.0, 0.0)


def figures(request: Bench, reply: Reply | None, why: str = "") -> PathFigures:
    """Return the figures of a path. ``why``: the reason where there is no reply."""
    if not isinstance(reply, BenchReply):
        return PathFigures(request, problem=reply.reason if isinstance(reply, Lost) else why or "it was not measured")
    rows = tuple(_row(one, reply) for one in reply.loads if one.load.kind is not Kind.QUIET)
    return PathFigures(request, rows, reply, otherwise_busy=_otherwise_busy(_idle(reply), reply))


def sampled(load: BenchLoad, reply: BenchReply, name: str) -> list[float]:
    """Return a figure of each sample of a load, in the order of the rounds; none where a sample failed or has no such figure."""
    found = next((one for one in reply.loads if one.load == load), LoadSamples(load))
    return [each[name] for each in _each(found, reply) if name in each]


def _row(one: LoadSamples, reply: BenchReply) -> Row:
    values = _each(one, reply)
    names = dict.fromkeys(name for each in values for name in each)
    found = {name: estimate([each[name] for each in values if name in each]) for name in names}
    return Row(one.load, str(one.load), found, len(values), one.problem)


def _each(one: LoadSamples, reply: BenchReply) -> list[dict[str, float]]:
    idle = _idle(reply)
    good = (sample for sample in one.samples if sample.outcome is Outcome.OK)
    return [_values(one.load, sample) | _of_nodes(one.load, sample, reply, idle) for sample in good]


def _idle(reply: BenchReply) -> _Idle:
    quiet = [sample for one in reply.loads if one.load.kind is Kind.QUIET for sample in one.samples]
    works = [[sample.source for sample in quiet if sample.source], [sample.target for sample in quiet if sample.target]]
    if not all(works):
        return _Idle()
    seconds = [sum(work.seconds for work in each) for each in works]
    busy, softirq = ([sum(map(of, each)) / spent for each, spent in zip(works, seconds, strict=True)] for of in (_busy, _softirq))
    return _Idle((busy[0], busy[1]), (softirq[0], softirq[1]))


def _otherwise_busy(idle: _Idle, reply: BenchReply) -> float:
    return max(rate / max(cpus, 1) for rate, cpus in zip(idle.busy, reply.cpus, strict=True))


def _busy(work: NodeWork) -> float:
    return work.busy


def _softirq(work: NodeWork) -> float:
    return work.softirq


def _values(load: BenchLoad, sample: BenchSample) -> dict[str, float]:
    """Return the figures of one sample."""
    seconds = max(sample.seconds, 1e-9)
    found: dict[str, float] = {}
    if load.kind in (Kind.STREAM, Kind.UDP):
        found[BITS] = sample.bytes * 8 / seconds / GIGABYTE
    if load.kind is Kind.STREAM and sample.segments:
        found["retransmitted_percent"] = 100 * sample.retransmits / sample.segments
    if load.kind is not Kind.STREAM:
        found[RATE] = sample.came / seconds
    if sample.p50:
        found |= {LATENCY: sample.p50, "p90_us": sample.p90, "p99_us": sample.p99}
    if load.kind in (Kind.UDP, Kind.UDP_RR) and sample.sent:
        found["lost_percent"] = 100 * (1 - min(sample.came / sample.sent, 1.0))
    if load.kind is Kind.UDP and sample.came:
        found |= {"out_of_order_percent": 100 * sample.late / sample.came, "jitter_us": sample.jitter}
    return found


def _of_nodes(load: BenchLoad, sample: BenchSample, reply: BenchReply, idle: _Idle) -> dict[str, float]:
    """Return what a sample cost the nodes at both ends: CPU time beyond what they take anyway, and how full they were."""
    works = [work for work in (sample.source, sample.target) if work is not None]
    held = sum(work.throttled for work in works)
    found = {"held_back_s": held} if held else {}
    if reply.one_machine:
        works = works[:1]
    if load.fills and sample.bytes and _otherwise_busy(idle, reply) < BUSY_ALREADY:
        gigabytes = sample.bytes / GIGABYTE
        for name, of, rest in ((CPU, _busy, idle.busy), (SOFTIRQ, _softirq, idle.softirq)):
            beyond = (of(work) - rate * work.seconds for work, rate in zip(works, rest, strict=False))
            found[name] = sum(max(0.0, seconds) for seconds in beyond) / gigabytes
    for name, work, cpus in zip(("source", "target"), works, reply.cpus, strict=False):
        found[f"{name}_busy_percent"] = 100 * work.busy / max(work.seconds * cpus, 1e-9)
        found[f"{name}_softirq_percent"] = 100 * work.softirq / max(work.seconds * cpus, 1e-9)
    return found | {
        "squeezes": float(sum(work.squeezed for work in works)),
        "backlog_drops": float(sum(work.dropped for work in works)),
    }


class BenchReport(Struct, frozen=True, omit_defaults=True):
    """A benchmark as ``-o json`` prints it and ``diff`` reads it."""

    netdoc_bench: int
    tool: str
    source: str
    recorded: str
    paths: tuple[PathFigures, ...]


def report(
    tool: str, source: str, recorded: str, requests: tuple[Bench, ...], replies: Mapping[Request, Reply], why: str
) -> BenchReport:
    """Return the report of benchmarks. ``tool``: netdoc's version; ``why``: the reason where nothing was measured."""
    return BenchReport(BENCH_VERSION, tool, source, recorded, tuple(figures(each, replies.get(each), why) for each in requests))
