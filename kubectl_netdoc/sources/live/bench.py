# SPDX-License-Identifier: Apache-2.0
"""Runs benchmarks in the debug pods of a session: an agent at each end, which are told sample by sample what to send and to take.

Samples of all paths and loads take turns, so that what changes on the nodes meanwhile meets all of them alike.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.core.progress import Progress
from kubectl_netdoc.measurements.base import Lost, Outcome, OwnService, Peer
from kubectl_netdoc.measurements.bench import BENCH_PORT, Bench, BenchLoad, BenchReply, BenchSample, Kind, LoadSamples, Route
from kubectl_netdoc.measurements.requests import Reply, Request
from kubectl_netdoc.sources import bench_replies
from kubectl_netdoc.sources.agent_protocol import Unresolved
from kubectl_netdoc.sources.agent_protocol.targets import of_family
from kubectl_netdoc.sources.bench_tools import TOOLS
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.client import Client
from kubectl_netdoc.sources.live.conversation import Conversation, ConversationBroken
from kubectl_netdoc.sources.live.debug_pods import DebugPod, Session

STARTED = 10.0
"""Seconds for an agent to start."""

LATE = 20.0
"""Seconds beyond a sample's own until both ends have told of it: an agent gives up after four, its processes after twelve."""

OUT_OF_TIME = "the time limit of the run was reached"


class _End(Struct):
    """An agent at an end, and what it told of itself. ``broken``: why it is not asked again: what it says may be about before."""

    talk: Conversation
    ready: bench_replies.Ready
    broken: str = ""


class _Path(Struct):
    """A path while it is measured: its samples by load, and why a load, or the whole path, is not tried again."""

    request: Bench
    source: _End
    target: _End
    to: tuple[str, dict[str, int]]
    samples: dict[BenchLoad, list[BenchSample]]
    problems: dict[BenchLoad, str] = {}

    @property
    def hopeless(self) -> bool:
        """Tell whether the first two loads failed, and no sample succeeded: then the others would only wait."""
        return len(self.problems) > 1 and not any(one.bytes or one.came for each in self.samples.values() for one in each)

    def reply(self) -> BenchReply:
        """Return what was measured so far."""
        loads = tuple(LoadSamples(load, tuple(samples), self.problems.get(load, "")) for load, samples in self.samples.items())
        one, other = self.source.ready, self.target.ready
        return BenchReply(self.to[0], loads, (one.cpus, other.cpus), one.machine == other.machine)


