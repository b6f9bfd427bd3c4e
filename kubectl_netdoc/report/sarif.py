# SPDX-License-Identifier: Apache-2.0
"""The report as SARIF 2.1.0, for code scanning and dashboards: one rule per code, one result per finding.

A finding is about an object of the API, not a line of a file, so its location is a logical one (SARIF 2.1.0, 3.33).
"""

from __future__ import annotations

import json
from typing import Any

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import Report, State
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.report.json import printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "note"}


def render(report: Report) -> str:
    """Return the report as SARIF."""
    return document([run(report)])


def document(runs: list[dict[str, Any]]) -> str:
    """Return runs as a SARIF log."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}
    return printable(json.dumps(log, indent=2, ensure_ascii=False)) + "\n"


def run(report: Report) -> dict[str, Any]:
    """Return the run of a report."""
    examples = {finding.code: finding for finding in reversed(report.findings)}
    rules = {code: number for number, code in enumerate(sorted(examples))}
    driver = {"name": "kubectl-netdoc", "version": report.tool, "rules": [_rule(examples[code]) for code in rules]}
    return {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "results": [_result(finding, rules[finding.code]) for finding in report.findings],
        "columnKind": "unicodeCodePoints",
    }


def unreached(version: str, why: str) -> dict[str, Any]:
    """Return the run of a cluster that has no report. ``version``: of netdoc."""
    notes = [{"level": "error", "message": {"text": safe(why)}}]
    return {
        "tool": {"driver": {"name": "kubectl-netdoc", "version": version, "rules": []}},
        "invocations": [{"executionSuccessful": False, "toolExecutionNotifications": notes}],
        "results": [],
    }


def _rule(example: Finding) -> dict[str, Any]:
    return {
        "id": example.code,
        "defaultConfiguration": {"level": LEVELS[example.severity]},
        "shortDescription": {"text": f"{example.code}, found by check {safe(example.check)}"},
        "help": {"text": f"kubectl netdoc explain {example.code}"},
    }


def _invocation(report: Report) -> dict[str, Any]:
    """Return the invocation: whether the run succeeded, and what it could not look at."""
    unseen = [item for result in report.results for item in result.unseen]
    notes = [{"level": "note", "message": {"text": safe(f"{item.what}: {item.reason}")}} for item in (*report.unseen, *unseen)]
    settings = [*(f"ignored: {item}" for item in report.ignored), *(f"threshold: {item}" for item in report.thresholds)]
    notes += [{"level": "note", "message": {"text": safe(text)}} for text in settings]
    crashed = [result for result in report.results if result.state is State.CRASHED]
    notes += [{"level": "error", "message": {"text": safe(f"{result.check} crashed: {result.error}")}} for result in crashed]
    return {"executionSuccessful": not crashed, "toolExecutionNotifications": notes}


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    subject = finding.subject
    name = "/".join(filter(None, (subject.kind, subject.namespace, subject.name, subject.node)))
    steps = "\n".join((f"Fix ({finding.risk}): {safe(finding.fix)}", *map(safe, finding.commands)))
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{safe(finding.message)}\n{steps}"},
        "locations": [{"logicalLocations": [{"name": safe(subject.name), "fullyQualifiedName": safe(name), "kind": "resource"}]}],
        "partialFingerprints": {"netdoc/v1": safe(finding.id)},
        "properties": {
            "risk": finding.risk,
            "evidence": finding.evidence,
            "explainedBy": finding.explained_by,
            "explains": list(finding.explains),
        },
    }
