# SPDX-License-Identifier: Apache-2.0
"""The first run of a new user whose nodes reach no registry: a pull is told as what it is, and an image that is there serves."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from lab.faults.runner import Lab
from tests.e2e.conftest import DEADLINE, IMAGE, Netdoc

SOON = 5.0
"""Seconds after the start of a pull in which the user is told of it."""

THERE = "docker.io/library/python:3.11-lab"
TOLD = 60
"""Seconds in which kubelets tell the API server of a new image: they look every 10."""

pytestmark = pytest.mark.skipif(not IMAGE.startswith("docker.io/lab/"), reason="tags the lab's own image")


def on(node: str, *command: str) -> str:
    return subprocess.run(["docker", "exec", node, *command], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def nodes(lab: Lab) -> list[str]:
    return lab.kubectl("get", "nodes", "-o", "name").replace("node/", "").split()


@pytest.fixture
def cut_off(nodes: list[str]) -> Iterator[None]:
    """What the nodes' resolver answers is dropped on its way in: a pull gets no further than the registry's name."""
    rules = {}
    for node in nodes:
        resolver = on(node, "sh", "-c", "awk '/^nameserver/ {print $2; exit}' /etc/resolv.conf").strip()
        rules[node] = ("INPUT", "-s", resolver, "-m", "comment", "--comment", "netdoc-first-run", "-j", "DROP")
    for node, rule in rules.items():
        on(node, "iptables", "-I", *rule)
    try:
        yield
    finally:
        for node, rule in rules.items():
            on(node, "iptables", "-D", *rule)


@pytest.fixture
def having_python(lab: Lab, nodes: list[str]) -> Iterator[None]:
    """Every node has an image that is known to have python3, and has said so."""
    for node in nodes:
        on(node, "ctr", "-n", "k8s.io", "images", "tag", IMAGE, THERE)
    try:
        deadline = time.monotonic() + TOLD
        while lab.kubectl("get", "nodes", "-o", "json").count(THERE) < len(nodes):
            assert time.monotonic() < deadline, "the kubelets did not tell of the image"
            time.sleep(1)
        yield
    finally:
        for node in nodes:
            on(node, "ctr", "-n", "k8s.io", "images", "rm", THERE)


def environment(netdoc: Netdoc) -> dict[str, str]:
    """That of a user who has named no image."""
    return {key: value for key, value in netdoc.environment().items() if key != "NETDOC_IMAGE"} | {"PYTHONUNBUFFERED": "1"}


def test_a_pull_that_goes_nowhere_is_told_soon_and_is_the_first_cause(netdoc: Netdoc, lab: Lab, cut_off: None) -> None:
    command = ["kubectl", "netdoc", "check", "-o", "json"]
    run = subprocess.Popen(
        command, env=environment(netdoc), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout
    assert run.stderr
    line = run.stderr.readline()  # ends with the process at the latest
    began = [
        event["firstTimestamp"]
        for event in json.loads(lab.kubectl("get", "events", "-A", "--field-selector", "reason=Pulling", "-o", "json"))["items"]
        if event["involvedObject"]["namespace"].startswith("netdoc-")
    ]
    now = lab.kubectl("create", "--dry-run=server", "-o", "jsonpath={.metadata.creationTimestamp}", "namespace", "clock")
    stdout, _ = run.communicate(timeout=DEADLINE)
    report = json.loads(stdout)
    assert "pulling" in line
    assert "--image" in line
    assert seconds(now) - seconds(max(began)) <= SOON + 1  # the API tells whole seconds
    causes = [finding for finding in report["findings"] if not finding["explained_by"]]
    assert (causes[0]["code"], causes[0]["severity"], run.returncode) == ("POD001", "fail", 1)
    assert report["coverage"]["unmeasured"]


def seconds(moment: str) -> float:
    return time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize("asked", [("--image", "auto"), ()], ids=["auto", "default"])
def test_an_image_that_every_node_has_measures(
    netdoc: Netdoc, cut_off: None, having_python: None, asked: tuple[str, ...]
) -> None:
    command = ["kubectl", "netdoc", "check", "-o", "json", *asked]
    done = subprocess.run(command, env=environment(netdoc), capture_output=True, text=True, timeout=DEADLINE)
    report = json.loads(done.stdout)
    assert report["coverage"]["image"] == THERE
    assert len(report["coverage"]["measured_nodes"]) == report["coverage"]["nodes"]
    assert THERE in done.stderr
