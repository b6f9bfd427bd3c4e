# SPDX-License-Identifier: Apache-2.0
"""Which cluster lab/lab means by KUBERNETES. Nothing is built or started: no cluster is needed for these answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

LAB = Path(__file__).parents[2] / "lab"
LONGEST = 30


def lab(home: Path, version: str | None, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("KUBERNETES", "NETWORK")}
    environment |= {"LAB_HOME": str(home)} | ({"KUBERNETES": version} if version is not None else {})
    return subprocess.run(
        [LAB / "lab", "kubeconfig", *more], env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [(None, "netdoc"), ("", "netdoc"), ("1.34", "netdoc"), *((f"1.{n}", f"k8s-1-{n}") for n in (31, 32, 33, 35, 36))],
)
def test_another_version_has_a_cluster_of_its_own(tmp_path: Path, version: str | None, name: str) -> None:
    (tmp_path / f"{name}.kubeconfig").touch()
    assert lab(tmp_path, version).stdout == f"{tmp_path / name}.kubeconfig\n"


def test_a_version_that_there_is_not(tmp_path: Path) -> None:
    done = lab(tmp_path, "1.99")
    assert (done.returncode, "1.31" in done.stderr, done.stderr.count("\n")) == (2, True, 1)


@pytest.mark.parametrize("version", ["1.31", "1.36"])
def test_what_a_version_adds_to_kind_is_yaml(version: str) -> None:
    script = "kube=v1.34.4 KUBERNETES=$1; . ./kubernetes.sh; { cat kind.yaml; kubernetes_kind; }"
    done = subprocess.run(["bash", "-euc", script, "-", version], cwd=LAB, capture_output=True, text=True, check=True)
    document = yaml.safe_load(done.stdout)
    patches = [yaml.safe_load(patch) for patch in document.get("kubeadmConfigPatches", ())]
    assert document["kind"] == "Cluster"
    assert [patch["failCgroupV1"] for patch in patches] == ([False] if version == "1.36" else [])
