# SPDX-License-Identifier: Apache-2.0
"""An exec that is talked with while it runs: the taps of a trace and its sender wait for each other's lines."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

import websocket

from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources import UNREADABLE
from kubectl_netdoc.sources.live.client import ApiError, Client
from kubectl_netdoc.sources.live.exec import BOOTSTRAP, Output, write


class ConversationBroken(Exception):
    """Raised if the other side says nothing in time, or what can't be read; the text says why."""


class Conversation:
    """A program in a debug pod that reads lines and writes lines; close it by leaving the ``with``."""

    def __init__(self, client: Client, namespace: str, pod: str, data: bytes, seconds: float) -> None:
        """Start the program with its framed input; raises ``ConversationBroken``."""
        try:
            self._channel = client.exec(namespace, pod, ["python3", "-c", BOOTSTRAP], seconds)
        except ApiError as error:
            raise ConversationBroken(f"exec into the debug pod failed: {error.message}") from error
        self._output = Output()
        self._written(data)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._channel.shutdown()

    def say(self, words: dict[str, Any]) -> None:
        """Send a line; raises ``ConversationBroken``."""
        self._written(json.dumps(words).encode() + b"\n")

    def _written(self, data: bytes) -> None:
        try:
            write(self._channel, data)
        except (websocket.WebSocketException, OSError) as error:
            raise _broken(error) from error

    def hear(self, key: str, deadline: float) -> Any:
        """Return the next line that has this key, as far as it is JSON; raises ``ConversationBroken``."""
        while True:
            line, found, rest = self._output.text.partition(b"\n")
            if not found:
                self._read(deadline)
                continue
            self._output.text = rest
            try:
                said = strict_json.decode(bytes(line), dict[str, Any])
            except UNREADABLE:
                continue
            if said.get("error"):
                raise ConversationBroken(f"the agent in the debug pod reported an error: {str(said['error'])[:200]}")
            if key in said:
                return said[key]

    def _read(self, deadline: float) -> None:
        try:
            complaint = self._output.receive(self._channel, deadline)
        except (websocket.WebSocketException, OSError) as error:
            raise _broken(error) from error
        if complaint:
            raise ConversationBroken(complaint)


def _broken(error: Exception) -> ConversationBroken:
    return ConversationBroken(f"the connection of the exec broke: {' '.join(str(error).split())}")
