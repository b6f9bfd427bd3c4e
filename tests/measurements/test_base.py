# SPDX-License-Identifier: Apache-2.0
"""Outcomes as they stand in sentences, and as reports have them."""

from __future__ import annotations

from kubectl_netdoc.core.finding import Code, Severity, Subject
from kubectl_netdoc.measurements.base import Outcome
from kubectl_netdoc.remediation.commands import Risk

CODE = Code(
    id="XXX001", severity=Severity.FAIL, risk=Risk.SAFE, title="t", message="connections {outcomes}; {one}", fix="Mend it."
)


def test_every_outcome_is_a_verb() -> None:
    assert all(outcome.verb for outcome in Outcome)
    assert Outcome.verbs([Outcome.TIMEOUT, Outcome.REFUSED, Outcome.TIMEOUT]) == "timed out or were refused"


def test_outcomes_are_verbs_in_a_message_and_words_in_its_evidence() -> None:
    found = CODE.on(Subject("Pod", "a"), outcomes=[Outcome.REFUSED, Outcome.TIMEOUT], one=Outcome.REFUSED)
    assert found.message == "connections were refused or timed out; was refused"
    assert found.evidence == {"outcomes": ["refused", "timeout"], "one": "refused"}
