# SPDX-License-Identifier: Apache-2.0
"""The cases of a check's test, and what a check says of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Facts, Measured, Vantage
from kubectl_netdoc.core.finding import Finding
from kubectl_netdoc.core.threshold import ThresholdSet
from kubectl_netdoc.engine.run import CheckRun as CheckOutcome
from kubectl_netdoc.engine.run import analyse
from kubectl_netdoc.measurements.requests import Reply, Request

Answers = Callable[[Request], Reply]


def measured(
    check: Check, cluster: Cluster, answers: Answers, *, down: Mapping[str, str] | None = None, throttled: float = 0
) -> Measured:
    """Return what ``answers`` makes of the check's own plan, and then of its follow-up.

    ``down``: vantages without a debug pod, and why.
    """
    missing = down or {}
    requests = check.plan(cluster.view(check.needs.all_kinds))
    replies = {request: answers(request) for request in requests if request.node not in missing}
    vantages = tuple(Vantage(node, node not in missing, missing.get(node, ""), "", throttled) for node in cluster.vantages)
    hosts = tuple(Vantage(node, node not in missing, missing.get(node, "")) for node in cluster.hosts)
    facts = Facts(cluster, Measured(replies, vantages, hosts)).of(check.id, check.needs.all_kinds)
    replies |= {request: answers(request) for request in check.follow_up(facts) if request not in replies}
    return Measured(replies, vantages, hosts)


@dataclass(frozen=True)
class Case:
    """One row of a check's test: a cluster, what was measured, and the (code, subject) pairs that must come out.

    ``state``: the state expected, where it is not what the findings make of it.
    """

    name: str
    cluster: Cluster
    expect: frozenset[tuple[str, str]] = frozenset()
    measured: Measured = field(default_factory=Measured)
    state: str = ""


def outcome(
    check: Check, cluster: Cluster, facts: Measured | None = None, thresholds: Mapping[str, float] | None = None
) -> CheckOutcome:
    """Return what a check says of a cluster and of what was measured; ``thresholds``: those that are set, by name."""
    own = {item.name: item for item in check.thresholds}
    changed = [
        ThresholdSet(check.id, name, value, own[name].default, own[name].unit, "") for name, value in (thresholds or {}).items()
    ]
    return analyse(check, Facts(cluster, facts or Measured(), changed))


def judge(check: Check, cluster: Cluster, facts: Measured | None = None) -> set[tuple[str, str]]:
    """Return the (code, subject) pairs that a check finds; raises ``AssertionError`` if it crashes."""
    came = outcome(check, cluster, facts)
    assert not came.error, came.error
    return pairs(came.findings)


def pairs(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Return (code, subject) of findings."""
    return {(finding.code, str(finding.subject)) for finding in findings}
