# SPDX-License-Identifier: Apache-2.0
"""Causes: which finding explains which, and that none is ever lost."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.core.evidence import NodePath, ObjectRef
from kubectl_netdoc.core.finding import CAME_THROUGH, Code, Explains, Finding, Scope, Severity, Subject
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.root_causes import CLOSENESS, NAMED, link, ranked
from kubectl_netdoc.remediation.commands import Risk

WEB = Subject("Service", "web", "shop")
OTHER = Subject("Service", "other", "shop")
NODE1 = Subject("Node", "n1")
NODE2 = Subject("Node", "n2")


def code(id_: str, *explains: Explains, severity: Severity = Severity.FAIL) -> Code:
    """Return a code that explains others."""
    return Code(id=id_, severity=severity, risk=Risk.SAFE, title=id_, message=id_, fix=id_, explains=explains)


def linked(findings: list[Finding], *codes: Code) -> dict[str, Finding]:
    """Return the findings by id, linked."""
    return {finding.id: finding for finding in link(findings, {entry.id: entry for entry in codes})}


def in_order(findings: list[Finding], *codes: Code) -> tuple[Finding, ...]:
    """Return the findings, linked and ranked."""
    known = {entry.id: entry for entry in codes}
    return ranked(link(findings, known), known)


def explained(findings: list[Finding], *codes: Code) -> dict[str, str]:
    """Return the explained findings with what explains them, each by its code."""
    by_id = linked(findings, *codes)
    return {finding.code: by_id[finding.explained_by].code for finding in by_id.values() if finding.explained_by}


def test_effect_is_linked_both_ways() -> None:
    cause, effect = code("A", Explains(("B",), "cluster")), code("B")
    by_id = linked([effect.on(WEB), cause.on(NODE1)], cause, effect)
    assert by_id["B:Service:shop:web"].explained_by == "A:Node:n1"
    assert by_id["A:Node:n1"].explains == ("B:Service:shop:web",)
    assert by_id["A:Node:n1"].explained_by == ""


def test_code_that_is_not_declared_explains_nothing() -> None:
    cause, other = code("A", Explains(("B",), "cluster")), code("C")
    assert explained([cause.on(WEB), other.on(WEB)], cause, other) == {}


def test_subject_scope_is_the_same_object_from_wherever_it_is_seen() -> None:
    cause, effect = code("A", Explains(("B",), "subject")), code("B")
    seen = Subject("Service", "web", "shop", node="n2")
    assert explained([cause.on(WEB), effect.on(seen)], cause, effect) == {"B": "A"}
    assert explained([cause.on(WEB), effect.on(OTHER)], cause, effect) == {}
    assert explained([cause.on(WEB), effect.on(Subject("Pod", "web", "shop"))], cause, effect) == {}
    assert explained([cause.on(WEB), effect.on(Subject("Service", "web", "bank"))], cause, effect) == {}


def test_node_scope_is_what_is_seen_from_that_node() -> None:
    cause, effect = code("A", Explains(("B",), "node")), code("B")
    for subject in (Subject("Service", "web", "shop", node="n1"), NODE1):
        assert explained([cause.on(NODE1), effect.on(subject)], cause, effect) == {"B": "A"}
    for subject in (Subject("Service", "web", "shop", node="n2"), NODE2, WEB):
        assert explained([cause.on(NODE1), effect.on(subject)], cause, effect) == {}


def test_node_scope_is_what_stands_on_nothing_but_that_node() -> None:
    cause, effect = code("A", Explains(("B",), "node")), code("B")
    assert explained([cause.on(NODE1), effect.on(WEB, nodes=["n1"])], cause, effect) == {"B": "A"}
    assert explained([cause.on(NODE1), effect.on(WEB, nodes=["n1", "n2"])], cause, effect) == {}
    assert explained([cause.on(NODE1), effect.on(WEB, nodes=[])], cause, effect) == {}


def test_path_scope_is_nothing_but_the_paths_of_the_cause() -> None:
    cause, effect = code("A", Explains(("B",), "path")), code("B")
    broken = cause.on(NODE1, paths=[NodePath("n1", "n2"), NodePath("n1", "n3")])
    assert explained([broken, effect.on(WEB, paths=[NodePath("n1", "n3")])], cause, effect) == {"B": "A"}
    assert explained([broken, effect.on(WEB, paths=[NodePath("n1", "n3"), NodePath("n2", "n3")])], cause, effect) == {}
    assert explained([broken, effect.on(WEB)], cause, effect) == {}


def test_services_scope_is_the_services_that_the_cause_names() -> None:
    cause, effect = code("A", Explains(("B",), "services")), code("B")
    down = cause.on(NODE1, services=[ObjectRef("Service", "web", "shop")])
    assert explained([down, effect.on(WEB)], cause, effect) == {"B": "A"}
    assert explained([down, effect.on(OTHER)], cause, effect) == {}
    assert explained([down, effect.on(Subject("Pod", "web", "shop"))], cause, effect) == {}
    assert explained([cause.on(NODE1), effect.on(WEB)], cause, effect) == {}


def test_pods_of_a_foreign_range_explain_that_they_do_not_reach_themselves() -> None:
    """Real codes, as a lab with a second CNI configuration had them while its node's files could not be read."""
    codes = {entry.id: entry for check in registry.load().checks for entry in check.codes}
    hairpin = codes["SVH001"].on(NODE2, nodes="n2", first="n2", timeouts=3, tries=3)
    findings = [codes["PNW011"].on(NODE2, ip="10.99.0.2", ranges="10.0.2.0/24"), hairpin]
    assert {effect.code: effect.explained_by for effect in link(findings, codes)} == {"PNW011": "", "SVH001": "PNW011:Node:n2"}


