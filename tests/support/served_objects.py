# SPDX-License-Identifier: Apache-2.0
"""A read-only API server on loopback that serves folders of objects: a stand-in for a cluster that can't be made here."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from kubectl_netdoc.records import label_selector
from kubectl_netdoc.records.kinds import KINDS
from tests.support import discovery

Document = dict[str, Any]

_AGO = re.compile(r"ago\((\d+)\)")
_PATH = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+)(/log)?)?")


def dated(value: Any) -> Any:
    """Return a document with ``ago(SECONDS)`` as moments."""
    if isinstance(value, dict):
        return {str(key): dated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [dated(item) for item in value]
    found = _AGO.fullmatch(value) if isinstance(value, str) else None
    return (datetime.now(UTC) - timedelta(seconds=int(found[1]))).strftime("%Y-%m-%dT%H:%M:%SZ") if found else value


def objects(*folders: Path) -> list[Document]:
    """Return the objects of folders; one of a later folder stands in for its namesake, and ``remove: true`` takes that away."""
    kept: dict[tuple[str, str, str], Document] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")):
            for item in filter(None, dated(list(yaml.safe_load_all(file.read_text())))):
                meta = item["metadata"]
                key = (item["kind"], meta.get("namespace", ""), meta["name"])
                if item.pop("remove", False):
                    kept.pop(key)
                else:
                    kept[key] = item
    return list(kept.values())


def _lists(items: list[Document]) -> dict[tuple[str, str], list[Document]]:
    """Objects by the path and plural under which they are served."""
    found: dict[tuple[str, str], list[Document]] = {}
    for item in items:
        group = item.get("apiVersion", "v1").rpartition("/")[0]
        for place in {
            (k.path, k.plural, k.namespaced) for k in KINDS.values() if (k.written or k.name, k.group) == (item["kind"], group)
        }:
            if place[2]:
                item["metadata"].setdefault("namespace", "default")
            item["metadata"].setdefault("creationTimestamp", dated("ago(86400)"))
            found.setdefault(place[:2], []).append(item)
    return found


def _dotted(item: Document, key: str) -> str:
    value: Any = item
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _chosen(item: Document, query: dict[str, list[str]]) -> bool:
    fields = [part.split("=", 1) for each in query.get("fieldSelector", []) for part in each.split(",")]
    labels = [requirement for each in query.get("labelSelector", []) for requirement in label_selector.parse(each)]
    own = item["metadata"].get("labels") or {}
    return all(_dotted(item, key) == value for key, value in fields) and label_selector.matches(labels, own)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lists: dict[tuple[str, str], list[Document]]
    logs: dict[str, str]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a list, an object, a log or what is served."""
        parts = urlsplit(self.path)
        code, body = self._answer(parts.path.rstrip("/"), parse_qs(parts.query))
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Document | str]:
        if path == "/version":
            return 200, {"gitVersion": "v1.34.1", "major": "1", "minor": "34"}
        apis = {place.removeprefix("/apis/") for place, _ in self.lists if place != "/api/v1"} | discovery.BUILT_IN
        if path == "/apis":
            return 200, discovery.aggregated(discovery.plurals(apis))
        found = _PATH.fullmatch(path)
        missing = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}
        if not found:
            return 404, missing
        api, namespace, plural, name, log = found.groups()
        items = self.lists.get((api, plural))
        if log:
            return (200, self.logs[name]) if name in self.logs else (404, missing)
        if items is None and api != "/api/v1" and api.removeprefix("/apis/") not in apis:
            return 404, missing
        there = [i for i in items or [] if not namespace or i["metadata"].get("namespace") == namespace]
        if name:
            return next(((200, item) for item in there if item["metadata"]["name"] == name), (404, missing))
        return 200, {"kind": "List", "metadata": {}, "items": [item for item in there if _chosen(item, query)]}


@contextmanager
def serving(*folders: Path) -> Iterator[str]:
    """Serve folders of objects (and NAME.log as the log of pod NAME) while the block runs; give the server's URL."""
    logs = {file.stem: file.read_text() for folder in folders for file in folder.glob("*.log")}
    handler = type("Handler", (_Handler,), {"lists": _lists(objects(*folders)), "logs": logs})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
