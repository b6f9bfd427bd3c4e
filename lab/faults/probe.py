# SPDX-License-Identifier: Apache-2.0
"""The hand check of a fault, for any pod with python3; prints one line, `ok ...` or `failed ...`.

Usage: probe.py http HOST PORT | dns NAME | tcp HOST PORT | udp HOST PORT [SOURCE_PORT]
       probe.py idle HOST PORT SECONDS | held HOST PORT COUNT | often HOST PORT COUNT SECONDS
"""

import socket
import sys
import time
import urllib.request
from collections.abc import Callable


def http(host: str, port: str) -> str:
    """Fetch the whole of /, since a connect alone proves little."""
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=4) as answer:
        return f"{len(answer.read())} bytes"


def dns(name: str) -> str:
    """Look an IPv4 address up, the way an application does."""
    return str(socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


def tcp(host: str, port: str) -> str:
    """Connect."""
    socket.create_connection((host, int(port)), 4).close()
    return "connected"


def udp(host: str, port: str, source_port: str = "0") -> str:
    """Send a datagram and wait for its answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.bind(("", int(source_port)))
        sock.sendto(b"ping", (host, int(port)))
        return sock.recv(100).decode()


def idle(host: str, port: str, seconds: str) -> str:
    """Connect, be idle, and only then ask for a page."""
    with socket.create_connection((host, int(port)), 4) as sock:
        time.sleep(float(seconds))
        sock.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
        return f"{len(sock.recv(100))} bytes"


def held(host: str, port: str, count: str) -> str:
    """Hold so many connections at once, opened one after the other: a server's queue has room for a few alone."""
    socks: list[socket.socket] = []
    try:
        while len(socks) < int(count):
            socks.append(socket.create_connection((host, int(port)), 1.5))
    except OSError as problem:
        raise OSError(f"{len(socks)} of {count} at once: {problem}") from None
    finally:
        for sock in socks:
            sock.close()
    return f"{count} at once"


def often(host: str, port: str, count: str, seconds: str) -> str:
    """Connect again and again, at that distance, and draw a line of it: ``.`` for connected, ``x`` for not."""
    drawn = ""
    for _ in range(int(count)):
        due = time.monotonic() + float(seconds)
        try:
            socket.create_connection((host, int(port)), 0.4).close()
            drawn += "."
        except OSError:
            drawn += "x"
        time.sleep(max(0.0, due - time.monotonic()))
    return drawn


WAYS: dict[str, Callable[..., str]] = {
    "http": http, "dns": dns, "tcp": tcp, "udp": udp, "idle": idle, "held": held, "often": often,
}  # fmt: skip

started = time.monotonic()
try:
    result = "ok", WAYS[sys.argv[1]](*sys.argv[2:])
except OSError as problem:
    result = "failed", str(problem)
print(f"{result[0]} {time.monotonic() - started:.1f}s {result[1]}")
