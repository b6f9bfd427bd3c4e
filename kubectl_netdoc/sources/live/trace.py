# SPDX-License-Identifier: Apache-2.0
"""Runs a trace: taps listen on the nodes, the source's debug pod sends marked packets, and all that was seen becomes one reply.

The taps start first and read the nodes' counters twice, so that what rises by itself is known. Only when every tap listens does
the sender begin. Its node's tap then tells which TCP handshakes were netdoc's, and the others report those alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.measurements import rule_owners
from kubectl_netdoc.measurements.base import Address, Lost, OwnService
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.measurements.trace import SentPacket, Sighting, TapReading, Trace, TraceReply
from kubectl_netdoc.sources import kernel_replies, trace_replies
from kubectl_netdoc.sources.agent_protocol import Unresolved, tap_filter
from kubectl_netdoc.sources.agent_protocol.targets import address
from kubectl_netdoc.sources.live import exec as agent_exec
from kubectl_netdoc.sources.live.client import Client
from kubectl_netdoc.sources.live.conversation import Conversation, ConversationBroken
from kubectl_netdoc.sources.live.debug_pods import DebugPod, Session

NET_ADMIN, NET_RAW = 12, 13

CONTROL = 0.6
"""Seconds in which a tap watches the counters before anything is sent: as long as sending six packets and waiting takes."""

STARTED = 8.0
"""Seconds for a tap to start and to read the counters: 0.4 s on the lab, and more where there are 100,000 rules."""

ON_THE_WAY = 0.1
"""Seconds after the last answer in which a late packet may still be seen."""

MOST_FRAMES = 20_000
"""Frames that a tap keeps: some 10 MB of its pod's memory."""

TUNNELS = {8472: "VXLAN", 4789: "VXLAN", 6081: "Geneve", 51820: "WireGuard", 51821: "WireGuard"}
"""UDP ports of tunnels: Linux' own and IANA's VXLAN, Geneve, and WireGuard as flannel, Calico and Cilium set it up."""


class _Tapped(Struct, frozen=True):
    """What one node told, or why it told nothing."""

    node: str
    told: dict[str, Any] = {}
    problem: str = ""


