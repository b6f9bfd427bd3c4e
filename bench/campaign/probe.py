# SPDX-License-Identifier: Apache-2.0
"""The oracle's probe: runs in a pod of its own, or in a node's network; targets on standard input, outcomes on standard output.

Input: {"targets": [[key, way, host, port, timeout], …], "rounds": N, "pause": S}; output: {key: [[error or "", seconds], …]}.
"""

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def tcp(host: str, port: int, timeout: float) -> None:
    """Connect, ask for nothing and be answered: the servers of the workload speak HTTP or speak first."""
    with socket.create_connection((host, port), timeout) as sock:
        sock.settimeout(timeout)
        sock.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
        if not sock.recv(100):
            raise OSError("closed without an answer")


def tls(host: str, port: int, timeout: float) -> None:
    """Ask the API server for its version, whoever signed it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, port), timeout) as plain, context.wrap_socket(plain) as sock:
        sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        if not sock.recv(100):
            raise OSError("closed without an answer")


def large(host: str, port: int, timeout: float) -> None:
    """Fetch megabytes."""
    with socket.create_connection((host, port), timeout) as sock:
        sock.settimeout(timeout)
        sock.sendall(b"GET /python3.11 HTTP/1.0\r\n\r\n")
        got, end = 0, time.monotonic() + 2 * timeout
        while data := sock.recv(65536):
            got += len(data)
            if time.monotonic() > end:
                raise OSError("too slow")
        if got < 1_000_000:
            raise OSError(f"only {got} bytes")


def udp(host: str, port: int, timeout: float) -> None:
    """Send a datagram that all but fills a packet, and wait for the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(b"p" * 1200, (host, port))
        sock.recv(100)


def dns(name: str, port: int, timeout: float) -> None:
    """Look a name up as applications do."""
    socket.getaddrinfo(name, port or 80, socket.AF_INET, socket.SOCK_STREAM)


def burst(host: str, port: int, timeout: float) -> None:
    """Connect six times at once: the workload's servers keep five waiting each, and every vantage asks at the same time."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: tcp(host, port, timeout), range(6)))


WAYS: dict[str, Callable[[str, int, float], None]] = {
    "tcp": tcp, "tls": tls, "large": large, "udp": udp, "dns": dns, "burst": burst,
}  # fmt: skip


def once(target: list[Any]) -> tuple[str, str, float]:
    """Probe one target once."""
    key, way, host, port, timeout = target
    started = time.monotonic()
    try:
        WAYS[way](host, int(port), float(timeout))
        said = ""
    except (OSError, UnicodeError) as error:
        said = f"{type(error).__name__}: {error}"
    return key, said, round(time.monotonic() - started, 3)


def main() -> None:
    """Run all rounds."""
    asked = json.load(sys.stdin)
    found: dict[str, list[tuple[str, float]]] = {}
    end = time.monotonic() + 40
    with ThreadPoolExecutor(24) as pool:
        for number in range(asked["rounds"]):
            if number:
                time.sleep(asked["pause"])
            if time.monotonic() > end:
                break
            for key, said, seconds in pool.map(once, asked["targets"]):
                found.setdefault(key, []).append((said, seconds))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
