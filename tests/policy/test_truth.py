# SPDX-License-Identifier: Apache-2.0
"""Hand-worked verdicts, put to every evaluator."""

from __future__ import annotations

import pytest
import yaml

from tests.policy.evaluators import EVALUATORS, Evaluator
from tests.policy.naive import Side
from tests.policy.truth import BASE, ROWS, Row


def names(side: Side) -> str:
    """Return a side as a row has it."""
    return ("+" if side.allowed else "-") + ",".join(sorted(name for _, _, name in side.by))


@pytest.mark.parametrize("evaluator", EVALUATORS.values(), ids=list(EVALUATORS))
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(row: Row, evaluator: Evaluator) -> None:
    objects = [*yaml.safe_load(BASE), *row.objects]
    verdict = evaluator(objects, **row.question())
    assert (names(verdict.egress), names(verdict.ingress)) == (row.egress, row.ingress), row.why


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
