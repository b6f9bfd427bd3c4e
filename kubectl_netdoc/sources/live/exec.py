"""Runs the agent in a debug pod over exec, a lossy transport: framed input, one deadline, an end line or nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import websocket
from msgspec import Struct

from kubectl_netdoc import agent
from kubectl_netdoc.requests import Lost, Reply, Request
from kubectl_netdoc.sources import wire
from kubectl_netdoc.sources.live.client import ApiError, Client

STDIN, STDOUT, STDERR, ERROR = 0, 1, 2, 3
LARGEST = 32 * 1024 * 1024
"""Bytes of output at most: the largest batch measured so far answers with under 1 MB."""

FRAME = 60 * 1024
"""Bytes of input a frame: some proxies on the way refuse frames over 64 KiB."""

BOOTSTRAP = "import sys; n = int(sys.stdin.buffer.readline()); exec(compile(sys.stdin.buffer.read(n), 'agent', 'exec'))"
"""Reads the agent's text from stdin by its length: v4 of the protocol can't close stdin, so nothing waits for its end."""


class Answer(Struct, frozen=True):
    """What one batch brought: the reply to each request, and how long the CPU limit held the agent back (seconds)."""

    replies: dict[Request, Reply]
    throttled: float = 0.0
    lost: str = ""


def run(client: Client, namespace: str, pod: str, requests: tuple[Request, ...], seconds: float) -> Answer:
    """Send one batch to a debug pod and return its replies; never raises: what did not come back is ``Lost``."""
    deadline = time.monotonic() + seconds
    try:
        channel = client.exec(namespace, pod, ["python3", "-c", BOOTSTRAP], seconds)
    except ApiError as error:
        return _lost(requests, f"exec refused: {error.message}" if error.status else f"exec failed: {error.message}")
    try:
        _write(channel, payload(requests, seconds - 1.0))
        output, complaint = _read(channel, deadline)
    except (websocket.WebSocketException, OSError) as error:
        output, complaint = b"", f"the exec stream broke: {' '.join(str(error).split())}"
    finally:
        channel.shutdown()
    return parse(requests, output, complaint)


def payload(requests: tuple[Request, ...], budget: float) -> bytes:
    """Return the framed input of a batch: the agent's text, then its asks."""
    program = agent.source()
    asks = [wire.ask(number, request) for number, request in enumerate(requests)]
    batch = json.dumps({"budget": max(budget, 0.5), "asks": asks}).encode()
    return b"%d\n%s%d\n%s" % (len(program), program, len(batch), batch)


def _write(channel: websocket.WebSocket, data: bytes) -> None:
    for start in range(0, len(data), FRAME):
        channel.send_binary(bytes([STDIN]) + data[start : start + FRAME])


def _read(channel: websocket.WebSocket, deadline: float) -> tuple[bytes, str]:
    """Return stdout up to the end line, and a complaint where it never came."""
    output, errors = bytearray(), bytearray()
    while not ended(output):
        left = deadline - time.monotonic()
        if left <= 0:
            return bytes(output), "no end of the answer in time"
        if len(output) > LARGEST:
            return bytes(output), f"the answer is larger than {LARGEST >> 20} MiB"
        channel.settimeout(left)
        try:
            opcode, data = channel.recv_data()
        except websocket.WebSocketTimeoutException:
            continue
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return bytes(output), _why_closed(errors)
        if data and data[0] == STDOUT:
            output += data[1:]
        elif data and data[0] in (STDERR, ERROR):
            errors += data[1:2000]
    return bytes(output), ""


def ended(output: bytes | bytearray) -> bool:
    """Whether the last whole line is the agent's end line; what comes after it is nobody's."""
    return output.endswith(b"\n") and b'"end": true' in output[output.rfind(b"\n", 0, len(output) - 1) + 1 :]


def _why_closed(errors: bytes | bytearray) -> str:
    text = " ".join(bytes(errors).decode("utf-8", "replace").split())
    return f"the answer was cut: {text[-300:]}" if text else "the answer was cut"


def parse(requests: tuple[Request, ...], output: bytes, complaint: str) -> Answer:
    """Return the replies in the agent's output; a request without one is ``Lost`` with the complaint."""
    replies: dict[Request, Reply] = {}
    throttled, whole = 0.0, False
    for line in output.split(b"\n"):
        try:
            decoded = wire.decode(line) if line else None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            complaint = complaint or "a line of the answer can't be read"
            continue
        if decoded is None:
            continue
        if decoded.end:
            throttled, whole = decoded.throttled, True
            break
        if 0 <= decoded.id < len(requests):
            replies[requests[decoded.id]] = wire.reply(requests[decoded.id], decoded)
    reason = complaint or ("no reply among the answers" if whole else "the answer was cut")
    missing: dict[Request, Any] = {request: Lost(reason) for request in requests if request not in replies}
    return Answer(replies | missing, throttled, reason if missing else "")


def _lost(requests: tuple[Request, ...], reason: str) -> Answer:
    return Answer({request: Lost(reason) for request in requests}, lost=reason)
