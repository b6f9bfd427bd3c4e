# SPDX-License-Identifier: Apache-2.0
"""Which differences between nodes stand beside a cause: those of the node that it points at, and no others."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import Code, Explains, Finding, NodePath, Risk, Severity, Subject, Tier
from kubectl_netdoc.engine import odd_ones, root_causes
from kubectl_netdoc.testing import Built, make_cluster, make_pod

NODES = ("n1", "n2", "n3")
ADVICE = Code(id="X003", severity=Severity.INFO, risk=Risk.SAFE, title="x", message="{name} alone", fix="x", commands=("true",))
ODD = msgspec.structs.replace(ADVICE, id="X002", odd=True)
CAUSE = Code(id="X001", severity=Severity.FAIL, risk=Risk.SAFE, title="x", message="x", fix="x")
FAILURE = msgspec.structs.replace(CAUSE, id="X004", tells="failure")
EFFECT = msgspec.structs.replace(CAUSE, id="X005")
CODES = {code.id: code for code in (ODD, ADVICE, CAUSE, FAILURE, EFFECT)}


def cause(subject: Subject, code: Code = CAUSE, **evidence: Any) -> Finding:
    return code.on(subject, evidence)


def beside(found: Finding, *objects: Built, others: tuple[Finding, ...] = ()) -> list[str]:
    """Return what is told beside a finding where n1 and n3 are unlike their peers."""
    cluster = make_cluster(*objects, vantages=NODES, tier=Tier.NODES)
    odd = [ODD.on(Subject("Node", node)) for node in ("n1", "n3")]
    (result, *_) = odd_ones.beside([found, *odd, *others], CODES, cluster)
    return [str(item) for item in result.odd]


def path(one: str, other: str) -> NodePath:
    return NodePath(one, other)


def test_of_a_node_and_of_a_pod_on_it() -> None:
    assert beside(cause(Subject("Node", "n1"))) == ["n1 alone (X002)"]
    assert beside(cause(Subject("Node", "n2"))) == []
    assert beside(cause(Subject("Service", "web", "shop", "n3"))) == ["n3 alone (X002)"]
    pod = make_pod("web", node="n3")
    assert beside(cause(Subject("Pod", "web", "shop"), nodes=["n1", "n2"]), pod) == ["n3 alone (X002)"]


def test_of_the_node_at_an_end_of_every_path() -> None:
    pair = Subject("NodePair", "x")
    assert beside(cause(pair, paths=[path("n1", "n2"), path("n3", "n1")])) == ["n1 alone (X002)"]
    assert beside(cause(pair, paths=[path("n1", "n2"), path("n2", "n3")])) == []
    assert beside(cause(pair, paths=[path("n1", "n3")])) == ["n1 alone (X002)", "n3 alone (X002)"]


def test_nothing_of_a_cause_that_every_node_sees() -> None:
    assert beside(cause(Subject("Service", "web", "shop"), nodes=list(NODES))) == []
    assert beside(cause(Subject("Service", "web", "shop"), nodes=["n1", "n2"])) == ["n1 alone (X002)"]


def test_effects_and_advice_get_none_and_advice_of_another_kind_is_none() -> None:
    assert beside(msgspec.structs.replace(cause(Subject("Node", "n1")), explained_by="y")) == []
    assert beside(cause(Subject("Node", "n1"), ADVICE)) == []
    assert beside(cause(Subject("Node", "n2")), others=(ADVICE.on(Subject("Node", "n2")),)) == []


def test_commands_come_along() -> None:
    cluster = make_cluster()
    (result, _) = odd_ones.beside([cause(Subject("Node", "n1")), ODD.on(Subject("Node", "n1"))], CODES, cluster)
    assert [item.commands for item in result.odd] == [("true",)]


def test_where_nothing_is_odd_nothing_changes() -> None:
    found = (cause(Subject("Node", "n1")),)
    assert odd_ones.beside(found, CODES, make_cluster()) == found


def blamed(*findings: Finding, suspects: int = 1) -> dict[str, str]:
    """Return by failure's code what explains it, where n1 is unlike its peers in so many things."""
    codes = CODES | {"X004": msgspec.structs.replace(FAILURE, explains=(Explains(("X005",), "node"),))}
    odd = ODD.on(Subject("Node", "n1"), suspects=[f"rule {number}" for number in range(suspects)])
    linked = root_causes.link([*findings, odd], codes)
    found = odd_ones.blamed(linked, codes, make_cluster(vantages=NODES, tier=Tier.NODES))
    assert sorted(finding.id for finding in found) == sorted(finding.id for finding in linked)
    return {finding.code: finding.explained_by for finding in found if finding.explained_by}


def failure(subject: Subject, **evidence: Any) -> Finding:
    return cause(subject, FAILURE, **evidence)


def test_a_failure_that_nothing_explains_is_blamed_on_the_difference_of_its_node() -> None:
    n1 = Subject("Node", "n1")
    assert blamed(failure(n1)) == {"X004": "X002:Node:n1"}
    assert blamed(failure(Subject("NodePair", "x"), paths=[path("n1", "n2")])) == {"X004": "X002:Node:n1"}
    assert blamed(failure(n1), cause(n1, EFFECT)) == {"X004": "X002:Node:n1", "X005": "X002:Node:n1"}
    assert blamed(cause(n1)) == {}, "a cause is no failure"
    assert blamed(failure(Subject("Node", "n2"))) == {}
    assert blamed(failure(Subject("Service", "web", "shop"), nodes=["n1", "n2"])) == {}
    assert blamed(failure(n1), suspects=0) == blamed(failure(n1), suspects=odd_ones.FEW + 1) == {}


def test_what_is_blamed_is_as_severe_as_the_failure_and_does_not_stand_beside_itself() -> None:
    odd = ODD.on(Subject("Node", "n1"), suspects=["a rule"])
    cluster = make_cluster(vantages=NODES, tier=Tier.NODES)
    told = odd_ones.blamed(root_causes.link([failure(Subject("Node", "n1")), odd], CODES), CODES, cluster)
    (first, *_) = odd_ones.beside(root_causes.ranked(told, CODES), CODES, cluster)
    assert (first.code, first.severity, first.odd) == ("X002", Severity.FAIL, ())
    assert odd_ones.LIKELY in first.message


def test_what_a_cause_explains_is_blamed_on_nothing_else() -> None:
    n1 = Subject("Node", "n1")
    codes = CODES | {"X001": msgspec.structs.replace(CAUSE, explains=(Explains(("X004",), "node"),))}
    linked = root_causes.link([cause(n1), failure(n1), ODD.on(n1, suspects=["a rule"])], codes)
    found = odd_ones.blamed(linked, codes, make_cluster(vantages=NODES, tier=Tier.NODES))
    assert {finding.code: finding.explained_by for finding in found if finding.explained_by} == {"X004": "X001:Node:n1"}
