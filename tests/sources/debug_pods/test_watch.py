# SPDX-License-Identifier: Apache-2.0
"""How long debug pods are waited for, and what those are told that do not come up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod, note, note_event
from kubectl_netdoc.sources.live.debug_pods.watch import PodWatch
from tests.support.api_server import api_server
from tests.support.kubeconfigs import kubeconfig
from tests.support.pod_changes import event, pod_change


def watch(pod: DebugPod) -> PodWatch:
    return PodWatch([pod], "img:1")


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
    watch(pod).wait_until_settled(0.1, 0.3, Heard(lambda text, seconds: told.append(text)))
    assert pod.reason == PodProblem.PULLING
    assert set(told) == {"pulling img:1 on 1 node"}


def test_a_pull_that_ends_leaves_the_pod_its_time_to_start() -> None:
    pod = DebugPod("p", "n1", bare=True)
    note_event(pod, event("Pulling"))

    def goes_on(text: str, seconds: float) -> None:
        note_event(pod, event("Pulled"))
        note(pod, pod_change(phase="Running", running={}, ip="10.0.0.1"))

    watch(pod).wait_until_settled(0.1, 30.0, Heard(goes_on))
    assert (pod.running, pod.reason) == (True, "")


def test_a_pod_that_no_event_speaks_of_is_late_and_nothing_else() -> None:
    pod = DebugPod("p", "n1", bare=True)
    watch(pod).wait_until_settled(0.1, 0.2)
    assert pod.reason == PodProblem.LATE


def test_without_events_a_late_pod_is_the_missing_rights_doing(tmp_path: Path) -> None:
    """An image that is being pulled looks the same then."""
    refused = 'User "jane" cannot watch resource "events" in API group "" in the namespace "netdoc"'
    pod = DebugPod("p", "n1", bare=True)
    late = PodWatch([pod], "img:1", "netdoc")
    with api_server() as server:
        server.refuse = lambda heard: (403, refused) if heard.path.endswith("/events") else None
        client = Client(Options(kubeconfig=str(kubeconfig(tmp_path, server.url))))
        with late.following(client, "netdoc", "x", 5):
            late.wait_until_settled(0.1)
    assert (pod.reason, pod.grant) == (PodProblem.LATE, Grant("watch", "events", "", "netdoc"))
