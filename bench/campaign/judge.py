# SPDX-License-Identifier: Apache-2.0
"""The judge: reads a mutation and a report, and nothing else; it knows no code and no check of netdoc's.

A cause is a finding above ``info`` that no other one explains; the top cause is the first of them in the report's order.

- **exact**: the top cause names the mutated object or node *and* what was changed there (a word of each group of the mutation's
  marks; also in what is printed below the cause of that object or node: its recent changes, and how it differs from its peers),
  and its fix or its commands name one of the two;
- **localised**: the top cause names the mutated object or node, or what it carries (a workload's Service); where all nodes were
  changed alike and none can be named: it comes from a check of the right layer;
- **could not tell**: no cause, and the report (or the line that came instead of one) says that something could not be looked at;
- **silent**: no cause, and nothing of that kind said;
- **wrong**: another top cause.

Of a pair both must be named by the first two causes: the worse verdict of the two counts. A benign mutation is **silent**,
**latent** (each cause names the mutated place and what was changed: the trap is really there) or an **alarm**.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from bench.campaign.mutation import Mutation, Place

EXACT, LOCALISED, UNTOLD, SILENT, WRONG = "exact", "localised", "could not tell", "silent", "wrong"
LATENT, ALARM = "latent", "alarm"
ORDER = (EXACT, LOCALISED, UNTOLD, SILENT, WRONG)
ABOVE_INFO = ("fail", "warn")
POD_SUFFIX = {"Deployment": "-[a-z0-9]{6,10}-[a-z0-9]{5}", "DaemonSet": "-[a-z0-9]{5}", "StatefulSet": r"-\d+"}
UNSEEN_STATES = ("unknown", "crashed")


class Judgement(Struct, frozen=True):
    """What became of one report. ``causes``: "severity CODE subject"; ``beside``: how many of them are of another place."""

    verdict: str
    causes: tuple[str, ...] = ()
    beside: int = 0
    worst: str = ""
    """The worst severity named."""


def judge(mutation: Mutation, report: dict[str, Any] | None, symptomatic: bool, layers: Mapping[str, str]) -> Judgement:
    """Judge a report; None: netdoc ended with one line that says why it can't look. ``layers``: the folder of each check."""
    found = causes(report) if report else []
    said = tuple(f"{f['severity']} {f['code']} {_subject(f)}" for f in found)
    worst = "fail" if any(f["severity"] == "fail" for f in found) else "warn" if found else ""
    parts = mutation.parts or (mutation,)
    if not symptomatic:
        true = [f for f in found if any(_exact(part, f) for part in parts)]
        verdict = SILENT if not found else LATENT if len(true) == len(found) else ALARM
        return Judgement(verdict, said, len(found) - len(true), worst)
    if not found:
        return Judgement(UNTOLD if report is None or _untold(report) else SILENT, said)
    beside = sum(all(_of_one(part, f, layers) == WRONG for part in parts) for f in found)
    return Judgement(max((_best(part, found[: len(parts)], layers) for part in parts), key=ORDER.index), said, beside, worst)


def causes(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The causes that a report names, in its order."""
    return [f for f in report["findings"] if f["severity"] in ABOVE_INFO and not f["explained_by"]]


def _best(mutation: Mutation, found: Sequence[dict[str, Any]], layers: Mapping[str, str]) -> str:
    """The best verdict of some causes."""
    return min((_of_one(mutation, cause, layers) for cause in found), key=ORDER.index)


def _of_one(mutation: Mutation, cause: dict[str, Any], layers: Mapping[str, str]) -> str:
    if _exact(mutation, cause):
        return EXACT
    if any(names(place, cause) for place in (*mutation.places, *mutation.near)):
        return LOCALISED
    return LOCALISED if layers.get(cause["check"], "") in mutation.layers else WRONG


def _exact(mutation: Mutation, cause: dict[str, Any]) -> bool:
    here = any(names(place, cause) for place in mutation.places)
    leads = " ".join([cause["fix"], *cause["commands"]])
    led = any(_mentions(place, leads) for place in mutation.places) or any(
        _word(mark, leads) for group in mutation.marks for mark in group
    )
    told = text(cause) + _below(mutation, cause)
    return here and led and all(any(_word(mark, told) for mark in group) for group in mutation.marks)


def _below(mutation: Mutation, cause: dict[str, Any]) -> str:
    """What is printed below a cause of the mutated places: recent changes and differences, the names of fields one by one."""
    lines = (f"{_subject(item)} {item['what']}" for item in (*cause.get("recent", ()), *cause.get("odd", ())))
    here = [line for line in lines if any(_mentions(place, line.replace("/", " ")) for place in mutation.places)]
    return " ".join(["", *(re.sub(r"[.\[\]]+", " ", line) for line in here), *here])


def names(place: Place, cause: dict[str, Any]) -> bool:
    """Whether a cause is about a place: by its subject, or by what it shows as evidence."""
    subject = cause["subject"]
    if place.kind == "Node":
        return place.name in (subject["name"], subject.get("node")) or _word(place.name, text(cause))
    same = subject["name"] == place.name and subject.get("namespace", "") == place.namespace
    return same or _mentions(place, text(cause))


def _mentions(place: Place, words: str) -> bool:
    if place.kind == "Node" or not place.namespace:
        return _word(place.name, words)
    return _word(place.namespace, words) and (_word(place.name, words) or _pod_of(place, words))


def _pod_of(place: Place, words: str) -> bool:
    """Whether a pod of a workload is named."""
    suffix = POD_SUFFIX.get(place.kind)
    return suffix is not None and re.search(rf"(?<![\w.-]){re.escape(place.name)}{suffix}(?![\w-]|\.\w)", words) is not None


def text(cause: dict[str, Any]) -> str:
    """All that a cause says."""
    return " ".join(
        [_subject(cause), cause["message"], json.dumps(cause["evidence"], ensure_ascii=False), cause["fix"], *cause["commands"]]
    )


def _word(word: str, words: str) -> bool:
    """Whether a word stands there, or a pod of a workload that it names."""
    suffix = "|".join(POD_SUFFIX.values())
    ends = rf"({suffix})?(?![\w-]|\.\w)"
    return bool(word) and re.search(rf"(?<![\w.-]){re.escape(word)}{ends}", words, re.IGNORECASE) is not None


def _untold(report: dict[str, Any]) -> bool:
    return bool(report["unseen"]) or any(result["state"] in UNSEEN_STATES for result in report["results"])


def _subject(cause: dict[str, Any]) -> str:
    """The subject of a finding, or of a line below it."""
    subject = cause["subject"]
    return "/".join(filter(None, (subject["kind"], subject.get("namespace"), subject["name"], subject.get("node"))))
