# SPDX-License-Identifier: Apache-2.0
"""What a report says above info, and what is asserted of it under a fault."""

from __future__ import annotations

from typing import Any

from lab.faults import verdict
from lab.faults.model import Fault
from lab.faults.verdict import ABOVE_INFO, subject

__all__ = ["ABOVE_INFO", "causes", "found", "judge", "looked_at_all"]


def found(report: dict[str, Any]) -> set[tuple[str, str]]:
    """(code, subject) of all findings above info."""
    return {(f["code"], subject(f["subject"])) for f in report["findings"] if f["severity"] in ABOVE_INFO}


def causes(report: dict[str, Any]) -> set[str]:
    """Codes of the findings above info that nothing else explains."""
    return set(verdict.judge(report, ()).causes)


def looked_at_all(report: dict[str, Any]) -> bool:
    """Whether every check passed, but those that the cluster has nothing for and those that were not asked for."""
    return all(
        r["state"] == "pass" or (r["state"] == "skipped" and all(u.get("moot") for u in r["unseen"])) for r in report["results"]
    )


def judge(report: dict[str, Any], *faults: Fault) -> None:
    """Assert that the report is right about the lab with these faults."""
    judged = verdict.judge(report, faults)
    assert judged.right, (judged, sorted(found(report)))
