# SPDX-License-Identifier: Apache-2.0
"""Every case of every check: exactly these codes on these subjects, and this state."""

from __future__ import annotations

import pytest

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import State
from kubectl_netdoc.testing import Case, outcome, pairs, state
from tests.checks import cases_of, registered

ROWS = [(check, case) for check in registered() for case in cases_of(check.id)]


@pytest.mark.parametrize(("check", "case"), ROWS, ids=[f"{check.id}: {case.name}" for check, case in ROWS])
def test_case(check: Check, case: Case) -> None:
    came = outcome(check, case.cluster, case.measured)
    assert came.error == ""
    assert pairs(came.findings) == case.expect
    severities = {finding.severity for finding in came.findings}
    by_findings = State.FAIL if Severity.FAIL in severities else State.WARN if Severity.WARN in severities else State.PASS
    assert state(came) == (case.state or by_findings)
