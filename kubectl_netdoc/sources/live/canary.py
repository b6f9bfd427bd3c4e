# SPDX-License-Identifier: Apache-2.0
"""The canary: does a policy stop traffic, on each node and in each direction, and does traffic pass again once it is deleted?

allowed → a policy denies the canary pods everything → nothing may pass → the policy is deleted → everything must pass.

The policy selects the canary pods of this run by a label that nothing else has, never by ``{}``. Success is the nonce of our
own echo; a refusal and a silence both count as stopped (P5: some engines reject, some drop). Runs beside the other
measurements: a handful of small connections a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from kubectl_netdoc.measurements.base import Lost, Outcome, Peer
from kubectl_netdoc.measurements.canary import Canary, CanaryReply, CanaryTrial
from kubectl_netdoc.measurements.connect import Echo, EchoReply
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.sources.agent_protocol import EchoServer, Targets
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live import missing_right
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.debug_pods import DebugPod, Session

ENFORCED = 10.0
"""Seconds that a policy engine gets to enforce a new policy: cyclonus waits 5, Cilium's connectivity test 15.
On the lab Felix was seen to enforce at the first look, 1.9 s after the policy, most of which is the look's own length."""

LIFTED = 10.0
"""Seconds that it gets to forget a deleted policy."""

LATE = 25.0
"""Seconds in all that an engine gets for the rest where it has done a part: Cilium was seen to need more than 10 on a loaded
machine. If it does nothing at all, there is no such wait."""

PATIENCE = 0.7
"""Seconds that a try waits for the proof. A pod of the same cluster answers in milliseconds."""

PAUSE = 0.3
"""Seconds between two polls."""


class CanaryPath(Struct):
    """One path of a node's canary, from ``source`` to ``target``, with what was seen on it so far."""

    canary: Canary
    direction: str
    other: str
    source: DebugPod
    target: DebugPod
    before: bool = False
    stopped: float = -1.0
    how: str = ""
    again: float = -1.0
    last: Outcome | None = None

    @property
    def known(self) -> bool:
        """Tell whether it is known to be stopped or open; a try without an answer tells neither."""
        return self.stopped >= 0 or self.last is not None

    def trial(self) -> CanaryTrial:
        """Return the trial for the report."""
        return CanaryTrial(self.direction, self.other, self.before, self.stopped, self.how, self.again)


Note = Callable[[CanaryPath, Outcome | None, float], bool]
"""Takes the outcome of a try and its time; tells whether the path is settled by it."""


