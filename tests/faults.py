"""What a fault of lab/faults is expected to bring about, judged from a report's JSON."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from lab.faults.model import Fault

ABOVE_INFO = ("fail", "warn")


def found(report: dict[str, Any]) -> set[tuple[str, str]]:
    """(code, subject) of all findings above info."""
    return {(f["code"], subject(f["subject"])) for f in report["findings"] if f["severity"] in ABOVE_INFO}


def causes(report: dict[str, Any]) -> set[str]:
    """Codes of the findings above info that nothing else explains."""
    return {f["code"] for f in report["findings"] if f["severity"] in ABOVE_INFO and not f["explained_by"]}


def subject(fields: dict[str, Any]) -> str:
    """One text for a subject, from a report or from a fault's file."""
    return "/".join(filter(None, (fields["kind"], fields.get("namespace"), fields["name"], fields.get("node"))))


def looked_at_all(report: dict[str, Any]) -> bool:
    """Whether every check passed, but those that the cluster has nothing for and those that were not asked for."""
    return all(
        r["state"] == "pass" or (r["state"] == "skipped" and all(u.get("moot") for u in r["unseen"])) for r in report["results"]
    )


def judge(report: dict[str, Any], fault: Fault) -> None:
    """Assert that the report has what the fault's file expects, names its cause, and no cause but what is true beside it.

    An expected name may be a pattern (a pod of a Deployment); an expected code may be advice.
    """
    seen = {(f["code"], subject(f["subject"])) for f in report["findings"]}
    for expected in fault.expect:
        wanted = subject(vars(expected.subject))
        assert any(code == expected.code and fnmatchcase(name, wanted) for code, name in seen), (expected, sorted(seen))
    assert causes(report) == ({fault.cause, *fault.beside} if fault.cause else set())
