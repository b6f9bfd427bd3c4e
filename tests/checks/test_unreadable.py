# SPDX-License-Identifier: Apache-2.0
"""A list that could not be read is never an empty one: it may hide a fault, and never makes one.

Every list that a check can do without, and every hint, is refused in each of the check's cases. What was silent with the list is
silent without it. What was in trouble may be told by another code, as the reason is what the list would have told: of the same
object, of one that the finding named, or of the whole cluster again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.cluster import Cluster, Unavailable
from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.testing import Case, outcome
from tests.checks import cases_of, registered

pytestmark = pytest.mark.slow  # not part of make check

REFUSED = Unavailable("forbidden")
OPEN = frozenset({("dns_metrics", "ConfigMap")})
"""A forward that loops is told though the Corefile can't be read: it may have been mended since (docs/limits.md)."""


def without(cluster: Cluster, kind: Kind[Any]) -> Cluster:
    """Return the cluster with one list that could not be read."""
    return cluster.with_listings({**cluster.index.listings, kind.name: REFUSED})


def faults(check: Check, case: Case, cluster: Cluster) -> list[Finding]:
    """Return what a check finds above info."""
    came = outcome(check, cluster, case.measured)
    assert not came.error, came.error
    return [finding for finding in came.findings if finding.severity is not Severity.INFO]


def same_trouble(found: Finding, told: Finding) -> bool:
    """Whether two findings are of one object, a Service and its pod, the cluster, or the one names what the other is of."""
    pair = {found.subject.kind, told.subject.kind} == {"Service", "Pod"} and found.subject.namespace == told.subject.namespace
    named = {str(word).rpartition("/")[2] for value in told.evidence.values() for word in _words(value)}
    return (
        pair
        or found.subject == told.subject
        or found.subject.kind == told.subject.kind == "Cluster"
        or found.subject.name in named
    )


def _words(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def pairs() -> Iterator[tuple[Check, Kind[Any]]]:
    """Each check with each list that it can do without."""
    for check in registered():
        for kind in dict.fromkeys((*check.needs.optional, *check.needs.hints)):
            if (check.id, kind.name) not in OPEN:
                yield check, kind


@pytest.mark.parametrize(("check", "kind"), list(pairs()), ids=lambda each: getattr(each, "id", getattr(each, "name", "")))
def test_no_fault_comes_of_a_list_that_can_not_be_read(check: Check, kind: Kind[Any]) -> None:
    for case in cases_of(check.id):
        told = faults(check, case, case.cluster)
        for found in faults(check, case, without(case.cluster, kind)):
            assert any(same_trouble(found, other) for other in told), (case.name, found.code, str(found.subject))
