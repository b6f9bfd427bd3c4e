# SPDX-License-Identifier: Apache-2.0
"""Bundles recorded on the real lab, analysed again: the same verdicts as on the day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.engine import registry
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.sources import bundle
from lab.faults.model import load
from tests.support.faults import found, judge, looked_at_all

ROOT = Path(__file__).parents[2]
BUNDLES = sorted((ROOT / "tests" / "bundles").glob("*.json"))


def analysed(path: Path) -> dict[str, Any]:
    known = registry.load()
    report = run(bundle.load(path.read_bytes(), path.name), known, known.checks).report
    built: dict[str, Any] = msgspec.to_builtins(report)
    return built


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_a_recorded_fault_gets_its_verdict(path: Path) -> None:
    note = json.loads(path.read_text())["note"]
    assert note.keys() == {"fault", "lab", "command"}
    report = analysed(path)
    assert "crashed" not in {result["state"] for result in report["results"]}
    if note["fault"] == "none":
        assert found(report) == set()
        assert looked_at_all(report)
    else:
        judge(report, load(note["fault"]))


LOST = Lost("the exec ended early")


@pytest.mark.parametrize("how", ["no pod started", "every reply is lost", "nothing came back"])
def test_what_was_not_measured_is_no_fault(how: str) -> None:
    """A rule about all measurements holds for none as well: no check may conclude anything from that."""
    whole = bundle.load((ROOT / "tests" / "bundles" / "healthy.json").read_bytes(), "healthy.json")
    kept = whole.bundle
    if how == "no pod started":
        down = tuple(msgspec.structs.replace(pod, running=False, reason="ImagePull") for pod in kept.debug_pods)
        kept = msgspec.structs.replace(kept, debug_pods=down, host_pods=(), exchanges=())
    elif how == "every reply is lost":
        lost = tuple(msgspec.structs.replace(each, reply=LOST) for each in kept.exchanges)
        kept = msgspec.structs.replace(kept, exchanges=lost)
    else:
        kept = msgspec.structs.replace(kept, exchanges=())
    known = registry.load()
    report = run(bundle.BundleSource(kept), known, known.checks).report
    assert {code for code, _ in found(msgspec.to_builtins(report))} <= {
        "POD001",
        "POD002",
        "POD003",
        "POD004",
        "POD005",
        "POD006",
    }


def test_a_healthy_and_a_broken_cluster_are_among_the_bundles() -> None:
    assert {"healthy", "coredns-zero"} <= {path.stem for path in BUNDLES}


def test_the_demo_is_one_of_the_recorded_bundles() -> None:
    demo = ROOT / "demo" / "kube-proxy-hung.json"
    assert demo.read_bytes() == (ROOT / "tests" / "bundles" / "kube-proxy-hung.json").read_bytes()


def test_the_demo_command() -> None:
    command = [sys.executable, "-m", "kubectl_netdoc", "check", "--from", "demo/kube-proxy-hung.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "\n\nFAIL SVR001  On netdoc-worker" in done.stdout
