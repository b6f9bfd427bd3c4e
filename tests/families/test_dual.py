# SPDX-License-Identifier: Apache-2.0
"""netdoc where pods, nodes and Services have IPv4 and IPv6: every path in both, and a family that is dead is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.support.faults import causes, found, looked_at_all


def exchanges(netdoc: Netdoc, path: Path) -> list[dict[str, Any]]:
    """What a run measured."""
    assert netdoc("collect", str(path)).returncode == 0
    recorded: list[dict[str, Any]] = json.loads(path.read_text())["exchanges"]
    return recorded


def test_healthy_is_silent_in_both_families(netdoc: Netdoc) -> None:
    for _ in range(3):
        report = netdoc.report()
        assert found(report) == set()
        assert looked_at_all(report), {result["check"]: result["state"] for result in report["results"]}


def test_every_path_is_measured_in_both_families(netdoc: Netdoc, tmp_path: Path) -> None:
    measured = exchanges(netdoc, tmp_path / "bundle.json")
    sixth = [item for item in measured if item["request"].get("family") == "IPv6"]
    assert {item["request"]["type"] for item in sixth} >= {"echo", "path MTU"}
    # One node has a second debug pod; the others have none to ask.
    lost = [item for item in sixth if item["reply"]["type"] == "lost"]
    assert all(item["request"]["to"].get("twin") and not item["reply"]["asked"] for item in lost)
    assert any(item["request"]["to"].get("twin") and item["reply"]["type"] != "lost" for item in sixth)
    connects = [item for item in measured if item["request"]["type"] == "connect" and ":" in item["request"]["to"]["ip"]]
    assert connects
    assert {item["reply"].get("outcome") for item in connects} == {"ok"}


@contextmanager
def no_ipv6_tunnel(lab: Lab) -> Iterator[None]:
    """Drop the VXLAN packets of IPv6 on one node; those of IPv4 pass."""
    rule = ["INPUT", "-p", "udp", "--dport", "8472", "-j", "DROP"]
    command = ["docker", "exec", f"{lab.name}-worker", "ip6tables", "-w", "10"]
    subprocess.run([*command, "-I", *rule], check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run([*command, "-D", *rule], check=True, timeout=60)


def test_a_family_that_is_dead_is_named(netdoc: Netdoc, lab: Lab) -> None:
    with no_ipv6_tunnel(lab):
        report = netdoc.report()
    assert causes(report) == {"PNW012"}
    assert found(netdoc.report()) == set()
