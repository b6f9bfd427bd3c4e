# SPDX-License-Identifier: Apache-2.0
"""What the watch and Events say of a debug pod."""

from __future__ import annotations

import time

import pytest

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod, WatchEvent, judge_sandboxes, note, note_event
from tests.support.pod_changes import change, event, pod_change


def seen(*changes: WatchEvent) -> DebugPod:
    pod = DebugPod("p", "")
    for item in changes:
        note(pod, item)
    return pod


def test_a_pod_that_runs_is_settled_once_it_has_an_address() -> None:
    waiting = seen(pod_change(phase="Running", running={}))
    assert (waiting.settled, waiting.node) == (False, "n1")
    running = seen(pod_change(phase="Running", running={}, ip="10.0.0.1", ready=True))
    assert (running.settled, running.ready, running.ip) == (True, True, "10.0.0.1")


@pytest.mark.parametrize(
    ("reason", "trouble"),
    [
        ("ErrImagePull", PodProblem.IMAGE),
        ("ImagePullBackOff", PodProblem.IMAGE),
        ("InvalidImageName", PodProblem.IMAGE),
        ("ErrImageNeverPull", PodProblem.IMAGE),
        ("CreateContainerConfigError", PodProblem.CONTAINER),
        ("RunContainerError", PodProblem.CONTAINER),
    ],
)
def test_reasons_that_waiting_does_not_mend(reason: str, trouble: PodProblem) -> None:
    assert seen(pod_change(waiting={"reason": reason, "message": "m"})).reason == trouble


def test_creating_is_no_trouble() -> None:
    assert not seen(pod_change(waiting={"reason": "ContainerCreating"})).settled


@pytest.mark.parametrize(
    "item",
    [
        pod_change(phase="Failed"),
        pod_change(phase="Running", terminated={"reason": "Error", "exitCode": 1}),
        pod_change(type_="DELETED"),
    ],
    ids=["failed", "container ended", "deleted"],
)
def test_an_end(item: WatchEvent) -> None:
    assert seen(item).reason == PodProblem.ENDED


def test_a_failed_sandbox_makes_a_pod_suspect_until_it_runs() -> None:
    event = change(involvedObject={"name": "p"}, reason="FailedCreatePodSandBox", message="CNI: no address")
    pod = DebugPod("p", "n1")
    note_event(pod, event)
    assert pod.suspect
    assert not pod.settled
    note(pod, pod_change(phase="Running", running={}, ip="10.0.0.1"))
    assert pod.vantage().running


@pytest.mark.parametrize(
    ("before", "trouble"), [(15.0, PodProblem.SANDBOX), (3.0, ""), (None, "")], ids=["the plugin", "slow", "no host pod"]
)
def test_a_pod_without_a_sandbox_waits_for_the_plugin_where_one_on_the_nodes_network_has_long_begun(
    before: float | None, trouble: str
) -> None:
    pod, host = DebugPod("p", "n1"), DebugPod("h", "n1", host=True)
    bare = {"conditions": [{"type": "PodReadyToStartContainers", "status": "False"}]}
    note(pod, change("MODIFIED", metadata={"name": "p"}, status=bare))
    if before is not None:
        host.running, host.began = True, time.monotonic() - before
    judge_sandboxes([pod, host], 20)
    assert (pod.reason, "sandbox" in pod.message) == (trouble, bool(trouble))


def test_a_pod_whose_image_is_pulled_has_its_sandbox() -> None:
    pod = seen(pod_change(waiting={"reason": "ContainerCreating"}))
    host = DebugPod("h", "n1", host=True, running=True, began=time.monotonic() - 15)
    judge_sandboxes([pod, host], 20)
    assert (pod.reason, pod.message) == ("", "")


@pytest.mark.parametrize(
    ("reason", "message", "trouble"),
    [
        ("FailedCreatePodSandBox", 'plugin type="calico" failed (add): timeout', PodProblem.SANDBOX),
        ("FailedCreatePodSandBox", "no IP addresses available in range set", PodProblem.SANDBOX),
        ("FailedCreatePodSandBox", "failed to get sandbox image: i/o timeout", PodProblem.RUNTIME),
        ("FailedCreatePodSandBox", "OCI runtime create failed", PodProblem.RUNTIME),
        ("NetworkNotReady", "network is not ready", PodProblem.SANDBOX),
        ("FailedScheduling", "0/3 nodes are available", PodProblem.UNSCHEDULED),
        ("FailedMount", "MountVolume.SetUp failed", PodProblem.VOLUME),
        ("Pulling", "Pulling image x", ""),
        ("Unhealthy", "Readiness probe failed", ""),
    ],
)
def test_an_event_tells_whose_doing_it_is(reason: str, message: str, trouble: str) -> None:
    pod = DebugPod("p", "n1")
    note_event(pod, event(reason, message))
    assert (pod.suspicion, bool(pod.suspect)) == (trouble, bool(trouble))


def test_an_event_about_a_pod_that_runs_is_nothing() -> None:
    pod = seen(pod_change(phase="Running", running={}, ip="10.0.0.1"))
    note_event(pod, change(involvedObject={"name": "p"}, reason="FailedCreatePodSandBox", message="old"))
    assert pod.suspect == 0


def test_exec_that_fails_leaves_a_vantage_that_ran() -> None:
    pod = seen(pod_change(phase="Running", running={}, ip="10.0.0.1"))
    pod.fail(PodProblem.EXEC, "forbidden")
    assert (pod.vantage().running, pod.vantage().reason) == (True, PodProblem.EXEC)