def test_connections_that_break_when_idle_explain_a_server_whose_watch_of_the_api_has_ended() -> None:
    """Real codes, as the lab had them: the watch of a CoreDNS on the node was idle for longer than the node remembers."""
    codes = {entry.id: entry for check in registry.load().checks for entry in check.codes}
    broken = codes["OVT003"].on(NODE1, what="w", broken=8, idle="16", outcomes="timeout", first="n1", nodes=["n1"])
    behind = codes["DNR005"].on(Subject("Pod", "coredns-1", "kube-system"), known=1, others="1 other", nodes=["n1"])
    assert explained([behind, broken], *codes.values()) == {"DNR005": "OVT003"}


def test_a_node_that_was_cut_off_until_netdocs_pod_came_explains_that_its_dns_server_lags() -> None:
    """Real codes, as the lab had them: the watch of a CoreDNS on the node ended meanwhile."""
    codes = {entry.id: entry for check in registry.load().checks for entry in check.codes}
    lags = codes["DNR005"].on(Subject("Pod", "coredns-1", "kube-system"), known=1, others="1 other", nodes=["n1"])
    for id_ in ("NDN005", "NDN015"):
        ended = codes[id_].on(NODE1, codes_names(codes[id_]), nodes=["n1"])
        assert explained([lags, ended], *codes.values()) == {"DNR005": id_}


def test_large_packets_that_are_lost_explain_large_dns_answers_that_are() -> None:
    """Real codes, as the lab had them: what the node's pods send to others is lost, the answers of its DNS server too."""
    codes = {entry.id: entry for check in registry.load().checks for entry in check.codes}
    loss = codes["PTQ005"].on(NODE1, codes_names(codes["PTQ005"]), nodes=["n1"], paths=[NodePath("n1", "n2")])
    answers = codes["DTR001"].on(Subject("Cluster", "large DNS answers", node="n2"), codes_names(codes["DTR001"]), nodes=["n2"])
    assert explained([answers, loss], *codes.values()) == {"DTR001": "PTQ005"}


