# SPDX-License-Identifier: Apache-2.0
"""Thresholds: each one that a check declares counts, is explained, and can be set in no way that would silently do nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kubectl_netdoc.core.check import Check
from kubectl_netdoc.core.threshold import Threshold
from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.settings import BadSetting, Settings, from_file, from_flags
from kubectl_netdoc.report import check_pages
from kubectl_netdoc.testing import outcome, pairs
from tests.checks import cases_of, registered
from tests.engine.test_suppressions import TODAY

KNOWN = registry.load()
EVERY = [(check, item) for check in registered() for item in check.thresholds]
BUNDLE = str(Path(__file__).parents[1] / "bundles" / "healthy.json")


@pytest.mark.parametrize(("check", "item"), EVERY, ids=[f"{check.id}.{item.name}" for check, item in EVERY])
def test_a_threshold_decides_what_is_said(check: Check, item: Threshold) -> None:
    """Of at least one case, another is said at one of the threshold's ends, and the same at its default."""
    ends = (item.least, min(item.most, 1e9))
    moved = 0
    for case in cases_of(check.id):
        said = [
            pairs(outcome(check, case.cluster, case.measured, {item.name: value}).findings) for value in (item.default, *ends)
        ]
        assert said[0] == case.expect
        moved += any(other != case.expect for other in said[1:])
    assert moved


@pytest.mark.parametrize(("check", "item"), EVERY, ids=[f"{check.id}.{item.name}" for check, item in EVERY])
def test_a_threshold_is_explained(check: Check, item: Threshold) -> None:
    assert f"{item.name} = {item.default:g} {item.unit}" in check_pages.page(KNOWN, check.id)


def values(settings: Settings) -> dict[tuple[str, str], float]:
    return {(item.check, item.name): item.value for item in settings.thresholds}


def test_a_flag_counts_before_the_file() -> None:
    file = from_file("thresholds: {dns_latency: {slow_ms: 100, lost_percent: 5}}", "f", KNOWN, TODAY)
    both = from_flags([], ["dns_latency.slow_ms=80"], KNOWN).over(file)
    assert values(both) == {("dns_latency", "slow_ms"): 80.0, ("dns_latency", "lost_percent"): 5.0}


@pytest.mark.parametrize(
    "flag",
    [
        *(
            "dns_latency.slow_ms",
            "dns_latency.slow_ms=",
            "dns_latency.slow_ms=fast",
            "dns_latency.slow_ms=nan",
            "dns_latency.slow_ms=inf",
            "slow_ms=1",
        ),
        *("dns_latency.slow_m=1", "dns_latenc.slow_ms=1", "dns_latency.lost_percent=101", "dns_latency.slow_ms=-1", "=1", "."),
        *("dns_config.slow_ms=1", ""),
    ],
)
def test_what_can_not_be_meant_is_one_line(flag: str) -> None:
    with pytest.raises(BadSetting) as error:
        from_flags([], [flag], KNOWN)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        *("thresholds: 1", "thresholds: {dns_latency: 1}", "thresholds: {dns_latency: {slow_ms: fast}}"),
        *(
            "thresholds: {dns_latency: {slow: 1}}",
            "thresholds: {dns: {slow_ms: 1}}",
            "thresholds: {path_quality: {slower_times: 0}}",
        ),
    ],
)
def test_nor_can_a_file(content: str) -> None:
    with pytest.raises(BadSetting) as error:
        from_file(content, "f", KNOWN, TODAY)
    assert len(str(error.value).splitlines()) == 1


def check(*args: str, cwd: Path, output: str = "json") -> subprocess.CompletedProcess[str]:
    command = ["kubectl-netdoc", "check", "dns_latency", "--from", BUNDLE, "-o", output, *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_a_threshold_makes_the_difference_and_is_told(tmp_path: Path) -> None:
    assert check(cwd=tmp_path).returncode == 0
    (tmp_path / ".netdoc.yaml").write_text("thresholds: {dns_latency: {slow_ms: 0.001}}")
    report = json.loads(check("--fail-on", "warn", cwd=tmp_path).stdout)
    assert {finding["code"] for finding in report["findings"] if finding["severity"] != "info"} == {"DNL004"}
    assert [(item["check"], item["name"], item["value"], item["by"]) for item in report["thresholds"]] == [
        ("dns_latency", "slow_ms", 0.001, ".netdoc.yaml")
    ]
    wrong = check("--threshold", "dns_latency.slow=1", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout, len(wrong.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("output", ["text", "json", "yaml", "markdown", "junit", "sarif", "html"])
def test_every_format_tells_what_was_set(output: str, tmp_path: Path) -> None:
    """Text counts it, and names it with -v."""
    told = check("--threshold", "dns_latency.slow_ms=987654", "-v", cwd=tmp_path, output=output)
    assert told.returncode == 0
    assert "987654" in told.stdout