class BenchRun:
    """The benchmarks of a run, in the debug pods of a session, until ``deadline`` (of the monotonic clock)."""

    def __init__(self, client: Client, session: Session, progress: Progress, deadline: float) -> None:
        self.client, self.session, self.progress, self.deadline = client, session, progress, deadline
        self._ends: dict[str, _End] = {}

    def run(self, requests: tuple[Bench, ...]) -> dict[Request, Reply]:
        """Return the reply to each request; never raises."""
        replies: dict[Request, Reply] = {}
        paths: list[_Path] = []
        with ExitStack() as open_:
            for request in requests:
                try:
                    paths.append(self._path(open_, request))
                except (Unresolved, ConversationBroken) as error:
                    replies[request] = Lost(str(error))
            for number, path, load in _turns(paths):
                self.progress.stage(f"round {number + 1}: {path.request.route}, {load}")
                self._sample(path, load)
        return replies | {path.request: path.reply() for path in paths}

    def _path(self, open_: ExitStack, request: Bench) -> _Path:
        source, target = self._pods(request)
        loads: dict[BenchLoad, list[BenchSample]] = {load: [] for load in request.loads}
        both = self._end(open_, source, request), self._end(open_, target, request)
        if missing := [source.node for end in both if request.tool and request.tool not in end.ready.tools]:
            raise Unresolved(
                f"the image of the debug pods has no {request.tool} (on node {missing[0]}); name another with --image"
            )
        return _Path(request, *both, self._to(request, both[1]), loads)

    def _pods(self, request: Bench) -> tuple[DebugPod, DebugPod]:
        """Return the pods at both ends; raises ``Unresolved``."""
        found = []
        for node, twin in ((request.node, False), (request.to, request.route is Route.SAME_NODE)):
            pods = (pod for pod in self.session.pods if pod.node == node and pod.running)
            pod = next((pod for pod in pods if (pod.host, pod.twin) == (request.host, twin) and not pod.canary), None)
            if pod is None:
                raise Unresolved(f"no debug pod ran on node {node}")
            found.append(pod)
        return found[0], found[1]

    def _end(self, open_: ExitStack, pod: DebugPod, request: Bench) -> _End:
        """Return the agent of a pod, which is started once; raises ``ConversationBroken``."""
        if pod.name not in self._ends:
            left = max(self.deadline - time.monotonic(), 1.0)
            ask = {"id": 0, "op": "bench", "port": 0 if pod.host or request.tool else BENCH_PORT}
            program = agent_exec.framed(agent.joined(agent.PARTS_OF_BENCH), [ask], left, self.session.targets)
            talk = open_.enter_context(Conversation(self.client, self.session.namespace, pod.name, program, left))
            try:
                ready = bench_replies.ready(talk.hear("ready", time.monotonic() + STARTED))
            except bench_replies.UNREADABLE as error:
                raise ConversationBroken(f"the agent's reply can't be decoded: {error}") from error
            self._ends[pod.name] = _End(talk, ready)
        return self._ends[pod.name]

    def _to(self, request: Bench, target: _End) -> tuple[str, dict[str, int]]:
        """Return the address that is sent to, and the ports of TCP and UDP there; raises ``Unresolved``."""
        same = dict.fromkeys(("TCP", "UDP"), BENCH_PORT)
        if request.route is Route.HOST:
            return request.at, same if request.tool else dict.fromkeys(same, target.ready.port)
        if not request.route.by_service:
            peer = Peer(request.to, twin=request.route is Route.SAME_NODE)
            return of_family(self.session.targets.server(peer).ips, request.family, f"netdoc's pod on node {request.to}"), same
        service = self.session.targets.service(OwnService(bench=True))
        if request.route is Route.CLUSTER_IP:
            return of_family(service.ips, request.family, "netdoc's own Service"), same
        if not all(service.node_ports.values()):
            raise Unresolved("netdoc's own Service got no node port")
        return request.at, dict(service.node_ports)

    def _sample(self, path: _Path, load: BenchLoad) -> None:
        """Take one sample of a load; a failure is noted, and ends the load's turns."""
        late = self.deadline - time.monotonic() < path.request.seconds + 2
        if why := path.source.broken or path.target.broken or (OUT_OF_TIME if late else ""):
            path.problems[load] = why
            return
        try:
            found = bench_replies.sample(load, *self._told(path, load), path.request.tool)
            path.samples[load].append(found)
            if found.outcome is not Outcome.OK:
                path.problems[load] = f"the connection {found.outcome.verb}"
        except ConversationBroken as error:
            path.problems[load] = path.source.broken = path.target.broken = str(error)
        except bench_replies.UNREADABLE as error:
            path.problems[load] = f"what the ends told can't be read: {error}"

    def _told(self, path: _Path, load: BenchLoad) -> tuple[Any, Any]:
        """Return what both ends told of one sample; raises ``ConversationBroken``."""
        request, (ip, ports) = path.request, path.to
        port = ports["UDP" if load.kind in (Kind.UDP, Kind.UDP_RR) and not request.tool else "TCP"]
        end = time.monotonic() + request.seconds + LATE
        source, target = path.source.talk, path.target.talk
        if request.tool and load.kind is not Kind.QUIET:
            tool = TOOLS[request.tool]
            command = tool.client(load, ip, port, request.seconds)
            asked = {"do": "run", "command": command, "seconds": request.seconds}
            target.say({"do": "offer", "command": tool.server(BENCH_PORT), "port": BENCH_PORT})
        else:
            order = {"kind": load.kind, "streams": load.streams, "size": load.size, "rate": load.rate, "to": [ip, port]}
            order |= {"seconds": request.seconds, "bytes": request.most_bytes, "token": secrets.token_hex(8)}
            asked = {"do": "send", **order}
            target.say({"do": "take", **order})
        target.hear("listening", end)
        source.say(asked)
        told = source.hear("told", end)
        if asked["do"] == "run":
            target.say({})
        return told, target.hear("told", end)


def _turns(paths: Iterable[_Path]) -> Iterator[tuple[int, _Path, BenchLoad]]:
    """Yield whose turn it is: in each round each load that has not failed, one path after the other.

    So pods and nodes are measured at nearly the same time, and no connection to an agent is idle for long.
    """
    every = list(paths)
    rounds = range(max((path.request.samples for path in every), default=0))
    loads = dict.fromkeys(load for path in every for load in path.request.loads)
    for number, load, path in product(rounds, loads, every):
        if load not in path.samples or load in path.problems or number >= path.request.samples:
            continue
        if path.hopeless:
            path.problems[load] = "not tried: the loads before it failed"
        else:
            yield number, path, load
