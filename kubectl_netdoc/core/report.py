# SPDX-License-Identifier: Apache-2.0
"""The report of a run, which every format renders."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kubectl_netdoc.core.finding import Finding, Ignored, Severity, Unseen
from kubectl_netdoc.core.threshold import ThresholdSet
from kubectl_netdoc.measurements.load import Load

REPORT_VERSION = 1
"""Version of the report's JSON; raised when a field changes its meaning or is removed."""


class State(StrEnum):
    """The state of a check. ``unknown``: no usable answer. ``skipped``: not judged, for a given reason."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CRASHED = "crashed"


LOOKED = frozenset({State.PASS, State.WARN, State.FAIL})
"""States of a check in which a missing finding means that the condition did not hold."""


class CheckResult(Struct, frozen=True):
    """A check's state, the ids of its findings, what it could not see, and the error if it crashed."""

    check: str
    title: str
    state: State
    findings: tuple[str, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    error: str = ""


class Coverage(Struct, frozen=True):
    """What the run looked at: counts of nodes and objects, its scope, and the load that it caused.

    ``image``: the image of the debug pods. ``unmeasured``: why nothing was measured although it was planned, or "".
    """

    nodes: int = 0
    measured_nodes: tuple[str, ...] = ()
    objects: int = 0
    scope: str = "the whole cluster"
    load: Load = Load()
    image: str = ""
    unmeasured: str = ""


class Report(Struct, frozen=True):
    """The whole report of a run; every format renders this and nothing else."""

    netdoc_report: int
    tool: str
    source: str
    recorded: str
    server: str
    coverage: Coverage
    results: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    thresholds: tuple[ThresholdSet, ...] = ()
    seconds: float = 0.0

    def partial(self) -> bool:
        """Tell whether something that should have been looked at was not."""
        return any(unseen.expected for unseen in self.unseen) or any(
            result.state in (State.UNKNOWN, State.CRASHED)
            or (result.state is State.SKIPPED and not all(unseen.not_applicable for unseen in result.unseen))
            for result in self.results
        )

    def causes(self) -> list[Finding]:
        """Return the findings that nothing else explains, worst first."""
        return [finding for finding in self.findings if not finding.explained_by]

    def looked(self) -> frozenset[str]:
        """Return the ids of the checks of which a missing finding means that its condition did not hold."""
        return frozenset(result.check for result in self.results if result.state in LOOKED)

    def worst(self) -> Severity | None:
        """Return the worst severity among the findings, or None without any."""
        present = {finding.severity for finding in self.findings}
        return next((severity for severity in Severity if severity in present), None)
