# SPDX-License-Identifier: Apache-2.0
"""Users with few rights on the real API server: what may be looked at is, the rest is named with the rule that would grant it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.support.faults import looked_at_all

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


PODS = ("--pod-namespace", "netdoc")


class Granted:
    """A user with exactly what ``netdoc rbac`` prints."""

    def __init__(self, lab: Lab, kubeconfig: Path, printed: str) -> None:
        self.lab, self.kubeconfig, self.documents = lab, kubeconfig, list(yaml.safe_load_all(printed))
        self._file = kubeconfig.with_name("roles.yaml")
        self._file.write_text(printed)

    def give(self) -> None:
        """As its own output says: kubectl apply."""
        self.lab.kubectl("apply", "-f", str(self._file))

    def take(self) -> None:
        """Delete all of it again."""
        self.lab.kubectl("delete", "--ignore-not-found", "-f", str(self._file))

    def cut(self, resource: str, verb: str) -> None:
        """Take away one right, and nothing else."""
        changed = without(self.documents, resource, verb)
        assert changed
        file = self.kubeconfig.with_name("cut.yaml")
        file.write_text(yaml.safe_dump_all(changed))
        self.lab.kubectl("apply", "-f", str(file))


@pytest.fixture
def tier() -> str:
    """How far the runs go."""
    return "pods"


@pytest.fixture
def exact(lab: Lab, netdoc: Netdoc, powerless: Path, tier: str) -> Iterator[Granted]:
    """A user with exactly what ``netdoc rbac --tier`` prints."""
    granted = Granted(lab, powerless, netdoc("rbac", "--tier", tier, "--for-serviceaccount", f"shop:{USER}").stdout)
    try:
        granted.give()
        yield granted
    finally:
        granted.take()


def states(report: dict[str, Any]) -> dict[str, str]:
    """The states of the checks by name."""
    return {result["check"]: result["state"] for result in report["results"]}


def not_permitted(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    """What was not looked at for lack of a right. What was lost on the way, on a busy machine, has nothing to do with rights."""
    return {
        (result["check"], item["what"], item["reason"])
        for result in report["results"]
        for item in result["unseen"]
        if "grant" in item or re.search(r"forbidden|permitted|refused|may not", item["reason"])
    }


@pytest.mark.parametrize("tier", ["pods", "nodes", "privileged"])
def test_exactly_the_rights_that_rbac_prints_are_enough(netdoc: Netdoc, lab: Lab, exact: Granted, tier: str) -> None:
    """Nothing is skipped or unknown that is not so for an administrator, and nothing is left in the namespace."""
    flags = (*PODS, *{"nodes": ["--node-checks"], "privileged": ["--privileged"]}.get(tier, []))
    mine, administrators = netdoc.report(*flags, kubeconfig=exact.kubeconfig), netdoc.report(*flags)
    assert states(mine) == states(administrators)
    assert not_permitted(mine) == not_permitted(administrators)
    assert looked_at_all(mine)
    made = lab.kubectl("-n", "netdoc", "get", "pods,services,networkpolicies", "-o", "name").split()
    assert made == []
    told = netdoc("rbac", "--check", "--tier", tier, kubeconfig=exact.kubeconfig)
    assert (told.returncode, told.stderr) == (0, "")


def lacking(netdoc: Netdoc, kubeconfig: Path) -> dict[str, Any]:
    """What ``rbac --check`` tells."""
    done = netdoc("rbac", "--check", "-o", "json", kubeconfig=kubeconfig)
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == any(not lack["optional"] for lack in told["lacking"])
    return told


def without(documents: list[dict[str, Any]], resource: str, verb: str) -> list[dict[str, Any]]:
    """The roles without one right, and nothing else."""
    changed = []
    for document in documents:
        rules = [
            rule | {"resources": [name for name in rule["resources"] if name != resource or verb not in rule["verbs"]]}
            for rule in document.get("rules", ())
        ]
        if rules != document.get("rules", []):
            changed.append(document | {"rules": [rule for rule in rules if rule["resources"]]})
    return changed


@pytest.mark.parametrize(
    ("resource", "verb", "check"),
    [
        ("nodes", "list", "nodes_ready"),
        ("endpointslices", "list", "endpoint_slices"),
        ("configmaps", "get", "dns_config"),
        ("pods/exec", "get", "dns_latency"),
        ("services", "create", "service_reachability"),
        ("pods/log", "get", ""),
    ],
)
def test_one_right_less_is_told_before_and_seen_in_the_run(
    netdoc: Netdoc, exact: Granted, resource: str, verb: str, check: str
) -> None:
    """What ``--check`` tells becomes of the checks is what becomes of them; without an optional right, nothing."""
    exact.cut(resource, verb)
    told = lacking(netdoc, exact.kubeconfig)
    assert {(lack["verb"], lack["resource"]) for lack in told["lacking"]} == {(verb, resource)}
    assert all(lack["optional"] for lack in told["lacking"]) == (not check)
    now, before = states(netdoc.report(*PODS, kubeconfig=exact.kubeconfig)), states(netdoc.report(*PODS))
    changed = {name for name in now if now[name] != before[name]}
    assert changed <= {*told["skipped"], *told["held_back"]}
    assert changed >= ({check} if check else set())
    assert {now[name] for name in told["skipped"]} <= {"skipped"}


@pytest.fixture
def viewer_of_all(lab: Lab, powerless: Path) -> Iterator[Path]:
    """The kubeconfig of a user with the ClusterRole view, everywhere."""
    lab.kubectl("create", "clusterrolebinding", USER, "--clusterrole=view", f"--serviceaccount=shop:{USER}")
    try:
        yield powerless
    finally:
        lab.kubectl("delete", "clusterrolebinding", USER)


def test_a_viewer_of_all(netdoc: Netdoc, viewer_of_all: Path) -> None:
    """The API checks run, but for those that need Nodes; what measures, and they, say which rule is missing."""
    report = netdoc.report(kubeconfig=viewer_of_all)
    seen = states(report)
    told = lacking(netdoc, viewer_of_all)
    moot = {result["check"] for result in report["results"] if all(item.get("moot") for item in result["unseen"])}
    tiers = {check["id"]: check["tier"] for check in json.loads(netdoc("list", "-o", "json").stdout)}
    assert {name for name, state in seen.items() if state == "skipped" and tiers[name] == "api"} - moot == {
        name for name in told["skipped"] if tiers[name] == "api"
    }
    assert {seen[name] for name in ("dns_config", "endpoint_slices", "service_config", "policy_coverage")} <= {"pass", "unknown"}
    for result in report["results"]:
        if result["state"] in ("skipped", "unknown") and not all(item.get("moot") for item in result["unseen"]):
            assert any("grant" in item or "missing right" in item["reason"] for item in result["unseen"]), result
    assert {("list", "nodes"), ("create", "pods"), ("get", "pods/exec")} <= {
        (lack["verb"], lack["resource"]) for lack in told["lacking"]
    }
    assert "nodes_ready" in told["skipped"]
