# SPDX-License-Identifier: Apache-2.0
"""Figures, overhead and comparison of hand-made samples, checked by hand."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from kubectl_netdoc.measurements.base import Lost, Outcome
from kubectl_netdoc.measurements.bench import Bench, BenchLoad, BenchReply, BenchSample, Kind, LoadSamples, NodeWork, Route
from kubectl_netdoc.measurements.statistics import NORMAL, STUDENT, Estimate, estimate
from kubectl_netdoc.performance.comparison import Verdict, between
from kubectl_netdoc.performance.figures import BenchReport, PathFigures, figures, report
from kubectl_netdoc.performance.overhead import overheads
from kubectl_netdoc.report.bench import chain, pictures, render, render_comparison, words

QUIET, ONE, FOUR = BenchLoad(Kind.QUIET), BenchLoad(Kind.STREAM), BenchLoad(Kind.STREAM, streams=4)
SMALL, FLOOD = BenchLoad(Kind.RR, size=1), BenchLoad(Kind.UDP)
GB = 10**9


def work(busy: float = 0.0, softirq: float = 0.0, **more: float) -> NodeWork:
    return msgspec.convert({"seconds": 1.0, "busy": busy, "softirq": softirq, **more}, NodeWork)


IDLE = work()


def streamed(
    gigabytes: Iterable[float], source: NodeWork = IDLE, target: NodeWork = IDLE, **more: int
) -> tuple[BenchSample, ...]:
    """Return a sample a second long for each amount."""
    return tuple(BenchSample(Outcome.OK, source, target, seconds=1.0, bytes=round(each * GB), **more) for each in gigabytes)


def answered(*p50: float) -> tuple[BenchSample, ...]:
    return tuple(BenchSample(Outcome.OK, work(), work(), seconds=1.0, sent=10, came=10, p50=p, p90=2 * p, p99=9 * p) for p in p50)


def path(route: Route, *loads: LoadSamples, cpus: tuple[int, int] = (4, 4), one_machine: bool = False) -> PathFigures:
    request = Bench("a", "b", route, "IPv4", tuple(one.load for one in loads), 3, 1.0, GB)
    return figures(request, BenchReply("10.0.0.2", loads, cpus, one_machine))


def reported(*paths: PathFigures) -> BenchReport:
    return BenchReport(1, "0", "the lab", "2026-01-01T00:00:00+00:00", paths)


# The estimate


def test_an_interval_is_students() -> None:
    """By hand: the deviation of 1, 2, 3 is 1, and t for two degrees of freedom is 4.303."""
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.303 / 3**0.5)
    assert estimate([7.0]) == Estimate(7.0, None)
    assert estimate([5.0] * 4) == Estimate(5.0, 0.0)


def test_the_quantiles_fall_towards_that_of_the_normal_distribution() -> None:
    assert list(STUDENT) == sorted(STUDENT, reverse=True)
    assert (len(STUDENT), STUDENT[3], STUDENT[-1]) == (30, 2.776, 2.042)
    many = [0.0, 1.0] * 16
    assert estimate(many).half == pytest.approx(NORMAL * (8 / 31) ** 0.5 / 32**0.5)


def test_estimates_are_apart_where_their_intervals_are() -> None:
    assert Estimate(1.0, 0.4).apart(Estimate(2.0, 0.5))
    assert not Estimate(1.0, 0.6).apart(Estimate(2.0, 0.5))
    assert not Estimate(1.0).apart(Estimate(2.0, 0.1))


# Figures


def test_throughput_and_cpu_are_of_both_nodes_less_what_they_do_anyway() -> None:
    quiet = (BenchSample(Outcome.OK, work(0.5, 0.1), work(0.2)),)
    samples = streamed((2.0, 4.0), work(1.5, 0.5), work(2.2, 1.0), retransmits=3, segments=300)
    (row,) = path(Route.POD, LoadSamples(QUIET, quiet), LoadSamples(ONE, samples)).rows
    assert row.figures["gbit_s"].mean == pytest.approx(24.0)
    assert row.figures["cpu_s_per_gb"].mean == pytest.approx((3.0 / 2 + 3.0 / 4) / 2)
    assert row.figures["softirq_s_per_gb"].mean == pytest.approx((1.4 / 2 + 1.4 / 4) / 2)
    assert row.figures["retransmitted_percent"].mean == pytest.approx(1.0)
    assert row.figures["target_busy_percent"].mean == pytest.approx(55.0)


def test_nodes_that_are_one_machine_count_once() -> None:
    samples = LoadSamples(ONE, streamed((1.0,), work(2.0, 0.5, squeezed=3), work(2.0, 0.5, squeezed=3)))
    (row,) = path(Route.POD, samples, one_machine=True).rows
    assert (row.figures["cpu_s_per_gb"].mean, row.figures["squeezes"].mean) == (2.0, 3.0)
    assert "target_busy_percent" not in row.figures


def test_a_machine_that_is_busy_already_has_no_cost() -> None:
    quiet = (BenchSample(Outcome.OK, work(2.1), work(0.0)),)
    found = path(Route.POD, LoadSamples(QUIET, quiet), LoadSamples(ONE, streamed((1.0,), work(4.0), work(1.0))))
    assert "cpu_s_per_gb" not in found.rows[0].figures
    assert "52 % busy without any load" in render(reported(found), "text")


def test_datagrams_have_loss_disorder_and_jitter() -> None:
    sample = BenchSample(Outcome.OK, seconds=2.0, bytes=800, sent=10, came=8, late=2, jitter=7.0)
    (row,) = path(Route.POD, LoadSamples(FLOOD, (sample,))).rows
    found = {name: value.mean for name, value in row.figures.items()}
    assert found["lost_percent"] == pytest.approx(20.0)
    assert (found["out_of_order_percent"], found["jitter_us"], found["per_second"]) == (25.0, 7.0, 4.0)


def test_a_failed_sample_is_no_figure_and_is_told() -> None:
    samples = (*streamed((1.0,)), BenchSample(Outcome.TIMEOUT))
    found = path(Route.POD, LoadSamples(ONE, samples, "the connection timed out"))
    assert (found.rows[0].samples, found.rows[0].figures["gbit_s"]) == (1, Estimate(8.0))
    assert "1 sample: the connection timed out" in render(reported(found), "text")


def test_a_path_without_a_reply_says_why() -> None:
    request = Bench("a", "b", Route.POD, "IPv6", (ONE,), 1, 1.0, GB)
    found = report("0", "x", "now", (request,), {request: Lost("netdoc's pod on node b has no IPv6 address")}, "")
    assert "a -> b, pod to pod, IPv6: netdoc's pod on node b has no IPv6 address" in render(found, "text")
    assert figures(request, None, "no debug pod ran").problem == "no debug pod ran"


# Overhead


def both(pods: tuple[float, ...], nodes: tuple[float, ...]) -> BenchReport:
    between_pods = path(
        Route.POD,
        LoadSamples(ONE, streamed(pods, work(1.0, 0.5), work(1.0))),
        LoadSamples(
            FOUR, streamed([2 * each for each in pods], work(3.0, 1.0, squeezed=5), work(4.0, 2.0), retransmits=1, segments=50)
        ),
        LoadSamples(SMALL, answered(30.0, 32.0)),
    )
    hosts = path(Route.HOST, LoadSamples(ONE, streamed(nodes, work(1.0), work(0.5))), LoadSamples(SMALL, answered(20.0, 21.0)))
    return reported(between_pods, hosts)


def test_the_chain_has_a_number_at_each_link() -> None:
    (cost,) = overheads(both((1.0, 2.0), (2.0, 4.0)))
    assert cost.ratio == Estimate(0.5, 0.0), "sample by sample, though the samples differ"
    assert cost.later is not None
    assert cost.later.mean == 10.5
    assert cost.cpu is not None
    assert cost.cpu.pods.mean > cost.cpu.nodes.mean
    load = cost.saturation
    assert load is not None
    assert (load.streams, load.times, load.busiest) == (4, 2.0, "b")
    assert (load.busy, load.squeezes, load.retransmitted) == (Estimate(100.0, 0.0), Estimate(5.0, 0.0), Estimate(2.0, 0.0))
    assert [name for name, _ in chain(cost)] == ["overlay", "kernel stack", "saturation"]


def test_without_the_nodes_there_is_saturation_alone() -> None:
    (cost,) = overheads(reported(both((1.0,), (2.0,)).paths[0]))
    assert (cost.ratio, cost.cpu, cost.later) == (None, None, None)
    assert [name for name, _ in chain(cost)] == ["saturation"]


# Comparison


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((1.0, 1.01, 0.99), (0.8, 0.81, 0.79), Verdict.WORSE),
        ((0.8, 0.81, 0.79), (1.0, 1.01, 0.99), Verdict.BETTER),
        ((1.0, 1.01, 0.99), (0.95, 0.951, 0.949), Verdict.ALIKE),
        ((1.0, 1.5, 0.5), (0.8, 0.81, 0.79), Verdict.ALIKE),
        ((1.0,), (0.5,), Verdict.ALIKE),
    ],
)
def test_a_change_must_be_beyond_both_intervals_and_a_tenth(
    before: tuple[float, ...], after: tuple[float, ...], verdict: Verdict
) -> None:
    old, new = (reported(path(Route.POD, LoadSamples(ONE, streamed(each)))) for each in (before, after))
    found = between(old, new)
    assert {change.figure: change.verdict for change in found.changes}["gbit_s"] is verdict
    assert found.worse() == (verdict is Verdict.WORSE)


def test_of_latency_more_is_worse() -> None:
    old, new = (reported(path(Route.POD, LoadSamples(SMALL, answered(p, p + 0.1, p - 0.1)))) for p in (20.0, 30.0))
    found = {change.figure: change.verdict for change in between(old, new).changes}
    assert (found["p50_us"], found["p99_us"], found["per_second"]) == (Verdict.WORSE, Verdict.WORSE, Verdict.ALIKE)
    assert "worse   a -> b, pod to pod, IPv4: TCP request/response, 1 B: 20 ± 0.248 -> 30 ± 0.248 µs (p50)" in render_comparison(
        between(old, new), "text"
    )


def test_what_one_run_alone_has_is_named() -> None:
    old, new = (reported(path(route, LoadSamples(ONE, streamed((1.0,))))) for route in (Route.POD, Route.HOST))
    found = between(old, new)
    assert (found.only_old, found.only_new) == (
        ("a -> b, pod to pod, IPv4: TCP, 1 stream",),
        ("a -> b, host to host, IPv4: TCP, 1 stream",),
    )
    assert "nothing to compare" in render_comparison(found, "text")


# Formats


def test_json_is_read_again_as_it_was() -> None:
    whole = both((1.0, 2.0), (2.0, 4.0))
    assert msgspec.json.decode(render(whole, "json"), type=BenchReport) == whole


def test_pictures_have_a_bar_a_path_and_intervals_that_fit() -> None:
    found = {picture.title: picture for picture in pictures(both((1.0, 2.0), (2.0, 4.0)))}
    assert [len(found[title].bars) for title in found] == [3, 2, 2]
    for picture in found.values():
        assert max(bar.high for bar in picture.bars) == pytest.approx(900.0)
        assert all(0 <= bar.low <= bar.width <= bar.high for bar in picture.bars)


def test_names_of_a_cluster_are_no_markup_and_no_control_characters() -> None:
    request = Bench("<b>a\x1b[31m", "b", Route.POD, "IPv4", (ONE,), 1, 1.0, GB)
    odd = reported(figures(request, BenchReply("10.0.0.2", (LoadSamples(ONE, streamed((1.0,))),), (1, 1))))
    for form in ("text", "html"):
        assert "\x1b" not in render(odd, form)
    assert "<b>a" not in render(odd, "html")


def test_numbers_have_three_digits_that_count() -> None:
    assert [words(Estimate(value)) for value in (12345.6, 100.4, 9.876, 0.01234, 0.0)] == ["12,346", "100", "9.88", "0.0123", "0"]
    assert words(Estimate(5.0, 0.25)) == "5 ± 0.25"
