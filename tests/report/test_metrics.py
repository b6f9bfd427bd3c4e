# SPDX-License-Identifier: Apache-2.0
"""What Prometheus scrapes: parsed by its own library and its own tool, with numbers of the report and no names of objects."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine import registry, run
from kubectl_netdoc.report import metrics
from kubectl_netdoc.report.metrics import Result, Seen
from kubectl_netdoc.sources import bundle
from tests.report.test_report import EVERYTHING

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def recorded(path: Path) -> Report:
    known = registry.load()
    return run.run(bundle.load(path.read_bytes(), path.name), known, known.checks).report


BROKEN = recorded(ROOT / "demo" / "kube-proxy-hung.json")


def seen(report: Report | None = BROKEN, **more: object) -> Seen:
    return Seen("0.1.0", Counter({Result.SUCCESS: 2}), Result.SUCCESS, report, 1767268800.5, **more)  # type: ignore[arg-type]


def values(of: Seen) -> Values:
    families = text_string_to_metric_families(metrics.render(of))
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_the_numbers_are_those_of_the_report() -> None:
    found = values(seen())
    causes = BROKEN.causes()
    for severity in ("fail", "warn", "info"):
        assert found["netdoc_findings", (("severity", severity),)] == sum(cause.severity == severity for cause in causes)
    assert found["netdoc_findings_by_code", (("code", "SVR001"), ("severity", "fail"))] == 1
    assert sum(value for (name, _), value in found.items() if name == "netdoc_checks") == len(BROKEN.results)
    assert found["netdoc_last_success_timestamp_seconds", ()] == 1767268800.5
    assert found["netdoc_measured_nodes_ratio", ()] == 1
    assert 0 < found["netdoc_dns_lookup_p50_seconds", ()] <= found["netdoc_dns_lookup_most_seconds", ()] < 10


def test_before_the_first_report_there_are_no_numbers_of_one() -> None:
    found = values(Seen("0.1.0", Counter({Result.ERROR: 3}), Result.ERROR))
    assert found["netdoc_runs_total", (("result", "error"),)] == 3
    assert found["netdoc_last_run_success", ()] == 0
    assert {name for name, _ in found}.isdisjoint({"netdoc_findings", "netdoc_last_success_timestamp_seconds"})


def test_no_label_has_the_name_of_an_object_and_their_number_is_bounded() -> None:
    known = set(registry.load().codes)
    bounded = {"severity": {"fail", "warn", "info"}, "code": known, "version": {"0.1.0"}}
    bounded |= {"result": {str(each) for each in Result}, "state": {"pass", "warn", "fail", "unknown", "skipped", "crashed"}}
    for name, labels in values(seen()):
        for label, value in labels:
            assert value in bounded[label], (name, label)


def test_names_keep_to_the_conventions() -> None:
    families = list(text_string_to_metric_families(metrics.render(seen(waiting=3))))
    assert all(re.fullmatch(r"netdoc_[a-z0-9_]+", family.name) and family.documentation for family in families)
    units = ("_seconds", "_ratio", "_info", "_success", "findings", "by_code", "checks", "nodes", "objects", "waiting")
    assert all(family.name.endswith(units) for family in families if family.type == "gauge")
    lines = metrics.render(seen()).splitlines()
    assert all(f"{family.name}_total" in " ".join(lines) for family in families if family.type == "counter")


def test_nothing_of_a_cluster_breaks_the_page() -> None:
    assert values(seen(EVERYTHING))
    assert len(list(text_string_to_metric_families(metrics.render(Seen('0.1\n"\\x'))))) > 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian: prometheus) is not here")
@pytest.mark.parametrize("report", [BROKEN, None], ids=["broken", "none"])
def test_promtool_finds_nothing_to_say(report: Report | None) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics.render(seen(report)), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# What deploy/ does with them


def used(text: str) -> set[str]:
    return set(re.findall(r"\bnetdoc_[a-z0-9_]+", text))


@pytest.mark.parametrize("file", ["alerts.yaml", "dashboard.json"])
def test_alerts_and_dashboard_use_metrics_that_there_are(file: str) -> None:
    there = {name for name, _ in values(seen())}
    text = (DEPLOY / file).read_text()
    assert used(text)
    assert used(text) <= there
    if file.endswith(".json"):
        assert json.loads(text)["panels"]
