# SPDX-License-Identifier: Apache-2.0
"""The verb diff on two benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubectl_netdoc.measurements.bench import BenchLoad, Kind, Route
from kubectl_netdoc.measurements.bench import LoadSamples as Samples
from kubectl_netdoc.report.bench import render
from tests.cli.test_trace import FINE, saved
from tests.performance.test_figures import path, reported, streamed
from tests.support.commandline import Netdoc, complaint, in_process


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Netdoc:
    return in_process(monkeypatch, capsys)


def benchmark(folder: Path, gigabytes: float) -> Path:
    """Write a benchmark in which a stream carries so much a second."""
    samples = streamed((gigabytes, gigabytes * 1.01, gigabytes * 0.99))
    file = folder / f"{gigabytes}.json"
    file.write_text(render(reported(path(Route.POD, Samples(BenchLoad(Kind.STREAM), samples))), "json"))
    return file


def test_a_slower_network_is_exit_code_1_and_a_faster_one_is_not(netdoc: Netdoc, tmp_path: Path) -> None:
    fast, slow = benchmark(tmp_path, 2.0), benchmark(tmp_path, 1.0)
    done = netdoc("diff", fast, slow)
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("worse   a -> b, pod to pod, IPv4: TCP, 1 stream: 16 ± 0.397 -> 8 ± 0.199 Gbit/s\n")
    assert netdoc("diff", slow, fast).code == 0
    assert netdoc("diff", fast, fast).out.startswith("2 alike; from the lab")


def test_stdin_and_json(netdoc: Netdoc, tmp_path: Path) -> None:
    fast, slow = benchmark(tmp_path, 2.0), benchmark(tmp_path, 1.0)
    done = netdoc("diff", fast, "-", "-o", "json", stdin=slow.read_bytes())
    assert done.code == 1
    assert json.loads(done.out)["changes"][0]["verdict"] == "worse"


def test_a_benchmark_and_something_else_is_one_line(netdoc: Netdoc, tmp_path: Path) -> None:
    bench = benchmark(tmp_path, 1.0)
    other = saved(tmp_path, FINE)
    assert "bundle.json is no benchmark" in complaint(netdoc("diff", bench, other), 2)


@pytest.mark.parametrize(
    ("change", "what"),
    [(lambda text: text[:-90], "damaged"), (lambda text: text.replace('"netdoc_bench": 1', '"netdoc_bench": 99'), "newer")],
)
def test_what_can_not_be_read_is_one_line(netdoc: Netdoc, tmp_path: Path, change: object, what: str) -> None:
    assert callable(change)
    bench, odd = benchmark(tmp_path, 1.0), tmp_path / "odd.json"
    odd.write_text(change(bench.read_text()))
    assert what in complaint(netdoc("diff", bench, odd), 2)
