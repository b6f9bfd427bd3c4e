# SPDX-License-Identifier: Apache-2.0
"""The report as JUnit XML, one test case per check, for CI systems.

``fail`` is a failure; ``warn`` is printed in the case's output, because a run with warnings passes (``--fail-on``); a check that
could not look is skipped, one that crashed is an error. The elements are those of the schema of Jenkins' xUnit plugin
(junit-10.xsd).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from xml.etree import ElementTree as ET

from kubectl_netdoc.core.finding import Finding, Severity
from kubectl_netdoc.core.report import CheckResult, Report, State
from kubectl_netdoc.formats.text import safe

SKIPPED = (State.SKIPPED, State.UNKNOWN)


COUNTED = ("tests", "failures", "errors")


def render(report: Report) -> str:
    """Return the report as JUnit XML."""
    return document([suite(report)], report.seconds)


def document(suites: Collection[ET.Element], seconds: float) -> str:
    """Return test suites as JUnit XML, with their sums."""
    sums = {name: str(sum(int(each.get(name, "0")) for each in suites)) for name in COUNTED}
    root = ET.Element("testsuites", {"name": "kubectl netdoc", "time": f"{seconds:.3f}", **sums})
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def suite(report: Report) -> ET.Element:
    """Return the test suite of a report."""
    by_id = {finding.id: finding for finding in report.findings}
    states = [result.state for result in report.results]
    numbers = {"tests": len(states), "failures": states.count(State.FAIL), "errors": states.count(State.CRASHED)}
    suite = ET.Element("testsuite", {"name": safe(report.source) or "netdoc", "time": f"{report.seconds:.3f}"})
    for key, number in numbers.items():
        suite.set(key, str(number))
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
    return suite


def unreached(name: str, why: str) -> ET.Element:
    """Return the test suite of a cluster that has no report."""
    suite = ET.Element(
        "testsuite", {"name": safe(name), "time": "0", "tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    )
    case = ET.SubElement(suite, "testcase", classname="netdoc", name="reach the cluster", time="0")
    ET.SubElement(case, "error", type="unreached", message=safe(why))
    return suite


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
