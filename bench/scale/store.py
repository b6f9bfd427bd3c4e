# SPDX-License-Identifier: Apache-2.0
"""Objects straight into etcd, as JSON, which an API server reads as well as the protobuf that it writes itself."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from types import TracebackType
from urllib.parse import urlsplit

AT_ONCE = 100
"""Objects of one transaction; etcd takes 128 operations and 1.5 MiB."""


class Store:
    """An etcd that is filled. ``written``: objects, ``size``: bytes of their JSON."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port)
        self._waiting: list[tuple[str, bytes]] = []
        self.written = self.size = 0

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._flush()
        self._connection.close()

    def put(self, key: str, value: bytes) -> None:
        """Keep an object, with the others of its transaction."""
        self._waiting.append((key, value))
        if len(self._waiting) == AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        puts = [
            {"requestPut": {"key": b64encode(key.encode()).decode(), "value": b64encode(value).decode()}}
            for key, value in self._waiting
        ]
        if not puts:
            return
        self._connection.request("POST", "/v3/kv/txn", json.dumps({"success": puts}), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise OSError(f"etcd answered {answer.status}: {said[:300].decode(errors='replace')}")
        self.written += len(puts)
        self.size += sum(len(value) for _, value in self._waiting)
        self._waiting = []
