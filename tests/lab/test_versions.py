# SPDX-License-Identifier: Apache-2.0
"""Which cluster lab/lab means by KUBERNETES. Nothing is built or started: no cluster is needed for these answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "lab"
LONGEST = 30


def lab(home: Path, version: str | None, *more: str, network: str = "") -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("KUBERNETES", "NETWORK")}
    environment |= {"LAB_HOME": str(home)} | {"NETWORK": network} | ({"KUBERNETES": version} if version is not None else {})
    return subprocess.run(
        [LAB / "lab", "kubeconfig", *more], env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [(None, "netdoc"), ("", "netdoc"), ("1.37", "netdoc"), *((f"1.{n}", f"k8s-1-{n}") for n in range(31, 37))],
)
def test_another_version_has_a_cluster_of_its_own(tmp_path: Path, version: str | None, name: str) -> None:
    (tmp_path / f"{name}.kubeconfig").touch()
    assert lab(tmp_path, version).stdout == f"{tmp_path / name}.kubeconfig\n"


@pytest.mark.parametrize(
    ("version", "network", "name"),
    [
        (None, "nftables", "nftables"),
        (None, "flannel", "netdoc"),
        ("1.35", "flannel", "k8s-1-35"),
        ("1.35", "nftables", "k8s-1-35-nftables"),
    ],
)
def test_another_network_has_one_a_version(tmp_path: Path, version: str | None, network: str, name: str) -> None:
    (tmp_path / f"{name}.kubeconfig").touch()
    assert lab(tmp_path, version, network=network).stdout == f"{tmp_path / name}.kubeconfig\n"


def test_a_version_that_there_is_not(tmp_path: Path) -> None:
    done = lab(tmp_path, "1.99")
    assert (done.returncode, "1.31" in done.stderr, done.stderr.count("\n")) == (2, True, 1)
