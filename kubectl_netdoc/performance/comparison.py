# SPDX-License-Identifier: Apache-2.0
"""How two benchmarks differ: the figures of the loads that both measured on the same path."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.measurements.bench import Bench, BenchLoad
from kubectl_netdoc.measurements.statistics import Estimate
from kubectl_netdoc.performance.figures import BIGGER_IS_BETTER, BITS, CPU, LATENCY, RATE, BenchReport

COMPARED = (BITS, RATE, LATENCY, "p99_us", "lost_percent", CPU)
"""The figures that are compared; the others explain them."""

MATTERS = 0.1
"""The share by which a figure has to differ, beside intervals that don't overlap: how close netdoc has to be to iperf3."""


class Verdict(StrEnum):
    """How a figure changed."""

    WORSE = "worse"
    BETTER = "better"
    ALIKE = "alike"


class Change(Struct, frozen=True, omit_defaults=True):
    """A figure of a load on a path, before and after."""

    verdict: Verdict
    node: str
    to: str
    route: str
    family: str
    load: str
    figure: str
    before: Estimate
    after: Estimate


class Comparison(Struct, frozen=True, omit_defaults=True):
    """The figures that both benchmarks have, the worse first. ``only_old``, ``only_new``: loads on paths that one alone has."""

    old: str
    new: str
    changes: tuple[Change, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()

    def worse(self) -> bool:
        """Tell whether a figure got worse."""
        return any(change.verdict is Verdict.WORSE for change in self.changes)


Key = tuple[str, str, str, str, BenchLoad]


def between(old: BenchReport, new: BenchReport) -> Comparison:
    """Compare two benchmarks."""
    before, after = _rows(old), _rows(new)
    changes = [
        Change(_verdict(name, figures[name], after[key][name]), *key[:4], str(key[4]), name, figures[name], after[key][name])
        for key, figures in before.items()
        if key in after
        for name in COMPARED
        if name in figures and name in after[key]
    ]
    changes.sort(key=lambda change: list(Verdict).index(change.verdict))
    missing = tuple(_name(key) for key in before if key not in after), tuple(_name(key) for key in after if key not in before)
    return Comparison(f"{old.source}, {old.recorded}", f"{new.source}, {new.recorded}", tuple(changes), *missing)


def _rows(report: BenchReport) -> dict[Key, dict[str, Estimate]]:
    return {(*_path(path.request), row.load): row.figures for path in report.paths for row in path.rows if row.figures}


def _path(request: Bench) -> tuple[str, str, str, str]:
    return request.node, request.to, str(request.route), request.family


def _name(key: Key) -> str:
    return f"{key[0]} -> {key[1]}, {key[2]}, {key[3]}: {key[4]}"


def _verdict(name: str, before: Estimate, after: Estimate) -> Verdict:
    if not before.apart(after) or abs(after.mean - before.mean) < MATTERS * max(abs(before.mean), 1e-9):
        return Verdict.ALIKE
    return Verdict.BETTER if (after.mean > before.mean) == (name in BIGGER_IS_BETTER) else Verdict.WORSE
