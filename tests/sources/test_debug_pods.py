# SPDX-License-Identifier: Apache-2.0
"""What the watch says of a debug pod, and why the API server refuses one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.api import NODE, Unavailable
from kubectl_netdoc.core.facts import Trouble
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.records.base import convert
from kubectl_netdoc.sources.live.debug_pods import (
    CANARY,
    MOST_NODES,
    DebugPod,
    Settings,
    _Change,
    _Run,
    choose_nodes,
    judge_sandboxes,
    note,
    note_event,
)
from kubectl_netdoc.testing import make_cluster, make_node


def change(type_: str = "MODIFIED", **fields: Any) -> _Change:
    return msgspec.convert({"type": type_, "object": fields}, _Change)


def pod_change(*, phase: str = "Pending", ip: str = "", ready: bool = False, type_: str = "MODIFIED", **state: Any) -> _Change:
    """A change of the pod; ``state``: its container's state, as in the API."""
    statuses = [{"name": "agent", "state": state}] if state else []
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": phase, "podIP": ip, "conditions": conditions, "containerStatuses": statuses}
    return change(type_, metadata={"name": "p"}, spec={"nodeName": "n1"}, status=status)


def seen(*changes: _Change) -> DebugPod:
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
        ("ErrImagePull", Trouble.IMAGE),
        ("ImagePullBackOff", Trouble.IMAGE),
        ("InvalidImageName", Trouble.IMAGE),
        ("ErrImageNeverPull", Trouble.IMAGE),
        ("CreateContainerConfigError", Trouble.CONTAINER),
        ("RunContainerError", Trouble.CONTAINER),
    ],
)
def test_reasons_that_waiting_does_not_mend(reason: str, trouble: Trouble) -> None:
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
def test_an_end(item: _Change) -> None:
    assert seen(item).reason == Trouble.ENDED


def test_a_failed_sandbox_makes_a_pod_suspect_until_it_runs() -> None:
    event = change(involvedObject={"name": "p"}, reason="FailedCreatePodSandBox", message="CNI: no address")
    pod = DebugPod("p", "n1")
    note_event(pod, event)
    assert pod.suspect
    assert not pod.settled
    note(pod, pod_change(phase="Running", running={}, ip="10.0.0.1"))
    assert pod.vantage().running


