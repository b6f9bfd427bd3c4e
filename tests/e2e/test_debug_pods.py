# SPDX-License-Identifier: Apache-2.0
"""Debug pods on the real cluster: why one does not start, what a killed run leaves, and what a sweep takes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.faults.runner import Lab, LabError
from tests.e2e.conftest import DEADLINE, Netdoc
from tests.e2e.test_rights import USER, kubeconfig_of
from tests.support.faults import found, looked_at_all

KILLS = 20
SHORT = "5s"
"""--timeout of runs that are killed: their pods end by themselves 30 s after it."""

SPACE = "netdoc-e2e-space"


def _codes(report: dict[str, Any], check: str) -> set[str]:
    return {finding["code"] for finding in report["findings"] if finding["check"] == check}


def _states(report: dict[str, Any]) -> dict[str, str]:
    return {result["check"]: result["state"] for result in report["results"]}


@pytest.mark.parametrize("image", ["127.0.0.1:1/absent:1", "Not/An/Image"], ids=["pull refused", "invalid name"])
def test_an_image_that_cannot_be_had(netdoc: Netdoc, image: str) -> None:
    report = netdoc.report("--image", image)
    assert _codes(report, "debug_pods") == {"POD001"}
    assert {"dns_latency": "unknown", "pod_network": "unknown", "service_reachability": "unknown"}.items() <= _states(
        report
    ).items()
    assert _states(report)["service_config"] == "pass"  # what needs no pods still runs
    assert netdoc.namespaces() == set()


@pytest.fixture
def space(lab: Lab) -> Iterator[str]:
    """A namespace of the user's own."""
    lab.kubectl("create", "namespace", SPACE)
    try:
        yield SPACE
    finally:
        lab.kubectl("delete", "namespace", SPACE, "--wait=true")


def _left(lab: Lab, namespace: str) -> list[str]:
    listed = lab.kubectl("-n", namespace, "get", "pods,services", "-o", "name").split()
    return [name for name in listed if "/netdoc-" in name]


def test_a_given_namespace(netdoc: Netdoc, lab: Lab, space: str) -> None:
    report = netdoc.report("--pod-namespace", space)
    assert looked_at_all(report), _states(report)
    deadline = time.monotonic() + DEADLINE
    while _left(lab, space) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert _left(lab, space) == []


def _quota(lab: Lab, space: str, hard: str) -> None:
    """Make a quota and wait until it holds: admission enforces it once its status is written."""
    lab.kubectl("-n", space, "create", "quota", "limit", f"--hard={hard}")
    lab.kubectl("-n", space, "wait", "quota/limit", "--for=jsonpath={.status.hard}", "--timeout=30s")


def test_a_quota_of_zero(netdoc: Netdoc, lab: Lab, space: str) -> None:
    _quota(lab, space, "pods=0")
    report = netdoc.report("--pod-namespace", space)
    assert _codes(report, "debug_pods") == {"POD002"}


ADMISSION = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: netdoc-e2e}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "has(object.metadata.labels.team)", message: every pod has a team}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: netdoc-e2e}
spec:
  policyName: netdoc-e2e
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: netdoc-e2e-space}}}
"""


def _admits(lab: Lab, space: str) -> bool:
    try:
        lab.kubectl("-n", space, "run", "probe", "--image=x", "--dry-run=server")
    except LabError as error:
        return "every pod has a team" not in str(error)
    return True


@pytest.fixture
def admission(lab: Lab, space: str, tmp_path: Path) -> Iterator[str]:
    """A namespace whose pods need a label that ours do not have; in force once a pod without it is refused."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(ADMISSION)
    lab.kubectl("apply", "-f", str(policy))
    try:
        deadline = time.monotonic() + DEADLINE
        while _admits(lab, space):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield space
    finally:
        lab.kubectl("delete", "-f", str(policy))


def test_an_admission_policy_that_refuses(netdoc: Netdoc, admission: str) -> None:
    assert _codes(netdoc.report("--pod-namespace", admission), "debug_pods") == {"POD002"}


def test_an_admission_policy_that_has_what_it_demands(netdoc: Netdoc, admission: str) -> None:
    report = netdoc.report("--pod-namespace", admission, "--label", "team=net")
    assert looked_at_all(report), _states(report)


