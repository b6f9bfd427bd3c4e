"""Users with few rights on the real API server: what may be looked at is, the rest is named with the rule that would grant it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.faults import looked_at_all

USER = "netdoc-e2e"


def kubeconfig_of(lab: Lab, token: str, path: Path) -> Path:
    """Write the kubeconfig of a token to ``path``."""
    config = yaml.safe_load(lab.kubeconfig.read_text())
    config["users"] = [{"name": USER, "user": {"token": token}}]
    config["contexts"] = [
        {"name": USER, "context": {"cluster": config["clusters"][0]["name"], "user": USER, "namespace": "shop"}}
    ]
    config["current-context"] = USER
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def powerless(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a ServiceAccount without any right."""
    lab.kubectl("-n", "shop", "create", "serviceaccount", USER)
    try:
        yield kubeconfig_of(lab, lab.kubectl("-n", "shop", "create", "token", USER).strip(), tmp_path / "kubeconfig")
    finally:
        lab.kubectl("-n", "shop", "delete", "serviceaccount", USER)


@pytest.fixture
def viewer(lab: Lab, powerless: Path) -> Iterator[Path]:
    """The same user with the ClusterRole view in namespace shop only."""
    lab.kubectl("-n", "shop", "create", "rolebinding", USER, "--clusterrole=view", f"--serviceaccount=shop:{USER}")
    try:
        yield powerless
    finally:
        lab.kubectl("-n", "shop", "delete", "rolebinding", USER)


def test_every_list_refused(netdoc: Netdoc, powerless: Path) -> None:
    done = netdoc("check", kubeconfig=powerless)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)


def test_a_viewer_of_one_namespace(netdoc: Netdoc, viewer: Path) -> None:
    report = netdoc.report(kubeconfig=viewer)
    states = {result["check"]: result["state"] for result in report["results"]}
    assert states["nodes_ready"] == "skipped"
    assert states["service_config"] == "unknown"  # Nodes, one of its lists, can't be had
    assert {states[name] for name in ("debug_pods", "dns_latency", "pod_network")} == {"skipped"}
    assert report["coverage"]["scope"].startswith("namespace shop")
    grants = [item["grant"] for result in report["results"] for item in result["unseen"] if "grant" in item]
    assert {"verb": "list", "resource": "nodes"} in grants
    assert report["coverage"]["objects"] > 0


def test_an_expired_token(netdoc: Netdoc, lab: Lab, tmp_path: Path) -> None:
    done = netdoc("check", kubeconfig=kubeconfig_of(lab, "not-a-token", tmp_path / "kubeconfig"))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert "not-a-token" not in done.stderr


def test_impersonation(netdoc: Netdoc) -> None:
    """--as reaches every call: somebody without rights is refused, though the real user is an administrator."""
    done = netdoc("check", "--as", "nobody", "--as-group", "nobodies")
    assert done.returncode == 3
    administrator = netdoc("check", "-o", "json", "--as", "somebody", "--as-group", "system:masters")
    assert administrator.returncode == 0
    assert looked_at_all(json.loads(administrator.stdout))
