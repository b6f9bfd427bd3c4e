# SPDX-License-Identifier: Apache-2.0
"""No check's work grows more than the cluster: counted, not timed, so that a busy machine changes nothing."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from bench import clusters, growth
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import State
from kubectl_netdoc.records.kinds import POD

SMALL = 250


@pytest.fixture(scope="module")
def small() -> growth.Work:
    return growth.work(SMALL)


def test_twice_the_nodes_are_twice_the_work(small: growth.Work) -> None:
    assert growth.steep(small, growth.work(2 * SMALL), 2 * SMALL, 2) == {}


@pytest.mark.slow
@pytest.mark.parametrize("times", [4, 8])
def test_many_times_the_nodes_are_as_many_times_the_work(small: growth.Work, times: int) -> None:
    assert growth.steep(small, growth.work(times * SMALL), times * SMALL, times) == {}


def _pairs(cluster: Cluster) -> int:
    """A loop within a loop, in one line."""
    return sum(one is other for one in cluster.all(POD) for other in cluster.all(POD))


def test_a_loop_within_a_loop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "PACKAGE", growth.PACKAGE.parent)
    small, large = (growth.counted(partial(_pairs, clusters.cluster(size))) for size in (5, 10))
    assert list(growth.steep(small, large, 10, 2)) == ["tests.bench.test_growth:_pairs.<locals>.<genexpr>"]


def test_the_same_seed_is_the_same_cluster() -> None:
    assert clusters.documents(10) == clusters.documents(10)
    assert clusters.documents(10) != clusters.documents(10, seed=1)


def test_what_is_broken_in_the_cluster_is_what_was_broken() -> None:
    report = growth.judged(clusters.cluster(50)).report
    assert [row.check for row in report.results if row.state is State.CRASHED] == []
    wrong = Counter(finding.code for finding in report.findings if finding.severity is not Severity.INFO)
    faulty = clusters.WORKLOADS_A_NODE * 50 // clusters.FAULTY
    assert wrong == {"SVC001": faulty, "SVC003": faulty, "ING003": faulty}
