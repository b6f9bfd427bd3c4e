# SPDX-License-Identifier: Apache-2.0
"""What Prometheus scrapes of ``watch``: the text format (Exposition formats, version 0.0.4).

Names keep to Prometheus' conventions: base units, ``_total`` for counters, ratios from 0 to 1, times as timestamps. No label has
the name of an object: codes, severities, states and results are known beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct, field

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report, State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Result(StrEnum):
    """How a run, or the writing of an Event, ended. ``skipped``: another run held the Lease."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"


class Seen(Struct):
    """What the runs so far came to. ``ended``: when the last one with a report did, in seconds since 1970."""

    version: str
    runs: Counter[Result] = field(default_factory=Counter)
    last: Result | None = None
    report: Report | None = None
    ended: float = 0.0
    events: Counter[Result] = field(default_factory=Counter)
    waiting: int = 0


V = TypeVar("V")
Sample = tuple[Mapping[str, str], float]


class Metric(Struct, frozen=True):
    """A metric with its samples; its name comes without the prefix."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Yield it in the text format."""
        yield f"# HELP netdoc_{self.name} {self.help}"
        yield f"# TYPE netdoc_{self.name} {self.kind}"
        for labels, value in self.samples:
            pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"netdoc_{self.name}{f'{{{pairs}}}' if pairs else ''} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def render(seen: Seen) -> str:
    """Return the page that is scraped."""
    metrics = (*_of_runs(seen), *(_of_report(seen.report) if seen.report else ()))
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def _one(name: str, text: str, value: float, **labels: str) -> Metric:
    return Metric(name, "gauge", text, ((labels, value),))


def _by(label: str, values: Iterable[V], number: Counter[V]) -> tuple[Sample, ...]:
    return tuple(({label: str(value)}, float(number[value])) for value in values)


def _of_runs(seen: Seen) -> Iterator[Metric]:
    yield _one("build_info", "The version of netdoc.", 1, version=seen.version)
    yield Metric("runs_total", "counter", "Runs, by how they ended.", _by("result", Result, seen.runs))
    written = (Result.SUCCESS, Result.ERROR)
    yield Metric("events_written_total", "counter", "Events written to the cluster.", _by("result", written, seen.events))
    yield _one("events_waiting", "Events that the next runs will write, as each writes a bounded number.", seen.waiting)
    if seen.last is not None:
        yield _one("last_run_success", "Whether the last run that was not skipped gave a report.", seen.last is Result.SUCCESS)
    if seen.report is not None:
        yield _one("last_success_timestamp_seconds", "When the run ended that all other values are of.", seen.ended)
        yield _one("last_success_duration_seconds", "How long that run took.", seen.report.seconds)


def _of_report(report: Report) -> Iterator[Metric]:
    causes = report.causes()
    severities = Counter(cause.severity for cause in causes)
    yield Metric("findings", "gauge", "Findings that nothing else explains.", _by("severity", Severity, severities))
    codes = Counter((cause.code, str(cause.severity)) for cause in causes)
    by_code = tuple(({"code": code, "severity": severity}, float(many)) for (code, severity), many in sorted(codes.items()))
    yield Metric("findings_by_code", "gauge", "The same by code, where there are any.", by_code)
    states = Counter(result.state for result in report.results)
    yield Metric("checks", "gauge", "Checks by their state.", _by("state", State, states))
    coverage = report.coverage
    yield _one("nodes", "Nodes of the cluster.", coverage.nodes)
    measured = len(coverage.measured_nodes) / coverage.nodes if coverage.nodes else 0.0
    yield _one("measured_nodes_ratio", "Share of the nodes from which was measured.", measured)
    yield _one("objects", "Objects that were read.", coverage.objects)
    yield from _dns(report.findings)


def _dns(findings: Iterable[Finding]) -> Iterator[Metric]:
    """Yield the latency of cluster DNS, of the node that waits longest, and what was lost of all lookups."""
    told = [finding.evidence for finding in findings if finding.check == "dns_latency" and finding.subject.node]
    for key, name in (("p50_ms", "p50"), ("p95_ms", "p95"), ("max_ms", "most")):
        values = [value for each in told if isinstance(value := each.get(key), (int, float))]
        if values:
            text = f"Time of lookups in cluster DNS ({name}) from the node where that is longest."
            yield _one(f"dns_lookup_{name}_seconds", text, max(values) / 1000)
    sent, lost = (sum(value for each in told if isinstance(value := each.get(key), (int, float))) for key in ("sent", "lost"))
    if sent:
        yield _one("dns_lookups_lost_ratio", "Share of lookups in cluster DNS that got no answer.", lost / sent)
