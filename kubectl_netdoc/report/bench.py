# SPDX-License-Identifier: Apache-2.0
"""A benchmark as text, JSON or HTML, and the comparison of two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files

import msgspec
from jinja2 import Environment, StrictUndefined
from msgspec import Struct

from kubectl_netdoc.formats.text import counted, safe
from kubectl_netdoc.measurements.bench import BenchLoad, Kind
from kubectl_netdoc.measurements.statistics import Estimate
from kubectl_netdoc.performance.comparison import Comparison, Verdict
from kubectl_netdoc.performance.figures import BITS, BUSY_ALREADY, CPU, LATENCY, RATE, SOFTIRQ, BenchReport, PathFigures, Row
from kubectl_netdoc.performance.overhead import Overhead, Saturation, overheads
from kubectl_netdoc.report.json import printable
from kubectl_netdoc.report.layout import wrapped

UNITS = {BITS: "Gbit/s", RATE: "/s", LATENCY: "µs (p50)", "p99_us": "µs (p99)", "lost_percent": "% lost", CPU: "CPU s/GB"}

DRAWN = (
    ("TCP, Gbit/s", BITS, lambda load: load.kind is Kind.STREAM),
    ("Small requests on one connection: median in µs", LATENCY, lambda load: load == BenchLoad(Kind.RR, size=1)),
    ("With a connection for each request: requests a second", RATE, lambda load: load.kind is Kind.CRR),
    ("CPU seconds of both nodes for a gigabyte of TCP", CPU, lambda load: load == BenchLoad(Kind.STREAM)),
)
"""What the pictures show: a title, the figure, and of which loads."""

NOTE = "± is half the 95 % confidence interval of the mean. CPU is what both nodes used beyond what they use without the load."
ONE_MACHINE = " Nodes that are one machine (containers on it) share its CPUs: their CPU time counts once."

WIDTH = 110

WIDE = 900.0
"""Width of the longest bar, its interval included."""


class Bar(Struct, frozen=True):
    """A bar of a picture: what it is of, its width and that of its interval's two ends, and its figure in words."""

    path: str
    load: str
    width: float
    low: float
    high: float
    words: str


class Picture(Struct, frozen=True):
    """A picture with a bar a path and load."""

    title: str
    bars: tuple[Bar, ...]


def render(report: BenchReport, form: str) -> str:
    """Return a benchmark in a format."""
    if form == "json":
        whole = msgspec.to_builtins(report) | {"overheads": list(overheads(report))}
        return _json(whole)
    return _html(report) if form == "html" else "\n".join(safe(line) for line in _text(report)) + "\n"


def render_comparison(comparison: Comparison, form: str) -> str:
    """Return the comparison of two benchmarks in a format."""
    return _json(comparison) if form == "json" else "\n".join(safe(line) for line in _compared(comparison)) + "\n"


