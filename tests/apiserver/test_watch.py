# SPDX-License-Identifier: Apache-2.0
"""What ``watch`` writes, on a real API server: it takes every Event and the Lease, with exactly the rights that rbac prints."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_netdoc.core.finding import Finding, Severity, Subject
from kubectl_netdoc.core.report import CheckResult, Coverage, Report, State
from kubectl_netdoc.remediation.commands import Risk
from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import finding_events
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.finding_events import Writing, write
from kubectl_netdoc.sources.live.lease import BUSY, Lease
from tests.support.real_api_server import RealServer

DEPLOY = Path(__file__).parents[2] / "deploy"
SUBJECTS = (
    Subject("Service", "web", "shop"),
    Subject("Service", "web", "shop", "n1"),
    Subject("Node", "n1"),
    Subject("Cluster", "cluster"),
    Subject("NodePair", "n1 -> n2"),
    Subject("Nameserver", "10.96.0.10"),
    Subject("Service", "no-namespace"),
    Subject("Pod", "日本" * 80, "shop"),
)


def report(*subjects: Subject) -> Report:
    findings = (
        Finding("SVC002", Severity.FAIL, subject, "m" * 2000, {}, "f", (), Risk.SAFE, check="x", id=f"id{number}")
        for number, subject in enumerate(subjects)
    )
    results = (CheckResult("x", "X", State.PASS),)
    return Report(1, "0", "a", datetime.now(UTC).isoformat(), "v1", Coverage(), results, tuple(findings))


@pytest.fixture
def watcher(server: RealServer, tmp_path: Path) -> Client:
    """A client with the rights of ``rbac --watch`` and no others."""
    printed = subprocess.run(
        [sys.executable, "-m", "kubectl_netdoc", "rbac", "--offline", "--watch", "--for-serviceaccount", "netdoc:netdoc"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    server.kubectl("apply", "-f", "-", given=printed)
    server.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "netdoc", "namespace": "netdoc"}})
    config: Any = json.loads(server.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = server.kubectl("-n", "netdoc", "create", "token", "netdoc").strip()
    path = tmp_path / "watcher"
    path.write_text(json.dumps(config))
    return Client(Options(kubeconfig=str(path)))


def events(server: RealServer) -> list[Any]:
    listed: list[Any] = json.loads(server.kubectl("get", "events.events.k8s.io", "-A", "-o", "json"))["items"]
    return [event for event in listed if event["reason"] == "SVC002"]


def test_the_api_server_takes_every_event(server: RealServer, watcher: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write(watcher, report(*SUBJECTS)) == Writing(len(SUBJECTS))
    assert write(watcher, report(*SUBJECTS)) == Writing(0)
    monkeypatch.setattr(finding_events, "AGAIN", timedelta(seconds=-5))
    assert write(watcher, report(*SUBJECTS)) == Writing(len(SUBJECTS))
    assert [event["series"]["count"] for event in events(server)] == [2] * len(SUBJECTS)
    time.sleep(2.1)  # the API server tells whole seconds: what has gone is later than what came
    assert write(watcher, report()) == Writing(len(SUBJECTS))
    assert write(watcher, report()) == Writing(0)
    assert len(events(server)) == 2 * len(SUBJECTS)


@pytest.mark.parametrize("overlay", ["watch", "cronjob"])
def test_the_api_server_takes_deploy_and_admits_its_pods_as_restricted(server: RealServer, overlay: str) -> None:
    """Pod Security is the server's own: the namespace enforces *restricted*."""
    rendered = server.kubectl("kustomize", str(DEPLOY / "kustomize" / overlay))
    server.kubectl("apply", "-f", "-", given=rendered)
    (workload,) = (each for each in yaml.safe_load_all(rendered) if each["kind"] in ("Deployment", "CronJob"))
    spec = workload["spec"].get("jobTemplate", workload)["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "netdoc"}, "spec": spec}
    assert server.refusal(pod) == ""
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "restricted" in server.refusal(pod)


def test_the_lease_is_held_by_one_at_a_time(server: RealServer, watcher: Client) -> None:
    first, second = (Lease(watcher, "netdoc", "netdoc") for _ in range(2))
    with first.held(), pytest.raises(SourceError) as busy, second.held():
        pass
    assert busy.value.exit_code == BUSY
    with second.held():
        stored = json.loads(server.kubectl("-n", "netdoc", "get", "lease", "netdoc", "-o", "json"))
        assert stored["spec"]["holderIdentity"] == second.holder
