# SPDX-License-Identifier: Apache-2.0
"""The state of a debug pod, as its own changes and the Events about it tell."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from kubectl_netdoc.core.facts import PodProblem, Vantage
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.formats import sandbox_event

ALIKE = 10.0
"""Seconds that a pod's sandbox may take longer than that of a pod on the same node's own network, which needs no CNI plugin: on
the lab they are a second apart. A hanging agent shows so long before the kubelet says it (Cilium: after 90 s)."""

IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"})
CONTAINER_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
"""Reasons of a waiting container that do not resolve within a run (kubelet, pkg/kubelet/images and container)."""


class _Camel(Struct, rename="camel"):
    """What is read of objects on the watch."""


class _State(_Camel):
    reason: str = ""
    message: str = ""
    exit_code: int = 0


class _States(_Camel):
    waiting: _State | None = None
    running: dict[str, Any] | None = None
    terminated: _State | None = None


class _ContainerStatus(_Camel):
    state: _States = field(default_factory=_States)


class _Condition(_Camel):
    type: str = ""
    status: str = ""


class _PodIP(_Camel):
    ip: str = ""


class _PodStatus(_Camel):
    phase: str = ""
    start_time: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = field(name="podIP", default="")
    pod_ips: list[_PodIP] = field(name="podIPs", default_factory=list)
    conditions: list[_Condition] = []
    container_statuses: list[_ContainerStatus] = []


class _Meta(_Camel):
    name: str = ""


class _Spec(_Camel):
    node_name: str = ""


class _PodOrEvent(_Camel):
    """A Pod, or an Event about one (``involved_object``, ``reason`` and ``message``)."""

    metadata: _Meta = field(default_factory=_Meta)
    spec: _Spec = field(default_factory=_Spec)
    status: _PodStatus = field(default_factory=_PodStatus)
    involved_object: _Meta = field(default_factory=_Meta)
    reason: str = ""
    message: str = ""


class WatchEvent(Struct):
    """A line of a watch on pods or on Events."""

    type: str
    object: _PodOrEvent


class DebugPod(Struct):
    """One of this run's pods. ``suspect``: since when (monotonic) an Event says that it may not come up.

    ``suspicion``: what that Event is about. ``pulling``: since when (monotonic) its image is being pulled, 0 while it is not;
    ``pulled``: since when it is there. ``began``: since when it runs. ``taken``: the kubelet has taken it up. ``bare``: and its
    status does not say yet that it has a sandbox and network, which some runtimes say only after the pull.
    ``twin``: the second one on a node. ``host``: one on the node's own network.
    ``canary``: one that the canary's policy selects, and that measures nothing else. ``bench``: one behind a benchmark's Service.
    """

    name: str
    node: str
    twin: bool = False
    host: bool = False
    canary: bool = False
    bench: bool = False
    nonce: str = ""
    ip: str = ""
    ips: tuple[str, ...] = ()
    running: bool = False
    ready: bool = False
    reason: str = ""
    message: str = ""
    suspect: float = 0.0
    suspicion: str = ""
    pulling: float = 0.0
    pulled: float = 0.0
    began: float = 0.0
    bare: bool = False
    taken: bool = False
    grant: Grant | None = None

    @property
    def measures(self) -> bool:
        """Tell whether it is a vantage on the pod network."""
        return not (self.twin or self.canary or self.host)

    @property
    def echoes(self) -> bool:
        """Tell whether it runs an echo server that can be reached by now."""
        return self.running and bool(self.ip) and not (self.canary or self.host)

    @property
    def settled(self) -> bool:
        """Tell whether there is nothing to wait for."""
        return (self.running and bool(self.ip)) or bool(self.reason)

    def fail(self, reason: str, message: str, grant: Grant | None = None) -> None:
        """Note why this pod is of no use, and the right that the user lacks for it."""
        self.reason, self.message, self.grant = reason, " ".join(message.split())[:400], grant

    def vantage(self, throttled: float = 0.0) -> Vantage:
        """Return this pod as a vantage."""
        usable = self.running and self.reason in (
            "",
            PodProblem.EXEC,
            PodProblem.OUTPUT,
            PodProblem.FORBIDDEN,
            PodProblem.ADMISSION,
        )
        probed = self.ready if usable and not self.host else None
        return Vantage(self.node, usable, self.reason, self.message, throttled, self.ip, probed, self.ips[1:], self.grant)


def note(pod: DebugPod, change: WatchEvent) -> None:
    """Note a change of a pod."""
    status = change.object.status
    pod.node = pod.node or change.object.spec.node_name
    pod.ip = status.pod_ip or pod.ip
    pod.ips = tuple(item.ip for item in status.pod_ips) or pod.ips or ((pod.ip,) if pod.ip else ())
    pod.taken = pod.taken or bool(status.start_time)
    pod.ready = any(c.type == "Ready" and c.status == "True" for c in status.conditions)
    pod.bare = any(c.type == "PodReadyToStartContainers" and c.status == "False" for c in status.conditions)
    if change.type == "DELETED":
        pod.fail(PodProblem.ENDED, "the pod was deleted by somebody else")
    elif status.phase in ("Failed", "Succeeded"):
        pod.fail(PodProblem.ENDED, f"{status.reason or status.phase}: {status.message}")
    for container in status.container_statuses:
        _note_container(pod, container.state)


def _note_container(pod: DebugPod, state: _States) -> None:
    if state.terminated is not None:
        pod.fail(PodProblem.ENDED, f"its container ended: {state.terminated.reason}, exit code {state.terminated.exit_code}")
    if state.running is not None:
        pod.began = pod.began or time.monotonic()
        pod.running = True
    elif state.waiting is not None and state.waiting.reason in IMAGE_REASONS:
        pod.fail(PodProblem.IMAGE, f"{state.waiting.reason}: {state.waiting.message}")
    elif state.waiting is not None and state.waiting.reason in CONTAINER_REASONS:
        pod.fail(PodProblem.CONTAINER, f"{state.waiting.reason}: {state.waiting.message}")


def note_event(pod: DebugPod, change: WatchEvent) -> None:
    """Note an Event about a pod that does not run yet."""
    reason, message = change.object.reason, change.object.message
    if reason == "Pulling":
        pod.pulling = pod.pulling or time.monotonic()
    elif reason in ("Pulled", "Created", "Started") and pod.pulling:
        pod.pulling, pod.pulled = 0.0, time.monotonic()
    elif not pod.settled and (suspicion := _suspicion(reason, message)):
        pod.suspect = pod.suspect or time.monotonic()
        pod.suspicion, pod.message = suspicion, f"{reason}: {message}"


def _suspicion(reason: str, message: str) -> str:
    """Return the trouble that an Event with this reason may mean; "" where it means none."""
    if reason == sandbox_event.REASON:
        network = sandbox_event.failure(message) in (sandbox_event.Failure.NETWORK, sandbox_event.Failure.ADDRESSES)
        return PodProblem.SANDBOX if network else PodProblem.RUNTIME
    return {
        "NetworkNotReady": PodProblem.SANDBOX,
        "FailedScheduling": PodProblem.UNSCHEDULED,
        "FailedMount": PodProblem.VOLUME,
        "FailedAttachVolume": PodProblem.VOLUME,
    }.get(reason, "")


def judge_sandboxes(pods: Iterable[DebugPod], seconds: float) -> None:
    """Fail the pods that have no sandbox after ``seconds`` because of the CNI plugin."""
    hosts = {pod.node: pod.began for pod in pods if pod.host and pod.running}
    for pod in pods:
        if pod.settled or pod.host or pod.pulling or not pod.bare:
            continue
        if pod.node in hosts and hosts[pod.node] + ALIKE < time.monotonic():
            why = "a pod on the host network got one soon: the CNI plugin hangs, or its agent does not answer it"
            pod.fail(
                PodProblem.SANDBOX,
                f"the pod has no sandbox {seconds:.0f} s after it was created, and {why}; {pod.message}".rstrip("; "),
            )