def test_an_outage_that_comes_and_goes_explains_what_a_single_look_saw_of_it() -> None:
    """Real codes, as the lab had them: lookups through a Service were lost while one of its two servers was out."""
    codes = {entry.id: entry for check in registry.load().checks for entry in check.codes}
    names = {"what": "w", "gaps": 2, "seconds": 24, "out": 3, "failed": 24, "tried": 96, "when": "5 s", "every": 4}
    paths, dns = [NodePath("n1", "n2")], Subject("Service", "kube-dns", "kube-system")
    out = codes["OVT001"].on(NODE2, names, nodes=["n1"], paths=paths, services=[dns])
    lost = codes["DNL005"].on(dns, codes_names(codes["DNL005"]))
    path = codes["PNW003"].on(Subject("NodePair", "n1--n2"), codes_names(codes["PNW003"]), paths=paths)
    same = codes["SVR013"].on(NODE2, codes_names(codes["SVR013"]), nodes=["n2"])
    assert explained([lost, path, same, out], *codes.values()) == dict.fromkeys(("DNL005", "PNW003", "SVR013"), "OVT001")


def codes_names(entry: Code) -> dict[str, str]:
    """Something for each name in a code's texts."""
    texts = (entry.message, entry.fix, *entry.commands)
    return {name: "n1" for text in texts for name in re.findall(r"{(\w+)", text)}


def test_chain_goes_to_its_root() -> None:
    first, second, third = code("A", Explains(("B",), "cluster")), code("B", Explains(("C",), "cluster")), code("C")
    for order in ([first, second, third], [third, second, first], [second, third, first], [second, first, third]):
        by_id = linked([entry.on(WEB) for entry in order], first, second, third)
        root = by_id["A:Service:shop:web"]
        assert set(root.explains) == {"B:Service:shop:web", "C:Service:shop:web"}
        assert {finding.explained_by for finding in by_id.values()} == {"", root.id}


def test_circle_keeps_one_cause_and_loses_nothing() -> None:
    first, second = code("A", Explains(("B",), "cluster")), code("B", Explains(("A",), "cluster"))
    assert explained([first.on(WEB), second.on(WEB)], first, second) == {"B": "A"}
    assert explained([second.on(WEB), first.on(WEB)], first, second) == {"B": "A"}


def test_code_that_explains_itself_does_so_for_other_subjects_only() -> None:
    own = code("A", Explains(("A",), "cluster"))
    by_id = linked([own.on(WEB), own.on(OTHER)], own)
    assert {name: finding.explained_by for name, finding in by_id.items()} == {
        "A:Service:shop:other": "",
        "A:Service:shop:web": "A:Service:shop:other",
    }


def test_the_closest_of_several_causes_has_the_effect_whatever_the_order() -> None:
    effect = code("E")
    causes = {scope: code(f"A{number}", Explains(("E",), scope)) for number, scope in enumerate(reversed(CLOSENESS))}
    evidence = {"nodes": ["n1"], "paths": [NodePath("n1", "n2")], "services": [ObjectRef("Service", "web", "shop")]}
    left = [cause.on(WEB, evidence, objects=[WEB]) for cause in causes.values()]
    for scope in CLOSENESS:
        for findings in ([effect.on(WEB, evidence), *left], [*reversed(left), effect.on(WEB, evidence)]):
            assert explained(findings, effect, *causes.values()) == {"E": causes[scope].id}
        left = [finding for finding in left if finding.code != causes[scope].id]


def test_of_two_equally_close_causes_the_worse_has_the_effect() -> None:
    mild, bad = code("A", Explains(("E",), "node"), severity=Severity.WARN), code("B", Explains(("E",), "node"))
    effect = code("E")
    assert explained([mild.on(NODE1), bad.on(NODE1), effect.on(NODE1)], mild, bad, effect) == {"E": "B"}


def test_of_two_alike_the_earlier_in_the_chain_has_the_effect() -> None:
    late, early = code("A", Explains(("E",), "node")), code("B", Explains(("E", "A"), "node"))
    effect = code("E")
    by_id = linked([late.on(NODE1), early.on(NODE1), effect.on(NODE1)], late, early, effect)
    assert {finding.code: finding.explained_by for finding in by_id.values()} == {"A": "B:Node:n1", "B": "", "E": "B:Node:n1"}


