# SPDX-License-Identifier: Apache-2.0
"""deploy/ in the lab: Events and metrics follow a fault, an API server may restart, no two runs overlap; and two contexts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lab.faults.model import load
from lab.faults.runner import Lab
from tests.e2e.conftest import IMAGE, Netdoc

ROOT = Path(__file__).parents[2]
OWN_IMAGE = "docker.io/lab/netdoc:1"
SOON = 180.0
"""Seconds for what a few runs bring about; one takes 5 to 10 s, and begins every 10."""

DOCKERFILE = f"""FROM {IMAGE.removeprefix("docker.io/")}
COPY site /opt/netdoc
ENV PYTHONPATH=/opt/netdoc HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
ENTRYPOINT ["python3", "-m", "kubectl_netdoc"]
"""
"""As deploy/Dockerfile, of the lab's own base, which has no pip: what pip installs is copied into it."""

pytestmark = pytest.mark.skipif(not IMAGE.startswith("docker.io/lab/"), reason="an image is built on the lab's own")


@pytest.fixture(scope="module")
def image(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """netdoc's image, on every node."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", str(folder / "site"), str(ROOT)], check=True)
    tag = OWN_IMAGE.removeprefix("docker.io/")
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, str(folder)], check=True, capture_output=True)
    for node in lab.kubectl("get", "nodes", "-o", "name").replace("node/", "").split():
        with subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE) as saved:
            load_it = ["docker", "exec", "-i", node, "ctr", "-n", "k8s.io", "images", "import", "-"]
            subprocess.run(load_it, stdin=saved.stdout, check=True, capture_output=True)
    return OWN_IMAGE


def documents(overlay: str, image: str, **flags: str) -> list[dict[str, Any]]:
    """What kustomize makes of deploy/, with this image and other values of flags; what is kept is gone with the pod."""
    command = ["kubectl", "kustomize", str(ROOT / "deploy" / "kustomize" / overlay)]
    rendered = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    for document in rendered:
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            (container,) = template["spec"]["containers"]
            kept = [flag for flag in container["args"] if flag.partition("=")[0].lstrip("-") not in flags]
            container |= {"image": image, "imagePullPolicy": "Never"}
            container["args"] = [*kept, *(f"--{name}={value}" for name, value in flags.items()), f"--image={IMAGE}"]
            template["spec"]["volumes"] = [{"name": volume["name"], "emptyDir": {}} for volume in template["spec"]["volumes"]]
    return [document for document in rendered if document["kind"] != "PersistentVolumeClaim"]


def eventually(ask: Callable[[], bool], seconds: float = SOON) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ask():
            return True
        time.sleep(2)
    return ask()


class Deployed:
    """The Deployment in the lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def pod(self) -> dict[str, Any]:
        listed = json.loads(
            self.lab.kubectl("-n", "netdoc", "get", "pods", "-l", "app.kubernetes.io/component=watch", "-o", "json")
        )
        (pod,) = (each for each in listed["items"] if "deletionTimestamp" not in each["metadata"])
        found: dict[str, Any] = pod
        return found

    def metrics(self) -> dict[tuple[str, str], float]:
        """What is scraped, through the API server; empty while it is away."""
        try:
            path = f"/api/v1/namespaces/netdoc/pods/{self.pod['metadata']['name']}:9469/proxy/metrics"
            page = self.lab.kubectl("get", "--raw", path)
        except Exception:
            return {}
        samples = [one for family in text_string_to_metric_families(page) for one in family.samples]
        return {(one.name, ",".join(one.labels.values())): one.value for one in samples}

    def events(self, action: str) -> list[dict[str, Any]]:
        mine = ("-l", "app.kubernetes.io/managed-by=kubectl-netdoc")
        listed = json.loads(self.lab.kubectl("get", "events.events.k8s.io", "-A", *mine, "-o", "json"))["items"]
        return [event for event in listed if event["action"] == action]


def apply(lab: Lab, folder: Path, several: list[dict[str, Any]]) -> Path:
    path = folder / "deployed.yaml"
    path.write_text(yaml.safe_dump_all(several))
    lab.kubectl("apply", "-f", str(path))
    return path


@pytest.fixture
def deployed(lab: Lab, image: str, tmp_path: Path) -> Iterator[Deployed]:
    path = apply(lab, tmp_path, documents("watch", image, every="10s"))
    try:
        lab.kubectl("-n", "netdoc", "rollout", "status", "deploy/netdoc", "--timeout=120s")
        running = Deployed(lab)
        assert eventually(lambda: running.metrics().get(("netdoc_runs_total", "success"), 0) > 0), pods_log(lab)
        yield running
    finally:
        lab.kubectl("delete", "--ignore-not-found", "-f", str(path))


def pods_log(lab: Lab) -> str:
    return lab.kubectl("-n", "netdoc", "logs", "-l", "app.kubernetes.io/name=kubectl-netdoc", "--tail=20")


def test_a_fault_is_told_by_metrics_and_events_and_so_is_its_end(lab: Lab, deployed: Deployed) -> None:
    before = deployed.metrics()
    assert (before["netdoc_findings", "fail"], before["netdoc_checks", "crashed"]) == (0, 0), pods_log(lab)
    assert before["netdoc_measured_nodes_ratio", ""] == 1
    came = len(deployed.events("FindingCame"))
    with lab.broken(load("service-port-wrong")):
        assert eventually(lambda: deployed.metrics().get(("netdoc_findings_by_code", "SVR003,fail"), 0) == 1), pods_log(lab)
        assert eventually(lambda: len(deployed.events("FindingCame")) > came)
        (event,) = [each for each in deployed.events("FindingCame") if each["reason"] == "SVR003"][-1:]
        assert (event["regarding"]["kind"], event["regarding"]["name"], event["metadata"]["namespace"]) == (
            "Service",
            "web",
            "shop",
        )
        number = len(deployed.events("FindingCame"))
        runs = deployed.metrics()["netdoc_runs_total", "success"]
        assert eventually(lambda: deployed.metrics().get(("netdoc_runs_total", "success"), 0) >= runs + 2)
        assert len(deployed.events("FindingCame")) == number  # told once
    assert eventually(lambda: deployed.metrics().get(("netdoc_findings", "fail")) == 0), pods_log(lab)
    assert eventually(lambda: any(each["reason"] == "SVR003" for each in deployed.events("FindingGone")))
    told = lab.kubectl(
        "-n", "netdoc", "exec", "deploy/netdoc", "--", "python3", "-m", "kubectl_netdoc", "history", "/reports", "-o", "json"
    )
    spans = [span for series in json.loads(told)["series"] for span in series["spans"] if span["condition"]["code"] == "SVR003"]
    assert [span["gone_by"] is not None and span["came_after"] is not None for span in spans] == [True]


def test_a_restarted_api_server_is_survived(lab: Lab, deployed: Deployed) -> None:
    before = deployed.metrics()
    subprocess.run(["docker", "exec", f"{lab.name}-control-plane", "pkill", "-x", "kube-apiserver"], check=True)
    ended = ("netdoc_last_success_timestamp_seconds", "")
    assert eventually(lambda: deployed.metrics().get(ended, 0) > before[ended] + 30), pods_log(lab)
    (status,) = deployed.pod["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    assert deployed.metrics()["netdoc_runs_total", "success"] > before["netdoc_runs_total", "success"]


def test_what_an_ended_pod_leaves_behind_is_nothing(lab: Lab, deployed: Deployed) -> None:
    name = deployed.pod["metadata"]["name"]
    lab.kubectl("-n", "netdoc", "delete", "pod", name, "--wait")
    mine = "app.kubernetes.io/managed-by=kubectl-netdoc"

    def only_of_the_next_run() -> bool:
        listed = lab.kubectl("-n", "netdoc", "get", "pods", "-l", mine, "-o", "jsonpath={.items[*].metadata.labels.netdoc/run}")
        return len(set(listed.split())) <= 1

    assert eventually(only_of_the_next_run)
    assert eventually(lambda: deployed.metrics().get(("netdoc_runs_total", "success"), 0) > 0)


def test_runs_by_hand_by_cronjob_and_by_deployment_never_overlap(
    netdoc: Netdoc, lab: Lab, deployed: Deployed, image: str, tmp_path: Path
) -> None:
    """While one holds the Lease the others are refused it; each of them looks in the end."""
    done = [netdoc("check", "--lease", "--pod-namespace", "netdoc", "-o", "json") for _ in range(6)]
    assert {each.returncode for each in done} <= {0, 4}
    assert all("Lease netdoc/netdoc" in each.stderr for each in done if each.returncode == 4)
    apply(lab, tmp_path, [each for each in documents("cronjob", image) if each["kind"] == "CronJob"])
    try:
        lab.kubectl("-n", "netdoc", "scale", "deploy/netdoc", "--replicas=0")
        assert eventually(
            lambda: not lab.kubectl("-n", "netdoc", "get", "pods", "-l", "app.kubernetes.io/component=watch", "-o", "name")
        )
        lab.kubectl("-n", "netdoc", "create", "job", "by-hand", "--from=cronjob/netdoc")
        lab.kubectl("-n", "netdoc", "wait", "--for=condition=Complete", "job/by-hand", "--timeout=180s")
    finally:
        lab.kubectl("-n", "netdoc", "delete", "--ignore-not-found", "job/by-hand", "cronjob/netdoc")
    holder = lab.kubectl("-n", "netdoc", "get", "lease", "netdoc", "-o", "jsonpath={.spec.holderIdentity}")
    assert holder == ""


def test_two_contexts_are_looked_at_in_one_run(netdoc: Netdoc, lab: Lab, tmp_path: Path) -> None:
    """The lab under two names, and a third cluster that is not there."""
    config = yaml.safe_load(lab.kubeconfig.read_text())
    (context,) = config["contexts"]
    gone = {"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}
    config["clusters"].append(gone)
    config["contexts"] = [
        {**context, "name": "one"},
        {**context, "name": "two"},
        {"name": "three", "context": {**context["context"], "cluster": "gone"}},
    ]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    done = netdoc("check", "--all-contexts", "-o", "json", kubeconfig=path)
    rows = {row["context"]: row for row in json.loads(done.stdout)["clusters"]}
    assert {name: row["state"] for name, row in rows.items()} == {"one": "pass", "two": "pass", "three": "unknown"}
    assert all(len(rows[name]["report"]["coverage"]["measured_nodes"]) == 3 for name in ("one", "two"))
    assert (done.returncode, bool(re.search("127.0.0.1:1", rows["three"]["error"]))) == (3, True)
    with lab.broken(load("service-port-wrong")):
        again = netdoc("check", "--contexts", "one,three", kubeconfig=path)
    assert (again.returncode, again.stdout.count("SVR003")) == (1, 1)
    assert netdoc.namespaces() == set()