def _json(value: object) -> str:
    return printable(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def words(estimate: Estimate) -> str:
    """Return an estimate with its interval."""
    return number(estimate.mean) + (f" ± {number(estimate.half)}" if estimate.half is not None else "")


def _name(path: PathFigures) -> str:
    request = path.request
    ends = request.node if request.node == request.to else f"{request.node} -> {request.to}"
    return f"{ends}, {request.route}, {request.family}"


def _text(report: BenchReport) -> Iterator[str]:
    for path in report.paths:
        yield _name(path) + (f" ({path.reply.address})" if path.reply else "") + (f": {path.problem}" if path.problem else "")
        width = max((len(row.title) for row in path.rows), default=0)
        for row in path.rows:
            yield f"  {row.title:<{width}}  {'   '.join(_parts(row))}"
        if path.otherwise_busy >= BUSY_ALREADY:
            busy = f"{100 * path.otherwise_busy:.0f} % busy"
            yield f"  a node was {busy} without any load, so what CPU time a load takes can't be told"
        yield ""
    for cost in overheads(report):
        yield f"What the pod network costs, {cost.node} -> {cost.to}, {cost.family}"
        for link, told in chain(cost):
            yield from wrapped(told, WIDTH, f"  {link:<12} ", " " * 15)
        yield ""
    yield from wrapped(NOTE + (ONE_MACHINE if any(path.reply and path.reply.one_machine for path in report.paths) else ""), WIDTH)


def _parts(row: Row) -> Iterator[str]:
    """Yield the figures of a row as text."""
    told, load = row.figures, row.load
    if BITS in told and not load.rate:
        yield f"{words(told[BITS])} Gbit/s"
    if RATE in told and (load.size or load.kind is not Kind.UDP):
        yield f"{words(told[RATE])} /s"
    if LATENCY in told:
        yield f"p50 {words(told[LATENCY])}, p90 {words(told['p90_us'])}, p99 {words(told['p99_us'])} µs"
    if "lost_percent" in told:
        yield f"{number(told['lost_percent'].mean)} % lost"
    for name, text in (("out_of_order_percent", "out of order"), ("retransmitted_percent", "sent again")):
        if name in told and told[name].mean:
            yield f"{number(told[name].mean)} % {text}"
    if "jitter_us" in told:
        yield f"jitter {number(told['jitter_us'].mean)} µs"
    if CPU in told:
        yield f"CPU {number(told[CPU].mean)} s/GB"
    if "held_back_s" in told:
        yield "netdoc's pod was held back by its CPU limit (--pod-limits)"
    if row.problem:
        yield f"{counted(row.samples, 'sample')}: {row.problem}"


def chain(cost: Overhead) -> Iterator[tuple[str, str]]:
    """Yield the links from the overlay to saturation: a name, and what was measured of it."""
    overlay = []
    if cost.ratio and cost.throughput:
        share = words(Estimate(100 * cost.ratio.mean, 100 * cost.ratio.half if cost.ratio.half is not None else None))
        of = f"{number(cost.throughput.pods.mean)} of {number(cost.throughput.nodes.mean)} Gbit/s"
        overlay.append(f"one TCP stream between pods carries {share} % of what it carries between the nodes ({of})")
    if cost.later:
        overlay.append(f"a small request is answered {words(cost.later)} µs later")
    if overlay:
        yield "overlay", "; ".join(overlay)
    if cost.cpu:
        softirq = f", of it {_against(cost, SOFTIRQ)} in softirq" if cost.softirq else ""
        yield "kernel stack", f"a gigabyte takes {_against(cost, CPU)} CPU seconds{softirq}"
    if cost.saturation:
        yield "saturation", "; ".join(_saturated(cost.saturation))


def _against(cost: Overhead, name: str) -> str:
    both = cost.cpu if name == CPU else cost.softirq
    return f"{number(both.pods.mean)} (between the nodes {number(both.nodes.mean)})" if both else ""


def _saturated(load: Saturation) -> Iterator[str]:
    yield f"{load.streams} streams carry {words(load.gbit_s)} Gbit/s, {load.times:.2f} times one"
    if load.busy:
        softirq = f", {number(load.softirq.mean)} % in softirq" if load.softirq else ""
        yield f"{load.busiest} is then {number(load.busy.mean)} % busy{softirq}"
    if load.squeezes and load.drops:
        yield f"{number(load.squeezes.mean)} squeezes and {number(load.drops.mean)} drops of the backlog in a sample"
    if load.retransmitted:
        yield f"{number(load.retransmitted.mean)} % sent again"


def pictures(report: BenchReport) -> Iterator[Picture]:
    """Yield the pictures for which there are figures."""
    for title, figure, wanted in DRAWN:
        rows = [(path, row) for path in report.paths for row in path.rows if wanted(row.load) and figure in row.figures]
        most = max((row.figures[figure].mean + (row.figures[figure].half or 0.0) for _, row in rows), default=0.0)
        if most > 0:
            yield Picture(title, tuple(_bar(path, row, row.figures[figure], WIDE / most) for path, row in rows))


def _bar(path: PathFigures, row: Row, figure: Estimate, scale: float) -> Bar:
    half = figure.half or 0.0
    low, high = max(0.0, figure.mean - half) * scale, (figure.mean + half) * scale
    return Bar(_name(path), row.title, figure.mean * scale, low, high, words(figure))


def _html(report: BenchReport) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["safe_text"] = safe
    page = environment.from_string((files("kubectl_netdoc.report") / "bench.html").read_text())
    costs = [(cost, list(chain(cost))) for cost in overheads(report)]
    tables = [(_name(path), path, [(row.title, ", ".join(_parts(row))) for row in path.rows]) for path in report.paths]
    return page.render(report=report, pictures=list(pictures(report)), costs=costs, tables=tables)


def _compared(comparison: Comparison) -> Iterator[str]:
    for change in comparison.changes:
        if change.verdict is not Verdict.ALIKE:
            place = f"{change.node} -> {change.to}, {change.route}, {change.family}: {change.load}"
            yield f"{change.verdict:<7} {place}: {words(change.before)} -> {words(change.after)} {UNITS[change.figure]}"
    for which, names in (("older", comparison.only_old), ("newer", comparison.only_new)):
        yield from (f"only in the {which} run: {name}" for name in names)
    found = [sum(change.verdict is verdict for change in comparison.changes) for verdict in Verdict]
    told: Iterable[str] = (f"{count} {verdict}" for count, verdict in zip(found, Verdict, strict=True) if count)
    yield f"{', '.join(told) or 'nothing to compare'}; from {comparison.old} to {comparison.new}"