def test_what_only_hurts_does_not_explain_what_is_broken_elsewhere() -> None:
    mild, effect = code("A", Explains(("B",), "cluster"), severity=Severity.WARN), code("B")
    assert explained([mild.on(NODE1), effect.on(WEB)], mild, effect) == {}
    slight = code("B", severity=Severity.WARN)
    assert explained([mild.on(NODE1), slight.on(WEB)], mild, slight) == {"B": "A"}


def test_an_outcome_that_the_cause_can_not_have_is_no_effect() -> None:
    loss, effect = code("A", Explains(("B",), "cluster", CAME_THROUGH)), code("B")
    assert explained([loss.on(NODE1), effect.on(WEB, outcomes=["timeout"])], loss, effect) == {"B": "A"}
    for outcomes in (["refused"], ["refused", "timeout"], "refused"):
        assert explained([loss.on(NODE1), effect.on(WEB, outcomes=outcomes)], loss, effect) == {}


def test_a_cause_is_as_severe_as_the_worst_of_its_group() -> None:
    mild, bad = code("A", Explains(("B", "C"), "node"), severity=Severity.WARN), code("B")
    slight = code("C", severity=Severity.WARN)
    findings = in_order([slight.on(NODE1), mild.on(NODE1), bad.on(NODE1)], mild, bad, slight)
    assert [(finding.code, finding.severity) for finding in findings] == [
        ("A", Severity.FAIL),
        ("B", Severity.FAIL),
        ("C", Severity.WARN),
    ]
    assert findings[0].explains == ("B:Node:n1", "C:Node:n1")


@pytest.mark.parametrize("scope", [scope for scope in CLOSENESS if scope not in NAMED])
def test_advice_brings_nothing_about_beyond_what_it_names(scope: Scope) -> None:
    advice, effect = code("A", Explains(("B",), scope), severity=Severity.INFO), code("B")
    there = {"nodes": ["n1"], "paths": [NodePath("n1", "n2")]}
    assert explained([advice.on(WEB, there), effect.on(WEB, there)], advice, effect) == {}


def test_advice_explains_what_has_gone_wrong_with_an_object_that_it_names() -> None:
    advice, effect = code("A", Explains(("B",), "objects"), severity=Severity.INFO), code("B")
    found = [advice.on(OTHER, objects=[WEB]), effect.on(WEB)]
    assert explained(found, advice, effect) == {"B": "A"}
    assert in_order(found, advice, effect)[0].severity is Severity.FAIL


def test_advice_explains_no_advice() -> None:
    advice, other = code("A", Explains(("B",), "subject"), severity=Severity.INFO), code("B", severity=Severity.INFO)
    assert explained([advice.on(WEB), other.on(WEB)], advice, other) == {}


def test_no_advice_declares_what_it_can_not_explain() -> None:
    advice = [entry for _, entry in registry.load().codes.values() if entry.severity is Severity.INFO]
    assert [entry.id for entry in advice if any(explains.scope not in NAMED for explains in entry.explains)] == []


def test_causes_come_first_then_the_worst_then_those_with_most_effects() -> None:
    warn, mild = code("W", severity=Severity.WARN), code("I", severity=Severity.INFO)
    small, large = code("S", Explains(("E",), "subject")), code("Z", Explains(("F",), "cluster"))
    one, two = code("E"), code("F")
    findings = [mild.on(WEB), warn.on(WEB), one.on(WEB), small.on(WEB), two.on(WEB), two.on(OTHER), large.on(WEB)]
    order = [finding.code for finding in in_order(findings, warn, mild, small, large, one, two)]
    assert order[:4] == ["Z", "S", "W", "I"]
    assert sorted(order[4:]) == ["E", "F", "F"]


