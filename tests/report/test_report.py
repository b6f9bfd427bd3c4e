# SPDX-License-Identifier: Apache-2.0
"""The renderers, given the worst that a cluster can hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from html.parser import HTMLParser
from itertools import product
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kubectl_netdoc import report
from kubectl_netdoc.core.evidence import Evidence, NodePath, references
from kubectl_netdoc.core.facts import NOT_SELECTED
from kubectl_netdoc.core.finding import Finding, Grant, Ignored, Odd, Recent, Severity, Subject, Unseen
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.formats.text import safe
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.report import common, markdown, text
from kubectl_netdoc.report.json import schema

EVIL = (
    "\x1b[2J\x1b]0;owned\x07 a\tb\nFAIL X\r\x08\x00\x7f\x9b31m "
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b\u2028\ufeff\U000e0041 日本語 é"
)
LONG = "x" * 253
ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def finding(number: int = 0, text: str = EVIL, severity: Severity = Severity.FAIL, **more: Any) -> Finding:
    """Return a finding with one text in every place that a cluster fills."""
    evidence: Evidence = {"text": f"{text} here", "list": [text] * 9, "none": [], "count": number, "share": 0.5, "why": text}
    subject = Subject("Service", text or "x", text, text)
    words = (subject, text, evidence, text, (f"kubectl {text}",), Risk.NODE, (("kubectl", text),), "check", f"id{number}")
    return Finding(f"T{number:05}", severity, *words, recent=(Recent(number, subject, text),), **more)


def result(state: State, text: str = EVIL, findings: tuple[str, ...] = ()) -> CheckResult:
    """Return a row with that text wherever there is one."""
    unseen = (Unseen(text, text, Grant("list", text, text, text, (text,)), expected=True),)
    return CheckResult(text, text, state, findings, unseen, text if state is State.CRASHED else "")


def nasty(findings: tuple[Finding, ...], text: str = EVIL) -> Report:
    """Return a report of these findings with a text in all its other places."""
    return Report(
        netdoc_report=1,
        tool="0.1.0",
        source=text,
        recorded="2026-01-01T12:00:00+00:00",
        server=text,
        coverage=Coverage(3, (text,), 7, text),
        results=tuple(result(state, text, tuple(f.id for f in findings) if state is State.FAIL else ()) for state in State),
        findings=findings,
        unseen=(Unseen(text, text),),
        ignored=(Ignored("T99999", Severity.FAIL, Subject("Service", text, text), text, text),),
    )


EVERYTHING = nasty(
    (
        finding(0, explains=("id1",)),
        finding(1, explained_by="id0"),
        finding(2, LONG, Severity.WARN),
        finding(3, "日本語" * 80, Severity.INFO),
        finding(4, "\n\n\n", Severity.INFO),
        finding(5, "", Severity.WARN),
    )
)


WHOLE = "text -v"
FORMATS = (*report.FORMATS, WHOLE)


def render(name: str, of: Report = EVERYTHING, *, show: Severity = Severity.INFO, colour: bool = False) -> str:
    """Return a report in a format; ``text -v``: text that leaves nothing out."""
    return report.renderer(name.removesuffix(" -v"), show, colour, whole=name == WHOLE)(of)


def acting(text: str) -> set[str]:
    """Return the characters, line ends apart, that a terminal might act on."""
    return {char for char in set(text) - {"\n"} if unicodedata.category(char) in ACTING}


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_that_acts_on_a_terminal_gets_out(name: str) -> None:
    assert acting(render(name)) == set()


@pytest.mark.parametrize("name", ["text", WHOLE])
def test_colours_are_the_only_escapes(name: str) -> None:
    coloured = render(name, colour=True)
    assert COLOUR.search(coloured)
    assert acting(COLOUR.sub("", coloured)) == set()
    assert COLOUR.sub("", coloured) == render(name)


@pytest.mark.parametrize("name", ["text", WHOLE])
def test_no_line_of_the_text_is_forged(name: str) -> None:
    lines = render(name).splitlines()
    assert not [line for line in lines if line.startswith("FAIL X")]
    assert len([line for line in lines if re.match(r"(FAIL|WARN|info) T\d+ ", line)]) == len(EVERYTHING.causes())


def test_what_can_be_read_stays_as_it_is() -> None:
    for name in FORMATS:
        assert LONG in render(name)
    assert "日本語" in render("text")
    assert "日本語 é" in render("json")


def test_json_is_the_report() -> None:
    assert msgspec.json.decode(render("json"), type=Report) == EVERYTHING


def test_yaml_is_the_report() -> None:
    assert yaml.safe_load(render("yaml")) == json.loads(render("json"))


def test_every_character_outlives_json() -> None:
    every = "".join(chr(number) for number in [*range(0x500), *range(0x2000, 0x2100), 0xFEFF, 0xFFFF, 0x1F600, 0xE0041, 0x10FFFF])
    text = render("json", nasty((finding(0, every),)))
    assert json.loads(text)["findings"][0]["message"] == every
    assert acting(text) == set()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT)
def test_any_text_is_safe_on_one_line_and_safe_again(text: str) -> None:
    assert acting(safe(text)) == set()
    assert "\n" not in safe(text)
    assert safe(safe(text)) == safe(text)


def test_lone_surrogate_is_shown_as_its_code() -> None:
    assert safe("\ud800") == "\\ud800"


@given(TEXT)
def test_any_text_goes_through_every_renderer(text: str) -> None:
    of = nasty((finding(0, text),), text)
    for name in FORMATS:
        assert acting(render(name, of)) == set()
    assert msgspec.json.decode(render("json", of), type=Report) == of
    assert yaml.safe_load(render("yaml", of)) == json.loads(render("json", of))


MANY = 10_000


@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_findings(name: str) -> None:
    cause = finding(0, LONG, explains=tuple(f"id{number}" for number in range(1, MANY // 2)))
    effects = tuple(finding(number, "effect", explained_by="id0") for number in range(1, MANY // 2))
    others = tuple(finding(number, f"cause {number}") for number in range(MANY // 2, MANY))
    lean = tuple(msgspec.structs.replace(found, evidence={"count": 1}) for found in (cause, *effects, *others))
    text = render(name, nasty(lean, "x"))
    assert f"T{MANY - 1:05}" in text or (name == "markdown" and f"and {MANY // 2 + 1 - markdown.MOST} more" in text)
    assert acting(text) == set()


def test_effects_stand_under_their_cause_and_not_beside_it() -> None:
    text = render("text", nasty((finding(0, "cause", explains=("id1",)), finding(1, "effect", explained_by="id0")), "x"))
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("FAIL T00000")]
    assert not [line for line in lines if line.startswith("FAIL T00001")]
    assert [line for line in lines if "T00001" in line]


@pytest.mark.parametrize(("show", "codes"), [("fail", "0"), ("warn", "20"), ("info", "320")])
@pytest.mark.parametrize("name", ["text", WHOLE])
def test_the_worst_comes_last_and_less_severe_findings_are_only_counted(name: str, show: str, codes: str) -> None:
    findings = (finding(0, "x"), finding(2, "x", Severity.WARN), finding(3, "x", Severity.INFO))
    text = render(name, nasty(findings, "x"), show=Severity(show))
    assert re.findall(r"^\w+ T0000(\d)", text, re.M) == list(codes)
    assert "1 info" in text


def test_all_findings_are_in_machine_formats_whatever_is_shown() -> None:
    for name in ("json", "yaml"):
        assert render(name, show=Severity.FAIL) == render(name, show=Severity.INFO)


def test_recent_changes_stand_beside_their_cause_a_line_each() -> None:
    changes = tuple(Recent(seconds, Subject("ConfigMap", "coredns", "kube-system"), "changed by x") for seconds in (9, 180))
    found = msgspec.structs.replace(finding(0, "x"), recent=changes)
    lines = render("text", nasty((found,), "x")).splitlines()
    assert [line for line in lines if line.startswith("  recent: ")] == [f"  recent: {change}" for change in changes]


def test_what_is_unlike_its_peers_stands_beside_its_cause_with_its_commands() -> None:
    odd = Odd("X002", Subject("Node", "n1"), "Node n1 alone has a 1 (2 elsewhere)", ("sysctl -w a=2",))
    report = nasty((msgspec.structs.replace(finding(0, "x"), odd=(odd,)),), "x")
    for name in ("text", WHOLE, "markdown", "html"):
        assert all(part in render(name, report) for part in ("Node n1 alone has a 1", "X002", "sysctl -w a=2"))
    assert json.loads(schema())["$defs"]["Finding"]["properties"]["odd"]["items"] == {"$ref": "#/$defs/Odd"}
    assert json.loads(render("json", report))["findings"][0]["odd"][0]["commands"] == ["sysctl -w a=2"]


def test_recent_changes_are_in_the_schema_and_in_json() -> None:
    defined = json.loads(schema())["$defs"]
    assert defined["Finding"]["properties"]["recent"]["items"] == {"$ref": "#/$defs/Recent"}
    assert {"total", "most", "target", "per_node", "per_target"} <= defined["Load"]["properties"].keys()
    assert json.loads(render("json"))["findings"][1]["recent"][0]["seconds"] == 1


def test_command_is_never_wrapped_for_it_is_to_be_copied() -> None:
    command = "kubectl -n shop patch service web -p " + "'x y' " * 60
    found = msgspec.structs.replace(finding(0, "x"), commands=(command,))
    assert command in render("text", nasty((found,), "x"))


@pytest.mark.parametrize(("width", "limit"), [(40, 80), (80, 80), (100, 100), (500, 120)])
def test_no_line_is_wider_than_the_terminal_but_for_a_single_word_or_a_command(width: int, limit: int) -> None:
    row = CheckResult("node_ports", "日本語 " * 40, State.PASS)
    wide = msgspec.structs.replace(nasty((finding(0, "日本語 網路 故障 " * 40),), "日本語 " * 40), results=(row,))
    for of, whole in product((msgspec.structs.replace(EVERYTHING, results=()), wide), (False, True)):
        for line in text.render(of, Severity.INFO, False, width, whole).splitlines():
            before, _, _ = line.rpartition(" ")
            assert line.startswith("    kubectl ") or cell_len(line) <= limit or cell_len(before) <= limit
    told = [line for line in text.render(wide, Severity.INFO, False, width, True).splitlines() if "kubectl" not in line]
    assert max(map(cell_len, told)) > limit - 8


def test_every_state_has_its_row_and_refusals_their_rule() -> None:
    text = render(WHOLE, nasty((), "name"))
    assert all(label in text for label in ("ok", "WARN", "FAIL", "unknown", "skipped", "CRASHED"))
    assert str(Grant("list", "name", "name", "name", ("name",))) in text


def test_empty_report_is_one_line_of_verdict() -> None:
    empty = Report(1, "0.1.0", "x", "2026-01-01T12:00:00+00:00", "", Coverage(), (), ())
    assert render("text", empty).count("\n") <= 2
    assert json.loads(render("json", empty))["findings"] == []


def test_unknown_format_is_an_error() -> None:
    with pytest.raises(KeyError):
        report.renderer("xml", Severity.WARN, False)


def test_a_flag_is_named_once_for_all_that_it_would_show() -> None:
    unseen = [Unseen(what, f"{NOT_SELECTED[Tier.NODES]}; it would count {what}", not_applicable=True) for what in ("one", "two")]
    results = tuple(CheckResult(item.what, item.what, State.SKIPPED, unseen=(item,)) for item in unseen)
    of = msgspec.structs.replace(EVERYTHING, results=results, findings=(), unseen=())
    assert render(WHOLE, of).count("--node-checks") == 1


def test_markdown_takes_nothing_from_a_cluster_for_a_mark() -> None:
    evil = "**x** <img src=x onerror=y> [a](http://b) @root `c` | d # e ![f](g) https://h &lt; ~~i~~ $j$"
    text = render("markdown", nasty((finding(0, evil),), evil))
    outside = re.sub(r"(?m)^(`{3,})sh\n(.*\n)*?\1$", "", text)
    assert not re.search(r"<(?!/?(details|summary|sub)>)", outside)
    assert not re.search(r"(?<!\\)(\*\*x|\[a|`c|!\[|~~i|\$j)|@root|https?://", outside)
    assert {line.count("|") - line.count("\\|") for line in outside.splitlines() if line.startswith("| text")} == {3}


def test_no_command_ends_the_fence_of_markdown() -> None:
    text = render("markdown", nasty((finding(0, "````\n# owned"),), "x"))
    assert [line for line in text.splitlines() if line.startswith("`")] == ["`````sh", "`````"]


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(render("junit"))
    suite = root.find("testsuite")
    assert suite is not None
    counts = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    assert counts == {"tests": 6, "failures": 1, "errors": 1, "skipped": 2}


def test_sarif_has_a_result_a_finding_and_a_rule_a_code() -> None:
    (run,) = json.loads(render("sarif"))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [result["ruleId"] for result in run["results"]] == [found.code for found in EVERYTHING.findings]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {result["level"] for result in run["results"]} == {"error", "warning", "note"}
    assert run["invocations"][0]["executionSuccessful"] is False


class Page(HTMLParser):
    """What an HTML file holds: tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else self._raw

    def handle_endtag(self, tag: str) -> None:
        self._raw = "" if tag == self._raw else self._raw

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data


