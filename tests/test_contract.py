# SPDX-License-Identifier: Apache-2.0
"""The contract of every registered check, and of the contract itself: each rule rejects a check broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from kubectl_netdoc import contract
from kubectl_netdoc.api import (
    NODE,
    POD,
    Check,
    Code,
    DnsLookup,
    Facts,
    Finding,
    Made,
    Needs,
    ResolvConfNameserver,
    Risk,
    Severity,
    Subject,
    Threshold,
    Unseen,
)
from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.engine import registry
from kubectl_netdoc.report import check_pages
from kubectl_netdoc.testing import Case, make_cluster, make_node, make_pod
from tests.checks import CHECKS, cases_of, registered, source_of


@pytest.mark.parametrize("check", registered(), ids=lambda check: check.id)
def test_every_check_keeps_the_contract(check: Check) -> None:
    assert contract.violations(check, cases_of(check.id), source_of(check.id)) == []


def test_every_file_is_a_check_of_that_name() -> None:
    assert {check.id for check in registered()} == {path.stem for path in CHECKS.glob("*/*") if path.stem[0] != "_"}
    assert registry.load().broken == ()


def test_codes_and_prefixes_are_unique_and_none_is_retired() -> None:
    codes = [code.id for check in registered() for code in check.codes]
    assert len(codes) == len(set(codes))
    assert len({check.prefix for check in registered()}) == len(registered())
    assert not registry.RETIRED & set(codes)


def test_what_a_code_explains_exists_and_does_not_run_in_a_circle() -> None:
    codes = {name: code for name, (_, code) in registry.load().codes.items()}
    edges = {name: set(code.effects) for name, code in codes.items()}
    assert set().union(*edges.values()) <= codes.keys()
    # What tells a place stands on both sides of what ends there: a trace may lead from one finding to another's cause.
    localising = {name for name, code in codes.items() if code.tells == "place"}
    edges = {name: effects - localising for name, effects in edges.items() if name not in localising}
    assert all(name not in _reachable(name, edges) for name in edges)


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = set(edges[start])
    while todo:
        step = todo.pop()
        seen.add(step)
        todo |= edges[step] - seen
    return seen


def test_explain_has_a_page_for_every_check_and_code() -> None:
    known = registry.load()
    for name in (*known.codes, *(check.id for check in known.checks), *check_pages.MACHINERY):
        assert name in check_pages.page(known, name.lower())


GOOD_CODE = Code(
    id="GOO001", severity=Severity.FAIL, risk=Risk.SAFE, title="Bad node", message="Node {name}: {reason}", fix="Mend {name}."
)
PAGE = "\n".join(f"{section}\nsome words about it\n" for section in contract.SECTIONS)


def _analyse(facts: Facts) -> Iterator[Finding | Unseen]:
    for node in facts.cluster.all(NODE):
        if node.spec.unschedulable:
            yield GOOD_CODE.on(Subject("Node", node.name), reason="cordoned")


def _plan(cluster: Cluster) -> Iterator[DnsLookup]:
    yield DnsLookup("n1", ResolvConfNameserver(), "example.")


GOOD = Check(
    id="good",
    title="All is well",
    prefix="GOO",
    needs=Needs(kinds=(NODE,), makes=(Made.PODS,)),
    codes=(GOOD_CODE,),
    analyse=_analyse,
    plan=_plan,
    doc=PAGE,
)
CASES = [Case("healthy", make_cluster(make_node())), Case("bad", make_cluster(make_node(unschedulable=True)))]
PODS = Case("bad, with pods", make_cluster(make_node(unschedulable=True), make_pod("web-1", labels={"app": "shop"})))
SOURCE = "from kubectl_netdoc.api import Check\n"
_toggle = iter(range(1_000_000))


def _threshold(**more: Any) -> Threshold:
    return Threshold(**{"name": "slow", "default": 1.0, "unit": "s", "source": "a book", **more})


def _with(**changes: object) -> Check:
    return msgspec.structs.replace(GOOD, **changes)


def _crashing(facts: Facts) -> Iterator[Finding | Unseen]:
    raise ZeroDivisionError


def _always(facts: Facts) -> Iterator[Finding | Unseen]:
    facts.cluster.all(NODE)
    yield GOOD_CODE.on(Subject("Node", "n1"), reason="x")


def _bare(facts: Facts) -> Iterator[Finding | Unseen]:
    for finding in _analyse(facts):
        assert isinstance(finding, Finding)
        yield msgspec.structs.replace(finding, evidence={})


def _commands(*commands: str) -> Check:
    """The good check, whose code prints these."""

    def analyse(facts: Facts) -> Iterator[Finding | Unseen]:
        for finding in _analyse(facts):
            assert isinstance(finding, Finding)
            yield msgspec.structs.replace(finding, commands=commands)

    return _with(analyse=analyse)


def _moody(cluster: Cluster) -> Iterator[DnsLookup]:
    yield DnsLookup(f"n{next(_toggle)}", ResolvConfNameserver(), "example.")


LONG = "def f():\n" + "    x = 1\n" * 45
OTHER = msgspec.structs.replace(GOOD_CODE, id="GOO002")
BROKEN: list[tuple[Callable[..., object], Check, Sequence[Case], str]] = [
    (contract.named_like_its_file, _with(id="Not-A-Name"), CASES, SOURCE),
    (contract.documented, _with(doc="One line."), CASES, SOURCE),
    (contract.codes_well_formed, _with(prefix="BAD"), CASES, SOURCE),
    (contract.codes_well_formed, _with(codes=(msgspec.structs.replace(GOOD_CODE, fix=""),)), CASES, SOURCE),
    (contract.thresholds_well_formed, _with(thresholds=(_threshold(name="Slow"),)), CASES, SOURCE),
    (contract.thresholds_well_formed, _with(thresholds=(_threshold(), _threshold())), CASES, SOURCE),
    (contract.thresholds_well_formed, _with(thresholds=(_threshold(source=""),)), CASES, SOURCE),
    (contract.thresholds_well_formed, _with(thresholds=(_threshold(most=0.5),)), CASES, SOURCE),
    (contract.needs_are_known, _with(needs=Needs(kinds=(NODE, NODE))), CASES, SOURCE),
    (contract.needs_are_touched, _with(needs=Needs(kinds=(NODE, POD))), CASES, SOURCE),
    (contract.makes_what_it_declares, _with(needs=Needs(kinds=(NODE,))), CASES, SOURCE),
    (contract.makes_what_it_declares, _with(needs=Needs(kinds=(NODE,), makes=(Made.PODS, Made.SERVICES))), CASES, SOURCE),
    (contract.cases_do_not_crash, _with(needs=Needs(kinds=(POD,))), CASES, SOURCE),
    (contract.every_code_is_produced, _with(codes=(GOOD_CODE, OTHER)), CASES, SOURCE),
    (contract.every_code_is_produced, _with(codes=()), CASES, SOURCE),
    (contract.evidence_fits, _with(analyse=_bare), CASES, SOURCE),
    (contract.commands_can_be_pasted, _commands("kubectl get nodes -o jsonpath={.items[*].metadata.name}"), CASES, SOURCE),
    (contract.commands_can_be_pasted, _commands("kubectl describe node 'n1"), CASES, SOURCE),
    (contract.commands_can_be_pasted, _commands("kubectl describe node NODE"), CASES, SOURCE),
    (contract.commands_can_be_pasted, _commands("rm -rf /"), CASES, SOURCE),
    (contract.selectors_match, _commands("kubectl get pods -A -l app=web,tier"), [*CASES, PODS], SOURCE),
    (contract.risk_is_told, _commands("kubectl get nodes", "kubectl -n shop delete pod web-1"), CASES, SOURCE),
    (contract.healthy_is_silent, _with(analyse=_always), CASES, SOURCE),
    (contract.empty_facts_are_survived, _with(analyse=_crashing), CASES, SOURCE),
    (contract.plan_is_pure, _with(plan=_moody), CASES, SOURCE),
    (contract.imports_nothing_banned, GOOD, CASES, "import socket\n"),
    (contract.imports_nothing_banned, GOOD, CASES, "from kubernetes.client import ApiClient\n"),
    (contract.stands_on_the_public_rooms, GOOD, CASES, "from kubectl_netdoc.core.finding import Code\n"),
    (contract.stands_on_the_public_rooms, GOOD, CASES, "from kubectl_netdoc import engine\n"),
    (contract.small, GOOD, CASES, LONG),
]


def test_a_good_check_passes_the_contract() -> None:
    assert contract.violations(GOOD, CASES, SOURCE) == []


@pytest.mark.parametrize(("rule", "check", "cases", "source"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
def test_each_rule_rejects_a_broken_check(rule: Callable[..., object], check: Check, cases: Sequence[Case], source: str) -> None:
    assert any(problem.startswith(rule.__name__) for problem in contract.violations(check, cases, source))


def test_every_rule_is_tested() -> None:
    assert {rule.__name__ for rule in contract.RULES} == {row[0].__name__ for row in BROKEN}
