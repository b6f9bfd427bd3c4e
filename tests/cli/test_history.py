# SPDX-License-Identifier: Apache-2.0
"""``check --keep`` and ``history``: from runs to what they say together."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kubectl_netdoc.report.json import schema
from tests.support.commandline import Netdoc, complaint, in_process, process
from tests.support.kubeconfigs import FakeApi, kubeconfig, kubeconfig_of_several, thing

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo" / "kube-proxy-hung.json"
SERVICES = "/api/v1/services"
BROKEN = {"items": [thing("web", "shop", spec={"selector": {"app": "wbe"}, "ports": [{"port": 80}]})]}
ONE_CHECK = ("check", "service_config", "--no-pods")


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return in_process(monkeypatch, capsys)


def test_what_a_run_found_is_what_its_kept_report_tells(netdoc: Netdoc, tmp_path: Path) -> None:
    run = netdoc("check", "--from", DEMO, "-o", "json", "--keep", tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.read_text() == run.out
    told = json.loads(netdoc("history", tmp_path / "kept", "-o", "json").out)
    causes = {f["code"] for f in json.loads(run.out)["findings"] if not f["explained_by"] and f["severity"] != "info"}
    (series,) = told["series"]
    assert {span["condition"]["code"] for span in series["spans"] if span["explained_by"] is None} == causes
    assert any(span["changes"] for span in series["spans"])


def test_json_and_yaml_keep_to_the_published_schema(netdoc: Netdoc, tmp_path: Path) -> None:
    """Made by: kubectl netdoc schema history > docs/history.schema.json"""
    assert (ROOT / "docs" / "history.schema.json").read_text() == schema("history") == netdoc("schema", "history").out
    netdoc("check", "--from", DEMO, "--keep", tmp_path / "kept")
    told = json.loads(netdoc("history", tmp_path / "kept", "-o", "json").out)
    jsonschema.Draft202012Validator(json.loads(schema("history"))).validate(told)
    read = yaml.safe_load(netdoc("history", tmp_path / "kept", "-o", "yaml").out)
    assert read["series"][0]["looks"] == told["series"][0]["looks"]


def test_only_codes_that_are_asked_for(netdoc: Netdoc, tmp_path: Path) -> None:
    netdoc("check", "--from", DEMO, "--keep", tmp_path / "kept")
    spans = [
        json.loads(netdoc("history", tmp_path / "kept", *codes, "-o", "json").out)["series"][0]["spans"]
        for codes in ((), ("SVR001",))
    ]
    assert len(spans[0]) > len(spans[1]) == 1
    assert "SVR001" in complaint(netdoc("history", tmp_path / "kept", "SVR0001"), 2)


def test_a_live_run_is_kept_and_so_is_each_cluster(netdoc: Netdoc, api: FakeApi, tmp_path: Path) -> None:
    api.answer(SERVICES, BROKEN, {"items": []})
    kept = tmp_path / "kept"
    run = (*ONE_CHECK, "--keep", kept, "--kubeconfig")
    assert netdoc(*run, kubeconfig(tmp_path, api.url)).code == 0
    assert process(*run, kubeconfig_of_several(tmp_path, a=api.url, b=api.url), "--all-contexts").code == 0
    told = json.loads(netdoc("history", kept, "-o", "json").out)
    assert {one["source"]: len(one["spans"]) for one in told["series"]} == {"context lab": 1, "context a": 0, "context b": 0}


def test_a_report_that_can_not_be_kept_is_printed_all_the_same(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = netdoc("check", "--from", DEMO, "-o", "json", "--keep", tmp_path / "file")
    assert (done.code, done.err.count("\n"), "netdoc_report" in done.out) == (1, 1, True)


@pytest.mark.parametrize(
    "arguments", [("history",), ("history", "/nowhere"), ("history", "."), ("check", "--keep-last", "0")], ids=" ".join
)
def test_what_can_not_be_meant_is_one_line(
    netdoc: Netdoc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    complaint(netdoc(*arguments), 2)
