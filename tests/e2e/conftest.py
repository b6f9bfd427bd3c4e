# SPDX-License-Identifier: Apache-2.0
"""The lab of `make e2e`: NETDOC_LAB is its kubeconfig. Only tests in this folder use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.faults.runner import Lab

DEADLINE = 120
IMAGE = os.environ.get("NETDOC_IMAGE", "docker.io/lab/base:1")


@dataclass(frozen=True)
class Netdoc:
    """Runs netdoc through kubectl, as a user does."""

    lab: Lab

    def __call__(self, *args: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", "netdoc", *args], env=self.environment(kubeconfig), capture_output=True, text=True, timeout=DEADLINE
        )

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """The environment of a user of the lab: the virtual environment's kubectl, the lab's kubeconfig."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return os.environ | {"KUBECONFIG": str(kubeconfig or self.lab.kubeconfig), "NETDOC_IMAGE": IMAGE, "PATH": path}

    def report(self, *args: str, kubeconfig: Path | None = None) -> dict[str, Any]:
        """The JSON report of a check."""
        done = self("check", "-o", "json", *args, kubeconfig=kubeconfig)
        assert done.stdout, f"exit code {done.returncode}: {done.stderr}"
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def namespaces(self) -> set[str]:
        """Namespaces of ours that are still there and not on their way out."""
        listed = json.loads(
            self.lab.kubectl("get", "namespaces", "-l", "app.kubernetes.io/managed-by=kubectl-netdoc", "-o", "json")
        )
        return {item["metadata"]["name"] for item in listed["items"] if "deletionTimestamp" not in item["metadata"]}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def lab() -> Lab:
    if "NETDOC_LAB" not in os.environ:
        pytest.skip("no lab: run make e2e")
    kubeconfig = Path(os.environ["NETDOC_LAB"])
    return Lab(kubeconfig, kubeconfig.stem)


@pytest.fixture(scope="session")
def netdoc(lab: Lab) -> Netdoc:
    return Netdoc(lab)
