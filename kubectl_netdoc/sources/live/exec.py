# SPDX-License-Identifier: Apache-2.0
"""Runs the agent in a debug pod over exec, a lossy transport: framed input, one deadline, an end line or nothing."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import msgspec
import websocket
from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.core.facts import PodProblem
from kubectl_netdoc.measurements import load
from kubectl_netdoc.measurements.base import Lost
from kubectl_netdoc.measurements.node import KernelReply
from kubectl_netdoc.measurements.requests import Probe, Reply, Request, on_host
from kubectl_netdoc.sources import UNREADABLE, agent_protocol
from kubectl_netdoc.sources.agent_protocol import NO_TARGETS, Targets
from kubectl_netdoc.sources.live import admission
from kubectl_netdoc.sources.live.client import ApiError, Client

STDIN, STDOUT, STDERR, ERROR = 0, 1, 2, 3
LARGEST = 32 * 1024 * 1024
"""Most bytes of output. The largest batch measured so far answers with less than 1 MB."""

NOISE = 1000
"""Most lines beyond the number of requests that are read: a container may print something itself, but not endlessly."""

FRAME = 60 * 1024
"""Bytes of input in one frame. Some proxies refuse frames over 64 KiB."""

BOOTSTRAP = (
    "import sys; print(flush=True); n = int(sys.stdin.buffer.readline()); "
    "exec(compile(sys.stdin.buffer.read(n), 'agent', 'exec'))"
)
"""Says by an empty line that it is there, then reads the agent's text from stdin by its length: v4 of the protocol can't close
stdin.
"""

FIRST_SIGN = 10.0
"""Seconds for that line to come: 0.2 s on the lab, and 3 s there with both of its CPUs busy many times over. A node on which exec
hangs would keep all others waiting.
"""


UNREACHED = re.compile(r"error dialing backend|proxy error|TLS handshake timeout")
"""What the API server says of a kubelet that it does not reach, by itself or through konnectivity (apimachinery, util/proxy)."""


FAILURE = '"Failure"'
"""In the status at the end of an exec that did not take place; newer API servers open the connection before they know."""


class ExecResult(Struct, frozen=True):
    """The result of one batch: the reply to each request, and for how many seconds the CPU limit throttled the agent.

    ``lost``: why replies are missing. ``problem``: nothing came at all, so exec itself does not work or is not permitted.
    ``refused``: how the server refused it.
    """

    replies: dict[Request, Reply]
    throttled: float = 0.0
    lost: str = ""
    problem: PodProblem | None = None
    refused: ApiError | None = None


def run(
    client: Client,
    namespace: str,
    pod: str,
    requests: tuple[Probe, ...],
    seconds: float,
    targets: Targets = NO_TARGETS,
    container: str = "",
) -> ExecResult:
    """Send one batch to a debug pod and return its replies; never raises: a missing reply is ``Lost``."""
    deadline = time.monotonic() + seconds
    requests, unresolved = resolvable(requests, targets)
    try:
        channel = client.exec(namespace, pod, ["python3", "-c", BOOTSTRAP], seconds, container)
    except ApiError as error:
        why = f"exec into the debug pod {'was refused' if error.status else 'failed'}: {error.message.rstrip(' :')}"
        trouble = admission.refusal(error) if error.status == 403 else PodProblem.EXEC
        return ExecResult(unresolved | {request: Lost(why) for request in requests}, lost=why, problem=trouble, refused=error)
    output = Output()
    try:
        write(channel, payload(requests, seconds - 1.0, targets))
        complaint = _read(channel, deadline, output)
    except (websocket.WebSocketException, OSError) as error:
        complaint = f"the connection of the exec broke: {' '.join(str(error).split())}"
    finally:
        channel.shutdown()
    answer = parse(requests, bytes(output.text), complaint, targets, client.now().timestamp())
    silent = None
    if requests and not output.text.strip():
        silent = PodProblem.EXEC if FAILURE in answer.lost else PodProblem.OUTPUT
    return ExecResult(answer.replies | unresolved, answer.throttled, answer.lost, silent)


def resolvable(requests: tuple[Probe, ...], targets: Targets) -> tuple[tuple[Probe, ...], dict[Request, Reply]]:
    """Return the requests in the order of measuring, and separately those whose target does not exist in this run."""
    good: list[Probe] = []
    unresolved: dict[Request, Reply] = {}
    for request in agent_protocol.ordered(requests):
        try:
            agent_protocol.ask(0, request, targets)
            good.append(request)
        except agent_protocol.Unresolved as error:
            unresolved[request] = Lost(str(error), sent=False)
    return tuple(good), unresolved


def payload(requests: tuple[Probe, ...], budget: float, targets: Targets = NO_TARGETS) -> bytes:
    """Return the framed input of a batch: the agent's text, then its asks."""
    host = any(on_host(request) for request in requests)
    asks = [agent_protocol.ask(number, request, targets) for number, request in enumerate(requests)]
    return framed(agent.source(host), asks, budget, targets, agent_protocol.capabilities(requests) if host else None)


