# SPDX-License-Identifier: Apache-2.0
"""Local UDP servers that behave as told, each in a thread of the test."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dns.message

Behaviour = Callable[[bytes, int], Iterable[bytes]]
"""From a query and its number (from 0) to the datagrams sent back."""

Place = tuple[str, int]


@contextmanager
def udp_server(behave: Behaviour) -> Iterator[Place]:
    """Give the address of a server on 127.0.0.1 that answers as ``behave`` says."""
    numbers = iter(range(1_000_000))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, sock = self.request
            for datagram in behave(query, next(numbers)):
                sock.sendto(datagram, self.client_address)

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield "127.0.0.1", int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join(10)


class _Server(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 65535

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


def healthy(query: bytes, number: int) -> list[bytes]:
    """Answer as a DNS server without the name: id and question of the query, and the response bit."""
    return [dns.message.make_response(dns.message.from_wire(query)).to_wire()]


def silent(query: bytes, number: int) -> list[bytes]:
    """Answer nothing."""
    return []


def other_id(query: bytes) -> bytes:
    """Return the query with another id."""
    return bytes((query[0] ^ 0xFF, query[1])) + query[2:]


@contextmanager
def closed_port() -> Iterator[Place]:
    """Give an address on which nothing listens, kept from others: bound to a socket that is connected elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        sock.bind(("127.0.0.1", 0))
        sock.connect(other.getsockname())
        yield "127.0.0.1", int(sock.getsockname()[1])