def test_html_takes_no_markup_from_a_cluster_and_loads_nothing() -> None:
    evil = "<script>x()</script><img src=http://a onerror=y>\"' style=z {{ 7*7 }} </style></script>"
    clean, dirty = Page(render("html", nasty((finding(0, "x"),), "x"))), Page(render("html", nasty((finding(0, evil),), evil)))
    assert [tag for tag, _ in dirty.tags] == [tag for tag, _ in clean.tags]
    assert evil in dirty.text
    for tag, attributes in dirty.tags:
        assert tag not in ("img", "link", "iframe", "object")
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        assert (attributes.get("href") or "#").startswith("#")


def test_html_allows_its_own_script_alone() -> None:
    page = render("html")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [attributes["content"] for tag, attributes in Page(page).tags if "http-equiv" in attributes]
    assert policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_html_draws_each_path_and_each_vantage() -> None:
    mesh = references(
        {"matrix": [NodePath("a", "b", "1.0 ms", 1.0), NodePath("b", "a", "9.0 ms", 9.0), NodePath("b", "c", "fails")]}
    )
    latency: Evidence = {"p50_ms": 1.0, "p95_ms": 2.0, "max_ms": 4.0, "lost": 0, "sent": 30}
    paths = msgspec.structs.replace(finding(0, "x", Severity.INFO), references=mesh)
    dns = msgspec.structs.replace(
        finding(1, "x", Severity.INFO), check="dns_latency", subject=Subject("Node", "a", node="a"), evidence=latency
    )
    tags = Page(render("html", nasty((paths, dns), "x"))).tags
    cells = [attributes.get("class") for tag, attributes in tags if tag == "td" and "class" in attributes]
    assert [name for name in cells if name and name.startswith(("heat", "broken"))] == ["heat0", "heat4", "broken"]
    assert cells.count("none") == 6
    assert [attributes["width"] for tag, attributes in tags if tag == "rect"] == ["100.0", "50.0", "25.0"]


def test_html_names_what_it_points_to() -> None:
    """Each label, button and heading that a reader's software follows leads to something that is there, once."""
    tags = Page(render("html")).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = [attributes[key] for _, attributes in tags for key in ("data-copy", "aria-labelledby") if key in attributes]
    assert pointed
    assert set(pointed) <= set(ids)
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    assert all(attributes.get("aria-label") for tag, attributes in tags if tag == "button")


def test_evidence_that_only_fills_in_commands_is_not_printed() -> None:
    names = ("dns_space", "dns_service", "dns_config", "dns_pods", "space", "setting", "owner", "object", "speaker")
    found = msgspec.structs.replace(finding(1, "x"), evidence=dict.fromkeys(names, "x") | {"other": "x"})
    assert common.evidence(found) == [("other", "x")]


def test_evidence_is_not_printed_that_the_message_already_holds() -> None:
    found = msgspec.structs.replace(
        finding(text="ok"),
        message="From n1, lookups timed out",
        evidence={"happened": "lookups timed out", "outcome": "timeout", "node": "n1", "other": "lookups were refused"},
    )
    assert common.evidence(found) == [("outcome", "timeout"), ("node", "n1"), ("other", "lookups were refused")]
