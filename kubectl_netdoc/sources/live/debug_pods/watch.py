# SPDX-License-Identifier: Apache-2.0
"""Follows the debug pods of a run, and waits until each of them runs or can't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources.live import admission, missing_right
from kubectl_netdoc.sources.live.client import ApiError, Client, Watch
from kubectl_netdoc.sources.live.debug_pods.manifest import RUN
from kubectl_netdoc.sources.live.debug_pods.status import DebugPod, WatchEvent, judge_sandboxes, note, note_event

START = 20.0
"""Seconds that debug pods get to start, without the pull of the image. Three started 1.6 s after the create call on the idle
lab (design.md §8)."""

SECOND_THOUGHTS = 2.0
"""Seconds after a Warning Event in which a pod may still come up: the kubelet tries a failed sandbox again at once."""

UNTAKEN = 6.0
"""Seconds after which a kubelet that has not taken up a pod is asked: on the lab that takes 0.1 s, and an idle kubelet looks at
its pods each second (pkg/kubelet/kubelet.go, housekeeping and sync loop)."""

STEP = 1.0
"""Seconds between two looks at the pods while waiting; the progress line is updated then too."""

SILENT = Progress()


class PodWatch:
    """Keeps the state of a run's pods up to date while it is followed."""

    def __init__(
        self, pods: Sequence[DebugPod], image: str, rights_in: str = "", ask: Callable[[DebugPod], str | None] = lambda pod: None
    ) -> None:
        """``rights_in``: the namespace in which the run needs rights; "": cluster-wide, as it makes one of its own.

        ``ask``: has the API server ask a pod's kubelet, and returns why it gave no answer, "" if it did; None: not known.
        """
        self.pods = pods
        self.image = image
        self.rights_in = rights_in
        self.deaf = False
        self.lacks: Grant | None = None
        """Whether the Events about the pods can't be watched, and the right that is missing for it."""
        self._ask, self._asked, self._answering, self._since = ask, set[str](), set[str](), time.monotonic()
        self._changed = threading.Condition()

    @contextmanager
    def following(self, client: Client, namespace: str, run_id: str, seconds: float) -> Iterator[None]:
        """Follow the pods and the Events about them, each in a thread, for at most ``seconds``; stop both at the end."""
        queries = {"pods": {"labelSelector": f"{RUN}={run_id}"}, "events": {"fieldSelector": "involvedObject.kind=Pod"}}
        watches: list[Watch] = []
        self._since = time.monotonic()
        for plural, query in queries.items():
            try:
                # Without a resourceVersion a watch begins with what is there.
                watch = client.watch(f"/api/v1/namespaces/{namespace}/{plural}", query, seconds)
            except ApiError as error:
                if plural == "pods":
                    lacks = missing_right.of(client, error, Grant("watch", "pods", "", self.rights_in))
                    self._give_up(admission.refusal(error), error.message, lacks)
                else:
                    self.deaf, self.lacks = True, missing_right.of(client, error, Grant("watch", "events", "", self.rights_in))
                continue
            watches.append(watch)
            threading.Thread(target=self._follow, args=(watch, plural == "events"), daemon=True).start()
        try:
            yield
        finally:
            for watch in watches:
                watch.stop()

    def _follow(self, watch: Watch, events: bool) -> None:
        by_name = {pod.name: pod for pod in self.pods}
        for line in watch.lines():
            try:
                change = strict_json.decode(line, WatchEvent)
            except (msgspec.MsgspecError, RecursionError):
                continue
            with self._changed:
                pod = by_name.get((change.object.involved_object if events else change.object.metadata).name)
                if pod is not None:
                    (note_event if events else note)(pod, change)
                    self._changed.notify_all()

    def wait(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something to become true of the pods, for at most ``seconds``."""
        with self._changed:
            self._changed.wait_for(done, seconds)

    def wait_until_settled(self, seconds: float, pulls: float = 0.0, progress: Progress = SILENT) -> None:
        """Wait until each pod runs or can't, and fail those that do neither by then; the times are those of ``wait_for``."""
        self.wait_for(self.pods, seconds, pulls, progress)
        for pod in self.pods:
            if pod.pulling and not pod.settled:
                pod.fail(PodProblem.PULLING, f"{self.image} is still being pulled after {time.monotonic() - pod.pulling:.0f} s")
        judge_sandboxes(self.pods, seconds)
        late = f"the pod is not running {seconds:.0f} s after it was created, and"
        why = "the Events that would say why, as of an image pull, can't be watched" if self.deaf else "no Event says why"
        for pod in self.pods:
            if pod.node in self._answering and not (pod.settled or pod.taken):
                pod.fail(PodProblem.LATE, f"{late} its kubelet, which answers the API server, has not taken it up")
        self._give_up(PodProblem.LATE, f"{late} {why}", self.lacks)

    def wait_for(self, pods: Sequence[DebugPod], seconds: float, pulls: float = 0.0, progress: Progress = SILENT) -> None:
        """Wait until each of these pods runs or can't: for at most ``seconds``, not counting the time of a pull of its image.

        ``pulls``: seconds after which pulls are no longer waited for either.
        """
        began = time.monotonic()
        last = began + max(seconds, pulls)
        while (open_ := [pod for pod in pods if not pod.settled]) and (left := _latest(open_, began + seconds, last)) > 0:
            suspects = [pod.suspect + SECOND_THOUGHTS - time.monotonic() for pod in open_ if pod.suspect]
            if pulled := [pod for pod in open_ if pod.pulling]:
                progress.waiting(_pulling(self.image, pulled), time.monotonic() - min(pod.pulling for pod in pulled))
            self.wait(
                lambda: all(pod.settled or pod.suspect for pod in pods), min([left, STEP, *(max(0.05, at) for at in suspects)])
            )
            if time.monotonic() > self._since + UNTAKEN:
                self._ask_kubelets(pods)
            for pod in pods:
                if pod.suspect and not pod.settled and time.monotonic() > pod.suspect + SECOND_THOUGHTS:
                    pod.fail(pod.suspicion, pod.message)

    def _ask_kubelets(self, pods: Iterable[DebugPod]) -> None:
        """Ask each kubelet once, in a thread, that has not taken up one of these pods."""
        for pod in pods:
            if not (pod.settled or pod.taken) and pod.node and pod.node not in self._asked:
                self._asked.add(pod.node)
                threading.Thread(target=self._ask_kubelet, args=(pod,), daemon=True).start()

    def _ask_kubelet(self, asked: DebugPod) -> None:
        why = self._ask(asked)
        with self._changed:
            if why == "":
                self._answering.add(asked.node)
            for pod in self.pods if why else ():
                if pod.node == asked.node and not (pod.settled or pod.taken):
                    after = f"its kubelet has not taken up the pod for {time.monotonic() - self._since:.0f} s"
                    pod.fail(PodProblem.KUBELET, f"{after}, and the API server does not reach it: {why}")
            self._changed.notify_all()

    def _give_up(self, reason: str, message: str, lacks: Grant | None = None) -> None:
        for pod in self.pods:
            if not pod.settled:
                pod.fail(reason, f"{message}; {pod.message}" if pod.message else message, lacks)


def _latest(pods: Iterable[DebugPod], patience: float, last: float) -> float:
    """Return the seconds that are left for the one of these pods that may take the longest."""
    ends = (last if pod.pulling else max(patience, pod.pulled + START) for pod in pods)
    return min(max(ends), last) - time.monotonic()


def _pulling(image: str, pods: Iterable[DebugPod]) -> str:
    nodes = len({pod.node for pod in pods})
    return f"pulling {image} on {nodes} node{'s' if nodes > 1 else ''}"
