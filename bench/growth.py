# SPDX-License-Identifier: Apache-2.0
"""How much more work a run is in a larger cluster, counted and not timed: which functions grow more than the cluster does.

    python -m bench.growth [NODES]

Work is counted in lines that the interpreter runs, each pass of a loop or comprehension too; what C does in one line (``in`` a
list, a copy of a dict) counts as one. So the figures are the same on a busy machine, and on any.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from msgspec import Struct
from tabulate import tabulate

from bench import clusters
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured, Vantage
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import Run, run
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.sources import FollowUp, nothing_more

PACKAGE = Path(clusters.__file__).parent.parent / "kubectl_netdoc"
Work = Mapping[str, int]
"""Lines that were run, by function."""

MARGIN = 1.2
"""How far beyond the growth of the cluster a function's work may grow: tables of powers of two, and a seed's chance."""

SHOWN = 40

LEAST = 10
"""Lines a node, in the larger cluster, below which a function's growth is left alone."""


class Generated(Struct):
    """A cluster as a source, in whose debug pods nothing answers."""

    there: Cluster
    label: str = "generated"

    def cluster(self, kinds: tuple[Kind[Any], ...]) -> Cluster:
        """Return it."""
        return self.there

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp = nothing_more) -> Measured:
        """Return debug pods that run, and no reply."""
        return Measured({}, tuple(Vantage(node, True) for node in cluster.vantages), wanted=True)


def judged(cluster: Cluster) -> Run:
    """Run every check over a cluster."""
    known = registry.load()
    return run(Generated(cluster), known, known.checks)


def counted(job: Callable[[], object]) -> Work:
    """Run a job and return the lines of the package that it ran, by function."""
    lines: Counter[CodeType] = Counter()
    home = str(PACKAGE)

    def within(frame: FrameType, event: str, value: object) -> Any:
        if event == "line":
            lines[frame.f_code] += 1
        return within

    def entered(frame: FrameType, event: str, value: object) -> Any:
        return within if frame.f_code.co_filename.startswith(home) else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        job()
    finally:
        sys.settrace(before)
    found: Counter[str] = Counter()
    for code, number in lines.items():
        place = Path(code.co_filename).relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        found[f"{place}:{code.co_qualname}"] += number
    return found


def work(nodes: int) -> Work:
    """Return the work of all checks on a cluster of so many nodes."""
    there = clusters.cluster(nodes)
    return counted(lambda: judged(there))


def steep(small: Work, large: Work, nodes: int, times: int) -> dict[str, float]:
    """Return how much the work of functions grew from a cluster to one of ``nodes`` nodes, ``times`` as large.

    Of those where that is more than the cluster grew; ``MARGIN`` and ``LEAST`` are allowed.
    """
    grown = {name: number / max(small.get(name, 0), 1) for name, number in large.items() if number > LEAST * nodes}
    return {name: factor for name, factor in sorted(grown.items(), key=lambda item: -item[1]) if factor > times * MARGIN}


def main(nodes: int) -> None:
    """Count at a size and at twice that, and print what grew too much and what is most work."""
    small, large = work(nodes), work(2 * nodes)
    print(f"{nodes} -> {2 * nodes} nodes: {sum(small.values()):,} -> {sum(large.values()):,} lines")
    steepest = steep(small, large, 2 * nodes, 2)
    rows = [[name, large[name], factor] for name, factor in steepest.items()]
    print(tabulate(rows, ["steep", "lines", "grew"], floatfmt=("", "", ".2f"), intfmt=","))
    most = sorted(large.items(), key=lambda item: -item[1])[:SHOWN]
    rows = [[name, number, number / max(small.get(name, 0), 1)] for name, number in most]
    print(tabulate(rows, ["most", "lines", "grew"], intfmt=",", floatfmt=".2f"))


if __name__ == "__main__":
    registry.load()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250)
