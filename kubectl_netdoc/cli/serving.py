# SPDX-License-Identifier: Apache-2.0
"""The small HTTP server of ``watch``: /metrics for Prometheus, /healthz for the kubelet."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click

from kubectl_netdoc.report.metrics import CONTENT_TYPE

SLOWEST = 10.0
"""Seconds within which a client has to send its request."""


class Address(click.ParamType[tuple[str, int]]):
    """An address and a port to listen on: 127.0.0.1:9469, [::1]:9469; without an address all of them."""

    name = "[address]:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return host and port."""
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*)):(\d{1,5})", str(value))
        if not found or int(found[3]) > 65535:
            self.fail(f"{value!r} is not an address to listen on; write it like :9469 or 127.0.0.1:9469", param, ctx)
        return found[1] or found[2] or "", int(found[3])


class Health:
    """Whether the program gets on. ``patience``: seconds for which nothing may happen."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._beat = time.monotonic()

    def beat(self) -> None:
        """Something has happened."""
        self._beat = time.monotonic()

    @property
    def good(self) -> bool:
        """Tell whether something has happened lately."""
        return time.monotonic() - self._beat < self._patience


def serve(host: str, port: int, page: Callable[[], str], health: Health) -> ThreadingHTTPServer:
    """Serve in threads of their own until the program ends; raises ``OSError`` if it can't listen there."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SLOWEST
        server_version = "netdoc"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] == "/metrics":
                self._answer(HTTPStatus.OK, page(), CONTENT_TYPE)
            elif self.path == "/healthz":
                good = health.good
                self._answer(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, "ok\n" if good else "stuck\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "/metrics and /healthz\n")

        def _answer(self, status: HTTPStatus, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a line a scrape would bury the others."""

    server = ThreadingHTTPServer((host, port), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = _listening(host, port)
    server.server_address = server.socket.getsockname()[:2]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening socket: of one address, or of all of both families where this machine has both."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