@pytest.mark.parametrize(
    ("before", "trouble"), [(15.0, Trouble.SANDBOX), (3.0, ""), (None, "")], ids=["the plugin", "slow", "no host pod"]
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


def event(reason: str, message: str = "") -> _Change:
    return change(involvedObject={"name": "p"}, reason=reason, message=message)


@pytest.mark.parametrize(
    ("reason", "message", "trouble"),
    [
        ("FailedCreatePodSandBox", 'plugin type="calico" failed (add): timeout', Trouble.SANDBOX),
        ("FailedCreatePodSandBox", "no IP addresses available in range set", Trouble.SANDBOX),
        ("FailedCreatePodSandBox", "failed to get sandbox image: i/o timeout", Trouble.RUNTIME),
        ("FailedCreatePodSandBox", "OCI runtime create failed", Trouble.RUNTIME),
        ("NetworkNotReady", "network is not ready", Trouble.SANDBOX),
        ("FailedScheduling", "0/3 nodes are available", Trouble.UNSCHEDULED),
        ("FailedMount", "MountVolume.SetUp failed", Trouble.VOLUME),
        ("Pulling", "Pulling image x", ""),
        ("Unhealthy", "Readiness probe failed", ""),
    ],
)
def test_an_event_tells_whose_doing_it_is(reason: str, message: str, trouble: str) -> None:
    pod = DebugPod("p", "n1")
    note_event(pod, event(reason, message))
    assert (pod.suspicion, bool(pod.suspect)) == (trouble, bool(trouble))


def settling(*pods: DebugPod) -> _Run:
    run = _Run.__new__(_Run)
    run.pods, run.settings, run._changed = list(pods), Settings(image="img:1"), threading.Condition()
    return run


class Heard(Progress):
    """Hands on what is waited for."""

    def __init__(self, by: Callable[[str, float], None]) -> None:
        self.by = by

    def waiting(self, text: str, seconds: float) -> None:
        self.by(text, seconds)


def test_a_pull_that_does_not_end_is_told_while_it_lasts_and_is_the_image() -> None:
    """The pod's status says that it has no sandbox, as containerd 1.6 does until the image is there."""
    pod = DebugPod("p", "n1", bare=True)
    note_event(pod, event("Pulling"))
    told: list[str] = []
    settling(pod).settle(0.1, 0.3, Heard(lambda text, seconds: told.append(text)))
    assert pod.reason == Trouble.IMAGE
    assert set(told) == {"pulling img:1 on 1 node"}


def test_a_pull_that_ends_leaves_the_pod_its_time_to_start() -> None:
    pod = DebugPod("p", "n1", bare=True)
    note_event(pod, event("Pulling"))

    def goes_on(text: str, seconds: float) -> None:
        note_event(pod, event("Pulled"))
        note(pod, pod_change(phase="Running", running={}, ip="10.0.0.1"))

    settling(pod).settle(0.1, 30.0, Heard(goes_on))
    assert (pod.running, pod.reason) == (True, "")


def test_a_pod_that_no_event_speaks_of_is_late_and_nothing_else() -> None:
    pod = DebugPod("p", "n1", bare=True)
    settling(pod).settle(0.1, 0.2)
    assert pod.reason == Trouble.LATE


def test_an_event_about_a_pod_that_runs_is_nothing() -> None:
    pod = seen(pod_change(phase="Running", running={}, ip="10.0.0.1"))
    note_event(pod, change(involvedObject={"name": "p"}, reason="FailedCreatePodSandBox", message="old"))
    assert pod.suspect == 0


def test_exec_that_fails_leaves_a_vantage_that_ran() -> None:
    pod = seen(pod_change(phase="Running", running={}, ip="10.0.0.1"))
    pod.fail(Trouble.EXEC, "forbidden")
    assert (pod.vantage().running, pod.vantage().reason) == (True, Trouble.EXEC)


def test_many_nodes_are_sampled_evenly() -> None:
    names = [f"n{number:03}" for number in range(100)]
    chosen = choose_nodes(make_cluster(*(make_node(name) for name in names)))
    assert len(chosen) == MOST_NODES
    assert set(chosen) <= set(names)
    assert chosen == tuple(sorted(chosen))
    assert len({name[2] for name in chosen}) == 10


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("", {"a", "b", "c"}),
        ("all", {"a", "b", "c"}),
        ("1", {"a"}),
        ("2", {"a", "b"}),
        ("9", {"a", "b", "c"}),
        ("pool=edge", {"b", "c"}),
        ("pool==edge,zone=z2", {"c"}),
        ("zone", {"c"}),
        ("pool=none", set()),
    ],
)
def test_nodes_as_asked_for(wanted: str, names: set[str]) -> None:
    labels = {"a": {}, "b": {"pool": "edge"}, "c": {"pool": "edge", "zone": "z2"}}
    nodes = [(NODE, convert(NODE, {"metadata": {"name": name, "labels": own}})) for name, own in labels.items()]
    assert set(choose_nodes(make_cluster(*nodes), wanted)) == names


def test_where_nodes_cannot_be_read_the_scheduler_chooses() -> None:
    assert choose_nodes(make_cluster(unavailable={NODE: Unavailable("forbidden")})) == ("",)


class _Written:
    """Stands for the API server: keeps what is sent to it."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def request(self, method: str, path: str, *, body: dict[str, Any]) -> None:
        self.bodies.append(body)


def test_the_canary_policy_selects_a_label_of_this_run_and_nothing_else() -> None:
    """An empty selector would stop a namespace's workloads."""
    written = _Written()
    running = SimpleNamespace(id="abc123", client=written, policy_path="/x/networkpolicies/netdoc-abc123", _meta=lambda name: {})
    _Run.deny(running)  # type: ignore[arg-type]
    (body,) = written.bodies
    assert body["spec"]["podSelector"] == {"matchLabels": {CANARY: "abc123"}}
    assert CANARY.startswith("netdoc")
