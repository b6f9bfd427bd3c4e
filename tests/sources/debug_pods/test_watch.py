# SPDX-License-Identifier: Apache-2.0
"""How long debug pods are waited for, and what those are told that do not come up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.core.tier import Tier
from kubectl_netdoc.sources.live.client import Client, Options
from kubectl_netdoc.sources.live.debug_pods import lifecycle
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod, note, note_event
from kubectl_netdoc.sources.live.debug_pods.watch import PodWatch
from kubectl_netdoc.sources.live.pod_settings import PodSettings
from kubectl_netdoc.testing import make_cluster, make_node
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


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((500, "error dialing backend: dial tcp 10.0.0.9:10250: connect: connection refused"), PodProblem.KUBELET),
        (
            (500, "error dialing backend: proxy error from 127.0.0.1:9345 while dialing 10.0.0.9:10250, code 502"),
            PodProblem.KUBELET,
        ),
        ((500, 'unable to upgrade connection: container not found ("agent")'), PodProblem.LATE),
        ((403, "pods/exec is forbidden"), PodProblem.LATE),
    ],
    ids=["refused", "konnectivity", "answers", "no right"],
)
def test_a_kubelet_that_takes_up_no_pod_is_asked(
    said: tuple[int, str], reason: PodProblem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubectl_netdoc.sources.live.debug_pods.watch.UNTAKEN", 0.0)
    with api_server() as server:
        server.refuse = lambda heard: said if heard.path.endswith("/exec") else None
        client = Client(Options(kubeconfig=str(kubeconfig(tmp_path, server.url))))
        run = lifecycle._Run(client, PodSettings(image="img:1"), make_cluster(make_node("n1"), vantages=("n1",)))
        run.watch.wait_until_settled(3.0)
    assert {pod.reason for pod in run.pods} == {reason}


def test_a_kubelet_that_took_up_the_pod_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_netdoc.sources.live.debug_pods.watch.UNTAKEN", 0.0)
    asked: list[str] = []
    pods = [DebugPod("p", "n1", taken=True), DebugPod("q", "n2")]
    late = PodWatch(pods, "img:1", ask=lambda pod: asked.append(pod.node) or "refused")  # type: ignore[func-returns-value]
    late.wait_until_settled(1.5)
    assert (asked, [pod.reason for pod in pods]) == (["n2"], [PodProblem.LATE, PodProblem.KUBELET])


@pytest.mark.parametrize(
    ("message", "started"),
    [("Network plugin returns error: cni plugin not initialized", [True]), ("PLEG is not healthy", [False])],
    ids=["no network", "another reason"],
)
def test_a_node_without_a_network_gets_the_pod_that_needs_none(message: str, started: list[bool], tmp_path: Path) -> None:
    node = make_node("n1", ready=False, message=message)
    cluster = make_cluster(node, vantages=("n1",), tier=Tier.NODES)
    with api_server() as server:
        client = Client(Options(kubeconfig=str(kubeconfig(tmp_path, server.url))))
        run = lifecycle._Run(client, PodSettings(image="img:1", tier=Tier.NODES), cluster)
        run.create(run.pods, ())
    assert [pod.reason == "" for pod in run.pods if pod.host] == started
    assert [pod.reason for pod in run.pods if not pod.host] == [PodProblem.NODE]
