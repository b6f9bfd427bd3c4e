# SPDX-License-Identifier: Apache-2.0
"""The report of one run over several clusters: a row a cluster, with the cluster's whole report behind it."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report, State

FLEET_VERSION = 1
"""Version of the JSON of several clusters; raised when a field changes its meaning or is removed."""


class ClusterReport(Struct, frozen=True):
    """One cluster: its context in the kubeconfig, what is wrong with it, and its report.

    ``state``: ``unknown`` also where there is no report; ``error`` says why in one line. ``fail`` and ``warn``: how many causes
    are so bad. ``cause``: the id of the worst finding that is no advice.
    """

    context: str
    state: State
    fail: int = 0
    warn: int = 0
    cause: str = ""
    error: str = ""
    report: Report | None = None

    @classmethod
    def of(cls, context: str, report: Report) -> ClusterReport:
        """Return the row of a cluster that has a report."""
        causes = [cause for cause in report.causes() if cause.severity is not Severity.INFO]
        number = Counter(cause.severity for cause in causes)
        worst = causes[0].id if causes else ""
        return cls(context, _state(report), number[Severity.FAIL], number[Severity.WARN], worst, report=report)

    @property
    def worst(self) -> Finding | None:
        """The worst cause, which is no advice; None where nothing is wrong or known."""
        return next((each for each in self.report.findings if each.id == self.cause), None) if self.report else None


class Fleet(Struct, frozen=True):
    """The report of several clusters, in the order in which they were asked for."""

    netdoc_clusters: int
    tool: str
    recorded: str
    clusters: tuple[ClusterReport, ...]
    seconds: float = 0.0


WORST_FIRST = (State.CRASHED, State.FAIL, State.WARN, State.UNKNOWN, State.PASS)
"""States of a cluster."""


def _state(report: Report) -> State:
    """Return the state of a cluster: what its checks say, and ``unknown`` where something that was wanted was not seen."""
    states = {result.state for result in report.results}
    if report.coverage.unmeasured or any(unseen.expected for unseen in report.unseen):
        states.add(State.UNKNOWN)
    return next((state for state in WORST_FIRST if state in states), State.PASS)
