# SPDX-License-Identifier: Apache-2.0
"""Which differences between nodes stand beside a cause: those of the node that it points at, and no others."""

from __future__ import annotations

from typing import Any

import msgspec

from kubectl_netdoc.api import Code, Finding, NodePath, Risk, Severity, Subject, Tier
from kubectl_netdoc.engine import odd_ones
from kubectl_netdoc.testing import Built, make_cluster, make_pod

NODES = ("n1", "n2", "n3")
ADVICE = Code(id="X003", severity=Severity.INFO, risk=Risk.SAFE, title="x", message="{name} alone", fix="x", commands=("true",))
ODD = msgspec.structs.replace(ADVICE, id="X002", odd=True)
CAUSE = Code(id="X001", severity=Severity.FAIL, risk=Risk.SAFE, title="x", message="x", fix="x")
CODES = {code.id: code for code in (ODD, ADVICE, CAUSE)}


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
