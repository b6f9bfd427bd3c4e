# SPDX-License-Identifier: Apache-2.0
"""``bench``: how much does the network carry, how fast does it answer, and what does that cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kubectl_netdoc.cli import options
from kubectl_netdoc.cli.parameter_types import OneOf
from kubectl_netdoc.cli.progress import show_progress
from kubectl_netdoc.cli.source import live_source, warn_on_stderr

if TYPE_CHECKING:
    from kubectl_netdoc.core.cluster import Cluster
    from kubectl_netdoc.measurements.bench import Bench
    from kubectl_netdoc.performance.figures import BenchReport
    from kubectl_netdoc.performance.paths import Wanted

ROUTES = ("same-node", "pod", "clusterip", "nodeport", "host")
LOADS = ("tcp", "udp", "rr", "crr")
LIMITS = {"cpu": "4", "memory": "256Mi"}
"""Limits of the debug pods unless the user sets others: a stream and a busy receiver take a CPU each."""


@click.command("bench")
@click.argument("source", metavar="[FROM-NODE", required=False, default="")
@click.argument("target", metavar="[TO-NODE]]", required=False, default="")
@click.option(
    "--route",
    "routes",
    multiple=True,
    type=OneOf("route", ROUTES),
    help="Measure only this route (repeatable); by default all but host.",
)
@click.option(
    "--load",
    "loads",
    multiple=True,
    type=OneOf("load", LOADS),
    help="Measure only this load (repeatable): tcp and udp throughput, request/response, connect/request/response.",
)
@click.option("--host", is_flag=True, help="Also measure between the nodes themselves, on their own network (nodes tier).")
@click.option("--samples", type=click.IntRange(1, 100), default=5, show_default=True, help="How often each load is measured.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Seconds of a sample at most.")
@click.option(
    "--megabytes", type=click.IntRange(1, 1_000_000), default=2000, show_default=True, help="Megabytes of a sample at most."
)
@click.option("--streams", type=click.IntRange(1, 64), default=4, show_default=True, help="How many TCP streams at once.")
@click.option(
    "--tool", type=OneOf("tool", ("iperf3", "netperf")), show_default="netdoc's own", help="Let this program of the image send."
)
@click.option(
    "--fail-below",
    type=click.FloatRange(0.0, 10.0),
    default=None,
    metavar="RATIO",
    help="Exit code 1 if a TCP stream between pods carries less than this share (0.8) of one between the nodes; implies --host.",
)
@click.option("-o", "--output", type=OneOf("format", ("text", "json", "html")), default="text", show_default=True)
@options.own_pods
@options.kubectl_flags
def command(source: str, target: str, output: str, fail_below: float | None, **flags: Any) -> int:
    """Measure what the network between two nodes carries: throughput, requests, latency, loss, and the CPU time they take.

    netdoc chooses the nodes unless they are named, and says before it starts how long it takes and how much it sends at most. It
    loads these nodes and the network between them; nothing else is touched, and nothing stays. Its pods may use four CPUs each,
    unless --pod-limits says otherwise.

    Exit code 0: measured; 1: below --fail-below; 4: nothing, or not what --fail-below needs, could be measured.
    """
    from kubectl_netdoc.performance.paths import NoSuchBench
    from kubectl_netdoc.report.bench import render

    flags["host"] = flags["host"] or fail_below is not None or "host" in flags["routes"]
    try:
        report = _measured(_wanted(source, target, flags), flags)
    except NoSuchBench as error:
        raise click.UsageError(str(error)) from error
    click.echo(render(report, output), nl=False)
    return _exit_code(report, fail_below)


def _wanted(source: str, target: str, flags: dict[str, Any]) -> Wanted:
    from kubectl_netdoc.measurements.bench import Route
    from kubectl_netdoc.performance.paths import Wanted

    named = dict(zip(ROUTES, Route, strict=True))
    routes = [named[name] for name in flags["routes"]] or [route for route in Route if flags["host"] or route is not Route.HOST]
    if flags["host"] and Route.HOST not in routes:
        routes.append(Route.HOST)
    return Wanted(
        source.removeprefix("node/"),
        target.removeprefix("node/"),
        tuple(routes),
        flags["loads"] or LOADS,
        flags["samples"],
        flags["seconds"],
        flags["megabytes"] * 1_000_000,
        flags["streams"],
        flags["tool"] or "",
    )


def _measured(wanted: Wanted, flags: dict[str, Any]) -> BenchReport:
    from kubectl_netdoc import __version__
    from kubectl_netdoc.performance import figures, paths
    from kubectl_netdoc.records.kinds import NODE

    limits = {**LIMITS, **(flags["pod_limits"] or {})}
    with show_progress() as progress:
        place = live_source({**flags, "namespaces": (), "node_checks": flags["host"], "pod_limits": limits}, progress)
        progress.stage("reading the cluster")
        cluster = place.cluster((NODE,))
        benches = paths.choose(cluster, wanted)
        cluster.vantages = paths.nodes_of(benches)
        place.within(_told(benches, cluster))
        measured = place.measure(cluster, benches)
    recorded = cluster.time.isoformat(timespec="seconds")
    return figures.report(__version__, place.label, recorded, benches, measured.replies, measured.why_unmeasured)


def _told(benches: tuple[Bench, ...], cluster: Cluster) -> float:
    """Say what will be done, and return the seconds that it may take."""
    from kubectl_netdoc.formats.text import counted, joined
    from kubectl_netdoc.performance import paths

    most = paths.bounds(benches)
    warn_on_stderr(
        f"measuring {counted(len(benches), 'path')} on {joined(cluster.vantages)}: some {most.seconds / 60:.1f} min after the "
        f"pods' start, and at most {most.bytes / 1e9:,.0f} GB in all; these nodes and the network between them are busy meanwhile"
    )
    return 1.5 * most.seconds + paths.START


def _exit_code(report: BenchReport, fail_below: float | None) -> int:
    from kubectl_netdoc.performance.overhead import overheads

    if not any(row.figures for path in report.paths for row in path.rows):
        return 4
    if fail_below is None:
        return 0
    ratios = [cost.ratio.mean for cost in overheads(report) if cost.ratio]
    if not ratios:
        warn_on_stderr("--fail-below: a TCP stream was not measured both between pods and between the nodes")
        return 4
    return int(min(ratios) < fail_below)
