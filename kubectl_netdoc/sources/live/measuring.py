# SPDX-License-Identifier: Apache-2.0
"""The measuring half of a live run: the debug pods, what each is asked, and what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.bench import Bench
from kubectl_netdoc.measurements.canary import Canary
from kubectl_netdoc.measurements.requests import Probe, Reply, Request, on_host, untouched
from kubectl_netdoc.measurements.trace import Trace
from kubectl_netdoc.sources import FollowUp
from kubectl_netdoc.sources.live import debug_pods, missing_right
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.canary import Flight
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.pod_settings import PodSettings
from kubectl_netdoc.sources.live.trace import TraceRun

TALKED_WITH = (Canary, Trace, Bench)
"""The requests that are no part of a pod's batch: several pods are talked with for each, step by step."""

LEAST = 1.0
"""Fewest seconds that must be left for a batch: starting the agent takes a few tenths of a second on a busy node."""


class Measuring:
    """Runs the debug pods of a run and measures from them until ``deadline`` (of the monotonic clock)."""

    def __init__(self, client: Client, settings: PodSettings, progress: Progress, deadline: float) -> None:
        self.client = client
        self.settings = settings
        self.progress = progress
        self._deadline = deadline

    def measure(self, cluster: Cluster, requests: tuple[Request, ...], follow_up: FollowUp) -> Measured:
        """Clean up expired leftovers, run the debug pods, send each its batch in parallel, and delete them."""
        with suppress(ApiError):  # a user who may not list namespaces has created none
            debug_pods.sweep(self.client, self.settings.namespace)
        try:
            canaries = tuple(request for request in requests if isinstance(request, Canary))
            probes = tuple(request for request in requests if not isinstance(request, TALKED_WITH))
            first = tuple(request for request in probes if untouched(request))
            found: dict[Request, Reply] = {}

            def look(session: debug_pods.Session) -> None:
                found.update(self._measure(session, first)[0])

            with (
                debug_pods.running(
                    self.client, self.settings, cluster, requests, self.progress, look if first else None
                ) as session,
                self._flying(session, canaries) as flight,
            ):
                replies, throttled = self._measure(session, tuple(request for request in probes if not untouched(request)))
                replies |= found | flight()
                further = tuple(follow_up(self._told(session, replies, throttled)))
                more = tuple(r for r in further if not isinstance(r, TALKED_WITH) and r not in replies)
                if more:
                    replies |= self._measure(session, more)[0]
                replies |= self._traced(session, (*requests, *further))
                replies |= self._benched(session, tuple(request for request in requests if isinstance(request, Bench)))
        except debug_pods.NoPods as error:
            return Measured(why_unmeasured=str(error), wanted=True)
        return self._told(session, replies, throttled)

    @staticmethod
    def _told(session: debug_pods.Session, replies: dict[Request, Reply], throttled: dict[str, float]) -> Measured:
        vantages, hosts = (
            tuple(sorted((pod.vantage(throttled.get(pod.name, 0.0)) for pod in some), key=lambda vantage: vantage.node))
            for some in ([p for p in session.pods if p.measures], [p for p in session.pods if p.host])
        )
        return Measured(replies, vantages, hosts, wanted=True)

    def _traced(self, session: debug_pods.Session, requests: Iterable[Request]) -> dict[Request, Reply]:
        """Run the traces one after the other: they share the taps' pods and must not see each other's packets."""
        run = TraceRun(self.client, session, self._deadline - LEAST)
        return {request: run.run(request) for request in dict.fromkeys(requests) if isinstance(request, Trace)}

    def _benched(self, session: debug_pods.Session, requests: tuple[Bench, ...]) -> dict[Request, Reply]:
        if not requests:
            return {}
        from kubectl_netdoc.sources.live.bench import BenchRun  # a check never needs it

        return BenchRun(self.client, session, self.progress, self._deadline - LEAST).run(requests)

    @contextmanager
    def _flying(self, session: debug_pods.Session, canaries: tuple[Canary, ...]) -> Iterator[Callable[[], dict[Request, Reply]]]:
        """Run the canary in parallel; yield a function that waits for its replies."""
        if not canaries:
            yield dict
            return
        flight = Flight(self.client, session, canaries, self._deadline - LEAST)
        with ThreadPoolExecutor(1) as beside:
            future = beside.submit(flight.fly)
            try:
                yield future.result
            finally:
                flight.stop()

    def _measure(self, session: debug_pods.Session, requests: tuple[Probe, ...]) -> tuple[dict[Request, Reply], dict[str, float]]:
        replies: dict[Request, Reply] = {}
        throttled: dict[str, float] = {}
        running = [pod for pod in session.pods if pod.running and not pod.reason and (pod.measures or pod.host)]
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            for pod, answer in zip(running, pool.map(lambda p: self._ask(session, p, requests), running), strict=True):
                replies |= answer.replies
                throttled[pod.name] = answer.throttled
                if answer.problem:
                    pod.fail(answer.problem, answer.lost, self._lacks(answer))
        return replies, throttled

    def _lacks(self, answer: agent_exec.ExecResult) -> Grant | None:
        """Return the right that a refused exec lacks."""
        if answer.refused is None:
            return None
        return missing_right.of_exec(self.client, answer.refused, self.settings.namespace)

    def _ask(self, session: debug_pods.Session, pod: debug_pods.DebugPod, requests: tuple[Probe, ...]) -> agent_exec.ExecResult:
        own = tuple(request for request in requests if request.node in (pod.node, "") and on_host(request) == pod.host)
        left = self._deadline - time.monotonic()
        if left < LEAST:
            return agent_exec.ExecResult({request: Lost("the time limit of the run was reached", sent=False) for request in own})
        return agent_exec.run(self.client, session.namespace, pod.name, own, left, session.targets)