def test_what_tells_more_of_a_trouble_comes_before_what_tells_less_of_it() -> None:
    failure = msgspec.structs.replace(code("A"), tells="failure")
    place, cause = msgspec.structs.replace(code("B"), tells="place"), code("C")
    here = [failure.on(NODE1), place.on(NODE1), cause.on(NODE1)]
    assert [finding.code for finding in in_order(here, failure, place, cause)] == ["C", "B", "A"]
    seen = failure.on(WEB, paths=[NodePath("n1", "n2")])
    assert [finding.code for finding in in_order([seen, cause.on(NODE2)], failure, cause)] == ["C", "A"]
    assert [finding.code for finding in in_order([failure.on(NODE1), cause.on(NODE2)], failure, cause)] == ["A", "C"]
    mild = msgspec.structs.replace(cause, severity=Severity.WARN)
    assert [finding.code for finding in in_order([failure.on(NODE1), mild.on(NODE1)], failure, mild)] == ["A", "C"]


def test_same_condition_twice_has_two_ids() -> None:
    twice = code("A")
    assert list(linked([twice.on(WEB), twice.on(WEB)], twice)) == ["A:Service:shop:web", "A:Service:shop:web#2"]


def test_ids_tell_nodes_apart() -> None:
    seen = code("A")
    assert len(linked([seen.on(Subject("Service", "web", "shop", node=node)) for node in ("n1", "n2")], seen)) == 2


NAMES = st.sampled_from("ABCDE")
CODES = st.fixed_dictionaries(
    {
        name: st.builds(
            lambda severity, explains, name=name: code(name, *explains, severity=severity),
            st.sampled_from(Severity),
            st.lists(
                st.builds(Explains, st.lists(NAMES, max_size=3).map(tuple), st.sampled_from(["cluster", "subject", "node"])),
                max_size=2,
            ),
        )
        for name in "ABCDE"
    }
)
FOUND = st.lists(st.tuples(NAMES, st.sampled_from([WEB, OTHER, NODE1, NODE2])), max_size=12)


@given(CODES, FOUND)
def test_whatever_explains_what_every_finding_is_there_and_effects_hang_on_causes(
    codes: dict[str, Code], found: list[tuple[str, Subject]]
) -> None:
    findings = in_order([codes[name].on(subject) for name, subject in found], *codes.values())
    by_id = {finding.id: finding for finding in findings}
    assert sorted((f.code, f.subject) for f in findings) == sorted(found)
    assert len(by_id) == len(found)
    for finding in findings:
        if finding.explained_by:
            assert by_id[finding.explained_by].explained_by == ""
            assert finding.id in by_id[finding.explained_by].explains
            assert finding.explains == ()
        assert all(by_id[effect].explained_by == finding.id for effect in finding.explains)
        assert not (finding.explains and finding.severity is Severity.INFO)
        group = {finding.severity} | {by_id[effect].severity for effect in finding.explains}
        assert finding.severity is min(group, key=list(Severity).index)
    assert [bool(f.explained_by) for f in findings] == sorted(bool(f.explained_by) for f in findings)


def test_what_explains_a_failure_explains_where_its_packets_end_at_the_same_place() -> None:
    """A followed packet ends somewhere (TRC013) for the reason that another check names (SRL006), and is no cause beside it."""
    codes = {name: known for name, (_, known) in registry.load().codes.items()}

    def roots(*named: tuple[str, Subject]) -> set[str]:
        found = [msgspec.structs.replace(code("X").on(subject, nodes=[subject.name]), code=name) for name, subject in named]
        return {finding.code for finding in link(found, codes) if not finding.explained_by}

    assert roots(("SRL006", NODE1), ("TRC013", NODE1)) == {"SRL006"}
    assert roots(("SRL006", NODE1), ("TRC013", NODE2)) == {"SRL006", "TRC013"}
    assert roots(("NRT001", NODE1), ("TRC004", NODE1), ("SVR001", NODE1)) == {"NRT001"}
    assert roots(("NDT001", NODE1), ("TRC016", NODE1)) == {"NDT001"}
    assert roots(("SRL006", NODE1), ("TRC018", NODE1)) == {"SRL006", "TRC018"}, "a rule that let them by is a cause of its own"
    assert roots(("SVR002", NODE1), ("TRC011", NODE1)) == {"TRC011"}, "not what the trace itself explains"
