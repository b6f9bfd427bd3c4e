# SPDX-License-Identifier: Apache-2.0
"""The hand check of a fault, for any pod with python3; prints one line, `ok ...` or `failed ...`.

Usage: probe.py http HOST PORT | dns NAME | tcp HOST PORT | udp HOST PORT [SOURCE_PORT]
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


WAYS: dict[str, Callable[..., str]] = {"http": http, "dns": dns, "tcp": tcp, "udp": udp}

started = time.monotonic()
try:
    result = "ok", WAYS[sys.argv[1]](*sys.argv[2:])
except OSError as problem:
    result = "failed", str(problem)
print(f"{result[0]} {time.monotonic() - started:.1f}s {result[1]}")
