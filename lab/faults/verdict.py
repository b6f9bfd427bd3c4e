# SPDX-License-Identifier: Apache-2.0
"""What a report says of a fault, as data: the one rule by which `make e2e` and `make score` judge.

Right: every expected code stands on its subject, each fault's cause is among the causes named, and no other cause is named
but those that the fault's file accepts. A finding that another one explains is no cause; info is advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lab.faults.model import Fault

ABOVE_INFO = ("fail", "warn")


@dataclass(frozen=True)
class Judged:
    """``missing``: "CODE subject" of what was expected and not said; ``causes``: the codes named, as ordered in the report.

    ``unnamed``: causes of the faults that were not named as causes; ``wrong``: causes named that are none. ``first``: whether
    the causes of the faults stand before all others.
    """

    missing: tuple[str, ...]
    causes: tuple[str, ...]
    unnamed: tuple[str, ...]
    wrong: tuple[str, ...]
    first: bool

    @property
    def right(self) -> bool:
        """Whether there is nothing to object to."""
        return not (self.missing or self.unnamed or self.wrong)


def judge(report: dict[str, Any], faults: Sequence[Fault]) -> Judged:
    """Judge a report's JSON by the files of the faults that the lab had (none: a healthy lab).

    An expected name may be a pattern (a pod of a Deployment); an expected code may be advice.
    """
    seen = {(f["code"], subject(f["subject"])) for f in report["findings"]}
    missing = [
        f"{expected.code} {wanted}"
        for fault in faults
        for expected in fault.expect
        for wanted in (subject(vars(expected.subject)),)
        if not any(code == expected.code and fnmatchcase(name, wanted) for code, name in seen)
    ]
    causes = [f["code"] for f in report["findings"] if f["severity"] in ABOVE_INFO and not f["explained_by"]]
    true = {fault.cause for fault in faults if fault.cause}
    accepted = true | {item.code for fault in faults for item in fault.acceptable}
    return Judged(
        missing=tuple(missing),
        causes=tuple(causes),
        unnamed=tuple(sorted(true - set(causes))),
        wrong=tuple(sorted(set(causes) - accepted)),
        first=true <= set(list(dict.fromkeys(causes))[: len(true)]),
    )


def subject(fields: dict[str, Any]) -> str:
    """One text for a subject, from a report or from a fault's file."""
    return "/".join(filter(None, (fields["kind"], fields.get("namespace"), fields["name"], fields.get("node"))))
