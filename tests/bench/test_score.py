# SPDX-License-Identifier: Apache-2.0
"""The judge of `make e2e` and `make score`, and the figures that are made of its verdicts."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from bench import bounds, score, store
from bench.matrix import Verdict, scenes
from kubectl_netdoc.engine import registry
from lab.faults import model
from lab.faults.verdict import judge

SERVICE = {"kind": "Service", "namespace": "shop", "name": "web"}
FAULT = model.Fault(
    name="a",
    row="K2",
    title="a",
    tier="api",
    inject=(),
    symptom=None,
    restore=(),
    injected=model.Settle(),
    restored=model.Settle(),
    cause="SVC001",
    expect=(model.Expected("SVC001", model.Subject(**SERVICE)),),
    acceptable=(model.Acceptable("ENF001", "it is flannel"),),
)
OTHER = model.Fault(**{**vars(FAULT), "name": "b", "cause": "DNC001", "expect": (), "acceptable": ()})


def finding(code: str, severity: str = "fail", explained_by: str = "", **subject: str) -> dict[str, Any]:
    """A finding as the JSON report has it."""
    return {"code": code, "severity": severity, "explained_by": explained_by, "subject": SERVICE | subject}


ROWS = [
    ("right", (FAULT,), [finding("SVC001")], ((), (), (), True)),
    ("an effect is no cause", (FAULT,), [finding("SVC001"), finding("SVR006", explained_by="x")], ((), (), (), True)),
    ("advice is no cause", (FAULT,), [finding("SVC001"), finding("PLC001", "info")], ((), (), (), True)),
    ("accepted", (FAULT,), [finding("SVC001"), finding("ENF001")], ((), (), (), True)),
    ("not first", (FAULT,), [finding("ENF001"), finding("SVC001")], ((), (), (), False)),
    ("wrong beside it", (FAULT,), [finding("SVC001"), finding("DNL001")], ((), (), ("DNL001",), True)),
    ("missed", (FAULT,), [], (("SVC001 Service/shop/web",), ("SVC001",), (), False)),
    ("another subject", (FAULT,), [finding("SVC001", name="db")], (("SVC001 Service/shop/web",), (), (), True)),
    (
        "taken for an effect",
        (FAULT,),
        [finding("DNC001"), finding("SVC001", explained_by="x")],
        ((), ("SVC001",), ("DNC001",), False),
    ),
    ("a pair", (FAULT, OTHER), [finding("DNC001"), finding("SVC001")], ((), (), (), True)),
    ("one of a pair", (FAULT, OTHER), [finding("SVC001")], ((), ("DNC001",), (), False)),
    ("a third cause first", (FAULT, OTHER), [finding("X"), finding("DNC001"), finding("SVC001")], ((), (), ("X",), False)),
    ("healthy", (), [finding("PLC001", "info")], ((), (), (), True)),
    ("false alarm", (), [finding("DNL005", "warn")], ((), (), ("DNL005",), True)),
]


@pytest.mark.parametrize(("faults", "findings", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_one_rule_judges(
    faults: tuple[model.Fault, ...],
    findings: list[dict[str, Any]],
    expected: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bool],
) -> None:
    judged = judge({"findings": findings}, faults)
    assert (judged.missing, judged.unnamed, judged.wrong, judged.first) == expected
    assert judged.right == (not any(expected[:3]))


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    """Against the closed form for no hit, 1 - 0.05^(1/n), and a published value: 2 of 20, one-sided 95 % -> 0.2826."""
    for tries in (1, 20, 300):
        assert bounds.at_most(0, tries) == pytest.approx(1 - 0.05 ** (1 / tries), abs=1e-6)
    assert bounds.at_most(2, 20) == pytest.approx(0.2826, abs=2e-4)
    assert bounds.at_most(20, 20) == 1.0


def verdict(kind: str = "fault", **more: Any) -> Verdict:
    return Verdict(name="x", kind=kind, commit="c", when="2026-11-25 00:00", seconds=more.pop("seconds", 5.0), right=True, **more)


def test_figures() -> None:
    told = score.Score(
        [
            verdict(),
            verdict(missing=("A b",), first=False, seconds=9.0),
            verdict(unnamed=("A",), wrong=("B", "C"), after=("D e",), left=1),
            verdict("healthy", causes=("E",)),
        ]
    )
    assert (told.recalled, told.first, told.wrong, told.healthy) == (1, 2, 2, (2, 5))
    assert dict(told.rows())["objects left behind"] == "1"


def test_every_verdict_is_of_something_that_is_there_and_the_page_has_a_line_for_each() -> None:
    names = {scene.name for scene in scenes()}
    stored = {path.stem for folder in ("netdoc", "first") for path in (store.VERDICTS / folder).glob("*.json")}
    assert stored <= names
    page = score.page()
    assert {name for name in names if f"`{name}`" not in page} == set()
    assert not re.findall(r"\{\w+\}", page.replace("{first}", ""))


def test_a_verdict_survives_its_file() -> None:
    told = verdict(missing=("A b",))
    assert msgspec.json.decode(msgspec.json.encode(told), type=Verdict) == told


def test_a_fault_expects_codes_that_there_are() -> None:
    codes = registry.load().codes
    for scene in scenes():
        for fault in scene.faults:
            named = {fault.cause, *(item.code for item in fault.expect), *(item.code for item in fault.acceptable)} - {""}
            assert named <= codes.keys(), fault.name
            assert len(fault.acceptable) <= model.MOST_ACCEPTABLE
