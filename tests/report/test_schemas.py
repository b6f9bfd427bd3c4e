# SPDX-License-Identifier: Apache-2.0
"""What machines read keeps to its schema: JSON to ours, SARIF and JUnit to what their readers document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import xmlschema
import yaml

from kubectl_netdoc import report
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.report import REPORT_VERSION, Report, State
from kubectl_netdoc.core.threshold import ThresholdSet
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.report.json import schema
from kubectl_netdoc.sources import bundle
from tests.report.test_report import EVERYTHING, nasty, result

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
PUBLISHED = ROOT / "docs" / "report.schema.json"
SET = (ThresholdSet("check", "slow_ms", 1.0, 2.0, "ms", "\x1b--threshold"),)


def recorded(path: Path) -> Report:
    """The report of a bundle."""
    known = registry.load()
    return run.run(bundle.load(path.read_bytes(), path.name), known, known.checks).report


REPORTS = {
    "healthy": recorded(ROOT / "tests" / "bundles" / "healthy.json"),
    "broken": recorded(ROOT / "demo" / "kube-proxy-hung.json"),
    "nasty": msgspec.structs.replace(EVERYTHING, thresholds=SET),
    "empty": msgspec.structs.replace(nasty(()), results=(), unseen=(), ignored=()),
    "crashed": msgspec.structs.replace(nasty(()), results=(result(State.CRASHED),)),
}


def render(name: str, of: str) -> str:
    return report.renderer(name, Severity.INFO, False)(REPORTS[of])


def validator(document: Any) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


@pytest.mark.parametrize("of", REPORTS)
def test_json_and_yaml_keep_to_the_published_schema(of: str) -> None:
    told = json.loads(render("json", of))
    validator(json.loads(schema())).validate(told)
    assert yaml.safe_load(render("yaml", of)) == told


def test_the_published_schema_is_the_one_of_this_version() -> None:
    """Made by: kubectl netdoc schema > docs/report.schema.json"""
    assert PUBLISHED.read_text() == schema()
    assert json.loads(schema())["$id"].endswith(f":{REPORT_VERSION}")


def test_the_published_schema_refuses_what_is_no_report() -> None:
    told = json.loads(render("json", "broken"))
    told["findings"][0]["severity"] = "awful"
    with pytest.raises(jsonschema.ValidationError):
        validator(json.loads(schema())).validate(told)


@pytest.mark.parametrize("of", REPORTS)
def test_sarif(of: str) -> None:
    told = json.loads(render("sarif", of))
    validator(json.loads((SCHEMAS / "sarif.json").read_text())).validate(told)
    (log,) = told["runs"]
    rules = [rule["id"] for rule in log["tool"]["driver"]["rules"]]
    assert [rules[found["ruleIndex"]] for found in log["results"]] == [found["ruleId"] for found in log["results"]]
    assert len(log["results"]) == len(REPORTS[of].findings)


@pytest.mark.parametrize("of", REPORTS)
def test_junit(of: str) -> None:
    told = render("junit", of)
    xmlschema.XMLSchema(SCHEMAS / "junit.xsd").validate(told)
    states = [row.state for row in REPORTS[of].results]
    assert (told.count("<testcase "), told.count("<failure "), told.count("<error ")) == (
        len(states),
        states.count(State.FAIL),
        states.count(State.CRASHED),
    )