def framed(
    program: bytes, asks: list[dict[str, Any]], budget: float, targets: Targets, capabilities: list[int] | None = None
) -> bytes:
    """Return the framed input of a program and its asks. ``capabilities``: those that are kept; None: the pod has none."""
    spacing = {"spacing": 1 / load.PER_NODE, "target_spacing": load.spacing(targets.nodes())}
    keep = {} if capabilities is None else {"capabilities": capabilities}
    batch = json.dumps({"budget": max(budget, 0.5), **spacing, **keep, "asks": asks}).encode()
    return b"%d\n%s%d\n%s" % (len(program), program, len(batch), batch)


def write(channel: websocket.WebSocket, data: bytes) -> None:
    """Send data to the stdin of an exec; raises ``WebSocketException`` or ``OSError``."""
    for start in range(0, len(data), FRAME):
        channel.send_binary(bytes([STDIN]) + data[start : start + FRAME])


class Output:
    """What a program in a pod writes: its stdout, and the end of what it complains of."""

    def __init__(self) -> None:
        self.text = bytearray()
        self._errors = b""

    def receive(self, channel: websocket.WebSocket, deadline: float) -> str:
        """Wait for the next piece; return why there is none, or "". Raises ``WebSocketException`` or ``OSError``."""
        left = deadline - time.monotonic()
        if left <= 0:
            return "the agent's output did not end in time"
        if len(self.text) > LARGEST:
            return f"the agent's output is larger than {LARGEST >> 20} MiB"
        channel.settimeout(left)
        try:
            opcode, data = channel.recv_data()
        except websocket.WebSocketTimeoutException:
            return ""
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return self._why_closed()
        if data and data[0] == STDOUT:
            self.text += data[1:]
        elif data and data[0] in (STDERR, ERROR):
            self._errors = (self._errors + data[1:])[-2000:]
        return ""

    def _why_closed(self) -> str:
        text = " ".join(self._errors.decode("utf-8", "replace").split())
        return f"the agent's output was cut off: {text[-300:]}" if text else "the agent's output was cut off"


def _read(channel: websocket.WebSocket, deadline: float, output: Output) -> str:
    """Read stdout up to the end line; return a complaint if the end line never came, or ""."""
    seen, first = 0, min(deadline, time.monotonic() + FIRST_SIGN)
    while not ended(output.text[seen:]):
        seen = output.text.rfind(b"\n") + 1
        if complaint := output.receive(channel, deadline if output.text else first):
            return complaint if output.text else f"{complaint} (not even its first line came)"
    return ""


def ended(output: bytes | bytearray) -> bool:
    """Tell whether the agent's end line is among the complete lines.

    The mark can't occur in a reply: inside a string its quotes are escaped.
    """
    mark = output.find(b'"end": true')
    return mark >= 0 and output.find(b"\n", mark) >= 0


def parse(
    requests: tuple[Probe, ...], output: bytes, complaint: str, targets: Targets = NO_TARGETS, moment: float = 0.0
) -> ExecResult:
    """Return the replies in the agent's output; a request without one is ``Lost`` with the complaint.

    ``moment``: when it ended, in seconds by the API server's clock.
    """
    replies: dict[Request, Reply] = {}
    throttled, whole = 0.0, False
    for line in output.split(b"\n", len(requests) + NOISE):
        try:
            decoded = agent_protocol.decode(line) if line else None
        except UNREADABLE:
            complaint = complaint or "a line of the agent's output can't be decoded"
            continue
        if decoded is None:
            continue
        if decoded.end:
            throttled, whole = decoded.throttled, True
            replies |= {request: _timed(reply, decoded.now - moment) for request, reply in replies.items()}
            break
        if 0 <= decoded.id < len(requests):
            replies.setdefault(requests[decoded.id], agent_protocol.reply(requests[decoded.id], decoded, targets))
    reason = complaint or ("the agent sent no reply to this request" if whole else "the agent's output was cut off")
    missing: dict[Request, Any] = {request: Lost(reason) for request in requests if request not in replies}
    return ExecResult(replies | missing, throttled, reason if missing else "")


def _timed(reply: Reply, ahead: float) -> Reply:
    """Return a reply with how far the node's clock is ahead, if it has the node's time."""
    return msgspec.structs.replace(reply, clock=round(ahead, 3)) if isinstance(reply, KernelReply) else reply
