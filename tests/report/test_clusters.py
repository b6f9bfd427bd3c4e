# SPDX-License-Identifier: Apache-2.0
"""Several clusters in every format: what machines read keeps to its schema, and nothing of a cluster acts on a terminal."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
import xmlschema
import yaml

from kubectl_netdoc import report
from kubectl_netdoc.core.finding import Severity
from kubectl_netdoc.core.fleet import ClusterReport, Fleet
from kubectl_netdoc.core.report import State
from kubectl_netdoc.report.json import schema
from tests.report.test_report import ACTING, EVERYTHING, EVIL, nasty

SCHEMAS = Path(__file__).parent / "schemas"
PUBLISHED = Path(__file__).parents[2] / "docs" / "clusters.schema.json"
FORMATS = [name for name in report.FORMATS if name != "html"]
FLEET = Fleet(
    1,
    "0.1.0",
    "2026-01-01T12:00:00+00:00",
    (
        ClusterReport.of(f"bad {EVIL}", EVERYTHING),
        ClusterReport(f"gone {EVIL}", State.UNKNOWN, error=EVIL),
        ClusterReport.of("quiet", msgspec.structs.replace(nasty(()), results=())),
    ),
)


def render(name: str, whole: bool = False) -> str:
    return report.renderer_of_clusters(name, Severity.WARN, False, whole=whole)(FLEET)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_that_acts_on_a_terminal_gets_out(name: str, whole: bool) -> None:
    acting = {char for char in render(name, whole) if unicodedata.category(char) in ACTING}
    assert acting <= {"\n"}


def test_json_and_yaml_keep_to_the_published_schema() -> None:
    """Made by: kubectl netdoc schema clusters > docs/clusters.schema.json"""
    assert PUBLISHED.read_text() == schema("clusters")
    told = json.loads(render("json"))
    jsonschema.Draft202012Validator(json.loads(schema("clusters"))).validate(told)
    assert yaml.safe_load(render("yaml")) == told
    assert [row["context"] for row in told["clusters"]] == [row.context for row in FLEET.clusters]


def test_a_report_of_one_cluster_is_none_of_several() -> None:
    told = json.loads(report.renderer("json", Severity.INFO, False)(EVERYTHING))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(schema("clusters"))).validate(told)


def test_sarif_has_a_run_a_cluster() -> None:
    told = json.loads(render("sarif"))
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "sarif.json").read_text())).validate(told)
    assert [run["invocations"][0]["executionSuccessful"] for run in told["runs"]] == [False, False, True]
    assert len({run["automationDetails"]["id"] for run in told["runs"]}) == 3


def test_junit_has_a_suite_a_cluster() -> None:
    told = render("junit")
    xmlschema.XMLSchema(SCHEMAS / "junit.xsd").validate(told)
    root = ElementTree.fromstring(told)
    suites = root.findall("testsuite")
    assert [suite.get("errors") for suite in suites] == ["1", "1", "0"]
    assert root.get("tests") == str(sum(len(suite.findall("testcase")) for suite in suites))


def test_a_row_counts_causes_and_names_the_worst() -> None:
    bad, gone, quiet = FLEET.clusters
    assert (bad.state, bad.fail, bad.warn, bad.worst and bad.worst.id) == (State.CRASHED, 1, 2, "id0")
    assert (gone.worst, quiet.worst) == (None, None)