class TraceRun:
    """One trace after the other, in the debug pods of a session."""

    def __init__(self, client: Client, session: Session, deadline: float) -> None:
        self.client, self.session, self.deadline = client, session, deadline
        self.hosts = {pod.node: pod for pod in session.pods if pod.host and pod.running}
        self.senders = {pod.node: pod for pod in session.pods if pod.measures and pod.running}

    def run(self, request: Trace) -> Reply:
        """Return the reply to one request; never raises."""
        sender = (self.hosts if request.own_network else self.senders).get(request.node)
        if sender is None:
            return Lost(f"no debug pod ran on node {request.node}", sent=False)
        if self.deadline - time.monotonic() < CONTROL + 2:
            return Lost("the time limit of the run was reached", sent=False)
        try:
            to = Address(*address(request.to, self.session.targets, request.family))
        except Unresolved as error:
            return Lost(str(error), sent=False)
        try:
            return self._traced(request, sender, to)
        except ConversationBroken as error:
            return Lost(str(error))
        except trace_replies.UNREADABLE as error:
            return Lost(f"the agent's reply can't be decoded: {error}")

    def _traced(self, request: Trace, sender: DebugPod, to: Address) -> Reply:
        started = time.monotonic()
        nonce = b"nd" + secrets.token_bytes(6)
        with ExitStack() as open_, ThreadPoolExecutor(len(request.listening) + 2) as pool:
            sending = pool.submit(self._started, open_, sender, self._sender(request, to, nonce))
            starting = {
                node: pool.submit(self._started, open_, self.hosts[node], self._tap(to, nonce))
                for node in request.listening
                if node in self.hosts
            }
            taps: dict[str, Conversation] = {}
            problems = {node: "no pod ran on its host network" for node in request.listening if node not in self.hosts}
            for node, future in starting.items():
                try:
                    taps[node] = future.result()
                except ConversationBroken as error:
                    problems[node] = str(error)
            source = sending.result()
            source.say({"go": True})
            packets = trace_replies.sent(self._samples(source)[2])
            time.sleep(ON_THE_WAY)
            tapped = self._ended(pool.map, taps, request, packets)
        problems |= {one.node: one.problem for one in tapped.values() if one.problem}
        return self._reply(request, to, packets, tapped, problems, time.monotonic() - started)

    def _started(self, open_: ExitStack, pod: DebugPod, data: bytes) -> Conversation:
        """Start a program and wait until it says that it is ready."""
        left = min(self.deadline - time.monotonic(), STARTED + 10)
        conversation = open_.enter_context(Conversation(self.client, self.session.namespace, pod.name, data, left))
        conversation.hear("ready", time.monotonic() + STARTED)
        return conversation

    def _sender(self, request: Trace, to: Address, nonce: bytes) -> bytes:
        ask = {
            "id": 0,
            "op": "marked",
            "to": [to.ip, to.port],
            "protocol": request.protocol,
            "nonce": nonce.hex(),
            "zone": request.zone,
        }
        ask |= {"count": request.count, "interval": request.interval, "timeout": request.timeout}
        capabilities: list[int] | None = [] if request.own_network else None
        return agent_exec.framed(agent.joined(agent.PARTS_OF_SENDER), [ask], STARTED + 5, self.session.targets, capabilities)

    def _tap(self, to: Address, nonce: bytes) -> bytes:
        passes = tap_filter.program(tap_filter.marks(nonce), TUNNELS)
        ask = {"id": 0, "op": "tap", "filter": passes, "nonce": nonce.hex(), "control": CONTROL}
        ask |= {"seconds": STARTED, "most": MOST_FRAMES, "owned": rule_owners.PATTERNS, "counters": list(kernel_replies.COUNTERS)}
        ask |= {"tunnels": TUNNELS, "asked": to.ip}
        program = agent.joined(agent.PARTS_OF_TAP)
        return agent_exec.framed(program, [ask], STARTED + 8, self.session.targets, [NET_ADMIN, NET_RAW])

    def _samples(self, conversation: Conversation) -> list[Any]:
        samples: list[list[Any]] = conversation.hear("samples", min(self.deadline, time.monotonic() + STARTED))
        return samples[0]

    def _ended(
        self, each: Callable[..., Any], taps: Mapping[str, Conversation], request: Trace, packets: tuple[SentPacket, ...]
    ) -> dict[str, _Tapped]:
        """End the taps: first that of the node that sent, which knows netdoc's handshakes, then the others at once."""
        found: dict[str, _Tapped] = {}
        if request.node in taps:
            origins = {"from": [[packet.source.ip, packet.source.port] for packet in packets]}
            found[request.node] = self._end(request.node, taps[request.node], origins)
        keys = {"keys": list(self._keys(request, found, packets))}
        others = [node for node in taps if node != request.node]
        for one in each(lambda node: self._end(node, taps[node], keys), others):
            found[one.node] = one
        return found

    def _end(self, node: str, tap: Conversation, line: dict[str, Any]) -> _Tapped:
        try:
            tap.say(line)
            return _Tapped(node, self._samples(tap)[2])
        except ConversationBroken as error:
            return _Tapped(node, problem=str(error))

    @staticmethod
    def _keys(request: Trace, tapped: Mapping[str, _Tapped], packets: tuple[SentPacket, ...]) -> dict[int, int]:
        own = tapped.get(request.node)
        return trace_replies.handshakes(own.told, packets) if own else {}

    def _reply(
        self,
        request: Trace,
        to: Address,
        packets: tuple[SentPacket, ...],
        tapped: Mapping[str, _Tapped],
        problems: Mapping[str, str],
        seconds: float,
    ) -> TraceReply:
        keys = self._keys(request, tapped, packets)
        seen: list[Sighting] = []
        readings = [TapReading(node, problem=why) for node, why in sorted(problems.items())]
        for node, one in sorted(tapped.items()):
            if not one.problem:
                readings.append(trace_replies.reading(node, one.told))
                seen += trace_replies.sightings(node, one.told, keys, len(packets))
        own = isinstance(request.to, OwnService)
        behind = tuple(sorted(ip for server in self.session.targets.servers.values() for ip in server.ips)) if own else ()
        return TraceReply(to, packets, tuple(seen), tuple(readings), behind, round(seconds, 3))