def test_what_is_known_when_the_time_is_up_is_reported(netdoc: Netdoc) -> None:
    states = _states(netdoc.report("--timeout", "1s"))
    assert {states["service_config"], states["dns_config"], states["nodes_ready"]} == {"pass"}
    assert states["pod_network"] in ("unknown", "pass")
    assert "crashed" not in states.values()
    assert netdoc.namespaces() == set()


@pytest.fixture
def no_exec(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a user who may do all that netdoc does but exec."""
    role, resources = f"{USER}-no-exec", "namespaces,nodes,pods,services,events"
    lab.kubectl("-n", "shop", "create", "serviceaccount", USER)
    lab.kubectl("create", "clusterrole", role, "--verb=get,list,watch,create,delete", f"--resource={resources}")
    lab.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", f"--serviceaccount=shop:{USER}")
    try:
        yield kubeconfig_of(lab, lab.kubectl("-n", "shop", "create", "token", USER).strip(), tmp_path / "kubeconfig")
    finally:
        lab.kubectl("delete", "clusterrolebinding", role)
        lab.kubectl("delete", "clusterrole", role)
        lab.kubectl("-n", "shop", "delete", "serviceaccount", USER)


def test_a_user_without_exec(netdoc: Netdoc, no_exec: Path) -> None:
    report = netdoc.report(kubeconfig=no_exec)
    assert found(report) == set()
    assert {_states(report)[check] for check in ("debug_pods", "pod_network")} == {"unknown"}
    assert {"verb": "get", "resource": "pods/exec"} in [u.get("grant") for r in report["results"] for u in r["unseen"]]
    assert netdoc.namespaces() == set()


def test_cordoned_and_tainted_nodes_are_looked_at(netdoc: Netdoc, lab: Lab) -> None:
    lab.kubectl("cordon", f"{lab.name}-worker")
    lab.kubectl("taint", "node", f"{lab.name}-worker2", "e2e=yes:NoSchedule")
    try:
        report = netdoc.report()
    finally:
        lab.kubectl("uncordon", f"{lab.name}-worker")
        lab.kubectl("taint", "node", f"{lab.name}-worker2", "e2e-")
    assert len(report["coverage"]["measured_nodes"]) == 3
    assert found(report) == set()


def _start(netdoc: Netdoc) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["kubectl-netdoc", "check", "--timeout", SHORT],
        env=netdoc.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _running(lab: Lab) -> list[str]:
    pods = json.loads(lab.kubectl("get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=kubectl-netdoc", "-o", "json"))
    return [pod["metadata"]["name"] for pod in pods["items"] if pod["status"].get("phase") in ("Pending", "Running")]


def test_kill_9_leaves_nothing_that_runs(netdoc: Netdoc, lab: Lab) -> None:
    """Killed at random moments: what is left ends by its deadline, and is swept then, but not a run that goes on."""
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    begun, longest = time.monotonic(), 0.0
    for _ in range(KILLS):
        process = _start(netdoc)
        if longest:
            time.sleep(chance.uniform(0.3, longest))
        else:  # the first is killed as soon as it has created something, however long this machine takes for that
            while not netdoc.namespaces():
                assert time.monotonic() < begun + DEADLINE
            longest = 2 * (time.monotonic() - begun)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=DEADLINE)
    left = netdoc.namespaces()
    assert left, f"no kill of {KILLS} came between creating and deleting (seed {seed})"
    deadline = time.monotonic() + 60
    while _running(lab):
        assert time.monotonic() < deadline, (_running(lab), seed)
        time.sleep(1)
    live = subprocess.Popen(
        ["kubectl-netdoc", "check"], env=netdoc.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + DEADLINE
    while not (current := netdoc.namespaces() - left) and live.poll() is None:
        assert time.monotonic() < deadline
    swept = netdoc("clean")
    assert swept.returncode == 0
    assert live.wait(timeout=DEADLINE) == 0, "the concurrent run was disturbed"
    assert not any(name in swept.stdout for name in current)
    while netdoc.namespaces() and time.monotonic() < deadline:
        netdoc("clean")
        time.sleep(1)
    assert netdoc.namespaces() == set()
