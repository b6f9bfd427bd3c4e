# SPDX-License-Identifier: Apache-2.0
"""The report as JUnit XML, one test case per check, for CI systems.

``fail`` is a failure; ``warn`` is printed in the case's output, because a run with warnings passes (``--fail-on``); a check that
could not look is skipped, one that crashed is an error. The elements are those of the schema of Jenkins' xUnit plugin
(junit-10.xsd).
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import CheckResult, Report, State
from kubectl_netdoc.formats.text import safe

SKIPPED = (State.SKIPPED, State.UNKNOWN)


def render(report: Report) -> str:
    """Return the report as JUnit XML."""
    by_id = {finding.id: finding for finding in report.findings}
    states = [result.state for result in report.results]
    numbers = {"tests": len(states), "failures": states.count(State.FAIL), "errors": states.count(State.CRASHED)}
    common = {"time": f"{report.seconds:.3f}"} | {key: str(value) for key, value in numbers.items()}
    root = ET.Element("testsuites", {"name": "kubectl netdoc", **common})
    suite = ET.SubElement(root, "testsuite", {"name": safe(report.source) or "netdoc", **common})
    suite.set("skipped", str(sum(state in SKIPPED for state in states)))
    suite.set("timestamp", report.recorded[:19])
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("tool", report.tool),
        ("server", report.server),
        ("scope", report.coverage.scope),
        *(("ignored", str(item)) for item in report.ignored),
        *(("threshold", str(item)) for item in report.thresholds),
    ):
        ET.SubElement(properties, "property", name=name, value=safe(value))
    for result in report.results:
        _case(suite, result, [by_id[finding] for finding in result.findings])
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, result: CheckResult, findings: list[Finding]) -> None:
    case = ET.SubElement(suite, "testcase", classname="netdoc", name=safe(result.check), time="0")
    if result.state is State.FAIL:
        failed = [finding for finding in findings if finding.severity is Severity.FAIL]
        message = "; ".join(f"{finding.code} {finding.message}" for finding in failed[:3])
        ET.SubElement(case, "failure", type=failed[0].code, message=safe(message)).text = _told(failed)
    elif result.state is State.CRASHED:
        ET.SubElement(case, "error", type="crashed", message=safe(result.error))
    elif result.state in SKIPPED:
        why = "; ".join(f"{item.what}: {item.reason}" for item in result.unseen)
        ET.SubElement(case, "skipped", message=safe(why))
    others = [finding for finding in findings if result.state is not State.FAIL or finding.severity is not Severity.FAIL]
    if others:
        ET.SubElement(case, "system-out").text = _told(others)


def _told(findings: Iterable[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        why = f" (explained by {finding.explained_by})" if finding.explained_by else ""
        lines += [f"{finding.severity} {finding.code} {finding.subject}: {finding.message}{why}"]
        lines += [f"fix ({finding.risk}): {finding.fix}", *finding.commands]
    return "\n".join(map(safe, lines))
