# SPDX-License-Identifier: Apache-2.0
"""A list that could not be read is never an empty one: it may hide a fault, and never makes one.

Where the lists are all there and nothing above info is found, nothing is found without one of them either. Where something is,
other words for the same trouble are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_netdoc.cluster import Cluster, Unavailable
from kubectl_netdoc.model import Check, Severity
from kubectl_netdoc.records import Kind
from kubectl_netdoc.testing import Case, outcome
from tests.checks import cases_of, registered

REFUSED = Unavailable("forbidden")


def without(cluster: Cluster, kind: Kind[Any]) -> Cluster:
    """Return the cluster with one list that could not be read."""
    return cluster.holding({**cluster.index.listings, kind.name: REFUSED})


def faults(check: Check, case: Case, cluster: Cluster) -> set[tuple[str, str]]:
    """Return what a check finds above info."""
    came = outcome(check, cluster, case.measured)
    assert not came.error, came.error
    return {(f.code, str(f.subject)) for f in came.findings if f.severity is not Severity.INFO}


OPEN: frozenset[tuple[str, str]] = frozenset(
    {
        # A forward that loops is told though the Corefile can't be read: it may have been mended since.
        ("dns_metrics", "ConfigMap"),
    }
)
"""Checks that make a fault of a list that could not be read, by check and kind: to be emptied, never to grow."""


def pairs() -> Iterator[Any]:
    for check in registered():
        for kind in dict.fromkeys((*check.needs.optional, *check.needs.hints)):
            open_ = (check.id, kind.name) in OPEN
            yield pytest.param(check, kind, marks=[pytest.mark.xfail(strict=True)] if open_ else [], id=f"{check.id}-{kind.name}")


@pytest.mark.parametrize(("check", "kind"), pairs())
def test_no_fault_comes_of_a_list_that_can_not_be_read(check: Check, kind: Kind[Any]) -> None:
    for case in cases_of(check.id):
        if not faults(check, case, case.cluster):
            assert not faults(check, case, without(case.cluster, kind)), case.name