class Flight:
    """One run of the canary on all nodes at once."""

    def __init__(self, client: Client, session: Session, requests: Iterable[Canary], deadline: float) -> None:
        self.client, self.session, self.deadline = client, session, deadline
        self.pods = {(pod.node, pod.canary): pod for pod in session.pods if pod.running and pod.ip and not (pod.twin or pod.host)}
        self.requests = tuple(requests)
        self.waited = ENFORCED
        self.ways = [way for request in self.requests for way in self._ways(request)]

    def _ways(self, request: Canary) -> list[CanaryPath]:
        subject = self.pods.get((request.node, True))
        others = [(node, self.pods.get((node, False))) for node in dict.fromkeys((request.node, request.other)) if node]
        found = []
        for node, other in others:
            if subject is not None and other is not None:
                found += [
                    CanaryPath(request, "Ingress", node, other, subject),
                    CanaryPath(request, "Egress", node, subject, other),
                ]
        return found

    def stop(self) -> None:
        """End it at the next step: the run is over."""
        self.deadline = 0.0

    def fly(self) -> dict[Request, Reply]:
        """Return the reply to each request; never raises."""
        if not self.ways:
            return {request: Lost("no canary pod ran on that node", sent=False) for request in self.requests}
        complaint = self._phases()
        replies: dict[Request, Reply] = {}
        for request in self.requests:
            ways = [way for way in self.ways if way.canary == request]
            trials = tuple(way.trial() for way in ways if way.known)
            seen = any(way.before for way in ways)
            why = complaint or (
                "the canary pods gave no answer while the policy existed" if ways else "no canary pod ran on that node"
            )
            replies[request] = CanaryReply(trials, self.waited) if trials and not (complaint and seen) else Lost(why)
        return replies

    def _phases(self) -> str:
        """Run the phases; return why they could not be completed, or ""."""
        for way, outcome in self._try(self.ways, samples=3):
            way.before, way.last = outcome is Outcome.OK, outcome
        alive = [way for way in self.ways if way.before]
        if not alive:
            return ""
        try:
            self.session.policy.create()
        except ApiError as error:
            lacks = missing_right.of(self.client, error, self.session.policy.right)
            return f"the canary's NetworkPolicy can't be created: {error.message}{missing_right.clause(lacks)}"
        self._until(alive, ENFORCED, _note_stopped)
        if not self.session.policy.delete():
            return "the canary's NetworkPolicy can't be deleted"
        stopped = [way for way in alive if way.stopped >= 0]
        self._until(stopped, LIFTED, _note_again)
        return "" if time.monotonic() < self.deadline else "the time limit of the run was reached"

    def _until(self, ways: list[CanaryPath], seconds: float, note: Note) -> None:
        """Poll until ``note`` has accepted every path, for at most ``seconds``, or ``LATE`` once it has accepted some."""
        start = time.monotonic()
        left = ways
        while left and time.monotonic() < min(start + (seconds if len(left) == len(ways) else max(seconds, LATE)), self.deadline):
            looked = self._try(left, samples=2)
            for way, outcome in looked:
                way.last = outcome
            left = [way for way, outcome in looked if not note(way, outcome, time.monotonic() - start)]
            if left:
                time.sleep(PAUSE)
        self.waited = round(max(self.waited, time.monotonic() - start), 1) if left else self.waited

    def _try(self, ways: list[CanaryPath], samples: int) -> list[tuple[CanaryPath, Outcome | None]]:
        """Try paths, with one exec per source, all at once. OK is the proof; None: nothing is known about the network."""
        sources = {way.source.name: way.source for way in ways}
        with ThreadPoolExecutor(max(1, len(sources))) as pool:
            batches = pool.map(lambda pod: self._ask(pod, [way for way in ways if way.source is pod], samples), sources.values())
            return [pair for batch in batches for pair in batch]

    def _ask(self, pod: DebugPod, ways: list[CanaryPath], samples: int) -> list[tuple[CanaryPath, Outcome | None]]:
        servers = {(way.target.name, False): EchoServer((way.target.ip,), way.target.nonce) for way in ways}
        targets = Targets(servers, port=self.session.targets.port)
        asks = {way.target.name: Echo(pod.node, Peer(way.target.name), samples=samples, timeout=PATIENCE) for way in ways}
        left = self.deadline - time.monotonic()
        answer = agent_exec.run(self.client, self.session.namespace, pod.name, tuple(asks.values()), max(left, 1.0), targets)
        return [(way, _outcome(answer.replies.get(asks[way.target.name]))) for way in ways]


def _outcome(reply: Reply | None) -> Outcome | None:
    if not isinstance(reply, EchoReply):
        return None
    outcomes = [Outcome.MALFORMED if sample.impostor else sample.outcome for sample in reply.samples]
    return Outcome.OK if Outcome.OK in outcomes else outcomes[-1]


def _note_stopped(way: CanaryPath, outcome: Outcome | None, at: float) -> bool:
    if outcome in (None, Outcome.OK):
        return False
    way.stopped, way.how = round(at, 1), str(outcome)
    return True


def _note_again(way: CanaryPath, outcome: Outcome | None, at: float) -> bool:
    if outcome is not Outcome.OK:
        return False
    way.again = round(at, 1)
    return True
